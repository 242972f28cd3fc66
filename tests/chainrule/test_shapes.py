"""Shapes beyond the table: Hypothesis draws them, PyTorch judges."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, basic_indices, mutually_broadcastable_shapes

from chainrule import ops
from chainrule.checks import assert_same_as_torch

some = settings(max_examples=40, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
shapes = array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)
filled = array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4)


def numbers(seed, *wanted):
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(rng.standard_normal(shape)) for shape in wanted]
    return [
        a.swapaxes(0, -1).copy().swapaxes(0, -1) if a.ndim > 1 and rng.random() < 0.5 else a for a in arrays
    ]


@some
@given(mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_dims=4, max_side=4), seeds)
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div", "maximum", "minimum"])
def test_broadcasting(op, drawn, seed):
    x, y = numbers(seed, *drawn.input_shapes)
    assert_same_as_torch(getattr(ops, op), getattr(torch, op), x, y + 3 * np.sign(y))


@some
@given(mutually_broadcastable_shapes(num_shapes=3, min_side=0, max_dims=3, max_side=4), seeds)
def test_where(drawn, seed):
    c, x, y = numbers(seed, *drawn.input_shapes)
    assert_same_as_torch(
        lambda x, y: ops.where(c > 0, x, y), lambda x, y: torch.where(torch.tensor(c > 0), x, y), x, y
    )


@some
@given(shapes, seeds)
@pytest.mark.parametrize(
    "op", ["neg", "exp", "sin", "cos", "abs", "tanh", "sigmoid", "relu", "leaky_relu", "gelu", "softplus"]
)
def test_entry_by_entry(op, shape, seed):
    theirs = getattr(torch, op, None) or getattr(F, op)
    assert_same_as_torch(getattr(ops, op), theirs, *numbers(seed, shape))


@some
@given(st.data(), filled, seeds, st.booleans())
@pytest.mark.parametrize("op", ["sum", "mean", "var"])
def test_reductions_over_several_axes(op, data, shape, seed, keepdim):
    dims = data.draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    dim = tuple(d - len(shape) * data.draw(st.booleans()) for d in dims)
    options = {"correction": 0} if op == "var" else {}
    assert_same_as_torch(
        lambda x: getattr(ops, op)(x, dim=dim, keepdim=keepdim, **options),
        lambda x: getattr(torch, op)(x, dim, keepdim=keepdim, **options),
        *numbers(seed, shape),
    )


@some
@given(st.data(), filled, seeds, st.booleans())
@pytest.mark.parametrize("op", ["amax", "amin", "softmax", "log_softmax", "logsumexp"])
def test_along_one_axis(op, data, shape, seed, keepdim):
    dim = data.draw(st.integers(-len(shape), len(shape) - 1))
    options = {"keepdim": keepdim} if op in ("amax", "amin", "logsumexp") else {}
    (x,) = numbers(seed, shape)
    x = x.round() if op in ("amax", "amin") and seed % 2 else x  # with equals

    def theirs(x):
        out = getattr(torch, op)(x, dim, **options)
        return out

    assert_same_as_torch(lambda x: getattr(ops, op)(x, dim, **options), theirs, x)


@some
@given(
    mutually_broadcastable_shapes(signature="(n?,k),(k,m?)->(n?,m?)", min_side=0, max_dims=2, max_side=4),
    seeds,
)
def test_matmul(drawn, seed):
    x, y = numbers(seed, *drawn.input_shapes)
    assert_same_as_torch(ops.matmul, torch.matmul, x, y)


@some
@given(st.lists(st.integers(0, 4), max_size=3), st.integers(1, 4), st.integers(1, 4), st.booleans(), seeds)
def test_linear(lead, n, m, bias, seed):
    assert_same_as_torch(ops.linear, F.linear, *numbers(seed, (*lead, n), (m, n), *[(m,)] * bias))


@some
@given(st.data(), filled, seeds)
def test_basic_and_advanced_indexing(data, shape, seed):
    index = data.draw(
        basic_indices(shape, allow_newaxis=True).filter(lambda i: "-" not in str(i) or "slice" not in str(i))
    )
    (x,) = numbers(seed, shape)
    assert_same_as_torch(lambda x: x[index], lambda x: x[index], x)
    rows = np.random.default_rng(seed).integers(-shape[0], shape[0], 5)
    assert_same_as_torch(lambda x: x[rows], lambda x: x[torch.tensor(rows)], x)
    assert_same_as_torch(lambda t: t[x > 0], lambda t: t[torch.tensor(x > 0)], x)


@some
@given(
    st.integers(0, 3), st.integers(1, 2), st.integers(1, 2), st.integers(1, 2), st.integers(1, 7), st.integers(1, 7),
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2), seeds,
)  # fmt: skip
def test_conv2d(batch, groups, inner, outer, height, width, kh, kw, stride, padding, dilation, seed):
    kh = min(kh, (height + 2 * padding - 1) // dilation + 1)
    kw = min(kw, (width + 2 * padding - 1) // dilation + 1)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    arrays = numbers(
        seed, (batch, groups * inner, height, width), (groups * outer, inner, kh, kw), (groups * outer,)
    )
    assert_same_as_torch(lambda *a: ops.conv2d(*a, **options), lambda *a: F.conv2d(*a, **options), *arrays)


@some
@given(
    st.integers(1, 3),
    st.integers(2, 8),
    st.integers(2, 8),
    st.integers(1, 2),
    st.integers(1, 3),
    st.booleans(),
    seeds,
)
@pytest.mark.parametrize("op", ["max_pool2d", "avg_pool2d"])
def test_pooling(op, batch, height, width, kernel, stride, padded, seed):
    options = {"kernel_size": kernel, "stride": stride, "padding": kernel // 2 * padded}
    x = numbers(seed, (batch, 2, height, width))[0].round(1)
    assert_same_as_torch(lambda x: getattr(ops, op)(x, **options), lambda x: getattr(F, op)(x, **options), x)


@some
@given(
    st.integers(1, 6), st.integers(1, 5), st.integers(0, 3), st.sampled_from(["mean", "sum", "none"]), seeds
)
def test_cross_entropy(batch, classes, extra, reduction, seed):
    labels = np.random.default_rng(seed).integers(0, classes, (batch, *[2] * extra))
    if seed % 2:
        labels.flat[1:][:: seed % 3 + 2] = -100
    options = {"reduction": reduction, "label_smoothing": seed % 5 / 10}
    assert_same_as_torch(
        lambda x: ops.cross_entropy(x, labels, **options),
        lambda x: F.cross_entropy(x, torch.tensor(labels), **options),
        *numbers(seed, (batch, classes, *[2] * extra)),
    )


@some
@given(st.data(), seeds)
def test_einsum(data, seed):
    size = dict(zip("ijkl", data.draw(st.lists(st.integers(1, 3), min_size=4, max_size=4)), strict=True))
    groups = data.draw(st.lists(st.text("ijkl", max_size=3), min_size=1, max_size=3))
    used = sorted({*"".join(groups)})
    result = "".join(data.draw(st.permutations(used))[: data.draw(st.integers(0, len(used)))])
    equation = f"{','.join(groups)}->{result}"
    arrays = numbers(seed, *[[size[c] for c in group] for group in groups])
    assert_same_as_torch(lambda *a: ops.einsum(equation, *a), lambda *a: torch.einsum(equation, *a), *arrays)
