"""Ops that do many steps in one: normalisation, the LSTM's cell and losses. They are part of `chainrule.ops`.

One rule for the whole keeps fewer arrays and calls NumPy less often; `chainrule.functional` has some of them step by
step.
"""

import functools
import math

import numpy as np

from chainrule.arrays import (
    as_rows,
    average,
    check_range,
    check_same,
    in_float32,
    logistic,
    ones,
    real,
    total,
    wide,
)
from chainrule.autograd import primitive

__all__ = ["batch_norm", "layer_norm", "lstm_cell", "lstm", "mse_loss", "hinge_loss", "cross_entropy"]
__all__ += ["binary_cross_entropy_with_logits"]

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
            remedy = "leave out a last batch of 1 with drop_last=True, or call eval() first"
            raise ValueError(
                f"batch_norm: wanted more than 1 value per channel, got shape {x.shape}: {remedy}"
            )
        normal, vjp_x, mean, variance = _normalise(wide(x), axes, eps)
        if training and running_mean is not None:
            running_mean += momentum * (mean.ravel() - running_mean)
            running_var += momentum * (variance.ravel() * (count / (count - 1)) - running_var)
    w = 1 if weight is None else weight.reshape(view)
    out = (normal * w + (0 if bias is None else bias.reshape(view))).astype(x.dtype, copy=False)
    by_channel = lambda g: np.moveaxis(g, 1, -1)  # what was stretched is in front, for unbroadcast
    return out, lambda g: vjp_x(g * w), None, None, lambda g: by_channel(g * normal), by_channel


@primitive
@in_float32
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
    mean = average(x, axes, True)
    centred = x - mean
    variance = average(centred * centred, axes, True)
    scale = 1 / np.sqrt(variance + eps)
    normal = centred * scale

    def vjp(g):
        along = average(g * normal, axes, True)
        return scale * (g - average(g, axes, True) - normal * along)

    return normal, vjp, mean, variance


# --- Memory -----------------------------------------------------------------------------------------------------


@primitive
def lstm_cell(gates, c):
    """One step of an LSTM, what it shows and what it remembers: take it apart by `h, c = ops.lstm_cell(gates, c)`.

    Args:
        gates: **shape** (..., 4 H), in PyTorch's order: input gate, forget gate, candidate, output gate, each
            before its sigmoid or (the candidate) its tanh.
        c: the memory before the step, **shape** (..., H).

    Returns:
        The output h and the new memory c, as one array of **shape** (2, ..., H).

    Raises:
        ValueError: if gates does not hold four numbers for each of c.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997, with the forget gate of Gers, Schmidhuber
    and Cummins, Learning to Forget, 2000, section 3.
    """
    shape, size = c.shape, _check_gates(gates, c)
    rows = math.prod(shape[:-1])
    h, memory, back = _lstm_step(gates.reshape(rows, 4 * size), c.reshape(rows, size))

    def vjp(g, k):
        return back(*g.reshape(2, rows, size))[k].reshape(gates.shape if k == 0 else shape)

    return np.array([h, memory]).reshape(2, *shape), lambda g: vjp(g, 0), lambda g: vjp(g, 1)


def _lstm_step(gates, c):
    """Output and new memory, and the function from their gradients to those of the gates and of the old memory.

    Args:
        gates: **shape** (B, 4 H).
        c: **shape** (B, H).
    """
    scale, shift, more = _gate_constants(gates.dtype)
    z = gates.reshape(len(c), 4, c.shape[1]).swapaxes(0, 1)  # gate by gate
    opened = np.tanh(
        np.multiply(z, scale, order="C")
    )  # logistic(z) = (1 + tanh(z / 2)) / 2: one tanh for all four
    opened *= scale
    opened += shift
    write, keep, new, show = opened
    memory = keep * c + write * new
    seen = np.tanh(memory)

    def back(by_h, by_memory):
        by_memory = by_memory + by_h * show * (1 - seen * seen)  # the output is made of the memory
        by_opened = np.array([by_memory * new, by_memory * c, by_memory * write, by_h * seen])
        by_opened *= (1 - opened) * (opened + more)  # a (1 - a) for a logistic a, (1 - a) (1 + a) for a tanh
        return by_opened.swapaxes(0, 1).reshape(len(c), 4 * c.shape[1]), by_memory * keep

    return show * seen, memory, back


@functools.cache
def _gate_constants(dtype):
    """Factor and summand that make tanh a logistic function for all gates but the third, and what its slope adds."""
    rows = [0.5, 0.5, 1, 0.5], [0.5, 0.5, 0, 0.5], [0, 0, 1, 0]
    return np.array(rows, dtype)[..., None, None]


def _check_gates(gates, c):
    """Size H of the memory."""
    if c.ndim == 0 or gates.shape != (*c.shape[:-1], 4 * c.shape[-1]):
        wanted = f"wanted {(*c.shape[:-1], 4 * c.shape[-1])}" if c.ndim else "wanted at least one axis"
        raise ValueError(f"lstm_cell: gates of shape {gates.shape} for a memory of {c.shape}: {wanted}")
    return c.shape[-1]


@primitive
def lstm(x, h, c, weight):
    """An LSTM over a whole sequence: `lstm_cell` at every time, on gates to which its last output is added.

    The sweep back goes through the times once, for all inputs. What happens at every time alike, such as the
    gradient of the weight, is one product in the end.

    Args:
        x: the inputs' part of the gates at every time, biases included, **shape** (T, B, 4 H), or (T, 4 H) for one
            sequence, where nothing below has B either.
        h: the output before the first step, **shape** (B, H).
        c: the memory before the first step, **shape** (B, H).
        weight: **shape** (4 H, H): the last output times this is the other part of the gates.

    Returns:
        The outputs at all T times and the last memory behind them, as one array of **shape** (T + 1, B, H).

    Raises:
        ValueError: if a shape does not fit.
    """
    _check_lstm(x, h, c, weight)
    times, rows, size = len(x), math.prod(h.shape[:-1]), h.shape[-1]
    out = np.empty((times + 2, rows, size), h.dtype)  # the output before, those at all times, the last memory
    out[0], memory, steps = h.reshape(rows, size), c.reshape(rows, size), []
    for time, gates in enumerate(x.reshape(times, rows, 4 * size)):
        out[time + 1], memory, back = _lstm_step(gates + out[time].dot(weight.T), memory)
        steps.append(back)
    out[-1] = memory
    shapes = x.shape, h.shape, c.shape

    @_once
    def sweep(g):
        g = g.reshape(times + 1, rows, size)
        by_x, by_h, by_memory = np.empty((times, rows, 4 * size), g.dtype), 0, g[-1]
        for time in reversed(range(times)):
            by_x[time], by_memory = steps[time](g[time] + by_h, by_memory)
            by_h = by_x[time].dot(weight)
        return by_x, by_h, by_memory

    vjps = ((lambda g, k=k: sweep(g)[k].reshape(shapes[k])) for k in range(3))
    vjp_weight = lambda g: as_rows(sweep(g)[0]).T.dot(as_rows(out[:-2]))
    return out[1:].reshape(times + 1, *h.shape), *vjps, vjp_weight


def _once(f):
    """The function f, that does not compute again what it was asked for just before: several VJPs share a sweep."""
    last = [None, None]

    def remembered(g):
        if last[0] is not g:
            last[:] = g, f(g)
        return last[1]

    return remembered


def _check_lstm(x, h, c, weight):
    size = h.shape[-1] if h.ndim else 0
    fits = (
        x.shape[1:] == (*h.shape[:-1], 4 * size) and h.shape == c.shape and weight.shape == (4 * size, size)
    )
    if h.ndim == 0 or len(x) == 0 or not fits:
        wanted = "x (T, B, 4 H) with T at least 1, h and c (B, H), weight (4 H, H)"
        raise ValueError(f"lstm: wanted {wanted}, got {x.shape}, {h.shape}, {c.shape}, {weight.shape}")


# --- Losses -----------------------------------------------------------------------------------------------------


@primitive
@in_float32
def mse_loss(x, target, *, reduction="mean"):
    """Squared difference of x and target.

    Args:
        x: any **shape**, float.
        target: the same **shape**.
        reduction: "mean" over the entries, "sum", or "none".

    Raises:
        ValueError: if the shapes differ, even where they would broadcast, or for another reduction.
    """
    check_same("mse_loss", x, target)
    difference = x - target
    out, spread = _reduced(difference * difference, reduction)
    return out, lambda g: spread(g) * 2 * difference, lambda g: spread(g) * -2 * difference


@primitive
@in_float32
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
    check_same("hinge_loss", x, target)
    target = np.asarray(target, x.dtype)
    losses = np.maximum(1 - target * x, 0)
    out, spread = _reduced(losses, reduction)
    return out, lambda g: np.sign(losses) * target * -spread(g)


@primitive
@in_float32
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
    check_same("binary_cross_entropy_with_logits", x, target)
    target, w, pos = (np.asarray(1 if y is None else y, x.dtype) for y in (target, weight, pos_weight))
    scale, softplus = 1 + (pos - 1) * target, np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))
    out, spread = _reduced(w * ((1 - target) * x + scale * softplus), reduction)
    vjp_x = lambda g: spread(g) * w * (scale * logistic(x) - pos * target)
    return out, vjp_x, lambda g: spread(g) * w * ((pos - 1) * softplus - x)


@primitive
@in_float32
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
    target, dim = real("cross_entropy", target), int(x.ndim > 1)
    hard, labels = target.dtype.kind in "iu", x.shape[:dim] + x.shape[2:]
    if 0 in x.shape[dim : dim + 1] or x.ndim == 0 or target.shape != (labels if hard else x.shape):
        wanted = f"labels of shape {labels} or probabilities of shape {x.shape}"
        raise ValueError(
            f"cross_entropy: logits of one class or more want {wanted}, got {target.dtype} of shape {target.shape}"
        )
    if weight is not None and np.shape(weight) != x.shape[dim:][:1]:
        raise ValueError(f"cross_entropy: weight has shape {np.shape(weight)}, wanted one for each class")
    if hard and x.ndim == 2 and weight is None and not label_smoothing:
        return _entropy_of_labels(x, target, target != ignore_index, reduction)
    classes, w = np.arange(x.shape[dim]), np.asarray(1 if weight is None else weight, x.dtype)
    classes, w = (y.reshape(-1, *[1] * (x.ndim - dim - 1)) for y in (classes, w))  # along the axis of classes
    kept = np.expand_dims(target != ignore_index, dim) if hard else 1
    if hard:
        check_range("cross_entropy: label", target[target != ignore_index], classes.size, ValueError)
        target = kept & (np.expand_dims(target, dim) == classes)
    count = float(total(w * target)) if hard else None
    q = kept * w * (target.astype(x.dtype) * (1 - label_smoothing) + label_smoothing / classes.size)
    out, vjp_x, vjp_q = _entropy_of_probabilities(x, q, dim, reduction, count)
    return out, vjp_x, lambda g: vjp_q(g) * w * (1 - label_smoothing)


def _entropy_of_labels(x, labels, kept, reduction):
    """The plain case, of one label for each row of x; rows that are not kept count for nothing."""
    check_range("cross_entropy: label", labels[kept], x.shape[1], ValueError)
    at = np.arange(len(x)), labels * kept
    z = x - np.ascontiguousarray(x.T).max(0)[:, None]  # x.max(1) is slow where rows are short
    p = np.exp(z)
    sums = p.dot(ones(p.shape[1], p.dtype))
    out, spread = _reduced(np.where(kept, np.log(sums) - z[at], 0), reduction, np.count_nonzero(kept))

    def vjp(g):
        scale = spread(g) * kept
        out = p * (scale / sums)[:, None]
        out[at] -= scale
        return out

    return out, vjp


def _entropy_of_probabilities(x, q, dim, reduction, count):
    """-sum(q * log(softmax(x))) along dim, and the VJPs of x and q."""
    z = x - x.max(dim, keepdims=True)
    log_p = z - np.log(total(np.exp(z), dim, True))
    out, spread = _reduced(
        -total(q * np.where(q == 0, 0, log_p), dim), reduction, count
    )  # 0 * -inf is 0 here
    grow = lambda g: np.expand_dims(np.broadcast_to(spread(g), q.shape[:dim] + q.shape[dim + 1 :]), dim)
    vjp_x = lambda g: grow(g) * (np.exp(log_p) * total(q, dim, True) - q)
    return out, vjp_x, lambda g: -grow(g) * log_p


def _reduced(losses, reduction, count=None):
    """Reduced losses, and the function that hands the gradient of the result to each single loss."""
    count = losses.size if count is None else count
    _check_reduction(losses, reduction, count)
    if reduction == "none":
        return losses, lambda g: g
    out = total(losses)
    return (out / count, lambda g: g / count) if reduction == "mean" else (out, lambda g: g)


def _check_reduction(losses, reduction, count=None, name=""):
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', got {reduction!r}")
    if reduction == "mean" and losses.size and count == 0:
        raise ValueError(f"{name}every label is ignore_index, so there is nothing to take the mean of")
    if reduction == "mean" and not (losses.size if count is None else count):
        raise ValueError(f"{name}the mean over an empty batch is not defined (its shape is {losses.shape})")
