"""What is composed from the ops, with no derivative rule of its own.

The first half says again, step by step, what `chainrule.ops` does in one fused op each: the teaching versions.
They take the same arguments and give the same numbers and gradients, with more nodes and more memory.
"""

import math
from typing import Any

import numpy as np

from chainrule import ops
from chainrule.arrays import check_range, check_same
from chainrule.init import Generator, generator_or_shared
from chainrule.tensor import Tensor, wrap

# --- What ops.py fuses, step by step ----------------------------------------------------------------------------


def linear(x: Any, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Affine map x @ weight.T + bias as a product and a sum.

    Args:
        x: **shape** (..., in_features).
        weight: **shape** (out_features, in_features).
        bias: **shape** (out_features,), or None.

    Returns:
        **shape** (..., out_features).
    """
    out = ops.matmul(x, weight.T)
    return out if bias is None else out + bias


def softmax(x: Tensor, dim: int) -> Tensor:
    """Softmax along dim as exponentials divided by their sum, of the **shape** of x.

    The largest entry is subtracted first as a constant: it changes nothing but the range of the exponentials.
    """
    exponentials = ops.exp(x - constant(x).max(dim, keepdim=True))
    return exponentials / exponentials.sum(dim, keepdim=True)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """Logarithm of the softmax along dim as a difference, of the **shape** of x."""
    shifted = x - constant(x).max(dim, keepdim=True)
    return shifted - ops.log(ops.exp(shifted).sum(dim, keepdim=True))


def cross_entropy(x: Tensor, target: Any) -> Tensor:
    """Mean cross-entropy of labels and softmax(x), as minus the mean log-probability of the labels.

    Args:
        x: logits of **shape** (B, C).
        target: integer labels of **shape** (B,).

    Returns:
        **shape** ().
    """
    labels = np.asarray(target)
    if x.ndim != 2 or labels.shape != x.shape[:1] or labels.dtype.kind not in "iu":
        got = f"{x.shape} and {labels.dtype} {labels.shape}"
        raise ValueError(f"cross_entropy: wanted logits (B, C) and integer labels (B,), got {got}")
    check_range("cross_entropy: label", labels, x.shape[1], ValueError)
    return -log_softmax(x, 1)[np.arange(len(x)), labels].mean()


def mse_loss(x: Tensor, target: Any) -> Tensor:
    """Mean squared difference of x and target, of one **shape**."""
    check_same("mse_loss", x, target)
    return ((x - target) ** 2).mean()


def hinge_loss(x: Tensor, target: Any) -> Tensor:
    """Mean of max(0, 1 - target * x), for targets -1 and 1 of the **shape** of x."""
    check_same("hinge_loss", x, target)
    return ops.relu(1 - x * target).mean()


def binary_cross_entropy_with_logits(x: Tensor, target: Any) -> Tensor:
    """Mean cross-entropy of targets in [0, 1] and sigmoid(x), of one **shape**."""
    check_same("binary_cross_entropy_with_logits", x, target)
    return (ops.softplus(x) - x * target).mean()


def batch_norm(x: Tensor, weight: Any = 1.0, bias: Any = 0.0, eps: float = 1e-5) -> Tensor:
    """Each column of x shifted and scaled to mean 0 and variance 1, then by weight and bias.

    Args:
        x: **shape** (B, C).
        weight: **shape** (C,), or a number.
        bias: **shape** (C,), or a number.
        eps: added to the variance.
    """
    centred = x - x.mean(0)
    return centred / ops.sqrt((centred * centred).mean(0) + eps) * weight + bias


def layer_norm(x: Tensor, weight: Any = 1.0, bias: Any = 0.0, eps: float = 1e-5) -> Tensor:
    """Each vector along the last axis shifted and scaled to mean 0 and variance 1, then by weight and bias.

    Args:
        x: **shape** (..., D).
        weight: **shape** (D,), or a number.
        bias: **shape** (D,), or a number.
        eps: added to the variance.
    """
    centred = x - x.mean(-1, keepdim=True)
    return centred / ops.sqrt((centred * centred).mean(-1, keepdim=True) + eps) * weight + bias


# --- What has no op of its own ----------------------------------------------------------------------------------


def constant(x: Any) -> Tensor:
    """The same values, outside the graph; for a Tensor they share memory."""
    return x.detach() if isinstance(x, Tensor) else wrap(x)


def one_hot(index: Any, num_classes: int, dtype: Any = np.float32) -> Tensor:
    """Rows of zeros with a 1 where the index says.

    Args:
        index: integers of any **shape**.
        num_classes: length of a row.
        dtype: dtype of the result.

    Returns:
        **shape** (*index.shape, num_classes).

    Raises:
        IndexError: if an index is not in 0 … num_classes - 1.
    """
    return ops.embedding(index, np.eye(num_classes, dtype=dtype))


def dropout(x: Tensor, p: float = 0.5, training: bool = True, generator: Any = None) -> Tensor:
    """Entries of x set to 0 with probability p, the others divided by 1 - p.

    Args:
        x: any **shape**.
        p: the probability, in [0, 1].
        training: if False, x is returned as it is.
        generator: a NumPy Generator, or a seed for a new one; None for that of `chainrule.manual_seed`.

    Raises:
        ValueError: if p is not in [0, 1].

    Source: Srivastava et al., Dropout, JMLR 15 (2014), section 4 (here with the scaling done in training).
    """
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: p is a probability in [0, 1], got {p}")
    if not training or p == 0:
        return x
    seeded = isinstance(generator, int | np.integer)
    generator = np.random.default_rng(generator) if seeded else generator_or_shared(generator)
    stays = (generator.random(x.shape) >= p).astype(x.dtype)
    return x * (stays if p == 1 else stays / (1 - p))


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
    z = np.asarray(constant(logits).numpy(), np.float64)
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
                                 is_causal: bool = False) -> Tensor:  # fmt: skip
    """Attention: averages of the values, weighted by how well each query fits each key.

    Args:
        query: **shape** (..., L, E).
        key: **shape** (..., S, E).
        value: **shape** (..., S, V).
        attn_mask: booleans, True where a query may look, or numbers added to the scores; it broadcasts to
            **shape** (..., L, S).
        is_causal: let query i look at keys 0 … i only.

    Returns:
        **shape** (..., L, V); 0 for a query that may look nowhere.

    Raises:
        TypeError: if attn_mask holds integers.
        ValueError: if it does not broadcast to the scores.

    Source: Vaswani et al., Attention Is All You Need, 2017, section 3.2.1, equation (1).
    """
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if is_causal:
        scores = ops.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -math.inf)
    if attn_mask is not None:
        mask = check_mask("attn_mask", attn_mask, scores.shape)
        scores = ops.where(mask, scores, -math.inf) if mask.dtype == bool else scores + mask
    return attention_weights(scores) @ value


def attention_weights(scores: Tensor) -> Tensor:
    """Softmax of the scores along the last axis; a row of minus infinities, that may look nowhere, gets zeros."""
    nowhere = (
        constant(scores).max(-1, keepdim=True).numpy() == -math.inf if scores.shape[-1] else np.array(False)
    )
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
