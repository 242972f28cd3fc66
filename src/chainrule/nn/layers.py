"""Further layers of PyTorch's, and the lazy ones, which take a size from their first input."""

from __future__ import annotations

from typing import Any

import numpy as np

from chainrule.functional import adaptive_avg_pool2d, dropout2d, elu, log_softmax, silu
from chainrule.nn import BatchNorm1d, BatchNorm2d, Conv1d, Conv2d, Dropout, Linear, Module, Parameter
from chainrule.tensor import Tensor

__all__ = """
    LogSoftmax ELU SiLU Dropout2d AdaptiveAvgPool2d Unflatten LazyLinear LazyConv1d LazyConv2d LazyBatchNorm1d
    LazyBatchNorm2d
""".split()


class LogSoftmax(Module):
    """Logarithm of the softmax along dim; see `chainrule.functional.log_softmax`."""

    def __init__(self, dim: int | None = None):
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        """Log-probabilities along dim."""
        return log_softmax(x, self.dim)


class ELU(Module):
    """Exponential linear unit, entry by entry; see `chainrule.functional.elu`."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False):
        self.alpha, self.inplace = alpha, inplace

    def forward(self, x: Any) -> Tensor:
        """Entries through the unit."""
        return elu(x, self.alpha, self.inplace)


class SiLU(Module):
    """Input times its logistic function; see `chainrule.functional.silu`."""

    def __init__(self, inplace: bool = False):
        self.inplace = inplace

    def forward(self, x: Any) -> Tensor:
        """Entries through the unit."""
        return silu(x, self.inplace)


class Dropout2d(Dropout):
    """In training each channel of images (B, C, H, W) is set to 0 with probability p; see `Dropout`."""

    drop = staticmethod(dropout2d)


class AdaptiveAvgPool2d(Module):
    """Means of so many equal windows of images (B, C, H, W); see `chainrule.functional.adaptive_avg_pool2d`."""

    def __init__(self, output_size: Any):
        self.output_size = output_size

    def forward(self, x: Any) -> Tensor:
        """**shape** (B, C, *output_size)."""
        return adaptive_avg_pool2d(x, self.output_size)


class Unflatten(Module):
    """The axis dim taken apart into several."""

    def __init__(self, dim: int, unflattened_size: Any):
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, x: Any) -> Tensor:
        """The same entries, **shape** (*before, *unflattened_size, *after)."""
        at = self.dim % x.ndim
        return x.reshape((*x.shape[:at], *self.unflattened_size, *x.shape[at + 1 :]))


# --- Layers that wait for their first input ---------------------------------------------------------------------


def _turn_into(lazy: Module, made: Module) -> Module:
    """The layer `made` in place of a lazy one, whose parameters stay the same objects: an optimiser may hold them."""
    empty = any(isinstance(value, Tensor) and value.numel() == 0 for value in vars(lazy).values())
    for name, value in vars(made).items():
        old = vars(lazy).get(name)
        if isinstance(value, Tensor) and isinstance(old, Tensor) and not empty:
            continue  # the values have been loaded
        if isinstance(value, Parameter) and isinstance(old, Parameter):
            old._replace(value._data)
        elif name != "training":
            setattr(lazy, name, value)
    del vars(lazy)["waiting"]
    lazy.__class__ = type(made)
    return lazy


def _waiting(factory: dict[str, Any]) -> dict[str, Any]:
    """Options for values that nobody will see: the layer's own generator draws only when it has its size."""
    return factory | {"generator": np.random.default_rng(0)}


def _of_today(lazy: Module, factory: dict[str, Any]) -> dict[str, Any]:
    """The options with the dtype that the layer has by now, after `double()` perhaps."""
    kinds = [t.dtype for t in (*lazy.parameters(), *lazy.buffers()) if t.dtype.kind == "f"]
    return factory | ({"dtype": kinds[0]} if kinds else {})


class LazyLinear(Linear):
    """`Linear` whose in_features is the size of the last axis of its first input."""

    def __init__(self, out_features: int, bias: bool = True, **factory: Any):
        self.waiting = factory
        super().__init__(0, out_features, bias, **_waiting(factory))

    def forward(self, x: Any) -> Tensor:
        """**shape** (..., in_features) to (..., out_features)."""
        made = Linear(x.shape[-1], self.out_features, self.bias is not None, **_of_today(self, self.waiting))
        return _turn_into(self, made)(x)


class _LazyConv:
    """Shared by the lazy convolutions, which stand before the class of convolution among their parents."""

    def __init__(self, out_channels: int, kernel_size: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
                 groups: int = 1, bias: bool = True, **factory: Any):  # fmt: skip
        self.waiting = (out_channels, kernel_size, stride, padding, dilation, groups, bias), factory
        options = (stride, padding, dilation, groups, bias)
        super().__init__(0, out_channels, kernel_size, *options, **_waiting(factory))  # type: ignore

    def forward(self, x: Any) -> Tensor:
        """**shape** (B, in_channels, *size) to (B, out_channels, *size of the result)."""
        kind, channels = type(self).__mro__[2], x.shape[-1 - self.axes]  # type: ignore[attr-defined]
        rest, factory = self.waiting
        return _turn_into(self, kind(channels, *rest, **_of_today(self, factory)))(x)  # type: ignore


class LazyConv1d(_LazyConv, Conv1d):
    """`Conv1d` whose in_channels is that of its first input."""


class LazyConv2d(_LazyConv, Conv2d):
    """`Conv2d` whose in_channels is that of its first input."""


class _LazyBatchNorm:
    """Shared by the lazy batch norms."""

    def __init__(self, *args: Any, **options: Any):
        self.waiting = args, options
        super().__init__(0, *args, **options)  # type: ignore[call-arg]

    def forward(self, x: Any) -> Tensor:
        """The same **shape**."""
        kind, (args, options) = type(self).__mro__[2], self.waiting
        return _turn_into(self, kind(x.shape[1], *args, **_of_today(self, options)))(x)  # type: ignore


class LazyBatchNorm1d(_LazyBatchNorm, BatchNorm1d):
    """`BatchNorm1d` whose num_features is that of its first input."""


class LazyBatchNorm2d(_LazyBatchNorm, BatchNorm2d):
    """`BatchNorm2d` whose num_features is that of its first input."""
