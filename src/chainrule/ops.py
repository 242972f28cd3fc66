"""Every operation and its derivative.

Each function below is a rule on plain arrays. It returns its value, then one VJP for each differentiable input:
the function that turns `g`, the gradient with respect to the value, into the gradient with respect to that input.
`@primitive` makes of the rule a function of Tensors. Three habits hold throughout: a VJP never writes into `g`
or into what it keeps; it keeps no array that it does not need (the shape, rather than the array); it ignores
broadcasting, which `chainrule.autograd.unbroadcast` undoes for all.

Ops that look through windows stand in `chainrule.windows`, those that do many steps at once in `chainrule.fused`.
"""

import functools
import math
import string

import numpy as np

from chainrule import fused, windows
from chainrule.arrays import (
    as_rows,
    average,
    check_range,
    column_sums,
    in_float32,
    logistic,
    ratio,
    square_sum,
    total,
)
from chainrule.autograd import mark_view, primitive
from chainrule.fused import (  # noqa: F401  (ops as well, in a module of their own)
    batch_norm,
    binary_cross_entropy_with_logits,
    cross_entropy,
    hinge_loss,
    layer_norm,
    lstm,
    lstm_cell,
    mse_loss,
)
from chainrule.indexing import in_two_steps
from chainrule.windows import (  # noqa: F401
    avg_pool1d,
    avg_pool2d,
    conv1d,
    conv2d,
    max_pool1d,
    max_pool2d,
)

__all__ = """
    add sub mul div neg pow cast exp log sqrt sin cos abs tanh sigmoid relu leaky_relu gelu softplus
    maximum minimum where clip amax amin sum mean var sum_of_squares logsumexp softmax log_softmax
    matmul einsum linear reshape transpose permute broadcast_to concatenate cat stack split pad
    unbind getitem setitem gather embedding
""".split()
__all__ += [*windows.__all__, *fused.__all__]

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
    return x.astype(dtype), lambda g: g.astype(kind)


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
    out = logistic(x)
    return out, lambda g: g * out * (1 - out)


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
    return np.where(z > threshold, x, soft), lambda g: g * np.where(z > threshold, 1, logistic(z))


@primitive
@in_float32
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
def clip(x, min=None, max=None):
    """Entries of x moved into [min, max]; None leaves that side open. The bounds themselves have slope 1."""
    out = np.clip(x, min, max)
    low, high = -np.inf if min is None else min, np.inf if max is None else max
    by_min = lambda g: g * ((x < low) & (low < high))
    return out, lambda g: g * (out == x), by_min, lambda g: g * ((x > high) | (low > high))


@primitive
def amax(x, *, dim=None, keepdim=False):
    """Largest entry along dim (a number, a tuple, or None for all); equals share the gradient.

    Raises:
        ValueError: if there is no entry to choose from.
    """
    return _extreme(x, np.max, dim, keepdim)


@primitive
def amin(x, *, dim=None, keepdim=False):
    """Smallest entry along dim, as `amax`."""
    return _extreme(x, np.min, dim, keepdim)


def _extreme(x, reduce, dim, keepdim):
    """Value and VJP of amax and amin."""
    dim = None if x.ndim == 0 and dim in (0, -1) else dim
    out = reduce(x, dim, keepdims=True)
    chosen, shape = (x == out) | np.isnan(x), x.shape
    vjp = lambda g: _spread(g, shape, dim, keepdim) * chosen / chosen.sum(dim, keepdims=True)
    return (out if keepdim else out.squeeze(dim)), vjp


# --- Sums and means ---------------------------------------------------------------------------------------------


@primitive
def sum(x, *, dim=None, keepdim=False):
    """Sum of the entries along dim (a number, a tuple, or None for all)."""
    shape = x.shape
    return total(x, dim, keepdim), lambda g: _spread(g, shape, dim, keepdim)


@primitive
@in_float32
def mean(x, *, dim=None, keepdim=False):
    """Mean of the entries along dim (a number, a tuple, or None for all)."""
    out = average(x, dim, keepdim)
    shape, count = x.shape, ratio(x, out)
    return out, lambda g: _spread(g / count, shape, dim, keepdim)


@primitive
@in_float32
def var(x, *, dim=None, correction=1, keepdim=False):
    """Variance of the entries along dim (a number, a tuple, or None for all).

    Args:
        x: any **shape**, float.
        dim: the axes to go over.
        correction: the sum of squares is divided by the number of entries less this.
        keepdim: keep the axes, with size 1.
    """
    centred = x - average(x, dim, True)
    out = total(centred * centred, dim, keepdim)
    n = np.maximum(ratio(x, out) - correction, 0).item()
    return np.divide(out, n), lambda g: _spread(np.divide(2 * g, n), centred.shape, dim, keepdim) * centred


@primitive
@in_float32
def sum_of_squares(*xs):
    """Sum of the squares of all entries of all inputs: the L2 penalty on a list of parameters."""
    out = math.fsum(square_sum(x) for x in xs)
    return np.asarray(out, xs[0].dtype), *((lambda g, x=x: 2 * float(g) * x) for x in xs)


@primitive
@in_float32
def logsumexp(x, *, dim, keepdim=False):
    """log(sum(exp(x))) along dim, shifted by the largest entry so that no exponential overflows.

    Source: Blanchard, Higham and Higham, Accurately Computing the Log-Sum-Exp and Softmax Functions, 2021,
    equation (1.3).
    """
    peak = x.max(dim, keepdims=True)
    peak = np.where(np.isfinite(peak), peak, 0)
    with np.errstate(divide="ignore"):
        out = np.log(total(np.exp(x - peak), dim, True)) + peak
    drop = () if keepdim or x.ndim == 0 else dim
    return out.squeeze(drop), lambda g: _spread(g, x.shape, dim, keepdim) * np.exp(x - out)


@primitive
@in_float32
def softmax(x, *, dim):
    """exp(x) / sum(exp(x)) along dim, shifted by the largest entry so that no exponential overflows."""
    out = np.exp(x - x.max(dim, keepdims=True) if x.size else x)
    out /= total(out, dim, True)
    return out, lambda g: out * (g - total(g * out, dim, True))


@primitive
@in_float32
def log_softmax(x, *, dim):
    """Logarithm of softmax along dim, without forming the softmax."""
    if x.size == 0:  # nothing to take the logarithm of
        return x, lambda g: g
    z = x - x.max(dim, keepdims=True)
    out = z - np.log(total(np.exp(z), dim, True))
    return out, lambda g: g - np.exp(out) * total(g, dim, True)


def _spread(g, shape, dim, keepdim):
    """Gradient of a sum along dim, handed to every entry of an array of that shape."""
    if shape and dim is not None and not keepdim:
        g = np.expand_dims(g, dim)
    return np.broadcast_to(g, shape)


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
        out = _product(full(g), b.swapaxes(-1, -2))
        return out[..., 0, :] if flat_x else out

    def vjp_y(g):
        if b.ndim == 2:  # one large product instead of many that would be summed
            out = as_rows(a).T @ as_rows(full(g))
        else:
            out = a.swapaxes(-1, -2) @ full(g)
        return out[..., 0] if flat_y else out

    return _product(x, y), vjp_x, vjp_y


def _product(x, y):
    """Product x @ y; where y is one matrix for a stack of others, one large product instead of many."""
    if x.ndim < 3 or y.ndim != 2:
        return x @ y
    return as_rows(x).dot(y).reshape(*x.shape[:-1], y.shape[1])


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
    size = {}
    for group, x in zip(groups, xs, strict=True):
        size |= {c: n for c, n in zip(group, x.shape, strict=True) if size.get(c, 1) == 1}
    factors = _summed_alone(groups, result, xs)
    left = ",".join(group for group, _ in factors)
    out = np.einsum(f"{left}->{result}", *(x for _, x in factors), optimize=True)

    def vjp(i, g):
        mine, others = groups[i], [*factors[:i], *factors[i + 1 :]]
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


def _summed_alone(groups, result, xs):
    """Each input with its letters, summed along those that stand nowhere else."""
    everywhere, found = "".join(groups) + result, []
    for group, x in zip(groups, xs, strict=True):
        alone = [c for c in group if everywhere.count(c) == 1]
        x = np.asarray(total(x, tuple(group.index(c) for c in alone))) if alone else x
        found.append(("".join(c for c in group if c not in alone), x))
    return found


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
    rows = as_rows(x)
    out = rows.dot(weight.T)  # for two matrices the same as @, and leaner
    if bias is not None:
        out += bias
    out = out if x.ndim == 2 else out.reshape(*x.shape[:-1], len(weight))
    # Products of two matrices throughout: for more axes than two NumPy's dot is many times slower.
    shape = x.shape
    vjp_x = lambda g: as_rows(g).dot(weight).reshape(shape)
    return out, vjp_x, lambda g: as_rows(g).T.dot(rows), lambda g: column_sums(as_rows(g))


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
    out = np.stack(xs, dim)
    before = (slice(None),) * (dim % out.ndim)
    return out, *((lambda g, i=i: g[*before, i]) for i in range(len(xs)))


def split(x, split_size_or_sections, dim=0):
    """Tuple of consecutive parts of x along dim.

    Args:
        x: any **shape**.
        split_size_or_sections: the size of every part (the last may be smaller), or a list with one size each.
        dim: the axis to cut.

    Raises:
        ValueError: if the listed sizes do not add up to the axis, or a size is none.
    """
    if not getattr(x, "ndim", 0):
        raise TypeError(f"split: wanted a Tensor or an array with at least one axis, got {x!r}")
    n, sizes = x.shape[dim], split_size_or_sections
    single, whole = isinstance(sizes, int), lambda n: isinstance(n, int | np.integer) and n >= single
    if not all(map(whole, [sizes] if single or not isinstance(sizes, list | tuple) else sizes)):
        raise ValueError(f"split: a part has a size above 0 (or, in a list, from 0 on), got {sizes!r}")
    starts = [*range(0, n, sizes)] if single else [0, *np.cumsum(sizes, dtype=int)]
    if not single and starts.pop() != n:
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


def unbind(x, dim=0):
    """Tuple of the entries of x along an axis, which they lose: what a loop over a sequence wants.

    The gradient of x[i] alone is an array as large as x, nearly all of it 0. Here the entries write their
    gradients into one array together, so that a loop over them costs no more than x has entries.

    Args:
        x: **shape** with at least one axis.
        dim: the axis to go along.

    Raises:
        ValueError: if x has no axis dim.
    """
    parts = {}  # the gradients of the entries, until the sweep comes to x
    array = x._data if hasattr(x, "_data") else np.asarray(x)
    if not -array.ndim <= dim < array.ndim:
        raise ValueError(f"unbind: there is no axis {dim} in an array of shape {array.shape}")
    rows = np.moveaxis(array, dim, 0)
    rows = [rows[i, ...] for i in range(len(rows))]  # views of x, single entries too
    mark = _gathered(x, dim=dim, parts=parts)
    entries = tuple(_entry(mark, row=row, i=i, parts=parts) for i, row in enumerate(rows))
    before = (slice(None),) * (dim % array.ndim)
    for i, entry in enumerate(entries):
        mark_view(entry, x, functools.partial(getitem, index=(*before, i)))
    return entries


@primitive
def _gathered(x, *, dim, parts):
    """A number that stands for x in the graph; the gradient of x is what is in parts when the sweep comes here."""
    shape = x.shape

    def vjp(g):
        out = np.zeros(shape, g.dtype)
        for i, part in parts.items():
            np.moveaxis(out, dim, 0)[i] = part
        parts.clear()
        return out

    return np.zeros((), x.dtype), vjp


@primitive
def _entry(mark, *, row, i, parts):
    """Entry i of what mark stands for."""

    def vjp(g):
        parts[i] = g
        return np.zeros((), g.dtype)

    return row, vjp


@primitive
def getitem(x, *, index):
    """Entries x[index], in PyTorch's order of axes; an entry taken twice gets both gradients."""
    first, then = in_two_steps(index)
    part = x if first is None else x[first]
    out = part[then]
    if not isinstance(out, np.ndarray):  # a single entry as a view of x, as all slices are
        out = part[*(then if isinstance(then, tuple) else (then,)), ...]
    return out, _scatter(x, then, first)


@primitive
def setitem(x, value, *, index):
    """Copy of x with x[index] replaced by value; what `t[index] = value` records."""
    first, then = in_two_steps(index)
    out = x.copy()
    if np.asarray(value).dtype.kind not in "fiub":
        raise TypeError(f"a Tensor holds real numbers, got {value!r}")
    part = out if first is None else out[first]
    shape = part[then].shape
    extra = np.ndim(value) - len(shape)  # axes of size 1 in front that the place does not have
    fits = extra > 0 and value.shape[:extra] == (1,) * extra
    part[then] = value.reshape(value.shape[extra:]) if fits else value

    def vjp_x(g):
        g = g.copy()
        (g if first is None else g[first])[then] = 0
        return g

    return out, vjp_x, lambda g: np.broadcast_to((g if first is None else g[first])[then], shape)


@primitive
def gather(x, *, dim, index):
    """Entries of x picked along one axis: out[i, j] = x[i, index[i, j]] for two axes and dim 1.

    Args:
        x: any **shape**.
        dim: the axis that index counts along.
        index: integers, with as many axes as x, none longer than in x except along dim.

    Raises:
        IndexError: if an index is not in 0 … size of the axis - 1.
        ValueError: if index has another number of axes.
    """
    index = np.asarray(index)
    if index.ndim != x.ndim:
        raise ValueError(f"index has {index.ndim} axes, wanted the {x.ndim} of x, as in index[:, None]")
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


def _scatter(x, index, first=None):
    """VJP of x[index], or of x[first][index]: each entry of g is added where it was taken from."""
    shape = x.shape
    parts = index if isinstance(index, tuple) else (index,)
    once = all(i is None or i is Ellipsis or isinstance(i, int | slice) for i in parts)

    def vjp(g):
        out = np.zeros(shape, g.dtype)
        part = out if first is None else out[first]
        if once:  # plain assignment is much faster, and right where no entry is taken twice
            part[index] = g
        else:
            np.add.at(part, index, g)
        return out

    return vjp


def _check_index(name, index, size):
    if index.dtype.kind not in "iu":
        raise TypeError(f"{name}: indices are integers, got {index.dtype}")
    check_range(f"{name}: index", index, size, IndexError)
