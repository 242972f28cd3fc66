"""Proofs that a gradient is right: against finite differences, and against PyTorch.

A check that fails raises AssertionError and says where: in which input, at which entry, by how much.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.tensor import Tensor

Function = Callable[..., Any]


def _scalar(f: Function, weights: np.ndarray | None, arrays: list[np.ndarray]) -> float:
    """The number that f gives for these inputs; an output of several entries is weighed with `weights`."""
    out = f(*(Tensor(x) for x in arrays))
    value = np.asarray(out.data if isinstance(out, Tensor) else out)
    return float(value.sum() if weights is None else (value * weights).sum())


def _analytic(f: Function, weights: np.ndarray | None, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """What backward() says of the same number, one gradient an input."""
    tensors = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    f(*tensors).backward(weights)
    return [np.zeros(x.shape) if x.grad is None else x.grad.numpy() for x in tensors]


def _double(x: Any) -> np.ndarray:
    x = np.array(x.data if isinstance(x, Tensor) else x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x


def check_grad(f: Function, *inputs: Any, eps: float = 1e-6, tol: float = 1e-6, seed: int = 0) -> float:
    """Largest error of backward() on f against central differences, relative to the gradient's size.

    It is looked at twice: along one random direction through all inputs at once (two calls of f, whatever
    their size), and along every coordinate by itself (two calls each). The error of a central difference is of
    order eps² by truncation and 1e-16 / eps by rounding, so it is computed on float64 copies.

    Args:
        f: function of Tensors that returns one Tensor of any **shape**; one that is no scalar is weighed with
            random numbers and summed.
        *inputs: arrays, Tensors or numbers; those of a float dtype are differentiated.
        eps: the step h in (f(x + h) - f(x - h)) / 2h.
        tol: the error allowed, relative to max(1, |gradient|).
        seed: seed of the direction and the weights.

    Returns:
        The largest error found.

    Raises:
        AssertionError: if an error exceeds tol; names the input and the entry.
        ValueError: if no input has a float dtype.

    Source: Baydin et al., JMLR 18 (2018), section 2.2 (central differences).
    """
    rng = np.random.default_rng(seed)
    arrays = [_double(x) for x in inputs]
    free = [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]
    if not free:
        raise ValueError("check_grad: no input has a float dtype, so there is nothing to differentiate")
    out = f(*(Tensor(x) for x in arrays))
    weights = None if out.size == 1 else rng.standard_normal(out.shape)
    grads = _analytic(f, weights if weights is not None else np.ones(out.shape), arrays)

    def difference(steps: dict[int, np.ndarray]) -> float:
        ahead = [x + eps * steps[i] if i in steps else x for i, x in enumerate(arrays)]
        behind = [x - eps * steps[i] if i in steps else x for i, x in enumerate(arrays)]
        return (_scalar(f, weights, ahead) - _scalar(f, weights, behind)) / (2 * eps)

    directions = {i: rng.standard_normal(arrays[i].shape) for i in free}
    along = float(np.sum([(grads[i] * v).sum() for i, v in directions.items()]))
    worst = _compare("along a random direction", along, difference(directions), tol)
    for i in free:
        for at in np.ndindex(arrays[i].shape):
            step = np.zeros(arrays[i].shape)
            step[at] = 1.0
            where = f"in input {i} at {at}"
            worst = max(worst, _compare(where, float(grads[i][at]), difference({i: step}), tol))
    return worst


def _compare(where: str, got: float, wanted: float, tol: float) -> float:
    error = abs(got - wanted) / max(1.0, abs(wanted))
    if not error <= tol:
        raise AssertionError(f"gradient {where}: backward() says {got:.9g}, differences say {wanted:.9g}")
    return error


def hessian_vector_product(f: Function, x: Any, v: Any, eps: float = 1e-6) -> np.ndarray:
    """Hessian of f at x times v, as the central difference of the gradient along v.

    Args:
        f: function of one Tensor that returns a scalar Tensor.
        x: where; an array or Tensor of any **shape**.
        v: the direction, of the same **shape**.
        eps: the step.

    Returns:
        float64 array of the same **shape**; its error is of order eps² + 1e-16 / eps.

    Raises:
        ValueError: if v has another shape than x.

    Source: Pearlmutter, Fast Exact Multiplication by the Hessian, Neural Computation 6 (1994), equation (2).
    """
    x, v = _double(x), _double(v)
    if x.shape != v.shape:
        raise ValueError(f"hessian_vector_product: v has shape {v.shape}, wanted that of x, {x.shape}")
    ahead, behind = (_analytic(f, None, [x + step * v])[0] for step in (eps, -eps))
    return (ahead - behind) / (2 * eps)


def assert_same_as_torch(
    ours: Function, theirs: Function, *inputs: Any, tol: float = 1e-10, dtype: Any = np.float64, seed: int = 0
) -> float:
    """Largest difference between our function and PyTorch's, in value and in every gradient.

    Args:
        ours: function of Tensors.
        theirs: the same as a function of torch tensors.
        *inputs: arrays or Tensors; float ones are cast to dtype and differentiated.
        tol: the difference allowed, relative to max(1, |theirs|).
        dtype: float64 or float32.
        seed: seed of the random gradient that both sides are given.

    Returns:
        The largest difference found.

    Raises:
        AssertionError: if shape, dtype or a number differs; names the value or the input.
    """
    import torch

    arrays = [x.astype(dtype) if x.dtype.kind == "f" else x for x in map(_double, inputs)]
    mine = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    yours = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    out, wanted = ours(*mine), theirs(*yours)
    worst = _difference("the value", out.numpy(), wanted.detach().numpy(), tol)
    if not wanted.requires_grad:
        return worst
    g = np.asarray(np.random.default_rng(seed).standard_normal(out.shape), dtype=out.dtype)
    out.backward(g)
    wanted.backward(torch.tensor(g))
    for i, (x, y) in enumerate(zip(mine, yours, strict=True)):
        if y.grad is not None:
            got = np.zeros(x.shape, x.dtype) if x.grad is None else x.grad.numpy()
            worst = max(worst, _difference(f"the gradient of input {i}", got, y.grad.numpy(), tol))
    return worst


def _difference(what: str, got: np.ndarray, wanted: np.ndarray, tol: float) -> float:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        raise AssertionError(
            f"{what}: {got.dtype} of shape {got.shape}, PyTorch has {wanted.dtype} of shape {wanted.shape}"
        )
    if got.dtype.kind != "f" or not got.size:
        same = np.array_equal(got, wanted)
        error = 0.0 if same else np.inf
    else:
        same = np.isclose(got, wanted, rtol=tol, atol=tol, equal_nan=True)
        gap = np.where(got == wanted, 0.0, np.abs(got - wanted) / np.maximum(1.0, np.abs(wanted)))
        error = float(np.nanmax(gap, initial=0.0))
    if not np.all(same):
        raise AssertionError(f"{what} differs from PyTorch's by {error:.3g} (allowed {tol:g})")
    return error
