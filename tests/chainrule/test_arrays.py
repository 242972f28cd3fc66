"""Sums that keep their digits: along every axis, in every layout, against sums in float64 and against PyTorch."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes

from chainrule import Tensor, nn, ops, optim
from chainrule.arrays import GROUP, average, check_range, column_sums, logistic, square_sum, total
from chainrule.autograd import unbroadcast
from chainrule.optim import clip_grad_norm_

MANY = 100_000


def rough(*shape, dtype=np.float32):
    """Numbers near 100: a running sum of many of them in float32 soon rounds every one."""
    return (100 + np.random.default_rng(0).random(shape)).astype(dtype)


def layouts(x):
    """The same values in other orders in memory, and with gaps."""
    yield x
    yield np.asfortranarray(x)
    yield np.repeat(x, 2, -1)[..., ::2]
    yield x[::-1].copy()[::-1]
    if x.ndim > 2:
        yield x.transpose(1, 2, 0).copy().transpose(2, 0, 1)


@pytest.mark.parametrize(
    "shape", [(MANY, 2), (2, MANY), (3, MANY // 3, 2), (MANY // 4, 2, 4), (2, 3, MANY // 6), (400, 5, 600)]
)
def test_sums_and_means_along_every_axis(shape):
    for x in layouts(rough(*shape)):
        for count in range(1, x.ndim + 1):
            for axes in itertools.combinations(range(x.ndim), count):
                for f, wanted in ((total, x.sum(axes, np.float64)), (average, x.mean(axes, np.float64))):
                    got = f(x, axes)
                    assert got.dtype == np.float32 and got.shape == wanted.shape
                    np.testing.assert_allclose(got, wanted, rtol=1e-6)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_total_is_numpys_sum_in_all_but_rounding(data):
    shape = data.draw(array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=30))
    some_axes = st.lists(st.integers(0, len(shape) - 1), unique=True).map(tuple) if shape else st.none()
    axes = data.draw(st.none() | some_axes)
    keepdims, kind = (
        data.draw(st.booleans()),
        data.draw(st.sampled_from([np.float64, np.float32, np.int32, bool])),
    )
    x = (np.random.default_rng(1).standard_normal(shape) * 9).astype(kind)
    x = x.transpose(data.draw(st.permutations(range(x.ndim))))
    wanted = x.sum(axes, keepdims=keepdims)
    got = total(x, axes, keepdims)
    assert (np.shape(got), got.dtype) == (np.shape(wanted), wanted.dtype)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-3 if kind == np.float32 else 1e-9)


def test_what_is_stretched_is_summed_as_often_as_it_is_there():
    g = np.broadcast_to(np.float32(0.1), (MANY, 3))
    np.testing.assert_allclose(total(g, 0), MANY * 0.1, rtol=1e-6)
    np.testing.assert_allclose(total(g), MANY * 0.3, rtol=1e-6)


def test_nothing_adds_up_to_zero():
    for shape, axes in [
        ((0, 3), 0),
        ((3, 0), 0),
        ((9000, 0), 0),
        ((0, 500), 1),
        ((500, 0, 2), (0, 1)),
        ((0,), None),
    ]:
        x = np.ones(shape, np.float32)
        np.testing.assert_array_equal(total(x, axes), x.sum(axes))


def test_float16_is_added_in_float32():
    x = np.full((3000, 2), 100, np.float16)
    assert average(x, 0).tolist() == [100, 100] and average(x, 0).dtype == np.float16
    assert (
        total(np.full((3000, 2), 0.1, np.float16), 0).tolist()
        == torch.full((3000, 2), 0.1).half().sum(0).tolist()
    )
    with np.errstate(over="ignore"):
        assert np.isinf(total(x, 0)).all(), "a sum that float16 cannot hold"


@pytest.mark.parametrize("axes", [2, -3, (0, 5), (0, 0), (0, -2)])
def test_axes_that_are_not_there_or_stand_twice(axes):
    with pytest.raises(ValueError, match="out of bounds|repeated|duplicate"):
        total(np.ones((2000, 2), np.float32), axes)


def test_an_axis_that_a_vector_has_not():
    with pytest.raises(ValueError, match="out of bounds"):
        total(np.ones(2000, np.float32), 1)
    assert total(np.ones(2000, np.float32)[::-2], -1, keepdims=True).tolist() == [1000]


@pytest.mark.parametrize(
    "n", [0, 1, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP - 1, GROUP**2, GROUP**2 + GROUP + 1]
)
def test_column_sums_of_any_number_of_rows(n):
    rows = np.arange(2.0 * n).reshape(n, 2)
    assert column_sums(rows).tolist() == rows.sum(0).tolist()


def test_square_sum():
    for n in (3, 10**6):
        x = np.full(n, 0.1, np.float32)
        assert square_sum(x) == pytest.approx(n * float(x[0]) ** 2, rel=1e-6)
    assert square_sum(np.ones((300, 300))[::2].T) == 45_000


def test_helpers():
    assert logistic(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]
    with pytest.raises(KeyError, match="row 3 is out of range, wanted 0 to 2"):
        check_range("row", np.array([0, 3]), 3, KeyError)


# Where the engine adds many numbers.

X = np.ascontiguousarray(np.stack([rough(MANY), -rough(MANY)], 1))


@pytest.mark.parametrize("name", ["sum", "mean", "var", "logsumexp"])
@pytest.mark.parametrize("keepdim", [False, True])
def test_reductions_of_columns(name, keepdim):
    x = X / 50 if name == "logsumexp" else X
    wanted = getattr(ops, name)(Tensor(x.astype(np.float64)), 0, keepdim=keepdim).numpy()
    np.testing.assert_allclose(getattr(ops, name)(Tensor(x), 0, keepdim=keepdim).numpy(), wanted, rtol=2e-6)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_softmax_along_columns(name):
    x, g = X / 50, np.abs(np.random.default_rng(1).standard_normal((MANY, 2)))
    outs = []
    for dtype in (np.float32, np.float64):
        leaf = Tensor(x.astype(dtype), requires_grad=True)
        out = getattr(ops, name)(leaf, 0)
        out.backward(g.astype(dtype))
        outs.append((out.numpy(), leaf.grad.numpy()))
    for got, wanted in zip(*outs, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6 * np.abs(wanted).max())


def test_einsum_of_columns():
    for equation, wanted in [("ij->j", X.sum(0, np.float64)), ("ij->", X.sum(dtype=np.float64))]:
        np.testing.assert_allclose(ops.einsum(equation, X).numpy(), wanted, rtol=1e-6, atol=0.5)
    leaf = Tensor(np.ones(2, np.float32), requires_grad=True)
    ops.einsum("ij,k->k", X[:, :1], leaf).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), X[:, 0].sum(dtype=np.float64), rtol=1e-6)


def test_unbroadcast_of_many_rows():
    np.testing.assert_allclose(unbroadcast(X, (2,)), X.sum(0, np.float64), rtol=1e-6)
    np.testing.assert_allclose(unbroadcast(X[None], (1, 2)), X.sum(0, np.float64)[None], rtol=1e-6)


def test_gradients_of_biases():
    g = rough(MANY, 3)
    linear = nn.Linear(2, 3)
    linear(Tensor(X)).backward(g)
    np.testing.assert_allclose(linear.bias.grad.numpy(), g.sum(0, np.float64), rtol=1e-6)
    conv = nn.Conv1d(1, 3, 1)
    conv(Tensor(X[:, :1].T[None])).backward(np.ascontiguousarray(g.T)[None])
    np.testing.assert_allclose(conv.bias.grad.numpy(), g.sum(0, np.float64), rtol=1e-6)


def test_batch_norm_of_many_rows():
    layer = nn.BatchNorm1d(2, momentum=1.0)
    out = layer(Tensor(X))
    np.testing.assert_allclose(layer.running_mean.numpy(), X.mean(0, np.float64), rtol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), X.astype(np.float64).var(0, ddof=1), rtol=1e-5)
    assert np.abs(out.numpy().mean(0, np.float64)).max() < 1e-4
    out.backward(rough(MANY, 2))
    np.testing.assert_allclose(layer.bias.grad.numpy(), rough(MANY, 2).sum(0, np.float64), rtol=1e-6)


def test_losses_of_many_examples():
    x, y = X[:, 0], np.zeros(MANY, np.float32)
    strided = np.repeat(X, 2, 1)[:, ::2]
    np.testing.assert_allclose(ops.mse_loss(x, y).numpy(), (x.astype(np.float64) ** 2).mean(), rtol=1e-6)
    np.testing.assert_allclose(
        ops.mse_loss(strided, 0 * X).numpy(), (X.astype(np.float64) ** 2).mean(), rtol=1e-6
    )
    weights = np.ones(2, np.float32)
    labels = np.zeros(MANY, int)
    for options in ({}, {"weight": weights}):
        got = ops.cross_entropy(X / 100, labels, **options).numpy()
        z = X.astype(np.float64) / 100
        wanted = np.log1p(np.exp(z[:, 1] - z[:, 0])).mean()
        np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_norms():
    x = np.full(10**6, 0.1, np.float32)
    assert ops.sum_of_squares(x).item() == pytest.approx(1e4, rel=1e-6)
    leaf = Tensor(x, requires_grad=True)
    leaf.grad = x.copy()
    assert clip_grad_norm_([leaf], 1.0) == pytest.approx(100, rel=1e-6)


# float16, which ends at 65504 and counts to 2048: computed in float32, as PyTorch does.

HALVES = np.ones(70_000, np.float16)
LARGE = (np.arange(12).reshape(3, 4) * 150 - 500).astype(np.float16)


@pytest.mark.parametrize(
    ("f", "theirs", "x"),
    [
        (lambda t: t.mean(), None, HALVES), (lambda t: t.max(), None, HALVES), (lambda t: t.min(), None, HALVES),
        (lambda t: t.softmax(dim=0), lambda t: t.softmax(0), HALVES), (lambda t: t.var(), None, HALVES * np.float16(2)),
        (lambda t: t.log_softmax(dim=0), lambda t: t.float().log_softmax(0).half(), HALVES),
        (lambda t: t.logsumexp(dim=0), lambda t: t.float().logsumexp(0).half(), HALVES),
        (lambda t: t.var(dim=1), lambda t: t.float().var(1).half(), LARGE),
        (lambda t: ops.layer_norm(t, 4), lambda t: F.layer_norm(t, (4,)), LARGE),
        (lambda t: ops.batch_norm(t, training=True), lambda t: F.batch_norm(t, None, None, training=True), LARGE),
        (lambda t: ops.gelu(t, "tanh"), lambda t: F.gelu(t, approximate="tanh"), LARGE),
        (lambda t: ops.mse_loss(t, np.zeros((3, 4), np.float16), reduction="mean") / 1000,
         lambda t: (F.mse_loss(t.float(), torch.zeros(3, 4)) / 1000).half(), LARGE / np.float16(5)),
        (lambda t: ops.cross_entropy(t, np.array([0, 1, 2])),
         lambda t: F.cross_entropy(t.float(), torch.tensor([0, 1, 2])).half(), LARGE),
        (lambda t: ops.binary_cross_entropy_with_logits(t, np.ones((70_000,), np.float16)),
         lambda t: F.binary_cross_entropy_with_logits(t.float(), torch.ones(70_000)).half(), HALVES),
        (lambda t: ops.avg_pool2d(t[None, None], 2),
         lambda t: F.avg_pool2d(t[None, None].float(), 2).half(), LARGE * np.float16(40)),
        (lambda t: ops.sum_of_squares(t) / 1000,
         lambda t: ((t.float() ** 2).sum() / 1000).half(), LARGE / np.float16(25)),
    ],
)  # fmt: skip
def test_float16_counts_and_squares_as_torch(f, theirs, x):
    mine, yours = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out, wanted = f(mine), (theirs or f)(yours)
    assert out.dtype == np.float16
    np.testing.assert_allclose(out.numpy(), wanted.detach().numpy(), rtol=2e-3, atol=2e-3)
    g = np.ones(out.shape, np.float16)
    out.backward(g)
    wanted.backward(torch.tensor(g))
    assert mine.grad.dtype == np.float16
    np.testing.assert_allclose(
        mine.grad.numpy(), yours.grad.numpy(), rtol=2e-3, atol=2e-3 if x is LARGE else 2e-7
    )


def test_a_norm_of_float16_gradients():
    p = Tensor(np.zeros(70_000, np.float16), requires_grad=True)
    for norm_type, wanted in ((2, 300 * 70_000**0.5), (1, 300 * 70_000), (math.inf, 300)):
        p.grad = np.full(70_000, 300, np.float16)
        assert optim.clip_grad_norm_([p], 1.0, norm_type) == pytest.approx(wanted, rel=1e-3)
        assert 0 < p.grad.numpy()[0] <= 1
