"""Every op against PyTorch on the samples that PyTorch tests its own ops with: equal, or refused, never another number.

The samples lie in a module of PyTorch's that is not for users; where it is not to be had, nothing is tested here.
"""

import warnings

import numpy as np
import pytest
import torch

from chainrule import losses, ops
from chainrule.tensor import Tensor, wrap

pytestmark = [pytest.mark.deep, pytest.mark.filterwarnings("ignore")]
# What PyTorch calls an op of ours, where it is not the same name; F. is torch.nn.functional.
NAMES = {"clamp": "clip", "cat": "concatenate", "__getitem__": "getitem"}
# Inputs in the order of PyTorch's samples, brought into that of the call.
ORDER = {
    "where": lambda x, condition, y: (condition, x, y),
    "einsum": lambda xs, equation: (equation, *xs),
    "embedding": lambda weight, index: (index, weight),
}
# Options that say nothing: what is not asked for need not be known.
SILENT = [("dtype", torch.float64), ("return_indices", True), ("return_indices", False), ("ceil_mode", False)]
SILENT += [(name, None) for name in ("weight", "rounding_mode", "correction", "pos_weight")]
CONSTANTS = {"clip": (1, 2)}  # bounds are options of ours


def known():
    """Each op or loss of ours with PyTorch's record of it."""
    testing = pytest.importorskip("torch.testing._internal.common_methods_invocations")
    for info in testing.op_db:
        name = info.name.removeprefix("nn.functional.")
        name = NAMES.get(name, name)
        if name in {*ops.__all__, *losses.__all__}:
            yield name, info


def ours(x, leaves):
    """A sample's part as the call of ours wants it; tensors that are differentiated are taken down in leaves."""
    if isinstance(x, list | tuple):
        return type(x)(ours(part, leaves) for part in x)
    if not isinstance(x, torch.Tensor):
        return x
    if not x.is_floating_point():
        return x.numpy()
    mine = wrap(x.detach().numpy().copy()).requires_grad_(x.requires_grad)
    leaves.append((mine, x))
    x.grad = None  # samples share tensors
    return mine


def tensors(out, kind):
    """The tensors of a result; of PyTorch's pairs of values and indices the values."""
    out = [out.values] if hasattr(out, "indices") and isinstance(out, tuple) else out
    return [t for t in (out if isinstance(out, list | tuple) else [out]) if isinstance(t, kind)]


def compare(name, info, sample):
    """Raise AssertionError where a value or a gradient differs, and what the op raises where it refuses."""
    leaves, call = [], getattr(ops, name, None) or getattr(losses, name)
    wanted = tensors(info.op(sample.input, *sample.args, **sample.kwargs), torch.Tensor)
    options = {k: v for k, v in sample.kwargs.items() if not any(k == n and v is s for n, s in SILENT)}
    inputs = [ours(x, leaves) for x in (sample.input, *sample.args)]
    got = tensors(call(*ORDER.get(name, lambda *x: x)(*inputs), **ours_of(options, leaves)), Tensor)
    rng = np.random.default_rng(0)
    for mine, theirs in zip(got, wanted):  # noqa: B905  (max_pool's indices are PyTorch's alone)
        assert mine.shape == tuple(theirs.shape)
        np.testing.assert_allclose(mine.numpy(), theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
        if theirs.requires_grad:
            g = np.asarray(rng.standard_normal(mine.shape))
            mine.backward(g, retain_graph=True)
            theirs.backward(torch.tensor(g), retain_graph=True)
    for i, (mine, theirs) in enumerate(leaves):
        if theirs.grad is not None and i not in CONSTANTS.get(name, ()):
            grad = np.zeros(mine.shape) if mine.grad is None else mine.grad.numpy()
            np.testing.assert_allclose(grad, theirs.grad.numpy(), rtol=1e-9, atol=1e-9, err_msg="gradient")


def ours_of(options, leaves):
    return {k: ours(v, leaves) for k, v in options.items()}


def test_no_sample_gives_another_number():
    agree, refused = {}, {}
    for name, info in known():
        for sample in info.sample_inputs("cpu", torch.float64, requires_grad=True):
            what = f"{name}: {sample.summary()}"
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    compare(name, info, sample)
                agree[name] = agree.get(name, 0) + 1
            except AssertionError as error:
                raise AssertionError(what) from error
            except (TypeError, ValueError, IndexError) as error:
                refused.setdefault(name, []).append(f"{what}: {error}")
    print(f"{sum(agree.values())} samples of {len(agree)} ops agree")
    for name, those in refused.items():
        print(f"{name}: {len(those)} refused, such as {those[0][:160]}")
    assert len(agree) >= 55 and not refused.keys() - agree.keys(), "an op that refuses every sample"
    assert sum(agree.values()) >= 2900, "fewer samples agree than did: which option is refused now?"
