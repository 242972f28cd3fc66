"""What a step costs as the graph grows, and how much it keeps for the way back; counted, never timed."""

import gc
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from chainrule import Tensor, ops
from chainrule.autograd import kept_arrays, toposort

RNG = np.random.default_rng(0)


def calls(length):
    """How many functions, of Python and of C, are called by a chain of that many ops and its sweep."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    x = y = Tensor(1.0, requires_grad=True)
    gc.disable()  # others may have asked to be called when the collector runs
    sys.setprofile(note)
    try:
        for _ in range(length):
            y = y + 1
        y.backward()
    finally:
        sys.setprofile(None)
        gc.enable()
    assert x.grad.item() == 1
    return count


def test_cost_grows_with_the_number_of_ops_and_no_faster():
    few, more, many = calls(10), calls(110), calls(10_010)
    assert many - more == 99 * (more - few)


def test_a_value_used_often_costs_no_more_than_its_arrows():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(50):
        y = y * y
    assert len(toposort(y.node)) == 51


class Watched(np.ndarray):
    """An array that notes how many axes the factors of a product have."""

    axes: set[tuple[int, int]] = set()

    def dot(self, other):
        self.axes.add((self.ndim, np.ndim(other)))
        return np.dot(self.view(np.ndarray), np.asarray(other)).view(Watched)

    __matmul__ = dot


@pytest.mark.parametrize("shape", [(5, 4, 3), (2, 5, 4, 3)])
@pytest.mark.parametrize("op", ["linear", "matmul"])
def test_products_of_stacks_with_one_matrix_are_products_of_two_matrices(op, shape):
    x, w, g = (RNG.standard_normal(s).view(Watched) for s in (shape, (3, 3), shape))
    Watched.axes.clear()
    _, *vjps = getattr(ops, op).rule(x, w)
    assert [vjp(g).shape for vjp in vjps[:2]] == [shape, (3, 3)]
    assert Watched.axes == {(2, 2)}, "BLAS multiplies matrices; more axes than two are left to slow loops"


def test_the_gradient_of_a_vector_that_a_stack_is_multiplied_by_is_one_product():
    x, v, g = (RNG.standard_normal(s).view(Watched) for s in ((5, 4, 3), (3,), (5, 4)))
    _, _, vjp = ops.matmul.rule(x, v)
    Watched.axes.clear()
    np.testing.assert_allclose(vjp(g), np.einsum("ijk,ij->k", x, g))
    assert Watched.axes == {(2, 2)}


def owner(array):
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def kept_by_us(loss):
    """Bytes that the graph keeps for the way back, each array once; views count as what they are views of."""
    arrays = [owner(a) for node in toposort(loss.node) for a in kept_arrays(node.vjps)]
    return sum({id(a): a.nbytes for a in arrays}.values())


def kept_by_torch(compute):
    """The same for PyTorch, by its own hooks."""
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        compute()
    return sum(kept.values())


def arrays(*shapes):
    return [RNG.standard_normal(shape).astype(np.float32) for shape in shapes]


def mlp(lib, linear, cross_entropy, x, y, p):
    z = linear(lib.relu(linear(lib.relu(linear(x, p[0], p[1])), p[2], p[3])), p[4], p[5])
    return cross_entropy(z, y)


def cnn(lib, linear, cross_entropy, x, y, p, functions):
    block = lambda z, w, b: functions.max_pool2d(lib.relu(functions.conv2d(z, w, b, padding=1)), 2)
    z = block(block(x, p[0], p[1]), p[2], p[3])
    return cross_entropy(linear(z.flatten(1), p[4], p[5]), y)


MODELS = {
    "mlp": (mlp, arrays((64, 784))[0], arrays((128, 784), (128,), (64, 128), (64,), (10, 64), (10,)), ()),
    "cnn": (cnn, arrays((64, 1, 28, 28))[0],
            arrays((16, 1, 3, 3), (16,), (32, 16, 3, 3), (32,), (10, 32 * 49), (10,)), (ops, F)),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_what_is_kept_is_at_most_a_third_more_than_pytorch_keeps(name):
    model, x, params, functions = MODELS[name]
    y = RNG.integers(0, 10, len(x))
    mine = [Tensor(p, requires_grad=True) for p in params]
    loss = model(ops, ops.linear, ops.cross_entropy, x, y, mine, *functions[:1])
    theirs = [torch.tensor(p, requires_grad=True) for p in params]
    tx, ty = torch.tensor(x), torch.tensor(y)
    limit = kept_by_torch(lambda: model(torch, F.linear, F.cross_entropy, tx, ty, theirs, *functions[1:]))
    assert 0 < kept_by_us(loss) <= 1.3 * limit
