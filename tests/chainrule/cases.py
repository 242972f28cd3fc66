"""The one table of cases that drives all tests of ops: what each op is called with, and what PyTorch calls it.

A row names the inputs of one call: a tuple is a shape, filled with normal numbers; an array is taken as it is;
anything else is passed on. Float arrays are differentiated. A row with `kink=True` touches a place where the op
has no derivative, so it is held against PyTorch but not against finite differences.
"""

# ruff: noqa: E501  (a row to a line is easier to compare than one wrapped)

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import chainrule.torch
from chainrule import ops
from chainrule.tensor import wrap


@dataclass
class Case:
    """One call of one op."""

    op: str
    inputs: tuple
    options: dict[str, Any] = field(default_factory=dict)
    kink: bool = False

    @property
    def id(self):
        shapes = [
            "x".join(map(str, a.shape)) or "0d" if isinstance(a, np.ndarray) else repr(a) for a in self.inputs
        ]
        return (
            f"{self.op}-{','.join(shapes)}-{','.join(f'{k}={v}' for k, v in self.options.items())}".replace(
                " ", ""
            )
        )

    def arrays(self, dtype):
        """Inputs in that dtype; an array keeps its layout in memory."""
        return [a.astype(dtype, order="K") if _is_float(a) else a for a in self.inputs]

    def leaves(self, arrays, make):
        """The inputs as tensors, by `make(array, whether it is differentiated)`."""
        constants = (1, 2) if self.op == "batch_norm" else ()  # the running statistics
        pairs = enumerate(arrays)
        return [
            make(a, _is_float(a) and i not in constants) if isinstance(a, np.ndarray) else a for i, a in pairs
        ]

    def ours(self, inputs):
        return getattr(ops, self.op)(*inputs, **self.options)

    def theirs(self, inputs):
        dtype = next((x.dtype for x in inputs if isinstance(x, torch.Tensor) and x.is_floating_point()), None)
        options = {k: torch_of(v) for k, v in self.options.items()}
        wide = {
            k: v.to(dtype) for k, v in options.items() if _is_float(self.options[k])
        }  # PyTorch wants one dtype
        return THEIRS[self.op](*inputs, **options | wide)


def _is_float(a):
    return isinstance(a, np.ndarray) and a.dtype.kind == "f"


def torch_of(a, leaf=False):
    """A torch tensor of the same values, if it is an array."""
    if not isinstance(a, np.ndarray):
        return a
    return torch.tensor(np.ascontiguousarray(a).reshape(a.shape), requires_grad=leaf)


def tensor_of(a, leaf=True):
    """A Tensor around that very array, so that its layout in memory stays."""
    return wrap(a).requires_grad_(leaf)


def as_list(out):
    return list(out) if isinstance(out, tuple | list) else [out]


def _setitem(x, value, index):
    x = x.clone()
    x[index] = value
    return x


def _reduction(what):
    """The reduction of torch, with keepdim for all axes too."""

    def f(x, dim=None, keepdim=False, **more):
        return what(x, tuple(range(x.ndim)) if dim is None else dim, keepdim=keepdim, **more)

    return f


THEIRS = {
    "neg": torch.neg, "pow": torch.pow, "cast": lambda x, dtype: x.to(getattr(torch, np.dtype(dtype).name)),
    "setitem": _setitem, "sum_of_squares": lambda *xs: sum((x * x).sum() for x in xs),
    "leaky_relu": F.leaky_relu, "gelu": F.gelu, "softplus": F.softplus,
    "amin": _reduction(torch.amin), "amax": _reduction(torch.amax),
    "linear": F.linear, "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
    "sum": _reduction(torch.sum), "mean": _reduction(torch.mean), "var": _reduction(torch.var),
    "permute": torch.permute, "pad": F.pad,
    "concatenate": lambda *xs, dim=0: torch.cat(xs, dim), "stack": lambda *xs, dim=0: torch.stack(xs, dim),
    "split": torch.split, "getitem": lambda x, index: x[index], "embedding": F.embedding,
    "mse_loss": F.mse_loss, "cross_entropy": F.cross_entropy,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
    "hinge_loss": lambda x, t, reduction="mean": {"mean": torch.mean, "sum": torch.sum, "none": lambda v: v}[
        reduction](torch.relu(1 - t * x)),
    "batch_norm": F.batch_norm, "layer_norm": F.layer_norm,
    "lstm_cell": chainrule.torch.lstm_cell, "lstm": chainrule.torch.lstm, "unbind": torch.unbind,
    **{name: getattr(torch, name) for name in "add sub mul div exp log sqrt sin cos abs tanh sigmoid relu maximum "
       "minimum where clip logsumexp softmax log_softmax matmul einsum reshape transpose gather".split()},
    **{name: getattr(F, name) for name in "conv1d conv2d max_pool1d max_pool2d avg_pool1d avg_pool2d".split()},
}  # fmt: skip


CASES: list[Case] = []


def row(op, *inputs, kink=False, **options):
    """Add one row; shapes become arrays that depend on the row alone."""
    rng = np.random.default_rng(zlib.crc32(f"{op}{inputs}{options}".encode()))
    made = [np.asarray(rng.standard_normal(a)) if isinstance(a, tuple) else a for a in inputs]
    made = [np.asarray(a) if isinstance(a, np.generic) else a for a in made]
    CASES.append(Case(op, tuple(made), options, kink))


def some(*shape, seed=0, low=0.2, high=2.0):
    """Positive numbers."""
    return np.asarray(np.random.default_rng(seed).uniform(low, high, shape))


def ints(high, *shape, seed=0):
    return np.random.default_rng(seed).integers(0, high, shape)


def transposed(*shape, seed=1):
    """Not contiguous: the last two axes lie the other way round in memory."""
    return np.random.default_rng(seed).standard_normal(shape).swapaxes(-1, -2).copy().swapaxes(-1, -2)


def strided(*shape, seed=2):
    """Not contiguous: every other entry of a longer array."""
    return np.random.default_rng(seed).standard_normal((*shape[:-1], 2 * shape[-1]))[..., ::2]


SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 30.0, -30.0])
TIES = np.array([[1.0, 2.0, 2.0, -1.0], [0.0, -0.0, 0.0, 0.0], [3.0, 3.0, 3.0, 3.0]])
SHAPES = [(), (1,), (3,), (2, 3), (2, 1, 3), (0,), (2, 0)]

# Two inputs, entry by entry: broadcast in every position.
PAIRS = [
    ((), ()), ((), (3,)), ((2, 3), ()), ((1,), (3,)), ((3,), (1,)), ((3,), (2, 3)), ((2, 3), (3,)), ((2, 1), (2, 3)),
    ((2, 3), (2, 1)), ((2, 1), (1, 3)), ((1, 3), (2, 1)), ((1, 1, 1), (2, 3)), ((4, 1, 3), (2, 1)), ((4, 2, 3), (2, 3)),
    ((0,), (0,)), ((0,), (1,)), ((2, 0), (2, 1)), ((1, 0), (3, 1)), ((0, 3), (3,)), ((2, 3), (2, 3)),
]  # fmt: skip
for op in ("add", "sub", "mul", "div", "maximum", "minimum"):
    for x, y in PAIRS:
        row(op, x, some(*y, seed=9) if op == "div" else y)
    row(op, transposed(3, 2), strided(3, 2) + 3)
for op in ("maximum", "minimum"):
    row(op, TIES, TIES[::-1].copy(), kink=True)
    row(op, TIES, np.zeros(1), kink=True)
    row(op, np.array([0.0, -0.0]), np.array([-0.0, 0.0]), kink=True)
for x, y in PAIRS:
    row("pow", some(*x), some(*y, seed=1) - 1)
row("pow", some(3, 2).T, strided(2, 3))
row("pow", (2, 3), 2)
row("pow", (2, 3), 3.0)
row("pow", some(2, 3), -0.5)
row("pow", (2, 3), -1)
row("pow", (2, 3), 0)
row("pow", (2, 3), 1)
row("pow", np.array([0.0, 0.0, 0.0, 2.0]), np.array([0.0, 1.0, 2.0, 0.0]), kink=True)
row("pow", np.array([0.0, -0.0]), 2.0, kink=True)
row("pow", np.array([0.0]), 0.0, kink=True)
for op in ("add", "sub", "mul", "div"):
    row(op, (2, 3), 3)
    row(op, (2, 3), 2.5)

# One input, entry by entry.
for op in ("neg", "exp", "sin", "cos", "tanh", "sigmoid", "gelu", "softplus", "abs", "relu", "leaky_relu"):
    for shape in SHAPES:
        row(op, shape)
    row(op, transposed(4, 3))
    row(op, strided(2, 3))
    row(op, SPECIAL if op != "exp" else SPECIAL[:6], kink=True)
for op in ("log", "sqrt"):
    for shape in SHAPES:
        row(op, some(*shape, seed=3))
    row(op, some(4, 3, seed=4).T)
    row(op, np.array([0.0, -0.0]), kink=True)
row("sigmoid", np.array([-100.0, -20.0, 20.0, 100.0]))
row("leaky_relu", (3, 4), negative_slope=0.3)
row("leaky_relu", (3, 4), negative_slope=1.5)
row("leaky_relu", (3, 4), negative_slope=-0.5)
row("softplus", (3, 4), beta=3.0)
row("softplus", np.array([-50.0, -1.0, 1.0, 3.0, 50.0]), beta=2.0, threshold=4.0)
row("gelu", (3, 4), approximate="tanh")
row("gelu", np.linspace(-9, 9, 37))
row("cast", (2, 3), dtype=np.float32, kink=True)
row("cast", ints(5, 2, 3), dtype=np.float64)
row("sum_of_squares", (2, 3))
row("sum_of_squares", (2, 3), (), (0,), transposed(3, 2))
row("sum_of_squares", (2,), (1,), (3,), (2, 2))

# Choosing.
for shape in SHAPES:
    row("clip", shape, min=-0.5, max=0.5)
row("clip", (3, 4), min=0.1)
row("clip", (3, 4), (3, 4), (4,))
row("clip", (2, 3), (3,), None)
row("clip", (2, 3), None, (2, 1))
row("clip", (3, 4), max=0.1)
row("clip", TIES, min=0.0, max=2.0, kink=True)
row("clip", transposed(3, 4), min=-1, max=1)
for c, x, y in [((2, 3), (2, 3), (2, 3)), ((3,), (2, 3), ()), ((2, 1), (1, 3), (2, 1)), ((), (2,), (1,)), ((0,), (0,), ()),
                ((2, 3), (3,), (2, 1))]:  # fmt: skip
    row("where", np.asarray(ints(2, *c, seed=5) > 0), x, y)
row("where", ints(2, 3, 2, seed=6).T > 0, transposed(2, 3), 2.0)
for op in ("amax", "amin"):
    for shape in [(), (1,), (4,), (2, 3), (2, 1, 3)]:
        row(op, shape)
        row(op, shape, keepdim=True)
    for dim in (0, 1, -1):
        row(op, (3, 4), dim=dim)
        row(op, (3, 1, 2), dim=dim, keepdim=True)
        row(op, TIES, dim=dim, kink=True)
    row(op, (), dim=-1)
    row(op, TIES, kink=True)
    row(op, (0, 3), dim=1)
    row(op, transposed(3, 4), dim=0)
    row(op, transposed(3, 4))
    row(op, (), dim=0)
    row(op, (), dim=-1, keepdim=True)

# Sums and means.
for op in ("sum", "mean", "var"):
    for shape in SHAPES[: -2 if op != "sum" else None]:
        if op != "var" or np.prod(shape) > 1:
            row(op, shape)
            row(op, shape, keepdim=True)
    for dim in (0, -1, (0, 2), (1,), (-1, 0), (0, 1, 2)):
        row(op, (3, 2, 4), dim=dim)
        row(op, (3, 2, 4), dim=dim, keepdim=True)
    row(op, (0, 3), dim=1)
    row(op, transposed(3, 4), dim=0)
    row(op, strided(3, 4))
for op in (
    "sum",
    "mean",
    "logsumexp",
    "softmax",
    "log_softmax",
):  # a tensor without axes has a dim 0 all the same
    row(op, (), dim=0)
    row(op, (), dim=-1)
for op in ("sum", "mean", "logsumexp"):
    row(op, (), dim=0, keepdim=True)
    row(op, (), dim=-1, keepdim=True)
for op in ("sum", "mean"):  # so many that they are added in groups
    row(op, (300, 2), dim=0)
    row(op, (2, 300, 3), dim=(1,))
    row(op, transposed(3, 2, 260), dim=(0, 2), keepdim=True)
    row(op, (2, 300), dim=1)
    row(op, (2, 3, 20, 20), dim=(2, 3))
    row(op, (3, 20, 2, 20), dim=(1, -1))
row("var", (), dim=0, correction=0)
row("var", (), dim=-1, correction=0, keepdim=True)
row("sum", (0, 3), dim=0)
row("sum", (0, 3))
row("var", (3, 4), correction=0)
row("var", (3, 4), dim=1, correction=0)
row("var", (3, 4), dim=0, correction=2)
for dim in (0, 1, -1, 2):
    for op in ("softmax", "log_softmax", "logsumexp"):
        row(op, (2, 3, 4), dim=dim)
        row(op, (3, 1, 0), dim=1)
        row(
            op,
            np.array([[1e3, 1e3 + 1, -1e3]] * 2)[None] / (1 if op != "logsumexp" else 4),
            dim=dim,
            kink=True,
        )
for op in ("softmax", "log_softmax", "logsumexp"):
    row(op, (1,), dim=0)
    row(op, transposed(3, 4), dim=0)
    row(op, TIES, dim=1)
for op in ("softmax", "log_softmax"):
    row(op, (2, 0), dim=1)
    row(op, (2, 0, 3), dim=1)
    row(op, (0,), dim=0)
row("softmax", np.array([[0.0, -np.inf, 1.0]]), dim=1, kink=True)
row("logsumexp", (2, 3, 4), dim=(0, 2))
row("logsumexp", (2, 3, 4), dim=(0, 2), keepdim=True)
row("logsumexp", (2, 3), dim=1, keepdim=True)
row("logsumexp", np.array([[0.0, -np.inf, 1.0]]), dim=1, kink=True)

# Products.
for x, y in [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((1, 1), (1, 1)), ((5, 2, 3), (3,)),
             ((3,), (5, 3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((4, 1, 2, 3), (5, 3, 2)),
             ((1, 2, 3), (5, 3, 4)), ((5, 2, 3), (1, 3, 4)), ((0, 3), (3, 4)), ((2, 3), (3, 0)), ((2, 0), (0, 3)), ((0,), (0,)),
             ((0, 2, 3), (3, 4)), ((2, 1), (1, 2)), ((6, 5, 2, 3), (3,))]:  # fmt: skip
    row("matmul", x, y)
row("matmul", transposed(2, 3), transposed(3, 4))
row("matmul", strided(2, 3), strided(5, 3, 4))
for x, n, bias in [((4, 3), 2, True), ((4, 3), 2, False), ((3,), 2, True), ((2, 5, 3), 4, True), ((0, 3), 2, True), ((1, 1), 1, True),
                   ((2, 0, 3), 2, True), ((2, 1, 2, 3), 1, False)]:  # fmt: skip
    row("linear", x, (n, x[-1]), *[(n,)] * bias)
row("linear", transposed(4, 3), transposed(2, 3), strided(2))
row("linear", strided(2, 5, 3), (2, 3), strided(2))
for equation, *shapes in [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij->ji", (2, 3)), ("ij->", (2, 3)), ("ij->j", (2, 3)), ("ii->i", (3, 3)),
    ("ii", (3, 3)), ("iij->j", (2, 2, 3)), ("i,j->ij", (2,), (3,)), ("i,i", (3,), (3,)), ("bij,bjk->bik", (4, 2, 3), (4, 3, 2)),
    ("...ij,...jk->...ik", (5, 2, 3), (3, 2)), ("...i,...i->...", (5, 2, 3), (3,)), ("b...,b...->b", (2, 3, 4), (2, 3, 4)),
    ("ij,ik,il->jkl", (2, 3), (2, 2), (2, 4)), ("ij,kl->", (2, 3), (3, 2)), ("ba", (2, 3)), ("i,->i", (3,), ()), ("...", (2, 3)),
    ("ij,jk->ik", (0, 3), (3, 2)), ("ij,jk->ik", (1, 1), (1, 1)), ("bqhd,bkhd->bhqk", (2, 3, 2, 4), (2, 5, 2, 4)),
    ("bij,ij->b", (4, 2, 3), (2, 3)), ("ij , jk -> ik", (2, 3), (3, 4)), ("aab,bc->ac", (2, 2, 3), (3, 4)),
]:  # fmt: skip
    row("einsum", equation, *shapes)
row("einsum", "ij,jk->ki", transposed(2, 3), strided(3, 4))

# Memory.
for shape in [(3,), (2, 3), (1, 1), (0, 3), (2, 3, 4)]:
    row("lstm_cell", (*shape[:-1], 4 * shape[-1]), shape)
row("lstm_cell", strided(2, 12) * 20, transposed(2, 3))
row("lstm_cell", np.linspace(-40, 40, 16)[None], (1, 4), kink=True)
for steps, shape in [(1, (2, 3)), (4, (2, 3)), (5, (1, 1)), (3, (0, 2))]:
    row("lstm", (steps, *shape[:-1], 4 * shape[-1]), shape, shape, (4 * shape[-1], shape[-1]))
row("lstm", (4, 12), (3,), (3,), (12, 3))
row("lstm", strided(3, 2, 12), transposed(2, 3), strided(2, 3), transposed(12, 3))

# Shape.
for x, shape in [
    ((), (1, 1)),
    ((6,), (2, 3)),
    ((2, 3), (-1,)),
    ((2, 3), (3, -1)),
    ((1,), ()),
    ((0, 3), (3, 0)),
    ((2, 3), (1, 2, 3, 1)),
]:
    row("reshape", x, shape=shape)
row("reshape", transposed(3, 4), shape=(2, 6))
for x, a, b in [
    ((2, 3), 0, 1),
    ((2, 3, 4), 0, -1),
    ((2, 3), -1, -2),
    ((1,), 0, 0),
    ((0, 2), 0, 1),
]:
    row("transpose", x, dim0=a, dim1=b)
for x, dims in [
    ((2, 3, 4), (2, 0, 1)),
    ((2, 3, 4), (-1, 0, 1)),
    ((), ()),
    ((3,), (0,)),
    ((0, 2, 1), (1, 2, 0)),
    ((2, 3, 4, 5), (1, 3, 0, 2)),
]:
    row("permute", x, dims=dims)
row("permute", strided(2, 3, 4), dims=(1, 2, 0))
for x, shape in [
    ((), (2, 3)),
    ((1,), (3,)),
    ((3,), (2, 3)),
    ((2, 1), (2, 3)),
    ((2, 1), (4, -1, 3)),
    ((1, 3), (0, 3)),
    ((2, 3), (2, 3)),
]:
    row("broadcast_to", x, shape=shape)
for dim, *shapes in [
    (0, (3,), (2,)),
    (0, (2, 3), (1, 3), (0, 3)),
    (1, (2, 3), (2, 1)),
    (-1, (2, 3, 1), (2, 3, 4)),
    (-2, (1, 2), (3, 2)),
    (0, (1,)),
]:
    row("concatenate", *shapes, dim=dim)
row("concatenate", (2,), (1,), (3,))
row("concatenate", transposed(2, 3), strided(2, 2), dim=1)
for dim, shape, n in [
    (0, (), 3),
    (0, (2, 3), 2),
    (1, (2, 3), 3),
    (-1, (2, 3), 2),
    (2, (2, 3), 2),
    (-2, (2, 0), 2),
    (0, (1,), 1),
]:
    row("stack", *[shape] * n, dim=dim)
row("stack", transposed(2, 3), strided(2, 3), dim=1)
row("stack", (2, 3), TIES[:2, :3], dim=1)
for x, size, dim in [
    ((6,), 2, 0),
    ((7,), 3, 0),
    ((2, 5), 2, 1),
    ((2, 5), [1, 4], -1),
    ((4, 2), [4], 0),
    ((3, 2), [1, 0, 2], 0),
    ((1,), 5, 0),
]:
    row("split", x, split_size_or_sections=size, dim=dim)
for case in [c for c in CASES if c.op == "split"]:
    case.inputs, case.options = (*case.inputs, case.options.pop("split_size_or_sections")), case.options
for x, dim in [((3,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 1, 3), -1), ((2, 0), 0), ((2, 3, 2), -2)]:
    row("unbind", x, dim)
row("unbind", transposed(3, 2), 1)
row("unbind", strided(3, 2))
for x, widths in [
    ((3,), (1, 2)),
    ((2, 3), (1, 0)),
    ((2, 3), (1, 2, 3, 4)),
    ((2, 1, 2), (0, 0, 2, 1)),
    ((0,), (1, 1)),
    ((2, 3), ()),
]:
    row("pad", x, pad=widths)
row("pad", transposed(2, 3), pad=(1, 1, 2, 0), mode="constant", value=1.5)
for x, widths in [((4,), (-1, 2)), ((4,), (2, -3)), ((4,), (-4, 2)), ((4,), (-1, -2)), ((4,), (-2, -2)), ((2, 5), (-1, 1, 2, -1)),
                  ((3, 4), (0, -1, -2, 0))]:  # fmt: skip
    row("pad", x, pad=widths)
    row("pad", x, pad=widths, value=-1.5)
for mode in ("reflect", "replicate", "circular"):  # PyTorch wants an axis or two before those that it pads
    for x, widths in [((1, 4), (1, 2)), ((1, 4), (3, 3)), ((2, 1, 5), (0, 2)), ((1, 3, 4), (1, 2, 2, 0)), ((2, 4), (-1, 2)), ((2, 4), (2, -1)),
                      ((2, 4), (-1, -2)), ((2, 4), (-2, 1)), ((2, 4), (0, 0)), ((0, 2, 4), (1, 0)), ((1, 2, 3, 4), (2, 1, -1, 1)),
                      ((1, 2, 3, 2, 3), (1, 1, 1, 0, 2, 1))]:  # fmt: skip
        if mode != "circular" or len(x) > 1 + len(widths) // 2:
            row("pad", x, pad=widths, mode=mode)
    row("pad", transposed(1, 3, 4), pad=(1, 2), mode=mode)
row("pad", (1, 1, 4), pad=(4, 3), mode="circular")
row("pad", (1, 1, 4), pad=(-1, 3), mode="circular")
row("pad", (1, 1, 4), pad=(3, -1), mode="circular")
row("pad", (1, 4), pad=(-3, 2), mode="reflect")
row("pad", (1, 4), pad=(5, 6), mode="replicate")
row("pad", (1, 4), pad=(-4, 6), mode="replicate")
row("pad", (1, 4), pad=(3, -4), mode="replicate")
row("pad", (1, 1), pad=(2, 1), mode="replicate")

# Picking by index.
I = np.array
for x, index in [
    ((4,), 1), ((4,), -1), ((4,), slice(1, 3)), ((4,), slice(None, None, 2)), ((3, 4), 2), ((3, 4), (1, 2)), ((3, 4), (slice(None), 1)),
    ((3, 4), (Ellipsis, slice(1, 3))), ((3, 4), None), ((3, 4), (slice(None), None, 0)), ((3, 4), Ellipsis), ((3, 4), slice(0, 0)),
    ((4,), I([0, 0, 2])), ((4,), I([-1, 3, 3])), ((3, 4), I([2, 0, 2])), ((3, 4), (I([0, 1, 1]), I([3, 2, 2]))), ((3, 4), [0, 0]),
    ((3, 4), (slice(None), I([[0, 1], [1, 1]]))), ((3, 4), (I([[0], [2]]), I([1, 1]))), ((3, 4), I([True, False, True])),
    ((3, 4), I([[True] * 4, [False] * 4, [True, False, True, False]])), ((4,), I([], int)),
    ((2, 3, 4), (I([0, 0]), 1)), ((1,), 0), ((), None), ((), ()),
]:  # fmt: skip
    row("getitem", x, index=index)
row("getitem", transposed(3, 4), index=(slice(1, None), I([0, 0, 3])))
for x, v, index in [
    ((4,), (), 1), ((4,), (2,), slice(1, 3)), ((3, 4), (4,), 1), ((3, 4), (3,), (slice(None), 2)), ((3, 4), (), slice(None)),
    ((3, 4), (1,), I([True, False, True])), ((3, 4), (2, 4), I([2, 0])), ((3, 4), (2,), (I([0, 1]), I([3, 2]))), ((2, 0), (), slice(None)),
    ((3, 4), (1, 1), (0, 1)),
]:  # fmt: skip
    row("setitem", x, v, index=index)
row("setitem", transposed(3, 4), 2.0, index=(0, 1))
for x, dim, index in [
    ((4,), 0, ints(4, 6)), ((3, 4), 0, ints(3, 2, 4)), ((3, 4), 1, ints(4, 3, 5)), ((3, 4), 1, ints(4, 2, 2)), ((3, 4), -1, ints(4, 3, 1)),
    ((2, 3, 4), 1, ints(3, 2, 5, 4)), ((3, 4), 0, ints(3, 0, 4)), ((1, 1), 0, ints(1, 3, 1)),
]:  # fmt: skip
    row("gather", x, dim=dim, index=index)
for index, weight in [
    (ints(5, 4), (5, 3)),
    (ints(5, 2, 3), (5, 2)),
    (np.array(2), (3, 2)),
    (ints(4, 0), (4, 2)),
    (np.zeros((2, 2), int), (1, 1)),
]:
    row("embedding", index, weight)
row("embedding", ints(4, 3, 2).T, transposed(4, 3))
for index, at in [(ints(4, 3, 2), 2), (ints(4, 9), -1), (np.array(2), 2), (np.array(1), 2), (ints(4, 0), 0)]:
    row("embedding", index, (4, 3), kink=True, padding_idx=at)  # PyTorch leaves out a gradient that there is

# Windows.
for x, w, bias, options in [
    ((2, 3, 5, 6), (4, 3, 3, 3), True, {}), ((2, 3, 5, 6), (4, 3, 3, 3), False, {"padding": 1}), ((1, 1, 1, 1), (1, 1, 1, 1), True, {}),
    ((2, 2, 7, 6), (3, 2, 3, 2), True, {"stride": 2}), ((2, 2, 7, 6), (3, 2, 3, 2), True, {"stride": (2, 3), "padding": (2, 1)}),
    ((1, 2, 7, 8), (3, 2, 2, 3), True, {"dilation": 2}), ((1, 2, 9, 8), (3, 2, 2, 3), False, {"dilation": (3, 2), "stride": 2, "padding": 2}),
    ((2, 4, 5, 5), (6, 2, 3, 3), True, {"groups": 2, "padding": 1}), ((2, 3, 5, 5), (6, 1, 3, 3), True, {"groups": 3, "stride": 2}),
    ((2, 3, 4, 5), (3, 1, 2, 2), True, {"groups": 3}),
    ((2, 4, 6, 5), (4, 1, 2, 2), False, {"groups": 4, "dilation": 2, "padding": 1}), ((0, 2, 4, 4), (3, 2, 2, 2), True, {}),
    ((2, 2, 3, 3), (1, 2, 3, 3), True, {}), ((1, 1, 4, 4), (2, 1, 1, 1), True, {"stride": 3}),
    ((2, 2, 5, 6), (3, 2, 3, 3), True, {"padding": "same"}), ((1, 2, 5, 6), (3, 2, 2, 4), True, {"padding": "same"}),
    ((1, 4, 5, 6), (2, 2, 2, 3), False, {"padding": "same", "dilation": (3, 2), "groups": 2}), ((1, 1, 2, 1), (2, 1, 5, 4), True, {"padding": "same"}),
    ((2, 2, 5, 6), (3, 2, 3, 2), True, {"padding": "valid", "stride": 2}), ((2, 5, 6), (3, 2, 3, 3), True, {"padding": 1}),
    ((4, 5, 6), (6, 2, 3, 2), True, {"groups": 2, "stride": 2, "dilation": 2, "padding": (2, 1)}), ((2, 5, 6), (3, 2, 2, 2), False, {"padding": "same"}),
    ((5, 4, 4), (2, 5, 3, 3), True, {}), ((1, 1, 5, 5), (1, 1, 3, 3), True, {"stride": (2,), "padding": (1,), "dilation": (2,)}),
]:  # fmt: skip
    row("conv2d", x, w, *[(w[0],)] * bias, **options)
row("conv2d", transposed(2, 3, 4, 5).transpose(0, 1, 3, 2), transposed(2, 3, 2, 3), strided(2), padding=1)
row(
    "conv2d",
    np.random.default_rng(0).standard_normal((2, 4, 5, 3)).transpose(0, 3, 1, 2),
    (4, 3, 3, 3),
    (4,),
    padding=1,
)
for x, w, bias, options in [
    ((2, 3, 7), (4, 3, 3), True, {}), ((2, 3, 7), (4, 3, 2), False, {"padding": 2, "stride": 2}), ((1, 1, 1), (1, 1, 1), True, {}),
    ((2, 4, 9), (4, 2, 3), True, {"groups": 2, "dilation": 2, "padding": 1}), ((2, 2, 8), (2, 2, 3), True, {"stride": (3,), "padding": (1,)}),
    ((0, 2, 4), (3, 2, 2), True, {}), ((2, 3, 7), (4, 3, 4), True, {"padding": "same"}), ((2, 4, 7), (4, 2, 2), False, {"padding": "same", "dilation": 3, "groups": 2}),
    ((2, 3, 7), (4, 3, 4), True, {"padding": "valid", "stride": 2}), ((3, 7), (4, 3, 3), True, {"padding": 1, "stride": 2}), ((3, 7), (4, 3, 2), False, {"padding": "same"}),
]:  # fmt: skip
    row("conv1d", x, w, *[(w[0],)] * bias, **options)
row("conv1d", transposed(2, 3, 7), strided(4, 3, 3))
for op in ("max_pool", "avg_pool"):
    for x, options in [
        ((2, 3, 4, 6), {"kernel_size": 2}), ((2, 3, 5, 7), {"kernel_size": 3, "stride": 2, "padding": 1}), ((1, 1, 1, 1), {"kernel_size": 1}),
        ((2, 1, 5, 6), {"kernel_size": (2, 3), "stride": (1, 2)}), ((1, 2, 6, 6), {"kernel_size": 3, "stride": 1}), ((2, 5, 5), {"kernel_size": 2}),
        ((0, 2, 4, 4), {"kernel_size": 2}), ((1, 2, 7, 7), {"kernel_size": 2, "stride": 4}),
    ]:  # fmt: skip
        row(op + "2d", x, **options)
    row(op + "2d", np.tile(TIES, (2, 1)).reshape(1, 1, 6, 4), kernel_size=3, stride=1, kink=True)
    row(op + "2d", transposed(1, 2, 4, 5), kernel_size=2)
    row(op + "2d", (3, 5, 5), kernel_size=3, stride=2, padding=1)
    row(
        op + "2d",
        np.random.default_rng(0).standard_normal((2, 4, 5, 3)).transpose(0, 3, 1, 2),
        kernel_size=3,
        stride=2,
        padding=1,
    )
    for x, options in [((2, 3, 6), {"kernel_size": 2}), ((2, 3, 7), {"kernel_size": 3, "stride": 2, "padding": 1}), ((1, 1, 1), {"kernel_size": 1}),
                       ((2, 8), {"kernel_size": 3, "stride": 1})]:  # fmt: skip
        row(op + "1d", x, **options)
    row(op + "1d", TIES, kernel_size=2, stride=1, kink=True)
    for x, options in [
        ((2, 3, 5, 7), {"kernel_size": 2}), ((1, 2, 6, 5), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ((2, 4, 5), {"kernel_size": (2, 4), "stride": (3, 2), "padding": (1, 2)}), ((1, 1, 3, 4), {"kernel_size": 1, "stride": 3}),
        ((1, 1, 4, 6), {"kernel_size": (4, 2), "stride": (3, 5), "padding": (2, 1)}), ((1, 2, 4, 4), {"kernel_size": 2}), ((0, 2, 5, 5), {"kernel_size": 2}),
        ((1, 1, 6, 6), {"kernel_size": (3,), "stride": (2,), "padding": (1,)}),
    ]:  # fmt: skip
        row(op + "2d", x, ceil_mode=True, **options)
        if op == "avg_pool":
            row(op + "2d", x, count_include_pad=False, **options)
            row(op + "2d", x, ceil_mode=True, count_include_pad=False, **options)
            row(op + "2d", x, ceil_mode=True, divisor_override=3, **options)
    for x, options in [
        ((2, 3, 7), {"kernel_size": 2}),
        ((2, 3, 8), {"kernel_size": 3, "stride": 2, "padding": 1}),
        ((1, 6), {"kernel_size": 4, "stride": 5, "padding": 2}),
    ]:
        row(op + "1d", x, ceil_mode=True, **options)
        if op == "avg_pool":
            row(op + "1d", x, count_include_pad=False, **options)
            row(op + "1d", x, ceil_mode=True, count_include_pad=False, **options)
    row(op + "2d", (1, 1, 2, 5), kernel_size=3, stride=2, ceil_mode=True)
row("avg_pool2d", (1, 2, 4, 4), kernel_size=2, divisor_override=-2)
row("max_pool2d", (1, 2, 8, 7), kernel_size=2, dilation=2, stride=3, padding=1, ceil_mode=True)
row("max_pool1d", (1, 2, 8), kernel_size=2, dilation=3, stride=3, ceil_mode=True)
row("max_pool2d", (2, 2, 7, 7), kernel_size=2, dilation=2, stride=1)
row("max_pool1d", (2, 2, 7), kernel_size=2, dilation=3, stride=2)

# Normalisation.
for x in [(4, 3), (2, 3, 4), (2, 3, 4, 5), (2, 1)]:
    c = x[1]
    row("batch_norm", x, None, None, (c,), (c,), training=True)
    row("batch_norm", x, None, None, training=True, eps=1e-3)
    row("batch_norm", x, np.zeros(c), np.ones(c), (c,), (c,), training=True, momentum=0.3)
    row("batch_norm", x, np.linspace(-1, 1, c), np.linspace(0.5, 2, c), (c,), (c,), eps=0.1)
    row("batch_norm", x, np.linspace(-1, 1, c), np.linspace(0.5, 2, c), training=True)
row("batch_norm", transposed(4, 3), None, None, (3,), training=True)
for x, shape, affine in [
    ((4, 3), [3], 2),
    ((2, 3, 4), [3, 4], 2),
    ((2, 3, 4), [4], 0),
    ((2, 3, 4), [2, 3, 4], 1),
    ((3,), [3], 2),
    ((0, 3), [3], 2),
]:
    row("layer_norm", x, shape, *[tuple(shape)] * affine)
row("layer_norm", transposed(4, 3), [3], (3,), strided(3), eps=0.1)

# Losses.
for reduction in ("mean", "sum", "none"):
    for shape in [(), (1,), (4,), (2, 3)] + [(0,)] * (reduction != "mean"):
        row("mse_loss", shape, shape, reduction=reduction)
        row("hinge_loss", shape, np.asarray(2 * ints(2, *shape) - 1), reduction=reduction)
        probable, weights = some(*shape, low=0.0, high=1.0), some(*shape[-1:], low=0.5, high=2.0, seed=5)
        row("binary_cross_entropy_with_logits", shape, probable, reduction=reduction)
        row(
            "binary_cross_entropy_with_logits",
            shape,
            probable,
            reduction=reduction,
            weight=weights,
            pos_weight=np.asarray(1 + weights),
        )
    for x, labels in [((4, 3), ints(3, 4)), ((1, 1), ints(1, 1)), ((2, 3, 4), ints(3, 2, 4)), ((2, 3, 2, 2), ints(3, 2, 2, 2)), ((5,), np.array(2)),
                      ((6, 3), np.array([0, -100, 2, 1, -100, 0]))]:  # fmt: skip
        weight = some(x[min(1, len(x) - 1)], low=0.5, high=2.0, seed=6)
        for options in ({}, {"weight": weight}):
            row("cross_entropy", x, labels, reduction=reduction, **options)
            row("cross_entropy", x, labels, reduction=reduction, label_smoothing=0.2, **options)
        p = some(*x, seed=7)
        p /= p.sum(min(1, len(x) - 1), keepdims=True)
        for options in ({}, {"weight": weight}):
            row("cross_entropy", x, p, reduction=reduction, **options)
            row("cross_entropy", x, p, reduction=reduction, label_smoothing=0.2, **options)
    row("cross_entropy", transposed(4, 3), ints(3, 8)[::2], reduction=reduction)
row("cross_entropy", (4, 3), np.array([1, 1, 0, 2]), ignore_index=1)
row("cross_entropy", np.array([[1e3, -1e3, 0.0]]), np.array([1]), kink=True)
row("cross_entropy", np.array([[1e3, 1e3, 999.0]]), np.array([[0.5, 0.25, 0.25]]), kink=True)
row("binary_cross_entropy_with_logits", SPECIAL * 20, np.linspace(0, 1, 8), kink=True)
row("mse_loss", transposed(2, 3), strided(2, 3))
row("hinge_loss", np.array([1.0, -1.0, 2.0]), np.array([1, -1, 1]), kink=True)
