"""Forward mode: against torch.func, against reverse mode, nested, and in the shapes it claims."""

import math

import numpy as np
import pytest
import torch

from chainrule import Tensor, dual
from chainrule.dual import Dual, derivative, gradient, jvp

FUNCTIONS = {
    "arithmetic": (lambda m, x: (x * x + 2) / (1 + x) - x / 3 - 4 / (x + 5) + (-x) * 0.5),
    "powers": (lambda m, x: x**3 + x**-1 + (x + 1) ** 0.5 + 2.0**x + x**0),
    "functions": (lambda m, x: m.exp(x) * m.sin(x) + m.cos(m.log(x)) + m.sqrt(x) * m.tanh(x) + m.sigmoid(x)),
    "relu": (lambda m, x: m.relu(x - 1) * x),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
def test_jvp_is_torchs(name, shape):
    rng = np.random.default_rng(1)
    f, x, v = FUNCTIONS[name], np.asarray(rng.uniform(0.2, 2, shape)), np.asarray(rng.standard_normal(shape))
    value, tangent = jvp(lambda t: f(dual, t), x, v)
    wanted = torch.func.jvp(lambda t: f(torch, t), (torch.tensor(x),), (torch.tensor(v),))
    np.testing.assert_allclose(value, wanted[0].numpy(), rtol=1e-12)
    np.testing.assert_allclose(tangent, wanted[1].numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("at", [0.3, 1.7])
def test_nested_duals_give_higher_derivatives(name, at):
    f = FUNCTIONS[name]
    ours, theirs = derivative(derivative(derivative(lambda t: f(dual, t)))), lambda t: f(torch, t)
    for _ in range(3):
        theirs = torch.func.grad(theirs)
    assert ours(at) == pytest.approx(theirs(torch.tensor(at, dtype=torch.float64)).item(), rel=1e-9, abs=1e-9)


MATRIX = np.random.default_rng(3).standard_normal((2, 2))
PRODUCTS = {
    "two that move": lambda m, a, x: m.sum((a * x) @ (a * x)),
    "one that moves": lambda m, a, x: m.sum(a @ (a * x**3)),
    "a row": lambda m, a, x: m.sum((a * x * x)[0]),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_second_derivatives_go_through_products_and_indices(name):
    f = PRODUCTS[name]
    second = derivative(derivative(lambda x: f(dual, MATRIX, x)))
    theirs = torch.func.grad(torch.func.grad(lambda x: f(torch, torch.tensor(MATRIX), x)))
    assert second(0.7) == pytest.approx(theirs(torch.tensor(0.7, dtype=torch.float64)).item(), rel=1e-12)


def test_forward_and_reverse_agree():
    rng = np.random.default_rng(2)
    w, x = rng.standard_normal((3, 4)), rng.standard_normal(4)
    v = rng.standard_normal(4)
    leaf = Tensor(x, requires_grad=True)
    ((Tensor(w) @ leaf).tanh() ** 2).sum().backward()
    value, tangent = jvp(lambda t: dual.sum(dual.tanh(w @ t) ** 2), x, v)
    assert tangent == pytest.approx(leaf.grad.numpy() @ v, rel=1e-12)
    grads = gradient(lambda t: dual.sum(dual.tanh(w @ t) ** 2), x)
    np.testing.assert_allclose(grads, leaf.grad.numpy(), rtol=1e-12)
    assert value == pytest.approx((np.tanh(w @ x) ** 2).sum())


def test_matmul_indexing_and_order():
    a, b = np.arange(4.0).reshape(2, 2), np.array([[1.0, 2.0], [3.0, 4.0]])
    x = Dual(a, b)
    np.testing.assert_array_equal((x @ a).tangent, b @ a)
    np.testing.assert_array_equal((a @ x).tangent, a @ b)
    np.testing.assert_array_equal((x @ x).tangent, b @ a + a @ b)
    np.testing.assert_array_equal((a - x)[0].tangent, -b[0])
    assert Dual(a)[0].tangent == 0.0 and "Dual(" in repr(x)
    assert (Dual(1.0) < 2) and (Dual(1.0) > Dual(0.0))


def test_constants_have_no_tangent():
    assert derivative(lambda x: 3.0)(1.0) == 0.0
    assert jvp(lambda x: 2 * x**2, 3.0, 1.0) == (18.0, 12.0)


def test_an_exponent_that_moves_with_its_base():
    out, slope = jvp(lambda x: x**x, 2.0, 1.0)
    np.testing.assert_allclose([out, slope], [4.0, 4 * (1 + np.log(2))], rtol=1e-15)


def test_direction_of_another_shape():
    with pytest.raises(ValueError, match=r"the direction has shape \(3,\), wanted that of x, \(2,\)"):
        jvp(lambda x: x, np.ones(2), np.ones(3))


# What would go on silently with a wrong slope.


@pytest.mark.parametrize(
    ("f", "x", "slope"),
    [
        (lambda x: x if x == 1.0 else 2 * x, 1.0, 1), (lambda x: x if x != 1.0 else 2 * x, 1.0, 2),
        (lambda x: 3 * x if x >= 1.0 else x, 1.0, 3), (lambda x: x if x <= 1.0 else 5 * x, 1.0, 1),
        (lambda x: abs(x) ** 3, -2.0, -12), (lambda x: abs(x), 0.0, 0), (lambda x: (x - 1) or 7 * x, 1.0, 7),
        (lambda x: max(x, 2 * x), 3.0, 2), (lambda x: np.float64(2) * x, 1.0, 2), (lambda x: x**0, 0.0, 0),
        (lambda x: dual.sum((x + np.zeros(3)) @ np.eye(3)), 1.0, 3), (lambda x: (x + np.zeros(3))[1], 1.0, 1),
        (lambda x: derivative(lambda y: y**3)(x), 2.0, 12),
    ],
)  # fmt: skip
def test_branches_and_stretched_shapes(f, x, slope):
    assert derivative(f)(x) == pytest.approx(slope)


@pytest.mark.parametrize(
    "f", [lambda x: x + np.zeros((3, 2)), lambda x: x[0] - np.ones((2, 3)), lambda x: np.ones(4)]
)
def test_tangent_has_the_shape_of_the_value(f):
    value, tangent = jvp(f, np.ones(2), np.array([1.0, 2.0]))
    assert np.shape(value) == np.shape(tangent)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.dot(np.ones(2), x), lambda x: np.ones(2).dot(x), lambda x: np.where(x > 0, x, 0.0),
        lambda x: np.exp(x), lambda x: math.exp(x[0]), lambda x: np.sum(x), lambda x: np.array([x[0], x[1]]),
        lambda x: np.maximum(x, 0), lambda x: np.concatenate([x, x]), lambda x: np.add(x, 1), lambda x: float(x[0]),
        lambda x: np.abs(x), lambda x: np.linalg.norm(x), lambda x: np.multiply.outer(x, np.ones(2)),
    ],
)  # fmt: skip
def test_what_would_lose_the_tangent(f):
    with pytest.raises(TypeError, match="lose the tangent of a Dual: use .* of chainrule.dual"):
        jvp(f, np.ones(2), np.ones(2))


def test_what_is_no_function_of_numbers():
    for f in (lambda x: [x, x], lambda x: None, lambda x: "x"):
        with pytest.raises(TypeError, match="wanted a function that gives a number, an array or a Dual"):
            jvp(f, 1.0, 1.0)
        with pytest.raises(TypeError, match="derivative: wanted a function"):
            derivative(f)(1.0)
    with pytest.raises(ValueError, match=r"gradient: wanted a vector x of shape \(n,\), got \(2, 2\)"):
        gradient(dual.sum, np.ones((2, 2)))
    with pytest.raises(
        ValueError, match=r"gradient: wanted a function that gives a number, got shape \(2,\)"
    ):
        gradient(lambda x: x * x, np.ones(2))
    with pytest.raises(ValueError, match=r"-1.0 \*\* 0.5 is no real number"):
        derivative(lambda x: x**0.5)(-1.0)
    with pytest.raises(TypeError, match="write exp"):
        jvp(lambda x: x ** np.ones(2), np.ones(2), np.ones(2))
    assert gradient(lambda x: dual.sum(x * x), [1.0, 2.0]).tolist() == [2, 4]


def test_a_number_carries_several_directions_at_once():
    x, w, b = map(dual.Dual, (3.0, 2.0, 1.0), np.eye(3))
    out = (w * x + b) / (x * x + 1)
    assert np.allclose(out.tangent, [2 / 10 - 7 * 6 / 100, 3 / 10, 1 / 10])
    assert np.allclose((b - w + 4.0).tangent, [0, -1, 1])
