"""Tensor: creation and conversion, dtype, operators, changes in place, what it prints."""

import copy
import pickle

import numpy as np
import pytest
import torch

import chainrule
from chainrule import Tensor, no_grad


@pytest.mark.parametrize(
    "data", [1, 1.5, True, [1, 2], [1.0, 2.0], [[True, False]], [], np.float64(2), np.arange(3), np.ones(2)]
)
def test_dtype_is_torchs(data):
    assert str(Tensor(data).dtype) == str(torch.tensor(data).dtype).removeprefix("torch.")


def test_data_is_copied_and_detach_shares():
    array = np.ones(3)
    t = Tensor(array)
    t += 1
    assert array.tolist() == [1, 1, 1]
    d = t.detach()
    d[0] = 7.0
    assert t.tolist() == [7, 2, 2] and not d.requires_grad


def test_a_clone_shares_nothing_and_hands_its_gradient_on():
    t = Tensor([1.0, 2.0], requires_grad=True)
    c, plain = t.clone(), t.detach().clone()
    c.data[0] = plain.data[1] = 9.0
    assert t.tolist() == [1, 2] and c.requires_grad and not plain.requires_grad
    (3 * c).sum().backward()
    assert t.grad.tolist() == [3, 3]


@pytest.mark.parametrize("number", [2, 2.5, True, np.float64(2.5), np.int64(2), np.float32(0.5)])
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "pow", "maximum", "minimum"])
def test_numbers_never_upcast(op, number):
    x = Tensor([1.0, 2.0], requires_grad=True)
    f = getattr(chainrule, op)
    for out in (f(x, number), f(number, x)):
        assert out.dtype == np.float32
        out.sum().backward()
    assert x.grad.dtype == np.float32


def test_integers_beside_float32_give_float32():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert (x * Tensor([1, 2])).dtype == np.float32
    assert (np.array([1, -1]) * x).dtype == np.float32
    assert (x * np.ones(2)).dtype == np.float64  # a float64 array is asked for explicitly
    assert (Tensor([3, 4]) // 2).dtype == (Tensor([3]) + 1).dtype == np.int64


def test_operators_in_both_orders():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 0.5])
    a, b = Tensor(x), Tensor(y)
    pairs = [
        (a + y, x + y), (x + b, x + y), (a - y, x - y), (x - b, x - y), (a * y, x * y), (x * b, x * y),
        (a / y, x / y), (x / b, x / y), (a**y, x**y), (x**b, x**y), (2 - a, 2 - x), (2 / a, 2 / x), (2**a, 2**x),
        (a @ y, x @ y), (x @ b, x @ y), (-a, -x), (abs(-a), x), (a // y, x // y), (x // b, x // y), (a % y, x % y),
        (a < b, x < y), (a <= y, x <= y), (a > b, x > y), (a >= b, x >= y), (a == b, x == y), (a != b, x != y),
        (~(a > b) & (a < 3), ~(x > y) & (x < 3)), ((a > b) | (a < 2), (x > y) | (x < 2)),
    ]  # fmt: skip
    for got, wanted in pairs:
        assert isinstance(got, Tensor)
        np.testing.assert_array_equal(got.numpy(), wanted)


def test_comparison_leaves_no_gradient():
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert not (x > 1).requires_grad and not (x == x).requires_grad


def test_integers_computed_from_a_leaf_want_no_gradient():
    x = Tensor([1.5, 2.5], requires_grad=True)
    assert not x.to(np.int64).requires_grad and x.to(np.float64).requires_grad


def test_remainder_as_torch():
    x, y = Tensor([5.5, -5.5], requires_grad=True), Tensor([2.0, 3.0], requires_grad=True)
    (x % y).sum().backward()
    tx, ty = torch.tensor([5.5, -5.5], requires_grad=True), torch.tensor([2.0, 3.0], requires_grad=True)
    (tx % ty).sum().backward()
    assert (x % y).tolist() == (tx % ty).tolist()
    assert (x.grad.tolist(), y.grad.tolist()) == (tx.grad.tolist(), ty.grad.tolist())


def test_shape_methods_as_torch():
    x = np.arange(24.0).reshape(2, 1, 3, 4)
    t, u = Tensor(x), torch.tensor(x)
    for f in (
        lambda a: a.reshape(6, 4), lambda a: a.reshape((4, -1)), lambda a: a.permute(3, 0, 1, 2),
        lambda a: a.flatten(), lambda a: a.flatten(2), lambda a: a.squeeze(), lambda a: a.squeeze(1),
        lambda a: a.squeeze(0), lambda a: a.unsqueeze(0), lambda a: a.unsqueeze(-1), lambda a: a.transpose(1, -1),
        lambda a: a[0, 0].T, lambda a: a.argmax(), lambda a: a.argmax(3), lambda a: a.argmin(2),
    ):  # fmt: skip
        np.testing.assert_array_equal(f(t).numpy(), f(u).numpy())


def test_conversion():
    t = Tensor([[1.5]])
    assert (float(t), int(t), bool(t), t.item(), f"{t:.2f}", len(t)) == (1.5, 1, True, 1.5, "1.50", 1)
    assert (
        np.shares_memory(np.asarray(t), t.numpy())
        and t.double().dtype == np.float64
        and t.double().float().dtype == np.float32
    )
    assert [row.tolist() for row in Tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor([1.0, 2.5]), "Tensor([1. , 2.5])"),
        (Tensor(1.0, requires_grad=True), "Tensor(1., requires_grad=True)"),
        (Tensor([1.0], requires_grad=True) * 2, "Tensor([2.], op=mul)"),
        (Tensor(np.ones(1)), "Tensor([1.], dtype=float64)"),
        (Tensor(np.zeros((0, 3), np.float32)), "Tensor([], shape=(0, 3))"),
    ],
)
def test_repr(tensor, text):
    assert repr(tensor) == text


def test_copies_and_pickles():
    t = Tensor([1.0, 2.0], requires_grad=True)
    (t * t).sum().backward()
    for u in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        assert u.requires_grad and u.grad.tolist() == [2, 4] and u.tolist() == [1, 2]
        (u * 1).sum().backward()
    assert t.grad.tolist() == [2, 4]


# In place: as PyTorch where PyTorch allows it, an error where the graph needs the old value.


def test_recorded_change_in_place_as_torch():
    def run(t, T):
        x = T([1.0, 2.0, 3.0], requires_grad=True)
        w = T([2.0, 2.0, 2.0], requires_grad=True)
        y = x * 2
        y += w
        y *= 3
        y -= 1
        y /= 2
        y[1] = w[0] * 5
        (y * y).sum().backward()
        return x.grad.tolist(), w.grad.tolist(), y.detach().tolist()

    assert run(chainrule, Tensor) == run(torch, torch.tensor)


@pytest.mark.parametrize("change", ["add", "set", "data", "view", "detached", "number"])
def test_change_of_a_needed_value_is_seen(change):
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    if change == "add":
        y += 1
    elif change == "set":
        y[0] = 5.0
    elif change == "data":
        y.data = np.zeros(2)
    elif change == "view":
        view = y.detach().reshape(2, 1)
        view += 1
    elif change == "detached":
        y.detach()[1] = 0.0
    else:
        with no_grad():
            y *= 2
    with pytest.raises(RuntimeError, match="'mul' needs an array of shape .* changed in place"):
        z.backward()


def test_change_of_a_constant_that_is_needed_is_seen():
    x, c = Tensor([1.0], requires_grad=True), Tensor([3.0])
    z = (x * c).sum()
    c += 1
    with pytest.raises(RuntimeError, match="changed in place"):
        z.backward()


def test_change_of_a_value_that_is_not_needed_is_allowed():
    x, c = Tensor([1.0], requires_grad=True), Tensor([3.0], requires_grad=True)
    z = (x + c).sum()
    with no_grad():
        c += 1
        x += 1
    z.backward()
    assert x.grad.tolist() == c.grad.tolist() == [1]


def test_optimiser_step_between_two_backwards_is_seen():
    w = Tensor([2.0], requires_grad=True)
    first, second = (w * w).sum(), (w * w).sum()
    first.backward()
    w.data -= 0.1 * w.grad.data
    with pytest.raises(RuntimeError, match="changed in place"):
        second.backward()


def test_leaf_and_view_cannot_change_while_recorded():
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
        x += 1
    with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
        x[0] = 1.0
    y = (x * 2).reshape(2, 1)
    with pytest.raises(RuntimeError, match="view"):
        y += 1
    with no_grad():
        x += 1
    assert x.tolist() == [2, 3] and x.requires_grad


def test_change_in_place_keeps_dtype():
    n = Tensor([1, 2])
    n += 1
    assert n.tolist() == [2, 3]
    with pytest.raises(TypeError, match="Cannot cast"):
        n += 0.5
