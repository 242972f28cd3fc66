"""Every operation and its derivative.

Each function below is a rule on plain arrays. It returns its value, then one VJP for each differentiable input:
the function that turns `g`, the gradient with respect to the value, into the gradient with respect to that input.
`@primitive` makes of the rule a function of Tensors. Three habits hold throughout: a VJP never writes into `g`
or into what it keeps; it keeps no array that it does not need (the shape, rather than the array); it ignores
broadcasting, which `chainrule.autograd.unbroadcast` undoes for all.
"""

import functools
import math
import string

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.autograd import primitive

__all__ = """
    add sub mul div neg pow cast exp log sqrt sin cos abs tanh sigmoid relu leaky_relu gelu softplus
    maximum minimum where clip max min sum mean var sum_of_squares logsumexp softmax log_softmax
    matmul einsum linear reshape transpose permute broadcast_to concatenate cat stack split pad
    getitem setitem gather embedding conv1d conv2d max_pool1d max_pool2d avg_pool1d avg_pool2d
    batch_norm layer_norm mse_loss hinge_loss cross_entropy binary_cross_entropy_with_logits
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
    quiet = np.errstate(divide="ignore", invalid="ignore")
    vjp_x = quiet(lambda g: g * np.where(y == 0, 0, y * x ** (y - 1)))
    vjp_y = quiet(lambda g: g * np.where((x == 0) & (y >= 0), 0, out * np.log(x)))
    return out, vjp_x, vjp_y


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
    """Logistic function 1 / (1 + exp(-x)), entry by entry."""
    out = _logistic(x)
    return out, lambda g: g * out * (1 - out)


def _logistic(x):
    """1 / (1 + exp(-x)) written so that no exponential overflows: for x < 0 it is exp(x) / (1 + exp(x))."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


@primitive
def relu(x):
    """Rectifier max(x, 0), entry by entry; the slope at 0 is taken as 0."""
    out = np.maximum(x, 0)
    return out, lambda g: g * (out > 0)


@primitive
def leaky_relu(x, *, negative_slope=0.01):
    """Entry x where x > 0, negative_slope * x elsewhere.

    Source: Maas, Hannun and Ng, Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013, section 2.
    """
    return np.where(x > 0, x, negative_slope * x), lambda g: np.where(x > 0, g, negative_slope * g)


@primitive
def softplus(x, *, beta=1.0, threshold=20.0):
    """Smooth rectifier log(1 + exp(beta * x)) / beta, entry by entry; x itself where beta * x > threshold."""
    z = beta * x
    soft = (np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))) / beta
    return np.where(z > threshold, x, soft), lambda g: g * np.where(z > threshold, 1, _logistic(z))


@primitive
def gelu(x, *, approximate="none"):
    """Entry x times the probability that a standard normal number is below x.

    Args:
        x: any **shape**, float.
        approximate: "none" for the normal distribution itself, "tanh" for the usual approximation of it.

    Raises:
        ValueError: for another `approximate`.

    Source: Hendrycks and Gimpel, Gaussian Error Linear Units, 2016, section 2.
    """
    if approximate == "none":
        below, density = _normal_cdf(x), np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    elif approximate == "tanh":
        scale = math.sqrt(2 / math.pi)
        t = np.tanh(scale * (x + 0.044715 * x**3))
        below, density = (1 + t) / 2, (1 - t * t) / 2 * scale * (1 + 3 * 0.044715 * x * x)
    else:
        raise ValueError(f"gelu: approximate is 'none' or 'tanh', got {approximate!r}")
    return x * below, lambda g: g * (below + x * density)


def _normal_cdf(x):
    """Probability that a standard normal number is below x, to about 1e-15.

    NumPy has no error function. With u = |x| / sqrt(2) and t = 2 / (2 + u), erfc(u) = t exp(-u² + P(t)) with a
    smooth P, here a Chebyshev sum. Source: Press et al., Numerical Recipes, 3rd ed., 2007, section 6.2.2.
    """
    u = np.abs(x) * math.sqrt(0.5)
    t = 2 / (2 + u)
    s, b, before = 2 * (t - 0.075) / 0.925 - 1, 0.0, 0.0
    first, *rest = _erfc_coefficients()
    for c in reversed(rest):  # Clenshaw's recurrence
        b, before = 2 * s * b - before + c, b
    tail = t * np.exp(s * b - before + first - u * u) / 2
    return np.where(x > 0, 1 - tail, tail)


@functools.cache
def _erfc_coefficients():
    """Chebyshev coefficients of P for t from 0.075, below which erfc underflows, to 1; from math.erfc."""

    def p(s):
        t = 0.925 * (s + 1) / 2 + 0.075
        u = 2 / t - 2
        return [math.log(math.erfc(v) / w) + v * v for v, w in zip(u, t, strict=True)]

    return np.polynomial.chebyshev.chebinterpolate(p, 24).tolist()


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


@primitive
def where(condition, x, y):
    """Entry of x where condition holds, of y elsewhere."""
    condition = np.asarray(condition, bool)
    out = np.where(condition, x, y)
    return out, None, lambda g: np.where(condition, g, 0), lambda g: np.where(condition, 0, g)


@primitive
def clip(x, *, min=None, max=None):
    """Entries of x moved into [min, max]; None leaves that side open. The bounds themselves have slope 1."""
    out = np.clip(x, min, max)
    return out, lambda g: g * (out == x)


@primitive
def max(x, *, dim=None, keepdim=False):
    """Largest entry along dim, or of all.

    Among equals the first gets the gradient along dim, and all share it without dim, as in PyTorch
    (`torch.max(x, dim)` returns the indices too; here `x.argmax(dim)` does).

    Args:
        x: any **shape**.
        dim: one axis, or None for all of them.
        keepdim: keep the axis, with size 1.

    Raises:
        ValueError: if there is no entry to choose from.
    """
    return _extreme(x, np.max, np.argmax, dim, keepdim)


@primitive
def min(x, *, dim=None, keepdim=False):
    """Smallest entry along dim, or of all; equals are treated as in `max`."""
    return _extreme(x, np.min, np.argmin, dim, keepdim)


def _extreme(x, reduce, arg_reduce, dim, keepdim):
    """Value and VJP of max and min."""
    if dim is None or x.ndim == 0:
        out = reduce(x, dim, keepdims=keepdim)
        chosen = (x == out) | np.isnan(x)
        return out, lambda g: g * chosen / int(chosen.sum())
    index = np.expand_dims(arg_reduce(x, dim), dim)
    out, shape = np.take_along_axis(x, index, dim), x.shape

    def vjp(g):
        out = np.zeros(shape, g.dtype)
        np.put_along_axis(out, index, g if keepdim else np.expand_dims(g, dim), dim)
        return out

    return out if keepdim else out.squeeze(dim), vjp


# --- Sums and means ---------------------------------------------------------------------------------------------


@primitive
def sum(x, *, dim=None, keepdim=False):
    """Sum of the entries along dim (a number, a tuple, or None for all)."""
    shape = x.shape
    return x.sum(dim, keepdims=keepdim), lambda g: _spread(g, shape, dim, keepdim)


@primitive
def mean(x, *, dim=None, keepdim=False):
    """Mean of the entries along dim (a number, a tuple, or None for all)."""
    out = x.mean(dim if x.ndim or dim not in (0, -1) else None, keepdims=keepdim)
    shape, count = x.shape, _ratio(x, out)
    return out, lambda g: _spread(g / count, shape, dim, keepdim)


@primitive
def var(x, *, dim=None, correction=1, keepdim=False):
    """Variance of the entries along dim (a number, a tuple, or None for all).

    Args:
        x: any **shape**, float.
        dim: the axes to go over.
        correction: the sum of squares is divided by the number of entries less this.
        keepdim: keep the axes, with size 1.
    """
    centred = x - mean.rule(x, dim=dim, keepdim=True)[0]
    out = (centred * centred).sum(dim, keepdims=keepdim)
    n = np.maximum(_ratio(x, out) - correction, 0).item()
    return np.divide(out, n), lambda g: _spread(np.divide(2 * g, n), centred.shape, dim, keepdim) * centred


@primitive
def sum_of_squares(*xs):
    """Sum of the squares of all entries of all inputs: the L2 penalty on a list of parameters."""
    total = math.fsum(float(np.vdot(x, x)) for x in xs)
    return np.asarray(total, xs[0].dtype), *((lambda g, x=x: 2 * float(g) * x) for x in xs)


@primitive
def logsumexp(x, *, dim, keepdim=False):
    """log(sum(exp(x))) along dim, shifted by the largest entry so that no exponential overflows.

    Source: Blanchard, Higham and Higham, Accurately Computing the Log-Sum-Exp and Softmax Functions, 2021,
    equation (1.3).
    """
    peak = x.max(dim, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0)
    with np.errstate(divide="ignore"):
        out = np.log(np.exp(x - peak).sum(dim, keepdims=True)) + peak
    drop = () if keepdim or x.ndim == 0 else dim
    return out.squeeze(drop), lambda g: _spread(g, x.shape, dim, keepdim) * np.exp(x - out)


@primitive
def softmax(x, *, dim):
    """exp(x) / sum(exp(x)) along dim, shifted by the largest entry so that no exponential overflows."""
    out = np.exp(x - x.max(dim, keepdims=True) if x.size else x)
    out /= out.sum(dim, keepdims=True)
    return out, lambda g: out * (g - (g * out).sum(dim, keepdims=True))


@primitive
def log_softmax(x, *, dim):
    """Logarithm of softmax along dim, without forming the softmax."""
    if x.size == 0:  # nothing to take the logarithm of
        return x, lambda g: g
    z = x - x.max(dim, keepdims=True)
    out = z - np.log(np.exp(z).sum(dim, keepdims=True))
    return out, lambda g: g - np.exp(out) * g.sum(dim, keepdims=True)


def _spread(g, shape, dim, keepdim):
    """Gradient of a sum along dim, handed to every entry of an array of that shape."""
    if shape and dim is not None and not keepdim:
        g = np.expand_dims(g, dim)
    return np.broadcast_to(g, shape)


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
    flat_x, flat_y = x.ndim == 1, y.ndim == 1
    a = x[None, :] if flat_x else x
    b = y[:, None] if flat_y else y

    def full(g):
        g = g[..., None] if flat_y else g
        return g[..., None, :] if flat_x else g

    def vjp_x(g):
        out = full(g) @ b.swapaxes(-1, -2)
        return out[..., 0, :] if flat_x else out

    def vjp_y(g):
        if b.ndim == 2 and not flat_y:  # one large product instead of many that would be summed
            return _rows(a).T @ _rows(full(g))
        out = a.swapaxes(-1, -2) @ full(g)
        return out[..., 0] if flat_y else out

    return x @ y, vjp_x, vjp_y


def _rows(x):
    """The vectors along the last axis of x as the rows of one matrix."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _check_product(x, y):
    if np.ndim(x) == 0 or np.ndim(y) == 0:
        raise ValueError(f"matmul: wanted at least one axis each, got shapes {np.shape(x)} and {np.shape(y)}")
    k = y.shape[0] if y.ndim == 1 else y.shape[-2]
    if x.shape[-1] != k:
        axis = "only" if y.ndim == 1 else "last but one"
        wanted = f"the last axis of the first ({x.shape[-1]}) must equal the {axis} axis of the second ({k})"
        raise ValueError(f"matmul: shapes {x.shape} @ {y.shape} do not fit: {wanted}")


@primitive
def einsum(equation, *xs):
    """Sum of products over named axes, such as "ij,jk->ik" for the matrix product.

    Args:
        equation: one group of letters per input, then "->" and those of the result; "..." stands for any axes.
        *xs: arrays whose axes the letters name. A letter may repeat within an input (its diagonal).

    Raises:
        ValueError: if the letters do not fit the inputs.
    """
    *groups, result = _letters(equation, [x.ndim for x in xs])
    out = np.einsum(f"{','.join(groups)}->{result}", *xs, optimize=True)
    size = {}
    for group, x in zip(groups, xs, strict=True):
        size |= {c: n for c, n in zip(group, x.shape, strict=True) if size.get(c, 1) == 1}

    def vjp(i, g):
        mine, others = groups[i], [(groups[k], x) for k, x in enumerate(xs) if k != i]
        own = "".join(dict.fromkeys(mine))
        known = [c for c in own if c in result or any(c in group for group, _ in others)]
        left = ",".join([result, *(group for group, _ in others)])
        part = np.einsum(f"{left}->{''.join(known)}", g, *(x for _, x in others), optimize=True)
        part = np.asarray(part).reshape([size[c] if c in known else 1 for c in own])
        if mine == own:
            return np.broadcast_to(part, [size[c] for c in mine])
        out = np.zeros([size[c] for c in mine], g.dtype)
        np.einsum(f"{mine}->{own}", out)[...] = part  # a letter repeats: a writable view of the diagonal
        return out

    return out, None, *((lambda g, i=i: vjp(i, g)) for i in range(len(xs)))


def _letters(equation, ndims):
    """Letters of each input and of the result, with "..." and a missing result spelled out."""
    left, arrow, result = equation.replace(" ", "").partition("->")
    groups = left.split(",")
    if len(groups) != len(ndims):
        raise ValueError(f"einsum: {equation!r} names {len(groups)} inputs, got {len(ndims)}")
    spare = "".join(c for c in string.ascii_letters if c not in equation)
    more = [n - len(group.replace("...", "")) for n, group in zip(ndims, groups, strict=True)]
    for n, group, extra in zip(ndims, groups, more, strict=True):
        if extra < 0 or (extra and "..." not in group):
            raise ValueError(f"einsum: {group!r} in {equation!r} does not name the axes of an input with {n}")
    fill = [spare[len(spare) - n :] if n else "" for n in more]
    groups = [group.replace("...", names) for group, names in zip(groups, fill, strict=True)]
    widest = functools.reduce(lambda a, b: a if len(a) > len(b) else b, fill)
    once = sorted(c for c in set(left) - set(".,") if left.count(c) == 1)
    return *groups, result.replace("...", widest) if arrow else widest + "".join(once)


@primitive
def linear(x, weight, bias=None):
    """Affine map x @ weight.T + bias.

    Args:
        x: **shape** (..., in_features).
        weight: **shape** (out_features, in_features), as PyTorch keeps it.
        bias: **shape** (out_features,), or None.

    Returns:
        **shape** (..., out_features).

    Raises:
        ValueError: if in_features or out_features disagree.
    """
    _check_linear(x, weight, bias)
    rows = _rows(x)
    out = rows.dot(weight.T)  # for two matrices the same as @, and leaner
    if bias is not None:
        out += bias
    out = out if x.ndim == 2 else out.reshape(*x.shape[:-1], len(weight))
    return out, lambda g: g.dot(weight), lambda g: _rows(g).T.dot(rows), lambda g: _column_sums(_rows(g))


def _column_sums(rows):
    """Sum of the rows of a matrix, as a product by BLAS: much faster than rows.sum(0)."""
    return _ones(len(rows), rows.dtype).dot(rows)


@functools.lru_cache(maxsize=64)
def _ones(n, dtype):
    return np.ones(n, dtype)


def _check_linear(x, weight, bias):
    if weight.ndim != 2 or x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        size = weight.shape[-1] if weight.ndim else "?"
        wanted = f"wanted x of shape (..., {size}) for a weight of shape (out_features, in_features)"
        raise ValueError(f"linear: x of shape {x.shape} does not fit weight {weight.shape}: {wanted}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias has shape {bias.shape}, wanted {weight.shape[:1]}, one per output")


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
    return x.transpose(dims), lambda g: np.moveaxis(g, range(g.ndim), dims)


@primitive
def broadcast_to(x, *, shape):
    """Array x stretched to a shape, as broadcasting does; -1 keeps the size of an axis."""
    added = len(shape) - x.ndim
    shape = [x.shape[i - added] if n == -1 else n for i, n in enumerate(shape)]
    return np.broadcast_to(x, shape), lambda g: g


@primitive
def concatenate(*xs, dim=0):
    """Arrays one after another along an existing axis; takes a list too, as PyTorch's `cat`."""
    out = np.concatenate(xs, dim)
    sizes = [x.shape[dim] for x in xs]
    parts = [slice(stop - n, stop) for n, stop in zip(sizes, np.cumsum(sizes).tolist(), strict=True)]
    return out, *((lambda g, part=part: g.swapaxes(0, dim)[part].swapaxes(0, dim)) for part in parts)


cat = concatenate


@primitive
def stack(*xs, dim=0):
    """Arrays of one shape along a new axis; takes a list too."""
    return np.stack(xs, dim), *((lambda g, i=i: np.moveaxis(g, dim, 0)[i]) for i in range(len(xs)))


def split(x, split_size_or_sections, dim=0):
    """Tuple of consecutive parts of x along dim.

    Args:
        x: any **shape**.
        split_size_or_sections: the size of every part (the last may be smaller), or a list with one size each.
        dim: the axis to cut.

    Raises:
        ValueError: if the listed sizes do not add up to the axis.
    """
    n, sizes = x.shape[dim], split_size_or_sections
    starts = [*range(0, n, sizes)] if isinstance(sizes, int) else [0, *np.cumsum(sizes)]
    if not isinstance(sizes, int) and starts.pop() != n:
        raise ValueError(f"split: sizes {list(sizes)} add up to {np.sum(sizes)}, axis {dim} has {n}")
    before = (slice(None),) * (dim % x.ndim)
    return tuple(getitem(x, (*before, slice(a, b))) for a, b in zip(starts, [*starts[1:], n], strict=True))


@primitive
def pad(x, *, pad, mode="constant", value=0.0):
    """Array x with more entries around it, or fewer where a count is negative.

    Args:
        x: any **shape**.
        pad: how many on each side, last axis first: (left, right, top, bottom, …), as in PyTorch.
        mode: what the new entries are: "constant" for `value`, "replicate" for the outermost entry, "reflect"
            for those on the other side of the outermost entry, "circular" for those at the other end.
        value: what to fill in with "constant".

    Raises:
        ValueError: if pad is no list of pairs for at most as many axes as x has, if it takes away more than there
            is, if it adds more than there is to repeat, or for another mode.
    """
    modes = ["constant", "reflect", "replicate", "circular"]
    if len(pad) % 2 or len(pad) > 2 * x.ndim or mode not in modes:
        raise ValueError(f"wanted up to {x.ndim} pairs of counts and a mode of {modes}, got {pad}, {mode!r}")
    widths = np.reshape((*pad, *[0] * (2 * x.ndim - len(pad))), (x.ndim, 2))[::-1]
    if np.any(np.minimum(widths, 0).sum(1) + x.shape < 0):
        raise ValueError(f"counts {pad} take away more than there is")
    if mode == "constant":
        return _framed(x, widths, value), lambda g: _framed(g, -widths, 0)
    index = np.ix_(*(_repeated(n, *width, mode) for n, width in zip(x.shape, widths.tolist(), strict=True)))
    return x[index], _scatter(x, index)


def _framed(x, widths, value):
    """Array x with that value around it, or with entries taken away where a width is negative."""
    kept = (slice(-a, n + b) for n, (a, b) in zip(x.shape, np.minimum(widths, 0).tolist(), strict=True))
    x, new = x[*kept], np.maximum(widths, 0)
    return np.pad(x, new, constant_values=value) if new.any() else x.copy()


def _repeated(n, before, after, mode):
    """For each entry along a padded axis of n the index of the entry that it repeats, as PyTorch counts."""
    at, first, last = np.arange(-before, n + after), np.maximum(-before, 0), n - 1
    most = {"reflect": last, "replicate": n and math.inf, "circular": n - first + np.minimum(after, 0)}[mode]
    if np.maximum(before, after) > np.maximum(most, 0):
        raise ValueError(f"{mode!r} on an axis of {n} adds at most {most} on a side, got {(before, after)}")
    if mode == "reflect":
        return last - np.abs(last - np.abs(at))
    return np.clip(at, 0, last) if mode == "replicate" else first + (at - first) % most


# --- Picking by index -------------------------------------------------------------------------------------------


@primitive
def getitem(x, *, index):
    """Entries x[index], for basic and advanced indices; an entry taken twice gets both gradients."""
    return x[index], _scatter(x, index)


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
def gather(x, *, dim, index):
    """Entries of x picked along one axis: out[i, j] = x[i, index[i, j]] for two axes and dim 1.

    Args:
        x: any **shape**.
        dim: the axis that index counts along.
        index: integers, with as many axes as x, none longer than in x except along dim.

    Raises:
        IndexError: if an index is not in 0 … size of the axis - 1.
    """
    _check_index("gather", index, x.shape[dim])
    where = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    where[dim] = index
    return x[tuple(where)], _scatter(x, tuple(where))


@primitive
def embedding(index, weight, *, padding_idx=None):
    """Rows of a table: weight[index].

    Args:
        index: integers of any **shape**.
        weight: **shape** (num_embeddings, embedding_dim).
        padding_idx: the row that gets no gradient; None for no such row, a negative number counts from the end.

    Returns:
        **shape** (*index.shape, embedding_dim).

    Raises:
        IndexError: if an index is not in 0 … num_embeddings - 1, or there is no row padding_idx.
    """
    index = np.asarray(index)
    _check_index("embedding", index, len(weight))
    learned = ... if padding_idx is None else index != np.arange(len(weight))[padding_idx]
    vjp = _scatter(weight, index[learned])
    return weight[index], None, lambda g: vjp(g[learned])


def _scatter(x, index):
    """VJP of x[index]: each entry of g is added where it was taken from."""
    shape = x.shape
    parts = index if isinstance(index, tuple) else (index,)
    once = all(i is None or i is Ellipsis or isinstance(i, int | slice) for i in parts)

    def vjp(g):
        out = np.zeros(shape, g.dtype)
        if once:  # plain assignment is much faster, and right where no entry is taken twice
            out[index] = g
        else:
            np.add.at(out, index, g)
        return out

    return vjp


def _check_index(name, index, size):
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices are integers, got {index.dtype}")
    _check_range(f"{name}: index", index, size, IndexError)


def _check_range(what, index, size, kind):
    """Raise an error of that kind, which begins with what, if an index is not in 0 … size - 1."""
    if index.size and (index.min() < 0 or index.max() >= size):
        bad = index[(index < 0) | (index >= size)].flat[0]
        raise kind(f"{what} {bad} is out of range, wanted 0 to {size - 1}")


# --- Windows: convolution and pooling ---------------------------------------------------------------------------


@primitive
def conv2d(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation of images with filters, as one matrix product over all windows.

    Inside, an image lies as (H, W, C), so that the C numbers of a pixel are neighbours in memory. What is
    returned is a view of such an array, so a chain of convolutions never moves data back and forth.

    Args:
        x: **shape** (B, C, H, W), or (C, H, W) for one image.
        weight: **shape** (O, C / groups, kh, kw).
        bias: **shape** (O,), or None.
        stride: step from window to window; a number, or a pair for (H, W), as the next two.
        padding: zeros added on each side; "valid" for none, "same" for as many as keep the size, where an odd
            one goes to the end and stride must be 1.
        dilation: step from pixel to pixel within a window.
        groups: C and O are cut into so many groups, and each sees only its own.

    Returns:
        **shape** (B, O, H', W'), without B if x has none, with
        H' = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1, and W' alike.

    Raises:
        ValueError: if channels, groups, bias or a size do not fit, or a window is larger than the image.

    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016, chapters 2 and 4;
    Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks for Document Processing, 2006,
    section 3.1 (windows as the rows of a matrix).
    """
    _check_conv(x, weight, bias, groups, "BCHW")
    images = x if x.ndim == 4 else x[None]
    frame = _Windows(images.shape, weight.shape[2:], stride, padding, dilation)
    size = (groups, len(weight) // groups, weight.shape[1], len(frame.places))
    filters = weight.reshape(size).transpose(0, 3, 2, 1)  # (G, kh kw, C/G, O/G)

    def vjp_x(g):
        rows = frame.rows(g, groups)
        parts = (rows @ filters[:, k].swapaxes(1, 2) for k in range(len(frame.places)))
        return frame.scatter(parts, g.dtype)

    def vjp_weight(g):
        columns = frame.columns(images, groups) if kept is None else kept
        out = columns.swapaxes(1, 2) @ frame.rows(g, groups)
        return out.reshape(filters.shape).transpose(0, 3, 2, 1).reshape(weight.shape)

    columns = frame.columns(images, groups)
    out = columns @ np.ascontiguousarray(filters.reshape(groups, -1, size[1]))
    kept = columns if columns.size <= out.size else None  # larger ones are made anew rather than kept
    out = np.ascontiguousarray(out.swapaxes(0, 1)).reshape(*frame.shape, len(weight))
    if bias is not None:
        pixels = math.prod(frame.shape[1:])
        flat = out.reshape(len(out), pixels * len(weight))  # to add to few long rows is faster
        flat += np.tile(bias, pixels)
    out = out.transpose(0, 3, 1, 2)
    return out if x.ndim == 4 else out[0], vjp_x, vjp_weight, lambda g: _column_sums(frame.rows(g, 1)[0])


@primitive
def conv1d(x, weight, bias=None, *, stride=1, padding=0, dilation=1, groups=1):
    """Cross-correlation of sequences with filters: `conv2d` on images one pixel high.

    Args:
        x: **shape** (B, C, L), or (C, L) for one sequence.
        weight: **shape** (O, C / groups, k).
        bias: **shape** (O,), or None.
        stride: step from window to window.
        padding: zeros added on each side, or "valid" or "same", as for `conv2d`.
        dilation: step from entry to entry within a window.
        groups: C and O are cut into so many groups, and each sees only its own.

    Returns:
        **shape** (B, O, L'), without B if x has none, with
        L' = (L + 2 padding - dilation (k - 1) - 1) // stride + 1.

    Raises:
        ValueError: if channels, groups, bias or a size do not fit, or the window is longer than the sequence.
    """
    _check_conv(x, weight, bias, groups, "BCL")
    steps = {"stride": _flat(stride, 1), "padding": _flat(padding, 0), "dilation": _flat(dilation, 1)}
    out, *vjps, vjp_b = conv2d.rule(x[..., None, :], weight[..., None, :], bias, groups=groups, **steps)
    low = lambda vjp: lambda g: vjp(g[..., None, :])[..., 0, :]
    return out[..., 0, :], *map(low, vjps), lambda g: vjp_b(g[..., None, :])


@primitive
def max_pool2d(x, *, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Largest entry of each window; among equals the first gets the gradient.

    Args:
        x: **shape** (B, C, H, W), or any with H and W last.
        kernel_size: size of a window; a number or a pair, as all that follow.
        stride: step from window to window; kernel_size if None.
        padding: border of minus infinity on each side, at most half a window.
        dilation: step from pixel to pixel within a window.
        ceil_mode: pixels left over at the end get a window, too, if it starts in the image or its left border.

    Returns:
        **shape** (..., H', W'), as for `conv2d`.

    Raises:
        ValueError: if a size does not fit, or a window is larger than the image.
    """
    frame = _pool_windows(x, kernel_size, stride, padding, dilation, ceil_mode)
    image = frame.bordered(x, -np.inf)
    out = functools.reduce(np.maximum, [image[..., *at] for at in frame.places])

    def vjp(g):
        grad = (np.empty_like if frame.tiled else np.zeros_like)(image, g.dtype)
        left = np.empty_like(out, g.dtype)
        left[...] = g  # what has not found its place yet; in memory it lies as the image does
        for at in frame.places:
            part = left if at is frame.places[-1] else left * (image[..., *at] == out)
            grad[..., *at] = part if frame.tiled else grad[..., *at] + part
            left -= part
        return grad[..., *frame.inside]

    return out, vjp


@primitive
def avg_pool2d(x, *, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True,
               divisor_override=None):  # fmt: skip
    """Mean of each window, the zeros of the padding included unless count_include_pad is False.

    Args:
        x: **shape** (B, C, H, W), or any with H and W last.
        kernel_size: size of a window; a number or a pair, as all that follow.
        stride: step from window to window; kernel_size if None.
        padding: zeros added on each side, at most half a window.
        ceil_mode: as for `max_pool2d`; what such a window sees beyond the padding does not count.
        count_include_pad: whether the zeros of the padding count as pixels.
        divisor_override: what the sum of a window is divided by, instead of the number of its pixels.

    Returns:
        **shape** (..., H', W'), as for `conv2d`.

    Raises:
        ValueError: if a size does not fit, a window is larger than the image, or the divisor is 0.
    """
    frame = _pool_windows(x, kernel_size, stride, padding, 1, ceil_mode)
    image = frame.bordered(x, 0)
    if divisor_override == 0:
        raise ValueError("divisor_override must not be 0")
    area = divisor_override or (len(frame.places) if image is x else frame.areas(count_include_pad, x.dtype))
    out = functools.reduce(np.add, [image[..., *at] for at in frame.places]) / area

    def vjp(g):
        grad, part = np.zeros_like(g, shape=(*g.shape[:-2], *frame.size)), g / area
        for at in frame.places:
            grad[..., *at] += part
        return grad[..., *frame.inside]

    return out, vjp


@primitive
def max_pool1d(x, *, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """Largest entry of each window of a sequence, **shape** (..., L): `max_pool2d` on images one pixel high."""
    return _pool(max_pool2d, x, kernel_size, stride, padding, ceil_mode, dilation=_flat(dilation, 1))


@primitive
def avg_pool1d(x, *, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """Mean of each window of a sequence, **shape** (..., L): `avg_pool2d` on images one pixel high."""
    return _pool(avg_pool2d, x, kernel_size, stride, padding, ceil_mode, count_include_pad=count_include_pad)


def _pool(pool, x, kernel_size, stride, padding, ceil_mode, **options):
    sizes = {"kernel_size": _flat(kernel_size, 1), "stride": _flat(stride, 1), "padding": _flat(padding, 0)}
    out, vjp = pool.rule(x[..., None, :], ceil_mode=ceil_mode, **sizes, **options)
    return out[..., 0, :], lambda g: vjp(g[..., None, :])[..., 0, :]


def _pool_windows(x, kernel_size, stride, padding, dilation, ceil_mode):
    """Windows of a pooling, whose padding is at most half of them, as in PyTorch."""
    frame = _Windows(x.shape, kernel_size, stride, _pair("padding", padding, 0), dilation, ceil_mode)
    if any(2 * a.start > k for a, k in zip(frame.inside, frame.kernel, strict=True)):
        raise ValueError(f"padding is at most half of kernel_size {frame.kernel}, got {padding!r}")
    return frame


class _Windows:
    """Where the windows of a convolution or a pooling lie.

    Attributes:
        shape: (B, H', W'), the number of images and of windows along each axis.
        places: for each pixel of a window, row by row, the slices that pick it from all windows at once.
        size: height and width of an image with its border.
        inside: the slices that cut the border off again.
        tiled: whether every pixel is seen by exactly one window.
    """

    def __init__(self, shape, kernel, stride, padding, dilation, ceil_mode=False):
        self.lead, self.kernel = shape[:2], _pair("kernel_size", kernel, 1)
        self.stride = self.kernel if stride is None else _pair("stride", stride, 1)
        self.dilation, same = _pair("dilation", dilation, 1), padding == "same"
        if same and self.stride != (1, 1):
            raise ValueError(f"padding 'same' goes with a stride of 1, got {stride}")
        padding = _pair("padding (or 'same', 'valid')", 0 if padding in ("same", "valid") else padding, 0)
        self.inside, self.size, self.tiled, axes, counts = [], [], True, [], []
        for n, k, s, p, d in zip(shape[-2:], self.kernel, self.stride, padding, self.dilation, strict=True):
            reach = d * (k - 1) + 1
            before, after = ((reach - 1) // 2, reach // 2) if same else (p, p)
            count, spare = divmod(before + n + after - reach + s, s)
            count += bool(ceil_mode and spare and count * s < before + n)
            if count < 1:
                raise ValueError(f"a window of {reach} is larger than the image of {n} + {before + after}")
            self.inside.append(slice(before, before + n))
            last = s * (count - 1)  # where the last window starts
            self.size.append(before + n if before + n > last + reach else last + reach)
            self.tiled = self.tiled and s == k == reach and self.size[-1] == count * s
            axes.append([slice(d * i, d * i + last + 1, s) for i in range(k)])
            counts.append(count)
        self.shape = (*self.lead[:1], *counts)
        self.places = [(row, column) for row in axes[0] for column in axes[1]]

    def bordered(self, x, value):
        """Images x, of shape (..., H, W), with a border of that value."""
        shape = (*x.shape[:-2], *self.size)
        if shape == x.shape:
            return x
        out = np.full_like(x, value, shape=shape)  # axes in memory keep their order
        out[..., *self.inside] = x
        return out

    def areas(self, padded, dtype):
        """How many pixels count in each window: those of the image, or those of its padding, too."""
        counts = np.zeros(self.size, dtype)
        counts[*(slice(0, part.start + part.stop) if padded else part for part in self.inside)] = 1
        return functools.reduce(np.add, [counts[at] for at in self.places])

    def columns(self, x, groups):
        """What each window sees as one row, for each group: (G, B H' W', kh kw C/G)."""
        pixels = self.bordered(x, 0).transpose(0, 2, 3, 1)
        image, h, w, channel = pixels.strides
        steps = np.multiply(self.stride + self.dilation, (h, w, h, w)).tolist()
        shape = (*self.shape, *self.kernel, x.shape[1])  # a view, in which windows overlap
        out = as_strided(pixels, shape, (image, *steps, channel), writeable=False)
        if x.shape[1] < 4:  # a copy by columns: rows of an image are longer runs in memory than pixels
            turn = (3, 4, 5, 0, 1, 2)
            out = np.ascontiguousarray(out.transpose(turn)).transpose(turn)
        out = out.reshape(*self.shape, len(self.places), x.shape[1])
        return self._grouped(out, groups)

    def rows(self, g, groups):
        """One row of g for each window, for each group: (G, B H' W', O/G)."""
        g = g if g.ndim == 4 else g[None]
        return self._grouped(g.transpose(0, 2, 3, 1)[..., None, :], groups)

    def _grouped(self, x, groups):
        *shape, n, channels = x.shape
        x = x.reshape(math.prod(shape), n, groups, channels // groups)
        return x.transpose(2, 0, 1, 3).reshape(groups, math.prod(shape), n * channels // groups)

    def scatter(self, parts, dtype):
        """Images, each pixel the sum of what the windows' parts (G, B H' W', C/G), one per place, say of it."""
        batch, channels = self.lead
        out = np.zeros((batch, *self.size, channels), dtype)
        for at, part in zip(self.places, parts, strict=True):
            out[:, *at] += part.swapaxes(0, 1).reshape(*self.shape, channels)
        return out[:, *self.inside].transpose(0, 3, 1, 2)


def _pair(name, size, least):
    """A size for H and W, given as one number or as a pair."""
    pair = size if isinstance(size, tuple | list) else (size,)
    if len(pair) not in (1, 2) or not all(isinstance(n, (int, np.integer)) and n >= least for n in pair):
        raise ValueError(f"{name} is a whole number from {least} on or a pair of them, got {size!r}")
    return (*pair, *pair)[:2]


def _flat(size, across):
    """A size for one axis as a pair for two, the first of which has only one pixel; None and words stay."""
    pair = (across, *size) if isinstance(size, tuple | list) else (across, size)
    return size if size is None or isinstance(size, str) else pair


def _check_conv(x, weight, bias, groups, axes):
    if weight.ndim != len(axes) or x.ndim not in (len(axes) - 1, len(axes)):
        raise ValueError(f"wanted x of shape ({', '.join(axes)}), B or not, and weight of {len(axes)} axes")
    channels, wanted = x.shape[1 - len(axes)], weight.shape[1] * groups
    if channels != wanted or len(weight) % groups:
        raise ValueError(f"x has {channels} channels, weight wants {wanted}, outputs a multiple of {groups}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias has shape {bias.shape}, wanted {weight.shape[:1]}, one per output")


# --- Normalisation ----------------------------------------------------------------------------------------------


@primitive
def batch_norm(x, running_mean=None, running_var=None, weight=None, bias=None, *, training=False,
               momentum=0.1, eps=1e-5):  # fmt: skip
    """Each channel shifted and scaled to mean 0 and variance 1, then by weight and bias.

    Args:
        x: **shape** (B, C) or (B, C, ...); statistics go over every axis but C.
        running_mean: **shape** (C,), or None. In training it moves towards the batch's mean, in place.
        running_var: **shape** (C,), or None. In training it moves towards the batch's unbiased variance.
        weight: **shape** (C,), or None for 1.
        bias: **shape** (C,), or None for 0.
        training: use the batch's own statistics; otherwise the running ones, as constants.
        momentum: how far the running statistics move.
        eps: added to the variance.

    Raises:
        ValueError: if training on one value per channel, whose variance says nothing.

    Source: Ioffe and Szegedy, Batch Normalization, 2015, algorithm 1.
    """
    axes, view = (0, *range(2, x.ndim)), (-1, *[1] * (x.ndim - 2))
    if not training and running_mean is not None:
        scale = 1 / np.sqrt(running_var.reshape(view) + eps)
        normal, vjp_x = (x - running_mean.reshape(view)) * scale, lambda g: g * scale
    else:
        count = x.size // x.shape[1] if x.size else 0
        if count < 2:
            raise ValueError(f"batch_norm: wanted more than 1 value per channel, got shape {x.shape}")
        normal, vjp_x, mean, variance = _normalise(x, axes, eps)
        if training and running_mean is not None:
            running_mean += momentum * (mean.ravel() - running_mean)
            running_var += momentum * (variance.ravel() * (count / (count - 1)) - running_var)
    w = 1 if weight is None else weight.reshape(view)
    out = normal * w + (0 if bias is None else bias.reshape(view))
    by_channel = lambda g: np.moveaxis(g, 1, -1)  # what was stretched is in front, for unbroadcast
    return out, lambda g: vjp_x(g * w), None, None, lambda g: by_channel(g * normal), by_channel


@primitive
def layer_norm(x, normalized_shape, weight=None, bias=None, *, eps=1e-5):
    """Last axes of x shifted and scaled to mean 0 and variance 1, then by weight and bias.

    Args:
        x: **shape** (..., *normalized_shape).
        normalized_shape: the last axes, as a number or a tuple.
        weight: **shape** normalized_shape, or None for 1.
        bias: **shape** normalized_shape, or None for 0.
        eps: added to the variance.

    Raises:
        ValueError: if x does not end in normalized_shape.

    Source: Ba, Kiros and Hinton, Layer Normalization, 2016, equation (3).
    """
    wanted = tuple(np.ravel(normalized_shape).tolist())
    if x.shape[x.ndim - len(wanted) :] != wanted:
        raise ValueError(f"layer_norm: x of shape {x.shape} does not end in normalized_shape {wanted}")
    normal, vjp_x, *_ = _normalise(x, tuple(range(-len(wanted), 0)), eps)
    w = 1 if weight is None else weight
    out = normal * w + (0 if bias is None else bias)
    return out, lambda g: vjp_x(g * w), None, lambda g: g * normal, lambda g: g


def _normalise(x, axes, eps):
    """Array x with mean 0 and variance 1 over the axes, the VJP of that, the mean and the variance."""
    mean = x.mean(axes, keepdims=True)
    centred = x - mean
    variance = (centred * centred).mean(axes, keepdims=True)
    scale = 1 / np.sqrt(variance + eps)
    normal = centred * scale

    def vjp(g):
        along = (g * normal).mean(axes, keepdims=True)
        return scale * (g - g.mean(axes, keepdims=True) - normal * along)

    return normal, vjp, mean, variance


# --- Losses -----------------------------------------------------------------------------------------------------


@primitive
def mse_loss(x, target, *, reduction="mean"):
    """Squared difference of x and target.

    Args:
        x: any **shape**, float.
        target: the same **shape**.
        reduction: "mean" over the entries, "sum", or "none".

    Raises:
        ValueError: if the shapes differ, even where they would broadcast, or for another reduction.
    """
    _check_same("mse_loss", x, target)
    difference = x - target
    out, spread = _reduced(difference * difference, reduction)
    return out, lambda g: spread(g) * 2 * difference, lambda g: spread(g) * -2 * difference


@primitive
def hinge_loss(x, target, *, reduction="mean"):
    """How far target * x falls short of a margin of 1: max(0, 1 - target * x).

    Args:
        x: scores of any **shape**.
        target: -1 or 1, the same **shape**; a constant.
        reduction: "mean" over the entries, "sum", or "none".

    Raises:
        ValueError: if the shapes differ, even where they would broadcast, or for another reduction.

    Source: Cortes and Vapnik, Support-Vector Networks, 1995, section 3 (the slack of a soft margin).
    """
    _check_same("hinge_loss", x, target)
    target = np.asarray(target, x.dtype)
    losses = np.maximum(1 - target * x, 0)
    out, spread = _reduced(losses, reduction)
    return out, lambda g: np.sign(losses) * target * -spread(g)


@primitive
def binary_cross_entropy_with_logits(x, target, *, weight=None, reduction="mean", pos_weight=None):
    """Cross-entropy of a target in [0, 1] and sigmoid(x): log(1 + exp(x)) - target * x.

    Args:
        x: logits of any **shape**.
        target: probabilities of the same **shape**.
        weight: factor of each loss, of a **shape** that broadcasts to that of x; None for 1.
        reduction: "mean" over the entries, "sum", or "none".
        pos_weight: factor of what target, not 1 - target, costs; of such a **shape**, too; None for 1.

    Raises:
        ValueError: if the shapes differ, even where they would broadcast, or for another reduction.
    """
    _check_same("binary_cross_entropy_with_logits", x, target)
    target, w, pos = (np.asarray(1 if y is None else y, x.dtype) for y in (target, weight, pos_weight))
    scale, softplus = 1 + (pos - 1) * target, np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))
    out, spread = _reduced(w * ((1 - target) * x + scale * softplus), reduction)
    vjp_x = lambda g: spread(g) * w * (scale * _logistic(x) - pos * target)
    return out, vjp_x, lambda g: spread(g) * w * ((pos - 1) * softplus - x)


@primitive
def cross_entropy(x, target, *, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    """Cross-entropy of a target and softmax(x), from the logits x in one stable step.

    Args:
        x: logits of **shape** (B, C), (B, C, ...) or (C,).
        target: integer labels of **shape** (B,), (B, ...) or (), or probabilities of the shape of x.
        weight: **shape** (C,), how much each class counts; None for 1.
        ignore_index: label of entries that count for nothing.
        reduction: "mean" (over labels, each by its weight, or over rows of probabilities), "sum", or "none".
        label_smoothing: the share of the target that is spread evenly over all classes.

    Returns:
        **shape** () unless reduction is "none"; then one loss per label.

    Raises:
        ValueError: if the shapes do not fit, a label is not in 0 … C - 1, or for another reduction.

    Source: Goodfellow, Bengio and Courville, Deep Learning, 2016, section 6.2.2.3; label smoothing: Szegedy et
    al., Rethinking the Inception Architecture, 2016, section 7.
    """
    target, dim = np.asarray(target), int(x.ndim > 1)
    hard, labels = target.dtype.kind in "iu", x.shape[:dim] + x.shape[2:]
    if x.ndim == 0 or target.shape != (labels if hard else x.shape):
        wanted = f"labels of shape {labels} or probabilities of shape {x.shape}"
        raise ValueError(f"cross_entropy: logits want {wanted}, got {target.dtype} of shape {target.shape}")
    if weight is not None and np.shape(weight) != x.shape[dim:][:1]:
        raise ValueError(f"cross_entropy: weight has shape {np.shape(weight)}, wanted one for each class")
    if hard and x.ndim == 2 and weight is None and not label_smoothing:
        return _entropy_of_labels(x, target, target != ignore_index, reduction)
    classes, w = np.arange(x.shape[dim]), np.asarray(1 if weight is None else weight, x.dtype)
    classes, w = (y.reshape(-1, *[1] * (x.ndim - dim - 1)) for y in (classes, w))  # along the axis of classes
    kept = np.expand_dims(target != ignore_index, dim) if hard else 1
    if hard:
        _check_range("cross_entropy: label", target[target != ignore_index], classes.size, ValueError)
        target = kept & (np.expand_dims(target, dim) == classes)
    count = float((w * target).sum()) if hard else None
    q = kept * w * (target.astype(x.dtype) * (1 - label_smoothing) + label_smoothing / classes.size)
    out, vjp_x, vjp_q = _entropy_of_probabilities(x, q, dim, reduction, count)
    return out, vjp_x, lambda g: vjp_q(g) * w * (1 - label_smoothing)


def _entropy_of_labels(x, labels, kept, reduction):
    """The plain case, of one label for each row of x; rows that are not kept count for nothing."""
    _check_range("cross_entropy: label", labels[kept], x.shape[1], ValueError)
    at = np.arange(len(x)), labels * kept
    z = x - np.ascontiguousarray(x.T).max(0)[:, None]  # x.max(1) is slow where rows are short
    p = np.exp(z)
    total = p.dot(_ones(p.shape[1], p.dtype))
    out, spread = _reduced(np.where(kept, np.log(total) - z[at], 0), reduction, np.count_nonzero(kept))

    def vjp(g):
        scale = spread(g) * kept
        out = p * (scale / total)[:, None]
        out[at] -= scale
        return out

    return out, vjp


def _entropy_of_probabilities(x, q, dim, reduction, count):
    """-sum(q * log(softmax(x))) along dim, and the VJPs of x and q."""
    z = x - x.max(dim, keepdims=True)
    log_p = z - np.log(np.exp(z).sum(dim, keepdims=True))
    out, spread = _reduced(-(q * np.where(q == 0, 0, log_p)).sum(dim), reduction, count)  # 0 * -inf is 0 here
    grow = lambda g: np.expand_dims(np.broadcast_to(spread(g), q.shape[:dim] + q.shape[dim + 1 :]), dim)
    vjp_x = lambda g: grow(g) * (np.exp(log_p) * q.sum(dim, keepdims=True) - q)
    return out, vjp_x, lambda g: -grow(g) * log_p


def _reduced(losses, reduction, count=None):
    """Reduced losses, and the function that hands the gradient of the result to each single loss."""
    count = losses.size if count is None else count
    _check_reduction(losses, reduction, count)
    if reduction == "none":
        return losses, lambda g: g
    total = np.add.reduce(losses, None)  # what losses.sum() does, without its detours
    return (total / count, lambda g: g / count) if reduction == "mean" else (total, lambda g: g)


def _check_reduction(losses, reduction, count=None, name=""):
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    if reduction == "mean" and not (losses.size if count is None else count):
        raise ValueError(f"{name}the mean over an empty batch is not defined (its shape is {losses.shape})")


def _check_same(name, x, target):
    if x.shape != np.shape(target):
        raise ValueError(f"{name}: x of shape {x.shape} and target of shape {np.shape(target)} must be alike")
