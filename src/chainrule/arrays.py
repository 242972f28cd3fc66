"""Functions of plain arrays that the rules of several ops share: sums that keep their digits, and checks.

NumPy adds numbers that are neighbours in memory in pairs, then pairs of pairs, and so on. Along any other axis it adds
one after another, and in float32 a running sum of a million numbers has lost the digits of what is still to come.
`total` and `average` add in groups along every axis; all sums of the engine go through them.

Source: Higham, The Accuracy of Floating Point Summation, SIAM Journal on Scientific Computing 14 (1993), section 3.
"""

import functools
import math

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

FLOAT16, FLOAT32 = (
    np.dtype(np.float16),
    np.dtype(np.float32),
)  # NumPy keeps one object for each: `is` is quick
GROUP = 256  # so many numbers, at most, are added one after another
FEW = GROUP**2  # so many a dot product adds in groups of its own


def in_float32(rule):
    """The rule of an op such that float16 is computed in float32 and rounded once, at the end, as PyTorch does.

    A float16 ends at 65504 and cannot count beyond 2048, so sums, squares and counts need more room.
    """

    @functools.wraps(rule)
    def widened(*arrays, **options):
        if getattr(arrays[0], "dtype", None) is not FLOAT16:
            return rule(*arrays, **options)
        out, *vjps = rule(*map(wide, arrays), **options)
        return out.astype(np.float16), *(vjp and (lambda g, vjp=vjp: vjp(wide(g))) for vjp in vjps)

    return widened


def wide(x):
    """An array of float16 as float32; anything else as it is."""
    return x.astype(np.float32) if getattr(x, "dtype", None) is FLOAT16 else x


def total(x, axes=None, keepdims=False):
    """Sum of the entries along axes, whose rounding errors don't grow with the number of entries.

    Args:
        x: array of any **shape** and dtype; float16 is added in float32.
        axes: a number, a tuple, or None for all axes.
        keepdims: keep the axes, with size 1.

    Returns:
        What x.sum(axes, keepdims=keepdims) would give, but for its rounding errors.
    """
    if x.dtype is FLOAT16:
        return total(x.astype(np.float32), axes, keepdims).astype(np.float16)
    whole = axes is None and x.flags.forc  # one run of memory
    if x.dtype.kind != "f" or x.size <= GROUP or whole:
        return np.add.reduce(x, axes, keepdims=keepdims)
    gone = range(x.ndim) if axes is None else normalize_axis_tuple(axes, x.ndim)
    if math.prod(x.shape[axis] for axis in gone) <= GROUP:
        return np.add.reduce(x, axes, keepdims=keepdims)
    out = _total_of_many(x, set(gone))
    return out.reshape([1 if axis in gone else n for axis, n in enumerate(x.shape)]) if keepdims else out


def _total_of_many(x, gone):
    """The same without the axes that are gone: first along those that lie last in memory, then along the others."""
    order = sorted(range(x.ndim), key=lambda axis: -abs(x.strides[axis]))
    kept = [axis for axis in order if axis not in gone]
    last = order[order.index(kept[-1]) + 1 :] if kept else order
    first = [axis for axis in order if axis in gone and axis not in last]
    shape, size = [x.shape[axis] for axis in kept], math.prod(x.shape[axis] for axis in first)
    x = x.transpose(*first, *kept, *last)
    if last:
        x = np.add.reduce(x.reshape(size, math.prod(shape), math.prod(x.shape[x.ndim - len(last) :])), -1)
    out = column_sums(x.reshape(size, math.prod(shape))) if first else x
    return out.reshape(shape).transpose(np.argsort(kept))


def column_sums(rows):
    """Sum of the rows of a float matrix, **shape** (n, m), as products with ones: faster than rows.sum(0).

    Group by group, row 1 of every group at once, so that a few products with long rows do all of it.
    """
    width = rows.shape[1]
    while len(rows) > GROUP:
        count, left = divmod(len(rows), GROUP)
        sums = ones(GROUP, rows.dtype).dot(rows[left:].reshape(GROUP, count * width)).reshape(count, width)
        rows = np.concatenate([rows[:left], sums]) if left else sums
    return ones(len(rows), rows.dtype).dot(rows)


@functools.lru_cache(maxsize=64)
def ones(n, dtype):
    """So many ones, made once for all."""
    return np.ones(n, dtype)


def average(x, axes=None, keepdims=False):
    """Mean of the entries along axes, as `total`."""
    if x.dtype is FLOAT16:  # the sum may be more than float16 can hold
        return average(x.astype(np.float32), axes, keepdims).astype(np.float16)
    out = total(x, axes, keepdims)
    return np.true_divide(out, ratio(x, out))


def square_sum(x):
    """Sum of the squares of all entries of x, a Python float."""
    return float(np.vdot(x, x) if x.size <= FEW else total(x * x))


def ratio(x, out):
    """How many entries of x went into each entry of out."""
    return x.size // out.size if out.size else 1


def as_rows(x):
    """The vectors along the last axis of x as the rows of one matrix."""
    return x if x.ndim == 2 else x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def logistic(x):
    """1 / (1 + exp(-x)) written so that no exponential overflows: for x < 0 it is exp(x) / (1 + exp(x))."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))


def check_range(what, index, size, kind):
    """Raise an error of that kind, which begins with what, if an index is not in 0 … size - 1."""
    if index.size and (index.min() < 0 or index.max() >= size):
        bad = index[(index < 0) | (index >= size)].flat[0]
        raise kind(f"{what} {bad} is out of range, wanted 0 to {size - 1}")


def check_same(name, x, target):
    """Raise a ValueError if a loss is given two shapes: broadcasting would compare everything with everything."""
    if getattr(target, "dtype", None) is not FLOAT32:
        real(name, getattr(target, "_data", target))
    if x.shape != np.shape(target):
        raise ValueError(f"{name}: x of shape {x.shape} and target of shape {np.shape(target)} must be alike")


def real(name, target):
    """A target as an array; a TypeError unless it holds real numbers."""
    array = np.asarray(target)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name}: wanted a target of real numbers, got {target!r}")
    return array
