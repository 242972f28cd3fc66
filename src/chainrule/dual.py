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
    __hash__ = None  # type: ignore[assignment]  # == compares values
    ndim = property(lambda self: np.ndim(self.value), doc="Number of axes, of a nested Dual too.")

    def __init__(self, value: Any, tangent: Any = 0.0):
        self.value, self.tangent = value, tangent

    def __add__(self, y: Any) -> Dual:
        y = _dual(y)
        return _shaped(self.value + y.value, self.tangent + y.tangent)

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
        if np.ndim(n):
            raise TypeError("Dual ** array: write exp(n * log(x)), with the functions of chainrule.dual")
        out = self.value**n
        if isinstance(out, complex):
            raise ValueError(f"{self.value} ** {n} is no real number")
        slope = n * self.value ** (n - 1) if n else 0.0
        return Dual(out, slope * self.tangent)

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

    # Comparisons are of the values: the slope is that of the branch taken.

    def __lt__(self, y: Any) -> Any:
        return self.value < _dual(y).value

    def __le__(self, y: Any) -> Any:
        return self.value <= _dual(y).value

    def __gt__(self, y: Any) -> Any:
        return self.value > _dual(y).value

    def __ge__(self, y: Any) -> Any:
        return self.value >= _dual(y).value

    def __eq__(self, y: Any) -> Any:
        return self.value == _dual(y).value

    def __ne__(self, y: Any) -> Any:
        return self.value != _dual(y).value

    def __abs__(self) -> Dual:
        return self * (1.0 * (self.value > 0) - 1.0 * (self.value < 0))

    # What would lose the tangent.

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        name = _SWAPPED.get(ufunc.__name__)
        if name is None or method != "__call__" or options or isinstance(inputs[0], Dual):
            raise TypeError(_lost(f"np.{ufunc.__name__}"))
        return getattr(self, name)(inputs[0])  # array * dual asks the Dual

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        if function in (np.shape, np.ndim):
            return function(self.value)
        raise TypeError(_lost(f"np.{function.__name__}"))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise TypeError(_lost("a function of NumPy"))

    def __bool__(self) -> bool:
        return bool(self.value)

    def __float__(self) -> Any:
        raise TypeError(_lost("float() or a function of math"))

    def __repr__(self) -> str:
        return f"Dual({self.value!r}, {self.tangent!r})"

    __radd__ = __add__
    __rmul__ = __mul__


# NumPy's name of an operation -> the Dual's method for it as the second input
_SWAPPED = {
    "add": "__radd__", "subtract": "__rsub__", "multiply": "__rmul__", "divide": "__rtruediv__",
    "power": "__rpow__", "matmul": "__rmatmul__", "equal": "__eq__", "not_equal": "__ne__", "less": "__gt__",
    "less_equal": "__ge__", "greater": "__lt__", "greater_equal": "__le__",
}  # fmt: skip


def _lost(what: str) -> str:
    known = "+ - * / ** @ abs, comparisons and exp, log, sqrt, sin, cos, tanh, sigmoid, relu, sum of chainrule.dual"
    return f"{what} would lose the tangent of a Dual: use {known}"


def _dual(x: Any) -> Dual:
    return x if isinstance(x, Dual) else Dual(x)


def _matmul(x: Any, y: Any) -> Any:
    """Matrix product in which the number 0 stands for a matrix of zeros."""
    return x @ y if np.ndim(x) and np.ndim(y) else 0.0


def _shaped(value: Any, tangent: Any) -> Dual:
    """Dual whose tangent is stretched to the shape of its value; that of a number may hold several directions."""
    if np.shape(tangent) != np.shape(value):
        nested = isinstance(value, Dual) or isinstance(tangent, Dual)
        shape = np.broadcast_shapes(np.shape(tangent), np.shape(value))
        tangent = tangent + 0 * value if nested else np.broadcast_to(tangent, shape)
    return Dual(value, tangent)


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
        TypeError: if f gives neither numbers nor a Dual.
    """
    if np.shape(x) != np.shape(v):
        raise ValueError(f"jvp: the direction has shape {np.shape(v)}, wanted that of x, {np.shape(x)}")
    out = _result("jvp", f, *(np.asarray(t, float) if isinstance(t, list | tuple) else t for t in (x, v)))
    return out.value, out.tangent


def _result(name: str, f: Callable[..., Any], x: Any, v: Any) -> Dual:
    """What f makes of x and the tangent v."""
    out = f(Dual(x, v))
    if not isinstance(out, Dual | np.ndarray) and not np.isscalar(out) or isinstance(out, str):
        raise TypeError(
            f"{name}: wanted a function that gives a number, an array or a Dual, got {type(out).__name__}"
        )
    out = _dual(out)
    return _shaped(out.value, out.tangent)


def derivative(f: Callable[..., Any]) -> Callable[..., Any]:
    """Derivative of a function of one number; `derivative(derivative(f))` is the second derivative.

    The ε of the inner and the outer pass are told apart by nesting alone. So an inner derivative must not use the
    outer variable beside its own (x * derivative(lambda y: x + y)(1.0) is differentiated wrongly in x).

    Source: Siskind and Pearlmutter, Perturbation Confusion and Referential Transparency, IFL 2005.
    """
    return lambda x: _result("derivative", f, x, 1.0).tangent


def gradient(f: Callable[..., Any], x: Any) -> np.ndarray:
    """Gradient of a scalar function of a vector: one forward pass for each of the n coordinates.

    Args:
        f: function of an array that returns a number.
        x: **shape** (n,).

    Returns:
        **shape** (n,).

    Raises:
        ValueError: if x is no vector, or f does not give a number.
    """
    if len(np.shape(x)) != 1:
        raise ValueError(f"gradient: wanted a vector x of shape (n,), got {np.shape(x)}")
    out = np.array([jvp(f, x, e)[1] for e in np.eye(len(x))])
    if out.ndim > 1:
        raise ValueError(f"gradient: wanted a function that gives a number, got shape {out.shape[1:]}")
    return out
