"""The graph and the sweep: order, sharing, accumulation, freeing, cost; op declaration by @primitive."""

import asyncio
import gc
import inspect
import itertools
import threading

import numpy as np
import pytest
import torch

import chainrule
from chainrule import Tensor, autograd, no_grad, ops
from chainrule.autograd import Node, kept_arrays, primitive, toposort, unbroadcast


def test_split_and_join_as_torch():
    def run(T, lib):
        x = T([0.3, -0.7], requires_grad=True)
        a = x * x
        b = lib.exp(a) + a
        c = a * b - b / (1 + a * a)
        (c * x + b).sum().backward()
        return x.grad.tolist()

    assert run(Tensor, chainrule) == pytest.approx(run(torch.tensor, torch), rel=1e-5)


def test_shared_subexpression_is_swept_once():
    sweeps = []

    @primitive
    def counted(x):
        return x * 1, lambda g: sweeps.append(1) or g

    x = Tensor(1.0, requires_grad=True)
    y = counted(x)
    for _ in range(30):  # 2 ** 30 paths
        y = y + y
    y.backward()
    assert x.grad.item() == 2**30 and len(sweeps) == 1


def test_chain_of_100_000_ops():
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert (y.item(), x.grad.item()) == (100_001, 1)
    del y
    gc.collect()


def test_graph_is_freed_without_the_collector():
    gc.collect()
    gc.disable()
    try:
        before = sum(type(o) is Node for o in gc.get_objects())
        x = Tensor(np.ones(3), requires_grad=True)
        y = (x * 2).tanh().sum()
        del y
        assert sum(type(o) is Node for o in gc.get_objects()) == before + 1  # the leaf's
    finally:
        gc.enable()


def test_leaf_gradients_accumulate_and_zero_grad_forgets():
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * 3).sum().backward()
    first = x.grad
    (x * 4).sum().backward()
    assert x.grad.tolist() == [7, 7] and first.tolist() == [3, 3]
    x.zero_grad()
    assert x.grad is None


def test_gradients_of_leaves_share_no_memory():
    a, b, c = (Tensor(np.ones((2, 2)), requires_grad=True) for _ in range(3))
    upstream = np.full((2, 2), 5.0)
    (a + b + c.T).backward(upstream)
    grads = [a.grad.numpy(), b.grad.numpy(), c.grad.numpy(), upstream]
    for i, g in enumerate(grads):
        g *= 10.0 ** (i + 1)
    assert [g[0, 0] for g in grads] == [50, 500, 5000, 50000]


def test_intermediate_values_keep_no_gradient():
    x = Tensor([1.0], requires_grad=True)
    y = x * 2
    y.sum().backward()
    assert y.grad is None and x.grad is not None


@pytest.mark.parametrize("lib", [chainrule, torch], ids=["chainrule", "torch"])
def test_retained_gradients(lib):
    """The same program in both libraries, with the same results."""
    x = lib.Tensor([1.0, 2.0, 3.0]).requires_grad_(True)
    y = x * x
    z = y * 3
    assert not y.retains_grad and not x.retains_grad
    y.retain_grad()
    y.retain_grad()
    x.retain_grad()  # a leaf has one anyway
    assert y.retains_grad and not z.retains_grad and not x.retains_grad
    z.sum().backward(retain_graph=True)
    assert y.grad.tolist() == [3, 3, 3] and x.grad.tolist() == [6, 12, 18]
    z.sum().backward()
    assert y.grad.tolist() == [6, 6, 6] and x.grad.tolist() == [12, 24, 36]


@pytest.mark.parametrize("lib", [chainrule, torch], ids=["chainrule", "torch"])
def test_retained_gradient_of_what_is_changed_in_place(lib):
    x = lib.Tensor([1.0, 2.0]).requires_grad_(True)
    y = x * 2
    y.retain_grad()
    y *= 5
    assert y.retains_grad
    (y * y).sum().backward()
    assert y.grad.tolist() == [20, 40] and x.grad.tolist() == [200, 400]


@pytest.mark.parametrize("lib", [chainrule, torch], ids=["chainrule", "torch"])
def test_retained_gradients_of_a_view_and_of_the_end(lib):
    x = lib.Tensor([[1.0, 2.0], [3.0, 4.0]]).requires_grad_(True)
    y = x + 0
    row = y[1]
    loss = (row * row).sum()
    for kept in (y, row, loss):
        kept.retain_grad()
    loss.backward()
    assert row.grad.tolist() == [6, 8] and y.grad.tolist() == [[0, 0], [6, 8]] and loss.grad.tolist() == 1


@pytest.mark.parametrize("lib", [chainrule, torch], ids=["chainrule", "torch"])
def test_nothing_is_retained_where_nothing_is_needed(lib):
    with pytest.raises(RuntimeError, match="retain_grad"):
        lib.Tensor([1.0]).retain_grad()
    with lib.no_grad():
        y = lib.Tensor([1.0]).requires_grad_(True) * 2
    assert not y.retains_grad
    with pytest.raises(RuntimeError, match="retain_grad"):
        y.retain_grad()


def test_retained_gradients_share_no_memory():
    x = Tensor([1.0, 2.0], requires_grad=True)
    y = x + 0.0
    z = y + 0.0
    y.retain_grad()
    z.retain_grad()
    z.sum().backward()
    for a, b in itertools.combinations([x.grad.numpy(), y.grad.numpy(), z.grad.numpy()], 2):
        assert not np.shares_memory(a, b)
    z.zero_grad()
    assert z.grad is None and y.grad is not None
    y.grad = np.ones(2, np.float32)
    with pytest.raises(RuntimeError, match="only a leaf"):
        (y * 2).grad = np.ones(2, np.float32)


def test_entries_that_a_sweep_does_not_reach_get_nothing():
    """What an earlier sweep left behind is not taken again."""
    x = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    a, b, c = ops.unbind(x)
    (a * 2).sum().backward(retain_graph=True)
    assert x.grad.tolist() == [[2, 2], [0, 0], [0, 0]]
    x.zero_grad()
    (b * c + b).sum().backward()
    assert x.grad.tolist() == [[0, 0], [5, 6], [2, 3]]


def test_backward_twice():
    x = Tensor(2.0, requires_grad=True)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.item() == 8
    with pytest.raises(RuntimeError, match="'mul' a second time.*retain_graph=True"):
        y.backward()
    z = y + 1  # a new value on a used-up graph
    with pytest.raises(RuntimeError, match="'mul' a second time"):
        z.backward()
    assert x.grad.item() == 8  # the sweep that failed has left nothing behind


def test_used_up_graph_frees_its_arrays():
    x = Tensor(np.ones(3), requires_grad=True)
    y = x.exp()
    y.sum().backward()
    assert y.node.vjps is None


def test_backward_on_a_leaf():
    x = Tensor(3.0, requires_grad=True)
    x.backward()
    x.backward()
    assert x.grad.item() == 2


def test_upstream_gradient():
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    g = np.arange(6.0).reshape(2, 3)
    (x * 2).backward(g)
    np.testing.assert_array_equal(x.grad.numpy(), 2 * g)
    (x * 2).backward(Tensor(g))
    np.testing.assert_array_equal(x.grad.numpy(), 4 * g)


def test_no_grad_and_nesting():
    x = Tensor(1.0, requires_grad=True)
    with no_grad():
        with no_grad():
            assert not (x * 2).requires_grad
        assert not (x * 2).requires_grad and not chainrule.is_grad_enabled()
        assert Tensor(1.0, requires_grad=True).requires_grad
    assert (x * 2).requires_grad

    @no_grad()
    def f(x):
        return x * 2

    assert not f(x).requires_grad
    with pytest.raises(ZeroDivisionError), no_grad():
        raise ZeroDivisionError
    assert chainrule.is_grad_enabled()


def test_no_grad_on_a_function_that_calls_itself():
    @no_grad()
    def depth(n):
        return 0 if n == 0 else 1 + depth(n - 1)

    assert depth(3) == 3 and chainrule.is_grad_enabled()
    mode = no_grad()
    with mode:
        with mode:
            pass
        assert not chainrule.is_grad_enabled()
    assert chainrule.is_grad_enabled()

    @no_grad  # without brackets, as PyTorch allows
    def g():
        return chainrule.is_grad_enabled()

    assert not g() and g.__name__ == "g" and chainrule.is_grad_enabled()


def test_no_grad_is_a_threads_own():
    inside, done, seen = threading.Event(), threading.Event(), []

    def evaluate():
        with no_grad():
            inside.set()
            done.wait(10)
            seen.append(chainrule.is_grad_enabled())

    other = threading.Thread(target=evaluate)
    other.start()
    inside.wait(10)
    assert chainrule.is_grad_enabled()
    with no_grad():
        done.set()
        other.join()
        assert not chainrule.is_grad_enabled()
    assert seen == [False] and chainrule.is_grad_enabled()


def test_no_grad_on_a_generator_is_off_between_its_steps():
    log = []

    @no_grad()
    def count(n):
        try:
            for i in range(n):
                log.append(chainrule.is_grad_enabled())
                try:
                    got = yield i
                    log.append(got)
                except ValueError:
                    log.append("caught")
            return "end"
        finally:
            log.append(chainrule.is_grad_enabled())

    def outer():
        log.append((yield from count(1)))

    steps = count(3)
    assert next(steps) == 0 and chainrule.is_grad_enabled()
    assert steps.send("sent") == 1 and steps.throw(ValueError()) == 2 and chainrule.is_grad_enabled()
    steps.close()
    assert log == [False, "sent", False, "caught", False, False] and chainrule.is_grad_enabled()
    log.clear()
    assert list(outer()) == [0] and log == [False, None, False, "end"]


def test_no_grad_in_generators_that_end_in_another_order():
    def quiet():
        with no_grad():
            yield

    with no_grad():
        steps = quiet()
        next(steps)
    steps.close()
    assert chainrule.is_grad_enabled()


def test_no_grad_on_coroutines_and_in_tasks():
    seen = []

    @no_grad()
    async def evaluate():
        await asyncio.sleep(0)
        seen.append(chainrule.is_grad_enabled())

    async def also():
        with no_grad():
            await asyncio.sleep(0)
            seen.append(chainrule.is_grad_enabled())

    async def train():
        for _ in range(3):
            seen.append(chainrule.is_grad_enabled())
            await asyncio.sleep(0)

    async def everything():
        await asyncio.gather(evaluate(), train(), also(), train())

    asyncio.run(everything())
    assert sorted(seen) == [False] * 2 + [True] * 6 and chainrule.is_grad_enabled()
    assert inspect.iscoroutinefunction(evaluate)


def test_no_grad_decorates_functions_only():
    async def steps():
        yield 1

    for thing in (steps, Tensor, 3):
        with pytest.raises(TypeError, match="no_grad decorates functions, generators and coroutines"):
            no_grad()(thing)


def test_no_gradient_is_computed_for_what_needs_none():
    calls = []

    @primitive
    def spy(x, y):
        return x + y, lambda g: calls.append("x") or g, lambda g: calls.append("y") or g

    x, y = Tensor([1.0]), Tensor([1.0], requires_grad=True)
    spy(x, y).sum().backward()
    assert calls == ["y"]


def test_what_needs_no_gradient_keeps_nothing():
    big, w = Tensor(np.ones(1000)), Tensor(2.0, dtype=np.float64, requires_grad=True)
    out = big + w
    assert list(kept_arrays(out.node.vjps)) == []
    out = w * big
    assert [a.size for a in kept_arrays(out.node.vjps)] == [1000]


def test_toposort_puts_children_first():
    x = Tensor(1.0, requires_grad=True)
    a = x * 2
    b = a + x
    c = a * b + x
    order = toposort(c.node)
    place = {node: i for i, node in enumerate(order)}
    assert len(order) == len(place) == 5 and order[0] is c.node
    assert all(place[node] < place[parent] for node in order for parent in node.parents)


@pytest.mark.parametrize(
    ("shape", "stretched"),
    [((), (2, 3)), ((1,), (3,)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 1), (4, 2, 3)), ((0,), (2, 0)),
     ((2, 3), (2, 3)),     ((1, 0), (5, 0)), ((1, 3), (0, 3))],
)  # fmt: skip
def test_unbroadcast_sums_what_was_stretched(shape, stretched):
    g = np.arange(float(np.prod(stretched))).reshape(stretched)
    out = unbroadcast(g, shape)
    assert out.shape == shape and np.isclose(out.sum(), g.sum())
    ones = torch.ones(shape, dtype=torch.float64, requires_grad=True)
    ones.expand(stretched).backward(torch.tensor(g))
    np.testing.assert_array_equal(out, ones.grad.numpy())


def test_primitive_takes_arguments_as_torch_does():
    x = Tensor(np.arange(6.0).reshape(2, 3))
    for out in (ops.sum(x, 1), ops.sum(x, dim=1), ops.sum(x=x, dim=1), x.sum(1), x.sum(dim=1), x.sum(-1)):
        assert out.tolist() == [3, 12]
    assert ops.sum(x, 1, True).shape == ops.sum(x, 1, keepdim=True).shape == (2, 1)
    with pytest.raises(TypeError, match="takes x, dim, keepdim"):
        ops.sum(x, 1, True, 3)
    assert ops.sum(x, axis=1, keepdims=True).tolist() == [[3], [12]], "NumPy's names, as PyTorch takes them"
    with pytest.raises(TypeError, match="unexpected keyword argument 'axes'"):
        ops.sum(x, axes=1)
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        ops.add(x)


def test_primitive_keeps_name_and_source():
    assert ops.relu.__name__ == "relu" and "entry by entry" in ops.relu.__doc__
    assert "np.maximum" in inspect.getsource(ops.relu)


@pytest.mark.parametrize(
    "thing", [autograd.toposort, autograd.unbroadcast, autograd.backward, autograd.primitive]
)
def test_what_chapters_show_is_short(thing):
    lines = inspect.getsource(thing).replace(f'"""{thing.__doc__}"""', "").splitlines()
    assert len([line for line in lines if line.strip()]) <= 32


def test_a_rule_that_returns_a_tensor_is_told_so():
    @primitive
    def value_too(x):
        return Tensor(x) * 2, lambda g: 2 * g

    @primitive
    def slope_too(x):
        slope = Tensor(np.cos(x))
        return np.sin(x), lambda g: g * slope

    with pytest.raises(TypeError, match=r"a rule returns a Tensor as its value.*value\.numpy\(\)"):
        value_too(Tensor(np.ones(2), requires_grad=True))
    with pytest.raises(TypeError, match=r"a rule returns a Tensor as a gradient.*x\.numpy\(\)"):
        slope_too(Tensor(np.ones(2), requires_grad=True)).sum().backward()
