"""PyTorch's `torch.nn.utils`: gradients that are clipped, and parameters as one vector."""

from collections.abc import Iterable
from typing import Any

from chainrule import ops
from chainrule.optim import clip_grad_norm_ as clip_grad_norm_
from chainrule.tensor import Tensor


def clip_grad_value_(parameters: Any, clip_value: float) -> None:
    """Every entry of every gradient moved into [-clip_value, clip_value], in place."""
    for p in [parameters] if isinstance(parameters, Tensor) else parameters:
        if p.grad is not None:
            p.grad.clamp_(-clip_value, clip_value)


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All entries of all parameters in one row."""
    return ops.cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """The entries of a row written into parameters, one after another."""
    start = 0
    for p in parameters:
        p.data.copy_(vec.detach()[start : start + p.numel()].reshape(p.shape))
        start += p.numel()
