"""PyTorch's `torch.nn.functional`: the ops, the losses, and what is composed from them, with PyTorch's arguments.

Nothing here has a derivative rule of its own but `binary_cross_entropy`. How the fused ops among them work is said
step by step in `chainrule.stepwise`.
"""

import math
from typing import Any

import numpy as np

from chainrule import ops
from chainrule.arrays import check_range, check_same
from chainrule.autograd import primitive
from chainrule.fused import _check_reduction
from chainrule.init import Generator, generator_or_shared
from chainrule.losses import huber_loss, kl_div, l1_loss, multi_margin_loss  # noqa: F401
from chainrule.ops import (  # noqa: F401
    avg_pool1d,
    avg_pool2d,
    batch_norm,
    binary_cross_entropy_with_logits,
    conv1d,
    conv2d,
    cross_entropy,
    embedding,
    gelu,
    hinge_loss,
    layer_norm,
    linear,
    max_pool1d,
    max_pool2d,
    mse_loss,
    pad,
    sigmoid,
    softplus,
    tanh,
)
from chainrule.tensor import Tensor, as_plain

__all__ = """
    avg_pool1d avg_pool2d batch_norm binary_cross_entropy_with_logits conv1d conv2d cross_entropy embedding gelu
    hinge_loss huber_loss kl_div l1_loss layer_norm linear max_pool1d max_pool2d mse_loss multi_margin_loss pad
    sigmoid softplus tanh relu relu_ leaky_relu elu silu relu6 hardtanh logsigmoid softmax log_softmax normalize
    cosine_similarity one_hot adaptive_avg_pool2d dropout dropout2d attention_weights scaled_dot_product_attention
    nll_loss binary_cross_entropy smooth_l1_loss sample
""".split()

# --- Entry by entry ---------------------------------------------------------------------------------------------


def _or_in_place(x: Any, out: Tensor, inplace: bool) -> Tensor:
    return x._become(out) if inplace else out


def relu(input: Any, inplace: bool = False) -> Tensor:
    """Rectifier, entry by entry: the larger of input and 0."""
    return _or_in_place(input, ops.relu(input), inplace)


def relu_(input: Tensor) -> Tensor:
    """Rectifier in place."""
    return relu(input, True)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Rectifier with the slope negative_slope below 0."""
    return _or_in_place(input, ops.leaky_relu(input, negative_slope), inplace)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Entry itself where it is above 0, alpha * (exp(entry) - 1) elsewhere.

    Source: Clevert, Unterthiner and Hochreiter, Fast and Accurate Deep Network Learning by Exponential Linear Units,
    2016, equation (15).
    """
    x = input if isinstance(input, Tensor) else Tensor(input)
    below = (ops.exp(ops.minimum(x, 0)) - 1) * alpha
    return _or_in_place(input, ops.where(x > 0, x, below), inplace)


def silu(input: Any, inplace: bool = False) -> Tensor:
    """Entry times its logistic function.

    Source: Hendrycks and Gimpel, Gaussian Error Linear Units, 2016, section 2.
    """
    return _or_in_place(input, input * ops.sigmoid(input), inplace)


def relu6(input: Any, inplace: bool = False) -> Tensor:
    """Entries moved into [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """Entries moved into [min_val, max_val]."""
    return _or_in_place(input, ops.clip(input, min_val, max_val), inplace)


def logsigmoid(input: Any) -> Tensor:
    """Logarithm of the logistic function, entry by entry."""
    return -ops.softplus(ops.neg(input), threshold=math.inf)


def softmax(input: Any, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Probabilities from scores along dim; without dim along axis 0 of 1 or 3 axes, else along axis 1, as PyTorch."""
    return ops.softmax(input if dtype is None else input.to(dtype), dim=_softmax_dim(input, dim))


def log_softmax(input: Any, dim: int | None = None, dtype: Any = None) -> Tensor:
    """Logarithm of `softmax`."""
    return ops.log_softmax(input if dtype is None else input.to(dtype), dim=_softmax_dim(input, dim))


def _softmax_dim(x: Any, dim: int | None) -> int:
    return (0 if np.ndim(x) in (0, 1, 3) else 1) if dim is None else dim


def normalize(input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Tensor:
    """Vectors along dim divided by their p-norm, or by eps where that is larger."""
    return input / input.norm(p, dim, keepdim=True).clip(min=eps)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between the vectors along dim."""
    shape = np.broadcast_shapes(x1.shape, x2.shape)
    a, b = (normalize(ops.broadcast_to(x, shape), dim=dim, eps=eps) for x in (x1, x2))
    return (a * b).sum(dim)


# --- What has no op of its own ----------------------------------------------------------------------------------


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Rows of zeros with a 1 where the index says, int64.

    Args:
        tensor: integers of any **shape**.
        num_classes: length of a row; the largest index + 1 if it is -1.

    Returns:
        **shape** (*tensor.shape, num_classes).

    Raises:
        IndexError: if an index is not in 0 … num_classes - 1.
    """
    index = as_plain(tensor)
    size = int(index.max(initial=-1)) + 1 if num_classes == -1 else num_classes
    return ops.embedding(index, np.eye(size, dtype=np.int64))


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Tensor:
    """Means of so many equal windows.

    Args:
        input: **shape** (B, C, H, W).
        output_size: number of windows along H and W: a number or a pair; None for that of input.

    Raises:
        ValueError: if H or W is no multiple of the number wanted: windows of unequal size are PyTorch's alone.
    """
    pair = output_size if isinstance(output_size, tuple | list) else (output_size, output_size)
    sizes = input.shape[-2:]
    wanted = [n if k is None else k for n, k in zip(sizes, pair, strict=True)]
    if any(n % k for n, k in zip(sizes, wanted, strict=True)):
        raise ValueError(f"adaptive_avg_pool2d: {sizes} cannot be cut into {wanted} equal windows")
    return ops.avg_pool2d(input, tuple(n // k for n, k in zip(sizes, wanted, strict=True)))


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
            generator: Any = None) -> Tensor:  # fmt: skip
    """Entries set to 0 with probability p, the others divided by 1 - p.

    Args:
        input: any **shape**.
        p: the probability, in [0, 1].
        training: if False, input is returned as it is.
        inplace: change input itself.
        generator: source of the random numbers, or a seed for a new one; None for that of `chainrule.manual_seed`.

    Raises:
        ValueError: if p is not in [0, 1].

    Source: Srivastava et al., Dropout, JMLR 15 (2014), section 4 (here with the scaling done in training).
    """
    return _dropped(input, input.shape, p, training, inplace, generator)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *,
              generator: Any = None) -> Tensor:  # fmt: skip
    """Whole channels set to 0 with probability p, the others divided by 1 - p.

    Args:
        input: **shape** (B, C, H, W) or (C, H, W).
        p: the probability, in [0, 1].
        training: if False, input is returned as it is.
        inplace: change input itself.
        generator: source of the random numbers.

    Raises:
        ValueError: if p is not in [0, 1].
    """
    return _dropped(input, (*input.shape[:-2], 1, 1), p, training, inplace, generator)


def _dropped(x: Tensor, shape: Any, p: float, training: bool, inplace: bool, generator: Any) -> Tensor:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability in [0, 1], got {p}")
    if not training or p == 0:
        return x
    seeded = isinstance(generator, int | np.integer)
    generator = np.random.default_rng(generator) if seeded else generator_or_shared(generator)
    stays = (generator.random(shape) >= p).astype(x.dtype)
    return _or_in_place(x, x * (stays if p == 1 else stays / (1 - p)), inplace)


def sample(logits: Any, generator: Generator | None = None, temperature: float = 1.0,
           top_k: int | None = None) -> Any:  # fmt: skip
    """Indices drawn at random with the probabilities softmax(logits / temperature).

    The largest of the logits with Gumbel noise on them is drawn: it is each index with just that probability.

    Args:
        logits: **shape** (..., C), float; minus infinity for what shall not be drawn.
        generator: source of the random numbers.
        temperature: below 1 the likely becomes likelier, above 1 all becomes more alike; 0 takes the largest.
        top_k: draw among the k largest only; None for all.

    Returns:
        Integers 0 … C - 1 of **shape** (...,).

    Raises:
        ValueError: if temperature is negative, top_k is not in 1 … C, a logit is NaN or infinity, or all of a row
            are minus infinity.

    Source: Maddison, Tarlow and Minka, A* Sampling, 2014, section 2 (the Gumbel-Max trick).
    """
    z = np.asarray(as_plain(logits), np.float64)
    if z.ndim == 0 or not np.isfinite(z.max(-1, initial=-np.inf)).all():
        wanted = "none of them NaN or infinity, nor all of a row minus infinity"
        raise ValueError(f"sample: wanted logits (..., C), {wanted}; got shape {z.shape}: {z}")
    k = z.shape[-1] if top_k is None else top_k
    if not temperature >= 0 or not 1 <= k <= z.shape[-1]:
        raise ValueError(
            f"sample: temperature is at least 0, top_k 1 to {z.shape[-1]}, got {temperature}, {top_k}"
        )
    if k < z.shape[-1]:
        z, rest = z.copy(), np.argsort(-z, -1, kind="stable")[..., k:]
        np.put_along_axis(z, rest, -np.inf, -1)
    if temperature > 0:
        z = z / temperature + generator_or_shared(generator).gumbel(size=z.shape)
    return z.argmax(-1)


def scaled_dot_product_attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None,
                                 dropout_p: float = 0.0, is_causal: bool = False,
                                 scale: float | None = None) -> Tensor:  # fmt: skip
    """Attention: averages of the values, weighted by how well each query fits each key.

    Args:
        query: **shape** (..., L, E).
        key: **shape** (..., S, E).
        value: **shape** (..., S, V).
        attn_mask: booleans, True where a query may look, or floats added to the scores; it broadcasts to
            **shape** (..., L, S).
        dropout_p: probability with which a weight is dropped, whether or not a model is in training.
        is_causal: let query i look at keys 0 … i only.
        scale: factor of the scores; 1 / sqrt(E) if None.

    Returns:
        **shape** (..., L, V); 0 for a query that may look nowhere.

    Raises:
        TypeError: if attn_mask holds integers.
        ValueError: if it does not broadcast to the scores.

    Raises:
        TypeError: if a mask holds neither booleans nor floats.

    Source: Vaswani et al., Attention Is All You Need, 2017, section 3.2.1, equation (1).
    """
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query @ key.transpose(-1, -2) * factor
    if is_causal:
        scores = ops.where(np.tri(*scores.shape[-2:], dtype=np.bool_), scores, -math.inf)
    if attn_mask is not None:
        mask = check_mask("attn_mask", attn_mask, scores.shape)
        scores = ops.where(mask, scores, -math.inf) if mask.dtype == bool else scores + mask
    weights = ops.softmax(scores, -1) if attn_mask is None and not is_causal else attention_weights(scores)
    return dropout(weights, dropout_p) @ value


def attention_weights(scores: Tensor) -> Tensor:
    """Softmax of the scores along the last axis; a row of minus infinities, that may look nowhere, gets zeros."""
    nowhere = scores._data.max(-1, keepdims=True, initial=-math.inf) == -math.inf
    if not nowhere.any():
        return ops.softmax(scores, -1)
    return ops.where(nowhere, 0.0, ops.softmax(ops.where(nowhere, 0.0, scores), -1))


def check_mask(name: str, mask: Any, shape: tuple[int, ...]) -> Tensor:
    """A mask as a Tensor: of booleans, or of floats that are added to scores of that shape.

    Raises:
        TypeError: if it holds integers, as 0 and 1 may mean either.
        ValueError: if it does not broadcast to the shape.
    """
    mask = mask if isinstance(mask, Tensor) else Tensor(mask)
    if mask.dtype.kind not in "bf":
        raise TypeError(
            f"{name}: wanted booleans, or floats to add, got {mask.dtype}: write mask == 1 or mask == 0"
        )
    sizes = zip(mask.shape[::-1], shape[::-1], strict=False)
    if mask.ndim > len(shape) or any(m not in (1, n) for m, n in sizes):
        raise ValueError(f"{name}: shape {mask.shape} does not broadcast to the scores' {shape}")
    return mask


# --- Losses that are no op of their own -------------------------------------------------------------------------


def nll_loss(input: Any, target: Any, weight: Any = None, size_average: bool | None = None,
             ignore_index: int = -100, *, reduction: str = "mean") -> Tensor:  # fmt: skip
    """Minus the log-probability of the right class: `cross_entropy` of what has been through log_softmax.

    Args:
        input: log-probabilities of **shape** (B, C), (B, C, ...) or (C,).
        target: integer labels of **shape** (B,), (B, ...) or ().
        weight: **shape** (C,), how much each class counts; None for 1.
        size_average: False for the reduction "sum", True for "mean": PyTorch's older name.
        ignore_index: label of entries that count for nothing.
        reduction: "mean" (over labels, each by its weight), "sum", or "none".

    Raises:
        ValueError: if shapes do not fit, a label is not in 0 … C - 1, or for another reduction.
        TypeError: if labels are not integers.
    """
    x, labels = input if isinstance(input, Tensor) else Tensor(input), as_plain(target)
    dim = int(x.ndim > 1)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"nll_loss: labels are integers, got {labels.dtype}")
    if x.ndim == 0 or labels.shape != x.shape[:dim] + x.shape[dim + 1 :]:
        raise ValueError(f"nll_loss: input of shape {x.shape} and labels of {labels.shape} do not fit")
    reduction = reduction if size_average is None else "mean" if size_average else "sum"
    kept = labels != ignore_index
    check_range("nll_loss: label", labels[kept], x.shape[dim], ValueError)
    labels = labels * kept
    counts = (kept if weight is None else kept * as_plain(weight)[labels]).astype(x.dtype)
    picked = ops.gather(x, dim, np.expand_dims(labels, dim)).squeeze(dim)
    losses = -ops.where(kept, picked, np.zeros((), x.dtype)) * counts
    _check_reduction(losses._data, reduction, np.count_nonzero(kept), "nll_loss: ")
    total = losses if reduction == "none" else losses.sum()
    return total / counts.sum() if reduction == "mean" else total


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Tensor:
    """Cross-entropy of targets and probabilities; a logarithm is at least -100, as in PyTorch.

    Args:
        input: probabilities of any **shape**, in [0, 1].
        target: probabilities of the same **shape**.
        weight: factor of each loss, of a **shape** that broadcasts; None for 1.
        reduction: "mean" over the entries, "sum", or "none".

    Raises:
        ValueError: if shapes differ, a probability is not in [0, 1], or for another reduction.
    """
    losses = _binary_cross_entropy(input, target)
    losses = losses if weight is None else losses * weight
    _check_reduction(losses._data, reduction, name="binary_cross_entropy: ")
    return losses if reduction == "none" else getattr(losses, reduction)()


@primitive
def _binary_cross_entropy(x, target):
    check_same("binary_cross_entropy", x, target)
    if not ((x >= 0) & (x <= 1)).all():
        raise ValueError(
            "binary_cross_entropy: wanted probabilities in [0, 1]; for logits use ..._with_logits"
        )
    with np.errstate(divide="ignore"):
        log_x, log_rest = (np.maximum(np.log(p), -100) for p in (x, 1 - x))
    slope = lambda: (x - target) / np.maximum(x * (1 - x), 1e-12)
    return (
        -(target * log_x + (1 - target) * log_rest),
        lambda g: g * slope(),
        lambda g: g * (log_rest - log_x),
    )


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """Half the squared difference over beta where it is below beta, the difference less beta / 2 beyond."""
    return l1_loss(input, target, reduction=reduction) if beta == 0 else (
        huber_loss(input, target, reduction, beta) / beta
    )  # fmt: skip
