"""Ops, layers and optimisers on the samples that PyTorch tests its own with: equal, or refused, never another number.

The samples lie in modules of PyTorch's that are not for users; where they are not to be had, nothing is tested here.
"""

import inspect
import warnings
from functools import partial

import numpy as np
import pytest
import torch

import chainrule
from chainrule import functional, losses, nn, ops, optim
from chainrule.tensor import Tensor, wrap
from chainrule.torch import from_torch

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
# Functions whose samples are none of ours, or none that can be compared.
OTHERS = set("""
    empty empty_like full arange linspace logspace rand randn rand_like randn_like randint randperm normal bernoulli
    multinomial dropout dropout2d meshgrid histogram bincount one_hot tril_indices triu_indices unique
    """.split())  # fmt: skip
CALLS = {name: getattr(module, name) for module in (functional, chainrule, ops, losses) for name in
         {*getattr(module, "__all__", dir(module))} - OTHERS if callable(getattr(module, name))}  # fmt: skip


def known():
    """Each op or loss of ours with PyTorch's record of it."""
    testing = pytest.importorskip("torch.testing._internal.common_methods_invocations")
    for info in testing.op_db:
        name = info.name.removeprefix("nn.functional.")
        name = NAMES.get(name, name)
        if name in CALLS:
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
    leaves, call = [], CALLS[name]
    if sample.kwargs.get("dropout_p"):
        raise TypeError("what is drawn at random cannot be compared")
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


def tally(samples, refusals=(TypeError, ValueError, IndexError)):
    """Number of samples that agree, for each name; AssertionError for one that gives another number.

    Args:
        samples: name, text and check of each; a check raises AssertionError where a number differs, and what
            chainrule raises where it refuses.
        refusals: the errors by which it may refuse.
    """
    agree, refused = {}, {}
    for name, what, check in samples:
        try:
            with warnings.catch_warnings(action="ignore"):
                check()
            agree[name] = agree.get(name, 0) + 1
        except AssertionError as error:
            raise AssertionError(what) from error
        except refusals as error:
            refused.setdefault(name, []).append(f"{what}: {error}")
    print(f"{sum(agree.values())} samples of {len(agree)} names agree")
    for name, those in refused.items():
        print(f"{name}: {len(those)} refused, such as {those[0][:200]}")
    assert not refused.keys() - agree.keys(), "one that refuses every sample"
    return agree


def op_samples():
    for name, info in known():
        for sample in info.sample_inputs("cpu", torch.float64, requires_grad=True):
            yield name, f"{name}: {sample.summary()}", partial(compare, name, info, sample)


def test_no_op_gives_another_number():
    agree = tally(op_samples())
    assert len(agree) >= 55
    assert sum(agree.values()) >= 2900, "fewer samples agree than did: which option is refused now?"


def layer_samples():
    """Every layer that we have, too, as PyTorch's samples make and call it, in both modes."""
    for info in pytest.importorskip("torch.testing._internal.common_modules").module_db:
        name = info.module_cls.__name__
        for training in (False, True) if hasattr(nn, name) and not name.startswith("Lazy") else ():
            options = {"device": "cpu", "dtype": torch.float64, "requires_grad": True, "training": training}
            for sample in info.module_inputs_func(info, **options):
                made, call = sample.constructor_input, sample.forward_input
                layer = info.module_cls(*made.args, **made.kwargs).double().train(training)
                drops = training and max(getattr(layer, "dropout", 0), getattr(layer, "p", 0)) > 0
                if not drops:  # what is dropped is drawn
                    check = partial(compare_layers, layer, call.args, call.kwargs)
                    yield type(layer).__name__, f"{layer} {made.kwargs}", check


def parts(x, kind):
    """The tensors in nested tuples."""
    return (
        [t for y in x for t in parts(y, kind)] if isinstance(x, list | tuple) else [x] * isinstance(x, kind)
    )


def compare_layers(theirs, args, options):
    """Raise AssertionError where an output or a parameter's gradient differs, and what chainrule raises."""
    mine = from_torch(theirs)
    got = parts(mine(*ours(args, []), **ours_of(options, [])), Tensor)
    wanted = parts(theirs(*args, **options), torch.Tensor)
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a.numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-10)
        if b.requires_grad:
            b.backward(torch.ones_like(b), retain_graph=True)
            a.backward(np.ones(a.shape), retain_graph=True)
    for (name, a), b in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        if b.grad is not None:
            grad = np.zeros(a.shape) if a.grad is None else a.grad.numpy()
            np.testing.assert_allclose(grad, b.grad.numpy(), rtol=1e-9, atol=1e-9, err_msg=name)


def test_no_layer_gives_another_number():
    agree = tally(layer_samples(), (TypeError, ValueError, RuntimeError))
    assert len(agree) >= 22 and sum(agree.values()) >= 300


def test_no_optimiser_makes_another_step():
    agree, rng = {}, np.random.default_rng(0)
    number = lambda x: x.item() if isinstance(x, torch.Tensor) else x
    for info in pytest.importorskip("torch.testing._internal.common_optimizers").optim_db:
        kind = getattr(optim, info.optim_cls.__name__, None)
        for sample in info.optim_inputs_func(device="cpu") if kind else ():
            options = {k: number(v) for k, v in sample.kwargs.items()}
            options |= {"betas": tuple(map(number, options["betas"]))} if "betas" in options else {}
            assert options.keys() <= inspect.signature(kind).parameters.keys(), (
                "an option that ours does not have"
            )
            arrays = [rng.standard_normal((3, 2)), rng.standard_normal(4)]
            mine, theirs = [Tensor(a, requires_grad=True) for a in arrays], [torch.tensor(a) for a in arrays]
            steps = kind(mine, **options), info.optim_cls(theirs, **sample.kwargs | {"foreach": False})
            for _ in range(100):
                for a, b in zip(mine, theirs, strict=True):
                    a.grad = wrap(rng.standard_normal(a.shape))
                    b.grad = torch.tensor(a.grad.numpy())
                for step in steps:
                    step.step()
            for a, b in zip(mine, theirs, strict=True):
                np.testing.assert_allclose(
                    a.numpy(), b.numpy(), rtol=1e-12, atol=1e-12, err_msg=f"{kind} {options}"
                )
            agree[kind] = agree.get(kind, 0) + 1
    assert len(agree) == 6 and sum(agree.values()) >= 30, agree
