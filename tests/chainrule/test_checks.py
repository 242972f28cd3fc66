"""The checks: they pass what is right, catch what is wrong, and say where."""

import numpy as np
import pytest
import torch

from chainrule import Tensor, nn, ops
from chainrule.autograd import primitive
from chainrule.checks import assert_same_as_torch, check_grad, differences_to_torch, hessian_vector_product
from chainrule.torch import to_torch

X = np.random.default_rng(0).standard_normal((3, 2))


@primitive
def slightly_wrong(x):
    """Cube of x with a gradient that is wrong in one entry."""

    def vjp(g):
        out = g * 3 * x * x
        out.flat[-1] *= 1.001
        return out

    return x**3, vjp


def test_right_gradients_pass():
    assert check_grad(lambda x: (x.tanh() * 2).sum(), X) < 1e-8
    assert check_grad(ops.matmul, X, X.T) < 1e-8
    assert check_grad(ops.exp, 0.5) < 1e-8
    assert check_grad(lambda x, i: x[i], X.astype(np.float32), np.array([0, 0, 2])) < 1e-8
    assert check_grad(lambda x: x * 1, np.zeros((0, 3))) == 0


def test_wrong_gradients_are_named():
    with pytest.raises(AssertionError, match="gradient along a random direction"):
        check_grad(slightly_wrong, X)


def test_an_error_that_the_random_direction_is_blind_to_is_found_by_coordinate():
    rng = np.random.default_rng(0)
    rng.standard_normal(3)
    v = rng.standard_normal(3)  # the direction that check_grad draws for its second input
    blind = np.array([v[1], -v[0], 0.0])
    wrong = primitive(lambda x, y: (x * y, lambda g: g * y, lambda g: g * x + blind))
    with pytest.raises(AssertionError, match=r"gradient in input 1 at \(0,\)"):
        check_grad(lambda x, y: wrong(x, y).sum(), np.ones(3), np.ones(3))


def test_missing_gradient_is_seen():
    lost = primitive(lambda x, y: (x * y, lambda g: g * y, None))
    with pytest.raises(AssertionError, match="gradient"):
        check_grad(lost, np.ones(3), np.ones(3))


@primitive
def frozen_sigmoid(z):
    return 1 / (1 + np.exp(-z)), lambda g: g * 0


def test_small_gradients_are_compared_by_their_own_size():
    zero = primitive(lambda x, *, scale: (scale * x * x, lambda g: 0 * g * x))
    twice = primitive(lambda x, *, scale: (scale * x * x, lambda g: 4 * scale * g * x))
    with pytest.raises(AssertionError, match=r"backward\(\) says 0, differences say 5\.2"):
        check_grad(frozen_sigmoid, np.array(-17.0))
    with pytest.raises(AssertionError, match=r"in input 0 at \(1,\)"):  # beside an entry of size 1
        check_grad(lambda x: ops.stack([x[0].sigmoid(), frozen_sigmoid(x[1])]), np.array([0.3, -17.0]))
    for scale in (1e-7, 1e-12, 1e-30):
        for wrong in (zero, twice):
            with pytest.raises(AssertionError, match="gradient"):
                check_grad(lambda x, wrong=wrong, scale=scale: wrong(x, scale=scale).sum(), X)


def test_what_differences_cannot_tell_passes():
    for z in (-17.0, -30.0, -800.0, 20.0, 40.0):
        check_grad(ops.sigmoid, np.array(z))
        check_grad(ops.tanh, np.array(z))
        check_grad(lambda t: (t.exp() + 1).log(), np.array(min(z, 40.0)))  # the 1 swallows the exponential
    check_grad(lambda x: 5 * x**3, np.array(0.0))  # the difference is 5 h², not 0
    for seed in range(20):
        x = np.random.default_rng(seed).standard_normal((5, 4))
        check_grad(lambda x: (x - x.mean(0)).sum(), x)  # nothing but rounding
        check_grad(lambda x: ops.layer_norm(x, 4).sum(), x)
        check_grad(lambda x: ops.softmax(x, dim=1).sum(), 3 * x)
        check_grad(lambda x: ((20 * x).logsumexp(1) - 20 * x.amax(1)).sum(), x)
        check_grad(lambda x: ops.softmax(x, dim=1), 15 * x)  # probabilities that round to 1
        check_grad(ops.sigmoid, 15 * x)
    check_grad(lambda x: ops.softmax(x, dim=1), np.array([[30.0, 0, -1]]))


def test_nothing_to_differentiate():
    with pytest.raises(ValueError, match="no input has a float dtype"):
        check_grad(lambda x: x, np.array([1, 2]))


def test_hessian_vector_product_is_torchs():
    rng = np.random.default_rng(1)
    a, x, v = rng.standard_normal((4, 3)), rng.standard_normal(3), rng.standard_normal(3)
    got = hessian_vector_product(lambda t: (Tensor(a) @ t).tanh().exp().sum(), x, v)

    def theirs(t):
        return (torch.tensor(a) @ t).tanh().exp().sum()

    grad = torch.func.grad(theirs)
    _, wanted = torch.func.jvp(grad, (torch.tensor(x),), (torch.tensor(v),))
    np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-7, atol=1e-8)
    with pytest.raises(ValueError, match=r"v has shape \(2,\), wanted that of x, \(3,\)"):
        hessian_vector_product(lambda t: t.sum(), x, v[:2])


def test_same_as_torch():
    assert assert_same_as_torch(ops.exp, torch.exp, X) < 1e-12
    assert assert_same_as_torch(ops.exp, torch.exp, X, dtype=np.float32, tol=1e-5) < 1e-5
    assert assert_same_as_torch(lambda x: x > 0, lambda x: x > 0, X) == 0
    with pytest.raises(AssertionError, match="the value differs from PyTorch's by"):
        assert_same_as_torch(ops.exp, lambda x: x.exp() + 1e-6, X)
    with pytest.raises(AssertionError, match="the gradient of input 0 differs from PyTorch's by"):
        assert_same_as_torch(slightly_wrong, lambda x: x**3, X)
    with pytest.raises(AssertionError, match=r"of shape \(2,\), PyTorch has float64 of shape \(3,\)"):
        assert_same_as_torch(lambda x: x.sum(0), lambda x: x.sum(1), X)
    with pytest.raises(AssertionError, match="the value: float32"):
        assert_same_as_torch(lambda x: x.float(), lambda x: x, X)


def test_differences_of_a_module():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).double()
    theirs = to_torch(model, "cpu")
    found = differences_to_torch(model, theirs, X)
    parameters = ["0.weight", "0.bias", "1.weight", "1.bias"]
    assert {"the value", "the gradient of input 0", *(f"the gradient of {p}" for p in parameters)} <= set(
        found
    )
    assert {"1.running_mean", "1.running_var"} <= set(found) and max(found.values()) < 1e-12
    theirs[1].running_mean += 0.5
    with pytest.raises(AssertionError, match=r"1\.running_mean differs from PyTorch's by"):
        assert_same_as_torch(model, theirs, X)


def test_several_outputs_and_what_is_no_number():
    found = differences_to_torch(lambda x: (x, [x * 2, None]), lambda x: (x, [x * 2]), X)
    assert set(found) == {"the value", "the gradient of input 0"} and max(found.values()) == 0
    special = np.array([[np.nan, np.inf, -np.inf, 0.0]])
    assert assert_same_as_torch(lambda x: x * 1, lambda x: x, special) == 0
    with pytest.raises(AssertionError, match="the value differs from PyTorch's by inf"):
        assert_same_as_torch(lambda x: x, lambda x: x.nan_to_num(nan=0.0), special)
    assert assert_same_as_torch(lambda x: x.max(1), lambda x: x.max(1), X) == 0
    with pytest.raises(AssertionError, match="the value differs from PyTorch's by 1"):
        assert_same_as_torch(lambda x: x > 0, lambda x: x <= 0, X)
