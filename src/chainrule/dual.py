"""Forward mode: dual numbers, which carry a derivative along with a value.

A dual number is a + b·ε with ε² = 0. Computing with it as with an ordinary number computes f(a) + f'(a)·b·ε:
value and directional derivative in one pass forward, without a graph. Both parts may be numbers, arrays, or dual
numbers themselves: nested twice they give second derivatives.

Source: Griewank and Walther, Evaluating Derivatives, 2nd ed., 2008, section 3.1; Baydin et al., JMLR 18 (2018),
section 3.1.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Dual:
    """Value and tangent, how the value moves when the inputs move along the chosen direction.

    Args:
        value: a number, an array or a Dual.
        tangent: its derivative along the direction, of the same **shape**; 0 for a constant.
    """

    __slots__ = ("value", "tangent")
    __array_ufunc__ = None  # array * dual asks the Dual
    ndim = property(lambda self: np.ndim(self.value), doc="Number of axes, of a nested Dual too.")

    def __init__(self, value: Any, tangent: Any = 0.0):
        self.value, self.tangent = value, tangent

    def __add__(self, y: Any) -> Dual:
        y = _dual(y)
        return Dual(self.value + y.value, self.tangent + y.tangent)

    def __mul__(self, y: Any) -> Dual:
        y = _dual(y)
        return Dual(self.value * y.value, self.tangent * y.value + self.value * y.tangent)

    def __truediv__(self, y: Any) -> Dual:
        y = _dual(y)
        out = self.value / y.value
        return Dual(out, (self.tangent - out * y.tangent) / y.value)

    def __pow__(self, n: Any) -> Dual:
        if isinstance(n, Dual):
            return exp(n * log(self))
        slope = n * self.value ** (n - 1) if n else 0.0
        return Dual(self.value**n, slope * self.tangent)

    def __matmul__(self, y: Any) -> Dual:
        y = _dual(y)
        return Dual(self.value @ y.value, _matmul(self.tangent, y.value) + _matmul(self.value, y.tangent))

    def __neg__(self) -> Dual:
        return Dual(-self.value, -self.tangent)

    def __sub__(self, y: Any) -> Dual:
        return self + -_dual(y)

    def __rsub__(self, x: Any) -> Dual:
        return _dual(x) + -self

    def __rtruediv__(self, x: Any) -> Dual:
        return _dual(x) / self

    def __rpow__(self, x: Any) -> Dual:
        return exp(self * np.log(x))

    def __rmatmul__(self, x: Any) -> Dual:
        return _dual(x) @ self

    def __getitem__(self, index: Any) -> Dual:
        return Dual(self.value[index], self.tangent[index] if np.ndim(self.tangent) else self.tangent)

    def __lt__(self, y: Any) -> Any:
        return self.value < _dual(y).value

    def __gt__(self, y: Any) -> Any:
        return self.value > _dual(y).value

    def __repr__(self) -> str:
        return f"Dual({self.value!r}, {self.tangent!r})"

    __radd__ = __add__
    __rmul__ = __mul__


def _dual(x: Any) -> Dual:
    return x if isinstance(x, Dual) else Dual(x)


def _matmul(x: Any, y: Any) -> Any:
    """Matrix product in which the number 0 stands for a matrix of zeros."""
    return x @ y if np.ndim(x) and np.ndim(y) else 0.0


def _lifted(f: Callable[..., Any], slope: Callable[..., Any], name: str) -> Callable[[Any], Any]:
    """Function of numbers, arrays and dual numbers, from one of arrays and its derivative."""

    def g(x: Any) -> Any:
        return Dual(g(x.value), slope(x.value) * x.tangent) if isinstance(x, Dual) else f(x)

    g.__doc__ = f"{name} of a number, an array or a Dual."
    return g


exp: Callable[[Any], Any] = _lifted(np.exp, lambda x: exp(x), "Exponential")
log: Callable[[Any], Any] = _lifted(np.log, lambda x: 1 / x, "Natural logarithm")
sqrt: Callable[[Any], Any] = _lifted(np.sqrt, lambda x: 0.5 / sqrt(x), "Square root")
sin: Callable[[Any], Any] = _lifted(np.sin, lambda x: cos(x), "Sine")
cos: Callable[[Any], Any] = _lifted(np.cos, lambda x: -sin(x), "Cosine")
tanh: Callable[[Any], Any] = _lifted(np.tanh, lambda x: 1 - tanh(x) * tanh(x), "Hyperbolic tangent")


def sigmoid(x: Any) -> Any:
    """Logistic function 1 / (1 + exp(-x)) of a number, an array or a Dual."""
    return 0.5 * (1 + tanh(0.5 * x))


def relu(x: Any) -> Any:
    """Positive part of a number, an array or a Dual; the slope at 0 is taken as 0."""
    return x * (x > 0)


def sum(x: Any) -> Any:
    """Sum of the entries of an array or of a Dual that holds arrays."""
    if isinstance(x, Dual):
        return Dual(sum(x.value), sum(x.tangent + 0 * x.value))
    return np.sum(x)


def jvp(f: Callable[..., Any], x: Any, v: Any) -> tuple[Any, Any]:
    """Value of f at x and its derivative along v, in one pass: the Jacobian times v.

    Args:
        f: function of one argument, built from arithmetic and the functions of this module.
        x: where; a number or an array.
        v: the direction, of the same **shape**.

    Returns:
        The value and the tangent, of one **shape**.

    Raises:
        ValueError: if v has another shape than x.
    """
    if np.shape(x) != np.shape(v):
        raise ValueError(f"jvp: the direction has shape {np.shape(v)}, wanted that of x, {np.shape(x)}")
    out = _dual(f(Dual(x, v)))
    return out.value, out.tangent


def derivative(f: Callable[..., Any]) -> Callable[..., Any]:
    """Derivative of a function of one number; `derivative(derivative(f))` is the second derivative.

    The ε of the inner and the outer pass are told apart by nesting alone. So an inner derivative must not use the
    outer variable beside its own (x * derivative(lambda y: x + y)(1.0) is differentiated wrongly in x).

    Source: Siskind and Pearlmutter, Perturbation Confusion and Referential Transparency, IFL 2005.
    """
    return lambda x: _dual(f(Dual(x, 1.0))).tangent


def gradient(f: Callable[..., Any], x: Any) -> np.ndarray:
    """Gradient of a scalar function of a vector: one forward pass for each of the n coordinates.

    Args:
        f: function of an array that returns a number.
        x: **shape** (n,).

    Returns:
        **shape** (n,).
    """
    return np.array([jvp(f, x, e)[1] for e in np.eye(len(x))])
