"""The fused ops again, step by step: what `chainrule.ops` does in one op each, made of small ones.

They take the same arguments and give the same numbers and gradients, with more nodes and more memory. They are here
to be read; a program calls the ops.
"""

from typing import Any

import numpy as np

from chainrule import ops
from chainrule.arrays import check_range, check_same
from chainrule.autograd import no_grad
from chainrule.tensor import Tensor, as_plain, wrap


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
    exponentials = ops.exp(x - constant(x).amax(dim, keepdim=True))
    return exponentials / exponentials.sum(dim, keepdim=True)


def log_softmax(x: Tensor, dim: int) -> Tensor:
    """Logarithm of the softmax along dim as a difference, of the **shape** of x."""
    shifted = x - constant(x).amax(dim, keepdim=True)
    return shifted - ops.log(ops.exp(shifted).sum(dim, keepdim=True))


def cross_entropy(x: Tensor, target: Any) -> Tensor:
    """Mean cross-entropy of labels and softmax(x), as minus the mean log-probability of the labels.

    Args:
        x: logits of **shape** (B, C).
        target: integer labels of **shape** (B,).

    Returns:
        **shape** ().
    """
    labels = as_plain(target)
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


def batch_norm(x: Tensor, running_mean: Any = None, running_var: Any = None, weight: Any = None,
               bias: Any = None, training: bool = False, momentum: float = 0.1,
               eps: float = 1e-5) -> Tensor:  # fmt: skip
    """Each column of x shifted and scaled to mean 0 and variance 1, then by weight and bias.

    Args:
        x: **shape** (B, C).
        running_mean: **shape** (C,), or None. In training it moves towards the batch's mean, in place.
        running_var: **shape** (C,), or None. In training it moves towards the batch's unbiased variance.
        weight: **shape** (C,), or None for 1.
        bias: **shape** (C,), or None for 0.
        training: use the batch's own statistics; otherwise the running ones, if there are any.
        momentum: how far the running statistics move.
        eps: added to the variance.
    """
    if not training and running_mean is not None:
        return _affine((x - running_mean) / ops.sqrt(running_var + eps), weight, bias)
    mean = x.mean(0)
    centred = x - mean
    variance = (centred * centred).mean(0)
    if running_mean is not None:
        with no_grad():
            running_mean += momentum * (mean - running_mean)
            running_var += momentum * (variance * (len(x) / (len(x) - 1)) - running_var)
    return _affine(centred / ops.sqrt(variance + eps), weight, bias)


def layer_norm(x: Tensor, normalized_shape: Any, weight: Any = None, bias: Any = None,
               eps: float = 1e-5) -> Tensor:  # fmt: skip
    """Last axes of x shifted and scaled to mean 0 and variance 1, then by weight and bias.

    Args:
        x: **shape** (..., *normalized_shape).
        normalized_shape: the last axes, as a number or a tuple.
        weight: **shape** normalized_shape, or None for 1.
        bias: **shape** normalized_shape, or None for 0.
        eps: added to the variance.
    """
    axes = tuple(range(-np.size(normalized_shape), 0))
    centred = x - x.mean(axes, keepdim=True)
    return _affine(centred / ops.sqrt((centred * centred).mean(axes, keepdim=True) + eps), weight, bias)


def _affine(x: Tensor, weight: Any, bias: Any) -> Tensor:
    scaled = x if weight is None else x * weight
    return scaled if bias is None else scaled + bias


def constant(x: Any) -> Tensor:
    """The same values, outside the graph; for a Tensor they share memory."""
    return x.detach() if isinstance(x, Tensor) else wrap(x)
