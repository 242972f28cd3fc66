"""PyTorch's other functions of tensors: a line or two each, over the ops that exist.

Names, arguments and meaning are PyTorch's. What returns indices, truth values or counts leaves no trace in the graph.
"""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule import ops
from chainrule.autograd import primitive
from chainrule.tensor import Tensor, as_plain, wrap

__all__ = """
    add sub subtract multiply divide negative absolute square reciprocal rsqrt log2 log10 log1p expm1 sinh cosh tan
    sign floor ceil round remainder clamp clamp_min clamp_max max min argmax argmin topk sort argsort var std
    var_mean norm prod cumsum all any bincount histogram nonzero unique eq ne lt le gt ge isnan isinf isfinite equal
    allclose logical_and logical_or logical_not dot mm bmm mv t outer ravel flatten squeeze unsqueeze swapaxes swapdims
    movedim narrow chunk flip roll diagonal diag tril triu repeat_interleave tile masked_fill masked_select
    index_select take_along_dim scatter numel is_tensor clone detach rsub
""".split()


def _tensor(x: Any) -> Tensor:
    return x if isinstance(x, Tensor) else Tensor(x)


def _before(x: Tensor, dim: int) -> tuple[slice, ...]:
    """Index of all that stands along the axes before dim."""
    if x.ndim == 0:
        raise IndexError(f"a tensor without axes has no axis {dim}")
    return (slice(None),) * (dim % x.ndim)


def _numpy_names(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, that takes `axis` and `keepdims` too, as PyTorch does."""

    @functools.wraps(function)
    def f(*args: Any, **options: Any) -> Any:
        return function(
            *args, **{{"axis": "dim", "keepdims": "keepdim"}.get(k, k): v for k, v in options.items()}
        )

    return f


# --- Entry by entry ---------------------------------------------------------------------------------------------

multiply, divide, negative, absolute = ops.mul, ops.div, ops.neg, ops.abs


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Sum input + alpha * other, entry by entry."""
    return ops.add(input, other if alpha == 1 else ops.mul(other, alpha))


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """Difference input - alpha * other, entry by entry."""
    return ops.sub(input, other if alpha == 1 else ops.mul(other, alpha))


subtract = sub


@primitive
def sinh(x):
    """Hyperbolic sine of x, entry by entry."""
    return np.sinh(x), lambda g: g * np.cosh(x)


@primitive
def cosh(x):
    """Hyperbolic cosine of x, entry by entry."""
    return np.cosh(x), lambda g: g * np.sinh(x)


@primitive
def tan(x):
    """Tangent of x (radians), entry by entry."""
    out = np.tan(x)
    return out, lambda g: g * (1 + out * out)


@primitive
def log1p(x):
    """Logarithm of 1 + x, entry by entry, exact where x is small."""
    return np.log1p(x), lambda g: g / (1 + x)


@primitive
def expm1(x):
    """Exponential of x, less 1, entry by entry, exact where x is small."""
    out = np.expm1(x)
    return out, lambda g: g * (out + 1)


def square(input: Any) -> Tensor:
    """Square, entry by entry."""
    return ops.pow(input, 2)


def reciprocal(input: Any) -> Tensor:
    """Quotient 1 / input, entry by entry."""
    return ops.div(1, input)


def rsqrt(input: Any) -> Tensor:
    """One over the square root, entry by entry."""
    return ops.pow(input, -0.5)


def rsub(input: Any, other: Any) -> Tensor:
    """Difference other - input."""
    return ops.sub(other, input)


def log2(input: Any) -> Tensor:
    """Logarithm to base 2, entry by entry."""
    return ops.log(input) / math.log(2)


def log10(input: Any) -> Tensor:
    """Logarithm to base 10, entry by entry."""
    return ops.log(input) / math.log(10)


def _step(name: str, function: Any) -> Callable[..., Tensor]:
    """A function that is constant wherever it has a slope: its values, and a gradient of 0."""

    @primitive
    def rule(x):
        return function(x).astype(x.dtype, copy=False), lambda g: np.zeros_like(g)

    rule.__name__, rule.__doc__ = name, f"NumPy's `{name}`, entry by entry; its slope is 0."
    return rule


sign, floor, ceil, _whole = (_step(f.__name__, f) for f in (np.sign, np.floor, np.ceil, np.round))


def round(input: Any, *, decimals: int = 0) -> Tensor:
    """Entries rounded to so many decimals, halves to the even one; the slope is 0."""
    return _whole(input) if decimals == 0 else _whole(input * 10.0**decimals) / 10.0**decimals


def remainder(input: Any, other: Any) -> Tensor:
    """What is left of input after division by other, with the sign of other."""
    return input - (_tensor(input) // other) * other


def clamp(input: Any, min: Any = None, max: Any = None) -> Tensor:
    """Entries moved into [min, max]; numbers or Tensors, which get gradients too."""
    if min is None and max is None:
        raise ValueError("clamp: pass min, max or both")
    return ops.clip(input, min, max)


def clamp_min(input: Any, min: Any) -> Tensor:
    """Entries moved up to min."""
    return clamp(input, min)


def clamp_max(input: Any, max: Any) -> Tensor:
    """Entries moved down to max."""
    return clamp(input, None, max)


# --- The largest, and its place ---------------------------------------------------------------------------------


class Extreme(NamedTuple):
    """What `max`, `min`, `topk` and `sort` return along an axis.

    Attributes:
        values: the entries.
        indices: their places along the axis.
    """

    values: Tensor
    indices: Tensor


@_numpy_names
def argmax(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index along dim of the first of the largest entries; without dim in the flattened array."""
    x = as_plain(input)
    return wrap(np.argmax(x, dim, keepdims=keepdim) if x.ndim else np.zeros((), np.int64))


@_numpy_names
def argmin(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Index along dim of the first of the smallest entries; without dim in the flattened array."""
    x = as_plain(input)
    return wrap(np.argmin(x, dim, keepdims=keepdim) if x.ndim else np.zeros((), np.int64))


@_numpy_names
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Largest entry; along dim the pair (values, indices); the larger of two Tensors, entry by entry.

    Args:
        input: any **shape**.
        dim: None for all entries, an axis, or a Tensor to compare with.
        keepdim: keep the axis, with size 1.
        other: the Tensor to compare with, by name.

    Returns:
        Among equals along dim the first is taken, and gets the gradient; without dim they share it.
    """
    return _extreme(input, dim, keepdim, other, (ops.amax, argmax, ops.maximum))


@_numpy_names
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Smallest entry, as `max`.

    Args:
        input: any **shape**.
        dim: None for all entries, an axis, or a Tensor to compare with.
        keepdim: keep the axis, with size 1.
        other: the Tensor to compare with, by name.
    """
    return _extreme(input, dim, keepdim, other, (ops.amin, argmin, ops.minimum))


def _axes(x: Tensor) -> int:
    """How many axes can be named: a number has one, as PyTorch has it."""
    return x.ndim or 1


def _extreme(input: Any, dim: Any, keepdim: bool, other: Any, functions: Any) -> Any:
    of_all, place, of_two = functions
    other = dim if isinstance(dim, Tensor | np.ndarray) else other
    if other is not None:
        return of_two(input, other)
    x = _tensor(input)
    if dim is None:
        return of_all(x)
    if isinstance(dim, list | tuple):
        raise TypeError(f"max and min go along one axis; for {tuple(dim)} write amax(x, dim) or amin(x, dim)")
    if not -_axes(x) <= dim < _axes(x):
        raise ValueError(f"axis {dim} is out of bounds for a tensor of shape {x.shape}")
    if x.ndim == 0:
        return Extreme(of_all(x), wrap(np.zeros((), np.int64)))
    index = place(x, dim, keepdim=True)
    return Extreme(_picked(x, dim, index, keepdim), index if keepdim else index.squeeze(dim))


@primitive
def _picked(x, *, dim, index, keepdim):
    """One entry of x along dim at each place."""
    out, shape = np.take_along_axis(x, index, dim), x.shape

    def vjp(g):
        out = np.zeros(shape, g.dtype)
        np.put_along_axis(out, index, g if keepdim else np.expand_dims(g, dim), dim)
        return out

    return out if keepdim else out.squeeze(dim), vjp


def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extreme:
    """The k largest entries along dim, the largest first, and their indices."""
    whole = sort(input, dim, largest)
    if not 0 <= k <= whole.values.shape[dim]:
        raise ValueError(f"topk: k={k} of {whole.values.shape[dim]} entries along axis {dim}")
    return Extreme(narrow(whole.values, dim, 0, k), narrow(whole.indices, dim, 0, k))


def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Extreme:
    """The entries along dim in rising order, equals in the order in which they stand, and their indices."""
    index = argsort(input, dim, descending)
    if np.ndim(input) == 0:
        return Extreme(_tensor(input), index)
    return Extreme(take_along_dim(_tensor(input), index, dim), index)


def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """Indices that put the entries along dim in rising order, or in falling order."""
    x = as_plain(input)
    if x.ndim == 0:
        return wrap(np.zeros((), np.int64))
    if not descending:
        return wrap(np.argsort(x, dim, kind="stable"))
    last = x.shape[dim] - 1  # equals keep their order, when both the entries and the result are turned round
    return wrap(last - np.flip(np.argsort(np.flip(x, dim), dim, kind="stable"), dim))


def take_along_dim(input: Any, indices: Any, dim: int) -> Tensor:
    """Entries picked along one axis: for two axes and dim 1 out[i, j] = input[i, indices[i, j]]."""
    x, index = _tensor(input), as_plain(indices)
    dim = len(_before(x, dim))
    others = lambda shape: (*shape[:dim], 1, *shape[dim:][1:])
    shape = np.broadcast_shapes(others(x.shape), others(index.shape))
    full = lambda n: (*shape[:dim], n, *shape[dim:][1:])
    wide = x if x.shape == full(x.shape[dim]) else ops.broadcast_to(x, full(x.shape[dim]))
    return ops.gather(wide, dim, np.broadcast_to(index, full(index.shape[dim])))


# --- Sums, means, truth -----------------------------------------------------------------------------------------


@_numpy_names
def std(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
        correction: Any = None) -> Tensor:  # fmt: skip
    """Standard deviation along dim: the square root of `var`, with its arguments."""
    return ops.sqrt(var(input, dim, unbiased, keepdim, correction=correction))


@_numpy_names
def var(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
        correction: Any = None) -> Tensor:  # fmt: skip
    """Variance along dim.

    Args:
        input: any **shape**, float.
        dim: a number, a tuple, or None for all.
        unbiased: False for a correction of 0; PyTorch's older name.
        keepdim: keep the axes, with size 1.
        correction: the sum of squares is divided by the number of entries less this; 1 if None.
    """
    if isinstance(dim, bool):  # var(x, unbiased)
        dim, unbiased = None, dim
    less = correction if correction is not None else 0 if unbiased is False else 1
    return ops.var(input, dim=dim, correction=less, keepdim=keepdim)


@_numpy_names
def var_mean(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *,
             correction: Any = None) -> Any:  # fmt: skip
    """Variance, with its arguments, and mean along dim."""
    mean = ops.mean(input, dim=None if isinstance(dim, bool) else dim, keepdim=keepdim)
    return var(input, dim, unbiased, keepdim, correction=correction), mean


@_numpy_names
def norm(input: Any, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Tensor:
    """The p-norm of the entries along dim, or of all of them.

    Args:
        input: any **shape**, float.
        p: 2 or "fro", 1, another positive number, or math.inf.
        dim: a number, a tuple, or None for all.
        keepdim: keep the axes, with size 1.
    """
    x, options = _tensor(input), {"dim": dim, "keepdim": keepdim}
    if p not in ("fro",) and not (isinstance(p, int | float) and p > 0):
        raise ValueError(f"norm: p is 'fro' or a number above 0, got {p!r}")
    if p == math.inf:
        return ops.amax(x.abs(), **options)
    if p in (2, "fro"):
        return _root(ops.sum(x * x, **options))
    return ops.sum(x.abs() if p == 1 else ops.pow(x.abs(), p), **options) ** (1 / p)


@primitive
def _root(x):
    """Square root whose slope at 0 is taken as 0, as PyTorch takes that of a norm."""
    out = np.sqrt(x)
    return out, lambda g: np.divide(g, 2 * out, out=np.zeros_like(out), where=out != 0)


@_numpy_names
def prod(input: Any, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Product of the entries along dim, or of all of them."""
    x = _tensor(input)
    return _product(x.reshape(-1), 0, False) if dim is None else _product(x, dim, keepdim)


@primitive
def _product(x, *, dim, keepdim):
    shape = x.shape

    def vjp(g):
        rows, n = np.moveaxis(x, dim, -1), shape[dim]
        others = [np.delete(rows, i, -1).prod(-1) for i in range(n)]  # no division: an entry may be 0
        return (g if keepdim else np.expand_dims(g, dim)) * np.moveaxis(np.stack(others, -1), -1, dim)

    return np.prod(x, dim, keepdims=keepdim), vjp


@primitive
def cumsum(x, *, dim):
    """Running sum of the entries along dim."""
    return np.cumsum(x, dim).reshape(x.shape), lambda g: np.flip(np.cumsum(np.flip(g, dim), dim), dim)


@_numpy_names
def all(input: Any, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether all entries along dim are true."""
    return wrap(np.all(as_plain(input), dim, keepdims=keepdim))


@_numpy_names
def any(input: Any, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Whether any entry along dim is true."""
    return wrap(np.any(as_plain(input), dim, keepdims=keepdim))


def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Tensor:
    """How often each of 0, 1, 2, … stands in input."""
    return wrap(np.bincount(as_plain(input), None if weights is None else as_plain(weights), minlength))


def histogram(input: Any, bins: Any = 100, *, range: Any = None, density: bool = False) -> Histogram:
    """How many entries fall into each bin (or how densely they lie), and the edges of the bins."""
    hist, edges = np.histogram(as_plain(input), bins, range, density=density)
    dtype = as_plain(input).dtype
    return Histogram(wrap(hist.astype(dtype)), wrap(edges.astype(dtype)))


class Histogram(NamedTuple):
    """What `histogram` returns.

    Attributes:
        hist: the counts or densities.
        bin_edges: one more than there are bins.
    """

    hist: Tensor
    bin_edges: Tensor


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Indices of the entries that are not 0: one row each, or one array for each axis."""
    found = np.nonzero(as_plain(input))
    return tuple(map(wrap, found)) if as_tuple else wrap(np.stack(found, 1))


def unique(input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False) -> Any:
    """The different entries in rising order; with them, if wanted, where each stands and how often."""
    options: Any = {"return_inverse": return_inverse, "return_counts": return_counts}
    out: Any = np.unique(as_plain(input), **options)
    return tuple(map(wrap, out)) if isinstance(out, tuple) else wrap(out)


def _truth(name: str) -> Callable[..., Tensor]:
    """A function of NumPy that gives truth values."""
    rule = getattr(np, name)
    f = lambda *xs: wrap(rule(*map(as_plain, xs)))
    f.__name__, f.__doc__ = name, f"NumPy's `{name}`, entry by entry."
    return f


eq, ne, lt, le, gt, ge = map(_truth, "equal not_equal less less_equal greater greater_equal".split())
isnan, isinf, isfinite = map(_truth, ("isnan", "isinf", "isfinite"))
logical_and, logical_or, logical_not = map(_truth, ("logical_and", "logical_or", "logical_not"))


def equal(input: Any, other: Any) -> bool:
    """Whether both have the same **shape** and entries."""
    return np.array_equal(as_plain(input), as_plain(other))


def allclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> bool:
    """Whether all entries agree up to atol + rtol * abs(other)."""
    return np.allclose(as_plain(input), as_plain(other), rtol, atol, equal_nan)


def is_tensor(obj: Any) -> bool:
    """Whether it is a Tensor."""
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """Number of entries."""
    return input.numel()


def clone(input: Tensor) -> Tensor:
    """A copy that is part of the graph."""
    return input.clone()


def detach(input: Tensor) -> Tensor:
    """The same values, sharing memory, outside the graph."""
    return input.detach()


# --- Products ---------------------------------------------------------------------------------------------------


def _product_of(name: str, axes: tuple[int, int]) -> Callable[..., Tensor]:
    def f(input: Any, other: Any) -> Tensor:
        if (np.ndim(input), np.ndim(other)) != axes:
            got = f"shapes {np.shape(input)} and {np.shape(other)}"
            raise ValueError(f"{name}: wanted {axes[0]} and {axes[1]} axes, got {got}; matmul takes others")
        return ops.matmul(input, other)

    f.__name__, f.__doc__ = name, f"Matrix product of inputs with {axes[0]} and {axes[1]} axes."
    return f


dot, mv, mm, bmm = (
    _product_of(*row) for row in [("dot", (1, 1)), ("mv", (2, 1)), ("mm", (2, 2)), ("bmm", (3, 3))]
)


def outer(input: Any, vec2: Any) -> Tensor:
    """Products of every entry of one vector with every entry of another, **shape** (n, m)."""
    return unsqueeze(_tensor(input), 1) * vec2


# --- Shape ------------------------------------------------------------------------------------------------------


def t(input: Any) -> Tensor:
    """A matrix with its axes exchanged; a vector as it is."""
    x = _tensor(input)
    if x.ndim > 2:
        raise ValueError(f"t: wanted at most 2 axes, got shape {x.shape}; write x.transpose(dim0, dim1)")
    return x if x.ndim < 2 else ops.transpose(x, 0, 1)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from start_dim to end_dim as one."""
    x = _tensor(input)
    first, last = (dim % builtins.max(x.ndim, 1) for dim in (start_dim, end_dim))
    return ops.reshape(x, (*x.shape[:first], math.prod(x.shape[first : last + 1]), *x.shape[last + 1 :]))


def ravel(input: Any) -> Tensor:
    """All axes as one."""
    return _tensor(input).reshape(-1)


def squeeze(input: Any, dim: Any = None) -> Tensor:
    """Without the axis dim if it has size 1; without all such axes if dim is None."""
    return _tensor(input).squeeze(dim)


def unsqueeze(input: Any, dim: int) -> Tensor:
    """With a new axis of size 1 at dim."""
    return _tensor(input).unsqueeze(dim)


def movedim(input: Any, source: Any, destination: Any) -> Tensor:
    """The axes source moved to destination; the others keep their order."""
    x = _tensor(input)
    shape = np.moveaxis(
        np.empty(range(x.ndim)), source, destination
    ).shape  # every axis has its number as its size
    return ops.permute(x, shape)


def narrow(input: Any, dim: int, start: int, length: int) -> Tensor:
    """So many entries along dim, from start on."""
    x = _tensor(input)
    return x[_before(x, dim) + (slice(start, start + length),)]


def chunk(input: Any, chunks: int, dim: int = 0) -> Any:
    """At most so many parts along dim, all but the last of one size."""
    return ops.split(input, -(-input.shape[dim] // chunks), dim)


def flip(input: Any, dims: Any, *more: int) -> Tensor:
    """The entries along the axes dims in reverse order."""
    x, turned = _tensor(input), {d % input.ndim for d in (*np.atleast_1d(dims).tolist(), *more)}
    return x[tuple(slice(None, None, -1 if i in turned else None) for i in range(x.ndim))]


def roll(input: Any, shifts: int, dims: int | None = None) -> Tensor:
    """The entries moved along an axis, those that fall off at the end coming in at the start."""
    x = _tensor(input)
    if dims is None:
        return roll(x.reshape(-1), shifts, 0).reshape(x.shape)
    return index_select(x, dims, np.roll(np.arange(x.shape[dims]), shifts))


def diagonal(input: Any, offset: int = 0) -> Tensor:
    """The diagonal of a matrix, or one offset places to its right."""
    n, m = input.shape
    rows, columns = np.nonzero(np.eye(n, m, offset))
    return _tensor(input)[rows, columns]


def diag(input: Any, diagonal: int = 0) -> Tensor:
    """The diagonal of a matrix, or the matrix with that diagonal."""
    x = _tensor(input)
    if x.ndim == 2:
        return globals()["diagonal"](x, diagonal)
    n = len(x) + builtins.abs(diagonal)
    rows, columns = np.nonzero(np.eye(n, n, diagonal))
    return ops.setitem(wrap(np.zeros((n, n), x.dtype)), x, (rows, columns))


def tril(input: Any, diagonal: int = 0) -> Tensor:
    """The entries on and below a diagonal of the last two axes; 0 elsewhere."""
    n, m = input.shape[-2:]
    return _masked(_tensor(input), np.tri(n, m, diagonal, np.bool_))


def triu(input: Any, diagonal: int = 0) -> Tensor:
    """The entries on and above a diagonal of the last two axes; 0 elsewhere."""
    n, m = input.shape[-2:]
    return _masked(_tensor(input), ~np.tri(n, m, diagonal - 1, np.bool_))


def _masked(x: Tensor, kept: np.ndarray) -> Tensor:
    return ops.where(kept, x, np.zeros((), x.dtype))


def tile(input: Any, dims: Sequence[int]) -> Tensor:
    """The whole of input so many times along each axis, the last first."""
    x = _tensor(input)
    shape = (1,) * (len(dims) - x.ndim) + x.shape
    times = (1,) * (len(shape) - len(dims)) + tuple(dims)
    wide = x.reshape([n for size in shape for n in (1, size)])
    wide = ops.broadcast_to(wide, [n for pair in zip(times, shape, strict=True) for n in pair])
    return wide.reshape([k * n for k, n in zip(times, shape, strict=True)])


def repeat_interleave(input: Any, repeats: Any, dim: int | None = None) -> Tensor:
    """Each entry along dim so many times, one after another; without dim of the flattened input."""
    x = _tensor(input)
    x, dim = (x.reshape(-1), 0) if dim is None else (x, dim)
    return index_select(x, dim, np.repeat(np.arange(x.shape[dim]), as_plain(repeats)))


# --- Picking ----------------------------------------------------------------------------------------------------


def masked_fill(input: Any, mask: Any, value: Any) -> Tensor:
    """Input with value where mask is true."""
    x, mask = _tensor(input), as_plain(mask)
    if mask.dtype != bool:
        raise TypeError(
            f"masked_fill: a mask holds booleans, got {mask.dtype}; write mask == 1 or mask.bool()"
        )
    return ops.where(mask, _tensor(value).to(x.dtype), x)


def masked_select(input: Any, mask: Any) -> Tensor:
    """The entries where mask is true, in a row."""
    x, mask = _tensor(input), as_plain(mask)
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return ops.broadcast_to(x, shape)[np.broadcast_to(mask, shape)]


def index_select(input: Any, dim: int, index: Any) -> Tensor:
    """The entries along dim with these indices."""
    x = _tensor(input)
    return x[_before(x, dim) + (as_plain(index),)]


def scatter(input: Any, dim: int, index: Any, src: Any) -> Tensor:
    """Input with src written where index says along dim: out[i, index[i, j]] = src[i, j] for two axes and dim 1."""
    x, index = _tensor(input), as_plain(index)
    where = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    where[dim] = index
    if isinstance(src, Tensor):
        src = src[tuple(slice(n) for n in index.shape)]
    return ops.setitem(x, src, tuple(where))


swapaxes = swapdims = ops.transpose
