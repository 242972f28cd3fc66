"""Losses as modules: each hands prediction and target to the function of `chainrule.functional` with its options."""

from __future__ import annotations

from typing import Any

from chainrule import functional
from chainrule.nn import Buffer, Module
from chainrule.tensor import Tensor

__all__ = """
    MSELoss L1Loss SmoothL1Loss HuberLoss CrossEntropyLoss NLLLoss BCELoss BCEWithLogitsLoss KLDivLoss
    MultiMarginLoss
""".split()


class _Loss(Module):
    """Loss that is the function of that name, with those of its attributes that are options of it."""

    function: str
    names: tuple[str, ...] = ("reduction",)

    def __init__(self, reduction: str = "mean"):
        self.reduction = reduction

    def forward(self, input: Any, target: Any) -> Tensor:
        """How far input is from target."""
        options = {name: getattr(self, name) for name in self.names}
        return getattr(functional, self.function)(input, target, **options)


def _as_buffer(x: Any) -> Any:
    return None if x is None else Buffer(x)


class MSELoss(_Loss):
    """Squared difference; see `chainrule.functional.mse_loss`."""

    function = "mse_loss"


class L1Loss(_Loss):
    """Absolute difference; see `chainrule.functional.l1_loss`."""

    function = "l1_loss"


class SmoothL1Loss(_Loss):
    """Squared difference near 0, absolute difference beyond; see `chainrule.functional.smooth_l1_loss`."""

    function, names = "smooth_l1_loss", ("reduction", "beta")

    def __init__(self, reduction: str = "mean", beta: float = 1.0):
        self.reduction, self.beta = reduction, beta


class HuberLoss(_Loss):
    """Squared difference near 0, a line beyond; see `chainrule.functional.huber_loss`."""

    function, names = "huber_loss", ("reduction", "delta")

    def __init__(self, reduction: str = "mean", delta: float = 1.0):
        self.reduction, self.delta = reduction, delta


class CrossEntropyLoss(_Loss):
    """Cross-entropy of labels, or probabilities, and logits; see `chainrule.functional.cross_entropy`."""

    function, names = "cross_entropy", ("weight", "ignore_index", "reduction", "label_smoothing")

    def __init__(self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean",
                 label_smoothing: float = 0.0):  # fmt: skip
        self.weight, self.ignore_index = _as_buffer(weight), ignore_index
        self.reduction, self.label_smoothing = reduction, label_smoothing


class NLLLoss(_Loss):
    """Minus the log-probability of the right class; see `chainrule.functional.nll_loss`."""

    function, names = "nll_loss", ("weight", "ignore_index", "reduction")

    def __init__(self, weight: Any = None, *, ignore_index: int = -100, reduction: str = "mean"):
        self.weight, self.ignore_index, self.reduction = _as_buffer(weight), ignore_index, reduction


class BCELoss(_Loss):
    """Cross-entropy of targets and probabilities; see `chainrule.functional.binary_cross_entropy`."""

    function, names = "binary_cross_entropy", ("weight", "reduction")

    def __init__(self, weight: Any = None, *, reduction: str = "mean"):
        self.weight, self.reduction = _as_buffer(weight), reduction


class BCEWithLogitsLoss(_Loss):
    """Cross-entropy of targets and logits; see `chainrule.functional.binary_cross_entropy_with_logits`."""

    function, names = "binary_cross_entropy_with_logits", ("weight", "reduction", "pos_weight")

    def __init__(self, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None):
        self.weight, self.reduction, self.pos_weight = _as_buffer(weight), reduction, _as_buffer(pos_weight)


class KLDivLoss(_Loss):
    """Kullback–Leibler divergence; see `chainrule.functional.kl_div`."""

    function, names = "kl_div", ("reduction", "log_target")

    def __init__(self, reduction: str = "mean", log_target: bool = False):
        self.reduction, self.log_target = reduction, log_target


class MultiMarginLoss(_Loss):
    """Hinge loss for several classes; see `chainrule.functional.multi_margin_loss`."""

    function, names = "multi_margin_loss", ("p", "margin", "reduction")

    def __init__(self, p: int = 1, margin: float = 1.0, *, reduction: str = "mean"):
        self.p, self.margin, self.reduction = p, margin, reduction
