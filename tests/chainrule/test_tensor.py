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


def test_leaf_cannot_change_while_recorded():
    x = Tensor([1.0, 2.0], requires_grad=True)
    view = x[:1]
    with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
        x += 1
    with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
        x[0] = 1.0
    with pytest.raises(RuntimeError, match="leaf that requires a gradient"):
        view *= 2
    assert x.tolist() == [1, 2]
    with no_grad():
        x += 1
        view += 1
    assert x.tolist() == [3, 3] and x.requires_grad


# Views: what is changed through one Tensor has changed for all that show the same memory, gradient and value.

VIEWS = [
    lambda t: t[0], lambda t: t[..., 1:], lambda t: t[::2], lambda t: t[..., None], lambda t: t.reshape(-1),
    lambda t: t.reshape(2, -1), lambda t: t.transpose(0, -1), lambda t: t.T if t.ndim == 2 else t[-1:],
]  # fmt: skip


def views_and_changes(lib, seed):
    """All that can be seen after a few views and changes in place, drawn at random, of results and constants."""
    rng = np.random.default_rng(seed)
    make = Tensor if lib is chainrule else torch.tensor
    x, w = (
        make(rng.normal(size=(4, 3, 2)), requires_grad=True),
        make(np.array(rng.normal()), requires_grad=True),
    )
    constant = make(rng.normal(size=(4, 2)))
    pool, total = [x * 2, w * make(rng.normal(size=(2, 6))), constant], w * 0
    for _ in range(8):
        t, kind, view = pool[rng.integers(len(pool))], rng.integers(7), VIEWS[rng.integers(len(VIEWS))]
        if kind < 3 and t.ndim:
            pool += [view(t)] if t.ndim > 1 or t.shape[0] % 2 == 0 else [t[1:]]
        elif kind == 3:
            t *= w
        elif kind == 4:
            t += 1.5
        elif kind == 5 and t.ndim and len(t):
            t[0] = w * 2
        else:
            total = total + (t * 0.7).sum()
    for t in pool:
        total = total + (t * 0.5).sum()
    total.backward()
    shown = [total, *pool]
    return [t.tolist() for t in shown] + [x.grad.tolist(), w.grad.tolist()], [t.requires_grad for t in pool]


@pytest.mark.parametrize("seed", range(120))
def test_views_and_changes_in_place_as_torch(seed):
    try:
        values, recorded = views_and_changes(torch, seed)
    except RuntimeError:
        pytest.skip("PyTorch refuses")
    mine, also_recorded = views_and_changes(chainrule, seed)
    assert recorded == also_recorded
    for a, b in zip(mine, values, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("change", ["base", "view"])
@pytest.mark.parametrize(
    ("view", "theirs"),
    [(view, view) for view in [*VIEWS, lambda t: t[1, 2], lambda t: t[None].squeeze(0)[::3], lambda t: t.flatten()[2:]]]
    + [(lambda t: next(iter(t)), lambda t: t[0]), (lambda t: t.unbind(1)[2], lambda t: t[:, 2]),
       (lambda t: t.split(2)[1][:, 0], lambda t: t[2:, 0])],
)  # fmt: skip
def test_a_view_follows_its_base_and_the_base_its_view(view, theirs, change):
    """A view that is taken before its base changes has the new values and their gradient."""
    results = []
    for make, see in ((Tensor, view), (torch.tensor, theirs)):
        x = make(np.arange(12.0).reshape(4, 3), requires_grad=True)
        y = x * 1
        v = see(y)
        if change == "base":
            y *= 3
        else:
            v *= 3
        ((v * v).sum() + (y * 2).sum()).backward()
        results.append((v.tolist(), y.tolist(), x.grad.tolist()))
    assert results[0] == results[1]


def test_a_view_of_a_constant_joins_the_graph_with_it():
    c, w = Tensor([1.0, 2.0, 3.0]), Tensor(2.0, requires_grad=True)
    v, other = c[:2], c.reshape(3, 1)
    c *= w
    assert v.requires_grad and v.tolist() == [2, 4]
    v.sum().backward(retain_graph=True)
    assert w.grad.item() == 3
    other += w
    assert c.tolist() == [4, 6, 8] and v.tolist() == [4, 6]
    (c * other[:, 0]).sum().backward()
    assert w.grad.item() == 3 + 2 * (4 * 2 + 6 * 3 + 8 * 4)


def test_results_that_only_happen_to_be_views_can_change():
    x = Tensor(np.ones((2, 3, 4, 4), np.float32))
    w = Tensor(np.ones((3, 3, 3, 3), np.float32), requires_grad=True)
    y, zeros = x * w.sum(), np.zeros((4, 1), np.float32)
    for out in (
        chainrule.conv2d(x, w, padding=1),
        chainrule.linear(x, np.ones((5, 4), np.float32), w[0, 0, 0, 0] + np.zeros(5, np.float32)),
        y.max(0).values, y.amax(0), y.max(), chainrule.avg_pool2d(y, 1), chainrule.avg_pool1d(y[0], 1),
        chainrule.lstm(y[0], zeros, zeros, zeros), chainrule.lstm_cell(y[0, 0], zeros), y.mean(()), y.sum(()),
        chainrule.pad(y, (0, 0)), chainrule.cat([y]),
        chainrule.gather(y, 0, np.zeros((1, 1, 1, 1), int)),
        chainrule.embedding(np.arange(3), w), y[np.arange(2)], y[y > 0],
    ):  # fmt: skip
        before = y.numpy().copy()
        out += 1
        out[...] = 0.0
        out.sum().backward(retain_graph=True)
        assert np.array_equal(before, y.numpy()) and out._view is None


def test_pooling_single_pixels_is_no_view():
    y = Tensor(np.ones((1, 1, 2, 2)), requires_grad=True) * 2
    for out in (chainrule.max_pool2d(y, 1), chainrule.max_pool1d(y[0], 1)):
        out += 1
        assert out.max().item() == 3 and y.max().item() == 2
        with pytest.raises(RuntimeError, match="'max_pool.d' needs an array"):
            out.sum().backward()


def test_a_product_changed_in_place_hands_its_gradient_to_both():
    for make in (Tensor, torch.tensor):
        x, w = make([1.0, 2.0], requires_grad=True), make([3.0, 4.0], requires_grad=True)
        y = x * 1
        y *= w
        y /= w * w
        y.sum().backward()
        np.testing.assert_allclose(x.grad.tolist(), [1 / 3, 1 / 4], rtol=1e-6)
        np.testing.assert_allclose(w.grad.tolist(), [-1 / 9, -2 / 16], rtol=1e-6)


def test_a_view_made_under_no_grad_refuses_what_it_cannot_follow():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    with no_grad():
        v = y[:1]
        v += 1  # not recorded: the gradient stays
    with pytest.raises(RuntimeError, match="view made under no_grad"):
        v *= x[1]
    assert y.tolist() == [3, 4]
    y *= 2
    with pytest.raises(RuntimeError, match="view made under no_grad"):
        v.sum() + 1
    assert y.detach()[:1].tolist() == [6]


def test_change_in_place_keeps_the_shape():
    x = Tensor([1.0, 2.0])
    with pytest.raises(ValueError, match=r"keeps the shape \(2,\), this makes it \(3, 2\): write t = t \+ v"):
        x += np.ones((3, 2))


def test_conversion_to_the_same_dtype_is_the_tensor_itself():
    x = Tensor([1.0], requires_grad=True) * 2
    y = x.float()
    y += 1
    assert y is x and x.double() is not x and x.tolist() == [3]
    z = chainrule.cast(x, np.float32)
    z += 1
    assert x.tolist() == [3] and z.tolist() == [4]


# Frozen and freed again.


@pytest.mark.parametrize("make", [Tensor, torch.tensor])
def test_freezing_and_freeing_keeps_gradient_and_graph(make):
    x = make([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    loss.backward(retain_graph=True)
    x.requires_grad_(False)
    assert x.grad.tolist() == [2, 4] and x.is_leaf and not (x * 2).requires_grad
    loss.backward(retain_graph=True)
    assert x.grad.tolist() == [2, 4]  # a frozen leaf takes nothing
    x.requires_grad_(True)
    loss.backward()
    assert x.grad.tolist() == [4, 8]
    x.requires_grad_(False)
    x.grad = None
    assert x.grad is None


# NumPy's functions: what would lose a gradient is refused, counts and comparisons are not.

W = np.arange(3.0, dtype=np.float32)
LOST = {
    "dot": lambda t: W.dot(t), "concatenate": lambda t: np.concatenate([t, t]), "stack": lambda t: np.stack([W, t]),
    "where": lambda t: np.where(W > 1, t, 0), "norm": lambda t: np.linalg.norm(t), "outer": lambda t: np.outer(W, t),
    "einsum": lambda t: np.einsum("i,i->", W, t), "clip": lambda t: np.clip(t, 0, 1), "sum": lambda t: np.sum(t),
    "cumsum": lambda t: np.cumsum(t), "exp": lambda t: np.exp(t), "add.reduce": lambda t: np.add.reduce(t),
    "add.outer": lambda t: np.add.outer(W, t), "np.dot": lambda t: np.dot(t, W), "sort": lambda t: np.sort(t),
    "asarray": lambda t: np.asarray(t), "array": lambda t: np.array([t, t]), "list": lambda t: Tensor([t, t]),
    "setitem": lambda t: W.copy().__setitem__(slice(None), t), "copyto": lambda t: np.copyto(W.copy(), t),
    "mean": lambda t: np.mean(t), "maximum": lambda t: np.maximum(W, t), "inner": lambda t: np.inner(W, t),
    "solve": lambda t: np.linalg.solve(np.eye(3), t), "split": lambda t: np.split(t, 3), "pad": lambda t: np.pad(t, 1),
    "iadd": lambda t: W.copy().__iadd__(t), "add.at": lambda t: np.add.at(W.copy(), [0, 1, 2], t),
    "broadcast_to": lambda t: np.broadcast_to(t, (2, 3)), "tensordot": lambda t: np.tensordot(W, t, 1),
    "abs": lambda t: np.abs(t), "sign": lambda t: np.sign(t), "apply": lambda t: np.apply_along_axis(np.sum, 0, t),
}  # fmt: skip


@pytest.mark.parametrize("name", LOST)
def test_no_function_of_numpy_loses_a_gradient(name):
    t = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    for tensor in (t, t * 2):
        with pytest.raises(TypeError, match="lose the gradient of a Tensor: .*detach"):
            LOST[name](tensor)
    with no_grad():
        LOST[name](t)
    LOST[name](t.detach())


def test_what_numpy_may_do_with_a_tensor():
    t = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    assert (
        np.shape(t) == (3,)
        and np.ndim(t) == 1
        and np.argmax(t) == 2
        and np.zeros_like(t).tolist() == [0, 0, 0]
    )
    assert (
        np.allclose(t, t)
        and np.array_equal(t, W + 1)
        and np.isnan(t).sum() == 0
        and (np.greater(t, 1)).sum() == 2
    )
    assert np.isfinite(t * 2).all() and np.result_type(t, W) == np.float32
    for out in (W + t, W - t, W * t, W / t, W**t, np.float32(2) * t, np.add(W, t), W @ t):
        assert isinstance(out, Tensor) and out.requires_grad and out.dtype == np.float32
    for out, wanted in (
        (W == t, W == W + 1),
        (W < t, W < W + 1),
        (W >= t, W >= W + 1),
        (W // t, W // (W + 1)),
    ):
        assert isinstance(out, Tensor) and out.tolist() == wanted.tolist()


def test_an_array_takes_up_a_gradient():
    """The update of many scripts: p.data += -lr * p.grad."""
    p = Tensor([1.0, 2.0], requires_grad=True)
    (p * p).sum().backward()
    p.data += -0.1 * p.grad
    np.testing.assert_allclose(p.tolist(), [0.8, 1.6], rtol=1e-6)
    array = np.ones(2)
    array += p.grad
    assert array.tolist() == [3, 5]


@pytest.mark.parametrize("other", [1j, np.array([1j]), None, "2", object(), [None], {}, np.array([None])])
@pytest.mark.parametrize("op", ["add", "mul", "div", "sub", "pow", "matmul"])
def test_only_real_numbers(op, other):
    t = Tensor([2.0], requires_grad=True)
    for arguments in ((t, other), (other, t)):
        with pytest.raises((TypeError, ValueError), match=f"{op}: |real numbers"):
            getattr(chainrule, op)(*arguments)


def test_a_root_is_no_complex_number():
    with np.errstate(invalid="ignore"):
        assert np.isnan((Tensor([-1.0]) ** 0.5).item())


def test_nothing_imaginary_is_dropped():
    t, i = Tensor([1.0, 2.0], requires_grad=True), np.array([1j, 0])
    calls = [
        lambda: t.backward(i), lambda: setattr(t, "grad", i), lambda: setattr(t, "data", i),
        lambda: chainrule.setitem(t, i, slice(None)), lambda: chainrule.hinge_loss(t, i), lambda: Tensor(i),
        lambda: chainrule.mse_loss(t, i), lambda: chainrule.binary_cross_entropy_with_logits(t, i),
        lambda: chainrule.cross_entropy(t[None], i[None]),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(TypeError, match="real numbers"):
            call()


def test_a_gradient_that_is_set_has_the_dtype_of_its_tensor():
    t = Tensor([1.0, 2.0], requires_grad=True)
    t.grad = np.ones(2)
    assert t.grad.dtype == np.float32
    t.grad = [1, 2]
    assert t.grad.dtype == np.float32 and t.grad.tolist() == [1, 2]


# Copies and files.


def test_a_result_is_not_copied_or_saved_with_its_graph():
    t = Tensor([1.0, 2.0], requires_grad=True)
    for result in (t * t, t[:1]):
        for act in (copy.copy, pickle.dumps):
            with pytest.raises(RuntimeError, match=r"only a leaf can be copied or saved.*detach\(\)"):
                act(result)
        assert pickle.loads(pickle.dumps(result.detach())).tolist() == result.tolist()
    y = t
    for _ in range(3000):
        y = y + 1
    other = copy.deepcopy({"of a long chain": y})["of a long chain"]
    other += 1
    (other * other).sum().backward()
    assert t.grad.tolist() == [2 * 3002, 2 * 3003] and y.tolist() == [3001, 3002]
    both = copy.deepcopy([t, t])
    assert (
        both[0] is both[1] is not t
        and both[0].grad.tolist() == t.grad.tolist()
        and both[0].grad is not t.grad
    )
    frozen = copy.deepcopy(t).requires_grad_(False)
    assert copy.deepcopy(frozen).requires_grad_(True).requires_grad
    part = copy.deepcopy(Tensor([1.0, 2.0])[:1])
    part += 1
    assert part.tolist() == [2]


def test_change_in_place_keeps_dtype():
    n = Tensor([1, 2])
    n += 1
    assert n.tolist() == [2, 3]
    with pytest.raises(TypeError, match="Cannot cast"):
        n += 0.5
