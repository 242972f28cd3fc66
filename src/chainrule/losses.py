"""Losses: how far a prediction is from its target, with PyTorch's names and argument order.

Those that training uses most are ops of their own, fused for speed, and only named again here; the others are
composed. `reduction` is "mean", "sum" or "none" throughout.
"""

from typing import Any

import numpy as np

from chainrule import fused, ops
from chainrule.arrays import check_range, check_same
from chainrule.ops import binary_cross_entropy_with_logits, cross_entropy, hinge_loss, mse_loss
from chainrule.tensor import Tensor, wrap

__all__ = ["mse_loss", "l1_loss", "huber_loss", "hinge_loss", "multi_margin_loss", "cross_entropy"]
__all__ += ["binary_cross_entropy_with_logits", "kl_div"]


def _pair(name: str, input: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Both as Tensors, of one shape."""
    x, y = (t if isinstance(t, Tensor) else Tensor(t) for t in (input, target))
    check_same(name, x, y)
    return x, y


def _reduce(name: str, losses: Tensor, reduction: str) -> Tensor:
    """Mean, sum, or all of the losses."""
    fused._check_reduction(losses._data, reduction, name=f"{name}: ")
    return losses if reduction == "none" else getattr(losses, reduction)()


def l1_loss(input: Any, target: Any, *, reduction: str = "mean") -> Tensor:
    """Absolute difference |input - target|.

    Args:
        input: any **shape**, float.
        target: the same **shape**.
        reduction: "mean" over the entries, "sum", or "none".

    Raises:
        ValueError: if the shapes differ, for another reduction, or for the mean of nothing.
    """
    x, y = _pair("l1_loss", input, target)
    return _reduce("l1_loss", (x - y).abs(), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Tensor:
    """Half the squared difference where that is at most delta; beyond, the line that continues it.

    Args:
        input: any **shape**, float.
        target: the same **shape**.
        reduction: "mean" over the entries, "sum", or "none".
        delta: where the line begins.

    Raises:
        ValueError: if the shapes differ, delta is not positive, for another reduction, or for the mean of nothing.

    Source: Huber, Robust Estimation of a Location Parameter, 1964, section 1.
    """
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be above 0, got {delta}")
    x, y = _pair("huber_loss", input, target)
    size = (x - y).abs()
    near = ops.clip(size, max=delta)  # half near² + delta (size - near) is both branches at once
    return _reduce("huber_loss", near * near * 0.5 + (size - near) * delta, reduction)


def multi_margin_loss(input: Any, target: Any, p: int = 1, margin: float = 1.0, *,
                      reduction: str = "mean") -> Tensor:  # fmt: skip
    """Hinge loss for several classes: by how much every other class comes closer than margin to the right one.

    Args:
        input: scores of **shape** (B, C).
        target: labels of **shape** (B,), integers in 0 … C - 1.
        p: power that each shortfall is raised to, 1 or 2.
        margin: the lead that the right class should have.
        reduction: "mean" over the batch, "sum", or "none".

    Returns:
        Sum over the other classes of max(0, margin - right + other) ** p, divided by C.

    Raises:
        ValueError: if shapes do not fit, a label is out of range, p is neither 1 nor 2, for another reduction, or
            for the mean of nothing.

    Source: Crammer and Singer, On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines, 2001,
    and Weston and Watkins, 1999, whose sum over classes this is.
    """
    x, labels = input if isinstance(input, Tensor) else wrap(input), np.asarray(target)
    if x.ndim != 2 or labels.shape != x.shape[:1] or labels.dtype.kind not in "iu" or p not in (1, 2):
        got = f"{x.shape}, {labels.dtype} {labels.shape} and p = {p}"
        raise ValueError(f"multi_margin_loss: wanted (B, C), integer labels (B,) and p = 1 or 2, got {got}")
    check_range("multi_margin_loss: label", labels, x.shape[1], ValueError)
    short = (margin - x.gather(1, labels[:, None]) + x).relu()
    others = np.arange(x.shape[1]) != labels[:, None]
    losses = ((short if p == 1 else short * short) * others.astype(x.dtype)).sum(dim=1) / x.shape[1]
    return _reduce("multi_margin_loss", losses, reduction)


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Tensor:
    """Kullback–Leibler divergence of a prediction, given as *log*-probabilities, from target probabilities.

    Args:
        input: log-probabilities of any **shape**, the batch first.
        target: probabilities of the same **shape**, or their logarithms if log_target.
        reduction: "batchmean" for the sum over the length of axis 0, which is what the mathematics means;
            "mean" over all entries, as PyTorch has it; "sum", or "none".
        log_target: what target holds.

    Returns:
        target * (log(target) - input), entry by entry and reduced; 0 where target is 0.

    Raises:
        ValueError: if the shapes differ, for another reduction, or for the mean of nothing.

    Source: Kullback and Leibler, On Information and Sufficiency, 1951, equation (2.2).
    """
    x, y = _pair("kl_div", input, target)
    if log_target:
        losses = y.exp() * (y - x)
    else:
        losses = y * ops.log(ops.where(y != 0, y, 1.0)) - y * x  # where y is 0, so is y log(1)
    if reduction == "batchmean":
        return _reduce("kl_div", losses, "sum") / max(len(x), 1)
    return _reduce("kl_div", losses, reduction)
