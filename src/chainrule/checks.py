"""Checks of gradients: against finite differences, and against PyTorch.

A check that fails raises AssertionError and says where: in which input, at which entry, by how much.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.tensor import Tensor

Function = Callable[..., Any]


def _analytic(f: Function, weights: np.ndarray | None, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """What backward() says of the same number, one gradient an input."""
    tensors = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
    f(*tensors).backward(weights)
    return [np.zeros(x.shape) if x.grad is None else x.grad.numpy() for x in tensors]


def _copy(x: Any, dtype: Any = np.float64) -> np.ndarray:
    """An array of its own; one of floats is cast to dtype."""
    x = np.array(x)
    return x.astype(dtype) if x.dtype.kind == "f" else x


def _agrees(
    got: float, wanted: float, slope: Callable[[float], float], eps: float, tol: float, blur: float
) -> bool:
    """Whether got is wanted = slope(eps), to tol of its size or, if small, as far as differences can tell.

    blur is what the rounding of f's values can do to a difference.
    """
    gap = abs(got - wanted)
    if not gap <= tol * max(1.0, abs(wanted)):
        return False
    if gap <= max(tol * max(abs(got), abs(wanted)), blur):
        return True
    tries = [wanted, *(slope(k * eps) for k in (0.29, 0.71, 1.73))]
    return bool(gap <= 100 * (np.ptp(tries) if any(tries) else 1e-16 / eps))


def check_grad(f: Function, *inputs: Any, eps: float = 1e-6, tol: float = 1e-6, seed: int = 0) -> float:
    """Largest error of backward() on f against central differences, relative to the gradient's size.

    It is looked at twice: along one random direction through all inputs at once (two calls of f, whatever
    their size), and along every coordinate by itself (two calls each). The error of a central difference is of
    order eps² by truncation and 1e-16 / eps by rounding, so it is computed on float64 copies.

    An error below tol may still be all of a small gradient. Where it exceeds tol relative to the gradient, and what
    rounding the values of f can do to a difference, three more steps show how much differences vary here (or 1e-16 /
    eps, where f does not move at all), and the gradient is wrong if it is off by more than 100 times that.

    Args:
        f: function of Tensors that returns one Tensor of any **shape**; one that is no scalar is weighed with
            random numbers and summed.
        *inputs: arrays, Tensors or numbers; those of a float dtype are differentiated.
        eps: the step h in (f(x + h) - f(x - h)) / 2h.
        tol: the error allowed, relative to the gradient, as far as differences can tell; never above
            tol · max(1, |gradient|).
        seed: seed of the direction and the weights.

    Returns:
        The largest error found, relative to max(1, |gradient|).

    Raises:
        AssertionError: if an error exceeds what is allowed; names the input and the entry.
        ValueError: if no input has a float dtype.

    Source: Baydin et al., JMLR 18 (2018), section 2.1 (numerical differentiation).
    """
    rng = np.random.default_rng(seed)
    arrays = [_copy(x) for x in inputs]
    free = [i for i, x in enumerate(arrays) if x.dtype.kind == "f"]
    if not free:
        raise ValueError("check_grad: no input has a float dtype, so there is nothing to differentiate")
    out = f(*map(Tensor, arrays))
    weights = np.ones(out.shape) if out.numel() == 1 else rng.standard_normal(out.shape)
    grads, blur = _analytic(f, weights, arrays), np.spacing(np.abs(out.numpy() * weights).sum()) / eps

    def compare(where: str, steps: dict[int, np.ndarray]) -> float:
        def slope(h: float) -> float:
            moved = [[x + t * steps[i] if i in steps else x for i, x in enumerate(arrays)] for t in (h, -h)]
            ahead, behind = (f(*map(Tensor, xs)).numpy() for xs in moved)
            return float(((ahead - behind) * weights).sum()) / (2 * h)

        got, wanted = sum(float((grads[i] * v).sum()) for i, v in steps.items()), slope(eps)
        if not _agrees(got, wanted, slope, eps, tol, blur):
            raise AssertionError(f"gradient {where}: backward() says {got:.9g}, differences say {wanted:.9g}")
        return abs(got - wanted) / max(1.0, abs(wanted))

    worst = compare("along a random direction", {i: rng.standard_normal(arrays[i].shape) for i in free})
    for i in free:
        for at in np.ndindex(arrays[i].shape):
            step = np.zeros(arrays[i].shape)
            step[at] = 1.0
            worst = max(worst, compare(f"in input {i} at {at}", {i: step}))
    return worst


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

    Source: Pearlmutter, Fast Exact Multiplication by the Hessian, Neural Computation 6 (1994).
    """
    x, v = _copy(x), _copy(v)
    if x.shape != v.shape:
        raise ValueError(f"hessian_vector_product: v has shape {v.shape}, wanted that of x, {x.shape}")
    ahead, behind = (_analytic(f, None, [x + step * v])[0] for step in (eps, -eps))
    return (ahead - behind) / (2 * eps)


def assert_same_as_torch(ours: Any, theirs: Any, *inputs: Any, tol: float = 1e-10, **options: Any) -> float:
    """Largest of the `differences_to_torch`, after making sure that it is at most tol.

    Args:
        ours: function of Tensors, or a Module of dtype.
        theirs: the same as a function of torch tensors, or a torch module.
        *inputs: arrays or Tensors; float ones are cast to dtype and differentiated.
        tol: the difference allowed, relative to max(1, |theirs|).
        **options: dtype and seed, as for `differences_to_torch`.

    Returns:
        The largest difference found.

    Raises:
        AssertionError: if shape, dtype or a number differs; names the value or the input.
    """
    found = differences_to_torch(ours, theirs, *inputs, **options)
    for what, error in found.items():
        if not error <= tol:
            raise AssertionError(f"{what} differs from PyTorch's by {error:.3g} (allowed {tol:g})")
    return max(found.values())


def differences_to_torch(ours: Function, theirs: Function, *inputs: Any, dtype: Any = np.float64,
                         seed: int = 0) -> dict[str, float]:  # fmt: skip
    """Largest difference between our function and PyTorch's, in the value and in each gradient, by name.

    Args:
        ours: function of Tensors, or a Module of dtype; its value may consist of several Tensors.
        theirs: the same as a function of torch tensors, or a torch module.
        *inputs: arrays or Tensors; float ones are cast to dtype and differentiated.
        dtype: float64 or float32.
        seed: seed of the random gradient that both sides are given.

    Returns:
        The differences, relative to max(1, |theirs|), by name: "the value", "the gradient of input 0" and so on, for a
        Module "the gradient of" each parameter too, and inputs and buffers as they are afterwards.

    Raises:
        AssertionError: if a shape or dtype differs; names the value or the input.
    """
    import torch

    arrays = {f"input {i}": _copy(x, dtype) for i, x in enumerate(inputs)}
    mine = {name: Tensor(x, requires_grad=x.dtype.kind == "f") for name, x in arrays.items()}
    yours = {name: torch.tensor(x, requires_grad=x.dtype.kind == "f") for name, x in arrays.items()}
    values, rng = [0.0], np.random.default_rng(seed)
    for out, wanted in zip(_flat(ours(*mine.values())), _flat(theirs(*yours.values())), strict=True):
        values.append(_difference("the value", out.numpy(), wanted.detach().cpu().numpy()))
        if wanted.requires_grad:
            g = np.asarray(rng.standard_normal(out.shape), dtype=out.dtype)
            out.backward(g, retain_graph=True)
            wanted.backward(torch.tensor(g), retain_graph=True)
    found = {"the value": max(values)}
    for kind in ("named_parameters", "named_buffers") if hasattr(ours, "named_parameters") else ():
        mine |= dict(getattr(ours, kind)())
        yours |= dict(getattr(theirs, kind)())
    for name, x in mine.items():
        y = yours[name]
        if y.grad is not None:
            got = np.zeros(x.shape, x.dtype) if x.grad is None else x.grad.numpy()
            found[f"the gradient of {name}"] = _difference(name, got, y.grad.cpu().numpy())
        elif not x.requires_grad:  # batch norm has moved its buffers
            found[name] = _difference(name, x.numpy(), y.detach().cpu().numpy())
    return found


def _flat(out: Any) -> list[Any]:
    """The tensors in a value; of torch's pairs (values, indices), that have these names, the values."""
    if isinstance(out, tuple | list) and not hasattr(out, "indices"):
        return [tensor for part in out for tensor in _flat(part)]
    return [] if out is None else [getattr(out, "values", out) if isinstance(out, tuple) else out]


def _difference(what: str, got: np.ndarray, wanted: np.ndarray) -> float:
    if got.shape != wanted.shape or got.dtype != wanted.dtype:
        mine, theirs = (f"{x.dtype} of shape {x.shape}" for x in (got, wanted))
        raise AssertionError(f"{what}: {mine}, PyTorch has {theirs}")
    same = (got == wanted) | (got != got) & (wanted != wanted)  # infinite alike, or not a number alike
    with np.errstate(invalid="ignore"):
        gap = np.abs(got * 1.0 - wanted * 1.0) / np.maximum(1.0, np.abs(wanted))
    return float(np.where(same, 0.0, np.nan_to_num(gap, nan=np.inf)).max(initial=0.0))
