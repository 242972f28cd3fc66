"""Every operation and its derivative.

Each function below is a rule on plain arrays. It returns its value, then one VJP for each differentiable input:
the function that turns `g`, the gradient with respect to the value, into the gradient with respect to that input.
`@primitive` makes of the rule a function of Tensors. Three habits hold throughout: a VJP never writes into `g`
or into what it keeps; it keeps no array that it does not need (the shape, rather than the array); it ignores
broadcasting, which `chainrule.autograd.unbroadcast` undoes for all.
"""

from __future__ import annotations

import numpy as np

from chainrule.autograd import primitive

__all__ = """
    add sub mul div neg pow setitem cast exp log sqrt sin cos abs tanh sigmoid relu maximum minimum sum mean matmul
    reshape transpose permute broadcast_to getitem
""".split()

# --- Arithmetic -------------------------------------------------------------------------------------------------


@primitive
def add(x, y):
    """Sum x + y, entry by entry."""
    return x + y, lambda g: g, lambda g: g


@primitive
def sub(x, y):
    """Difference x - y, entry by entry."""
    return x - y, lambda g: g, lambda g: -g


@primitive
def mul(x, y):
    """Product x * y, entry by entry."""
    return x * y, lambda g: g * y, lambda g: g * x


@primitive
def div(x, y):
    """Quotient x / y, entry by entry."""
    out = x / y
    return out, lambda g: g / y, lambda g: -g * out / y


@primitive
def neg(x):
    """Negative -x, entry by entry."""
    return -x, lambda g: -g


@primitive
def pow(x, y):
    """Power x ** y, entry by entry.

    At x = 0 the slope in y is taken as 0, and for y = 0 the slope in x, as PyTorch does.
    """
    out = x**y

    def vjp_x(g):
        with np.errstate(divide="ignore", invalid="ignore"):
            return g * np.where(y == 0, 0, y * x ** (y - 1))

    def vjp_y(g):
        with np.errstate(divide="ignore", invalid="ignore"):
            return g * np.where((x == 0) & (y >= 0), 0, out * np.log(x))

    return out, vjp_x, vjp_y


@primitive
def setitem(x, value, *, index):
    """Copy of x with x[index] replaced by value; what `t[index] = value` records."""
    out = x.copy()
    out[index] = value
    shape = out[index].shape

    def vjp_x(g):
        g = g.copy()
        g[index] = 0
        return g

    return out, vjp_x, lambda g: np.broadcast_to(g[index], shape)


@primitive
def cast(x, *, dtype):
    """The same values as another dtype."""
    kind = x.dtype
    return x.astype(dtype, copy=False), lambda g: g.astype(kind)


# --- Functions of one entry -------------------------------------------------------------------------------------


@primitive
def exp(x):
    """Exponential e ** x, entry by entry."""
    out = np.exp(x)
    return out, lambda g: g * out


@primitive
def log(x):
    """Natural logarithm of x, entry by entry."""
    return np.log(x), lambda g: g / x


@primitive
def sqrt(x):
    """Square root of x, entry by entry; its slope at 0 is infinite."""
    out = np.sqrt(x)
    return out, lambda g: g / (2 * out)


@primitive
def sin(x):
    """Sine of x (radians), entry by entry."""
    return np.sin(x), lambda g: g * np.cos(x)


@primitive
def cos(x):
    """Cosine of x (radians), entry by entry."""
    return np.cos(x), lambda g: -g * np.sin(x)


@primitive
def abs(x):
    """Absolute value |x|, entry by entry; the slope at 0 is taken as 0."""
    return np.abs(x), lambda g: g * np.sign(x)


@primitive
def tanh(x):
    """Hyperbolic tangent of x, entry by entry."""
    out = np.tanh(x)
    return out, lambda g: g * (1 - out * out)


@primitive
def sigmoid(x):
    """Logistic function 1 / (1 + exp(-x)), entry by entry, written so that no exponential overflows."""
    out = np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
    return out, lambda g: g * out * (1 - out)


@primitive
def relu(x):
    """Rectifier max(x, 0), entry by entry; the slope at 0 is taken as 0."""
    out = np.maximum(x, 0)
    return out, lambda g: g * (out > 0)


# --- Choosing ---------------------------------------------------------------------------------------------------


@primitive
def maximum(x, y):
    """The larger of x and y, entry by entry; equals share the gradient."""
    return np.maximum(x, y), lambda g: g * _share(x, y), lambda g: g * _share(y, x)


@primitive
def minimum(x, y):
    """The smaller of x and y, entry by entry; equals share the gradient."""
    return np.minimum(x, y), lambda g: g * _share(y, x), lambda g: g * _share(x, y)


def _share(x, y):
    """1 where x > y, 1/2 where they are equal, 0 elsewhere."""
    return (np.greater(x, y).astype(np.float32) + np.greater_equal(x, y)) / 2


# --- Sums and means ---------------------------------------------------------------------------------------------


@primitive
def sum(x, *, dim=None, keepdim=False):
    """Sum of the entries along dim (a number, a tuple, or None for all)."""
    shape = x.shape
    return x.sum(dim, keepdims=keepdim), lambda g: np.broadcast_to(_restore(g, dim, keepdim), shape)


@primitive
def mean(x, *, dim=None, keepdim=False):
    """Mean of the entries along dim (a number, a tuple, or None for all)."""
    shape = x.shape
    out = x.mean(dim, keepdims=keepdim)
    count = _ratio(x, out)
    return out, lambda g: np.broadcast_to(_restore(g, dim, keepdim) / count, shape)


def _restore(g, dim, keepdim):
    """Gradient g with the axes that a reduction along dim has dropped, each of size 1."""
    return g if keepdim or dim is None else np.expand_dims(g, dim)


def _ratio(x, out):
    """How many entries of x went into each entry of out."""
    return x.size // out.size if out.size else 1


# --- Products ---------------------------------------------------------------------------------------------------


@primitive
def matmul(x, y):
    """Matrix product of the last two axes, x @ y.

    Args:
        x: **shape** (..., n, k), or (k,).
        y: **shape** (..., k, m), or (k,); the leading axes broadcast.

    Returns:
        **shape** (..., n, m), without n if x has one axis, without m if y has one.

    Raises:
        ValueError: if k differs, or an input has no axis.
    """
    _check_product(x, y)
    a = x[None, :] if x.ndim == 1 else x
    b = y[:, None] if y.ndim == 1 else y

    def full(g):
        g = g[..., None] if y.ndim == 1 else g
        return g[..., None, :] if x.ndim == 1 else g

    def vjp_x(g):
        out = full(g) @ b.swapaxes(-1, -2)
        return out[..., 0, :] if x.ndim == 1 else out

    def vjp_y(g):
        if y.ndim == 2 and g.ndim > 1:  # one large product instead of many that would be summed
            return x.reshape(-1, x.shape[-1]).T @ g.reshape(-1, g.shape[-1])
        out = a.swapaxes(-1, -2) @ full(g)
        return out[..., 0] if y.ndim == 1 else out

    return x @ y, vjp_x, vjp_y


def _check_product(x, y):
    if x.ndim == 0 or y.ndim == 0:
        raise ValueError(f"matmul: wanted at least one axis each, got shapes {x.shape} and {y.shape}")
    k = y.shape[0] if y.ndim == 1 else y.shape[-2]
    if x.shape[-1] != k:
        raise ValueError(
            f"matmul: shapes {x.shape} @ {y.shape} do not fit: the last axis of the first ({x.shape[-1]}) "
            f"must equal the {'only' if y.ndim == 1 else 'last but one'} axis of the second ({k})"
        )


# --- Shape ------------------------------------------------------------------------------------------------------


@primitive
def reshape(x, *, shape):
    """The same entries in another shape; one of its numbers may be -1."""
    before = x.shape
    return x.reshape(shape), lambda g: g.reshape(before)


@primitive
def transpose(x, *, dim0, dim1):
    """Array x with the axes dim0 and dim1 exchanged."""
    return x.swapaxes(dim0, dim1), lambda g: g.swapaxes(dim0, dim1)


@primitive
def permute(x, *, dims):
    """Array x with its axes in the order dims."""
    dims = [d % x.ndim for d in dims]
    return x.transpose(dims), lambda g: g.transpose(np.argsort(dims))


@primitive
def broadcast_to(x, *, shape):
    """Array x stretched to a shape, as broadcasting does; -1 keeps the size of an axis."""
    added = len(shape) - x.ndim
    shape = [x.shape[i - added] if n == -1 else n for i, n in enumerate(shape)]
    return np.broadcast_to(x, shape), lambda g: g


@primitive
def getitem(x, *, index):
    """Entries x[index], for basic and advanced indices; an entry taken twice gets both gradients."""
    shape, dtype = x.shape, x.dtype

    def vjp(g):
        out = np.zeros(shape, dtype)
        np.add.at(out, index, g)
        return out

    return x[index], vjp
