"""PyTorch's `torch.optim.lr_scheduler`: the schedules of `chainrule.optim`, and some more."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.optim import CosineAnnealingLR as CosineAnnealingLR
from chainrule.optim import LinearLR as LinearLR
from chainrule.optim import LRScheduler as LRScheduler
from chainrule.optim import OneCycleLR as OneCycleLR
from chainrule.optim import Optimizer
from chainrule.optim import StepLR as StepLR


class ExponentialLR(LRScheduler):
    """The rate times gamma at every step.

    Args:
        optimizer: see `LRScheduler`.
        gamma: the factor.
    """

    def __init__(self, optimizer: Optimizer, gamma: float):
        self.gamma = gamma
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        """Learning rate after t steps."""
        return base * self.gamma**t


class MultiStepLR(LRScheduler):
    """The rate times gamma at each of some steps.

    Args:
        optimizer: see `LRScheduler`.
        milestones: the steps, in rising order.
        gamma: the factor.
    """

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        """Learning rate after t steps."""
        return base * self.gamma ** bisect_right(self.milestones, t)


class LambdaLR(LRScheduler):
    """The first rate times what a function says of the number of steps.

    Args:
        optimizer: see `LRScheduler`.
        lr_lambda: function of the number of steps, for all groups alike.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], Any]):
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        """Learning rate after t steps."""
        return base * self.lr_lambda(t)
