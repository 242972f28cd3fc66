"""Ops that look through windows: convolution and pooling. They are part of `chainrule.ops`.

A window is moved over an image in steps. `_Windows` says where each one lies; an op gathers what they see.
"""

import functools
import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from chainrule.arrays import column_sums, in_float32
from chainrule.autograd import primitive

__all__ = ["conv1d", "conv2d", "max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"]


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
    Chellapilla, Puri and Simard, High Performance Convolutional Neural Networks for Document Processing, 2006
    (windows as the rows of a matrix).
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
    return out if x.ndim == 4 else out[0], vjp_x, vjp_weight, lambda g: column_sums(frame.rows(g, 1)[0])


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
    out = out.copy() if len(frame.places) == 1 else out  # never a view of x

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
@in_float32
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
