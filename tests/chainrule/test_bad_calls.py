"""Bad calls and the messages they give: what was seen, what was wanted, how to mend it."""

# ruff: noqa: E501  (a call and its message to a line)

import inspect
import itertools

import numpy as np
import pytest

from chainrule import Tensor, data, init, losses, nn, no_grad, ops, optim
from chainrule.checks import assert_same_as_torch
from chainrule.torch import device, to_torch
from chainrule.training import fit


def t(*shape, grad=True):
    return Tensor(np.ones(shape), requires_grad=grad)


def used_up():
    y = (t(2) * 2).sum()
    y.backward()
    y.backward()


def changed():
    x = t(3)
    y = x.exp()
    y += 1
    y.sum().backward()


def changed_leaf():
    x = t(3)
    x += 1


def assigned_shape():
    t(3).data = np.ones(4)


def changed_entry():
    x = t(3) * 1
    y = x * x
    x[0] = 2.0
    y.sum().backward()


def changed_data():
    x = t(3)
    y = x * x
    x.data = np.zeros(3)
    y.sum().backward()


def changed_by_a_step():
    p = t(3)
    loss = (p * p).sum()
    p.grad = np.ones(3)
    optim.SGD([p], 0.1).step()
    loss.backward()


def fit_on(x, y=None, **options):
    model = nn.Linear(2, 2, generator=np.random.default_rng(0))
    x, y = np.asarray(x, np.float32), np.zeros(len(x), int) if y is None else y
    steps = optim.SGD(model.parameters(), options.pop("lr", 0.1))
    with np.errstate(all="ignore"):
        fit(model, (x, y), losses.cross_entropy, steps, 20, progress=False, **options)


def unrecorded():
    with no_grad():
        y = t(2).sum()
    y.backward()


I = np.array
BAD = [
    # shapes
    (lambda: t(2, 3) + t(4), ValueError, r"add: shapes \(2, 3\) and \(4,\) do not broadcast.*axis -1 has \[3, 4\]"),
    (lambda: t(2, 3) * t(3, 3), ValueError, r"mul: shapes \(2, 3\) and \(3, 3\).*axis -2 has \[2, 3\]"),
    (lambda: np.ones(2) - t(3), ValueError, r"sub: shapes \(2,\) and \(3,\) do not broadcast"),
    (lambda: ops.where(np.ones(2, bool), t(3), 0.0), ValueError, r"where: shapes \(2,\) and \(3,\) do not broadcast"),
    (lambda: ops.maximum(t(2), t(3)), ValueError, r"maximum: shapes \(2,\) and \(3,\)"),
    (lambda: t(2, 3) @ t(2, 3), ValueError, r"matmul: shapes \(2, 3\) @ \(2, 3\).*last axis of the first \(3\) must equal"),
    (lambda: t(2, 3) @ t(4), ValueError, r"matmul: .*must equal the only axis of the second \(4\)"),
    (lambda: t(2, 3) @ 2.0, ValueError, r"matmul: wanted at least one axis each, got shapes \(2, 3\) and \(\)"),
    (lambda: t(2, 2, 3) @ t(3, 3, 4), ValueError, r"matmul: .*\(2, 2, 3\) and \(3, 3, 4\)"),
    (lambda: ops.linear(t(5, 3), t(2, 4)), ValueError, r"linear: x of shape \(5, 3\).*wanted x of shape \(\.\.\., 4\)"),
    (lambda: ops.linear(t(5, 4), t(2, 4), t(4)), ValueError, r"linear: bias has shape \(4,\), wanted \(2,\)"),
    (lambda: t(2, 3).reshape(4, 2), ValueError, r"reshape: cannot reshape array of size 6 into shape \(4,2\)"),
    (lambda: ops.concatenate([t(2, 3), t(2, 4)]), ValueError, r"concatenate: .*must match exactly.*\(2, 3\) and \(2, 4\)"),
    (lambda: ops.concatenate([]), ValueError, "concatenate: need at least one array"),
    (lambda: ops.stack([t(2), t(3)]), ValueError, r"stack: all input arrays must have the same shape.*\(2,\) and \(3,\)"),
    (lambda: ops.split(t(5), [2, 2]), ValueError, r"split: sizes \[2, 2\] add up to 4, axis 0 has 5"),
    (lambda: ops.pad(t(3), (1, 1, 1)), ValueError, r"pad: wanted up to 1 pairs of counts"),
    (lambda: ops.pad(t(3), (1, 0, 1, 0)), ValueError, "pad: wanted up to 1 pairs"),
    (lambda: ops.pad(t(3), (1, 0), "mirror"), ValueError, r"pad: .* a mode of \['constant', 'reflect', .*'circular'\], got .*'mirror'"),
    (lambda: ops.pad(t(3), (-5, 3)), ValueError, r"pad: counts \(-5, 3\) take away more than there is \(shapes \(3,\)\)"),
    (lambda: ops.pad(t(3), (-2, -2), "replicate"), ValueError, "pad: .* take away more than there is"),
    (lambda: ops.pad(t(3), (3, 0), "reflect"), ValueError, r"pad: 'reflect' on an axis of 3 adds at most 2 on a side, got \(3, 0\)"),
    (lambda: ops.pad(t(3), (0, 4), "circular"), ValueError, "pad: 'circular' on an axis of 3 adds at most 3 on a side"),
    (lambda: ops.pad(t(3), (-1, 3), "circular"), ValueError, "pad: 'circular' on an axis of 3 adds at most 2 on a side"),
    (lambda: ops.pad(t(0), (0, 1), "replicate"), ValueError, "pad: 'replicate' on an axis of 0 adds at most 0 on a side"),
    (lambda: ops.broadcast_to(t(3), (2, 4)), ValueError, "broadcast_to: .*shape"),
    (lambda: ops.einsum("ij,jk->ik", t(2, 3)), ValueError, r"einsum: 'ij,jk->ik' names 2 inputs, got 1"),
    (lambda: ops.einsum("ij->i", t(2)), ValueError, "einsum: 'ij' in 'ij->i' does not name the axes of an input with 1"),
    (lambda: ops.einsum("ij,jk->ik", t(2, 3), t(4, 5)), ValueError, r"einsum: "),
    (lambda: ops.conv2d(t(1, 3, 5, 5), t(4, 2, 3, 3)), ValueError, "conv2d: .*has 3 channels.*wants 2"),
    (lambda: ops.conv2d(t(3, 5), t(4, 3, 3, 3)), ValueError, r"conv2d: wanted x of shape \(B, C, H, W\), B or not, and weight of 4 axes"),
    (lambda: ops.conv1d(t(1, 3, 5), t(4, 3, 3, 3)), ValueError, r"conv1d: wanted x of shape \(B, C, L\), B or not, and weight of 3 axes"),
    (lambda: ops.conv2d(t(3, 5, 5), t(4, 2, 3, 3)), ValueError, "conv2d: .*has 3 channels.*wants 2"),
    (lambda: ops.conv2d(t(1, 3, 5, 5), t(4, 3, 3, 3), padding="sane"), ValueError, r"conv2d: padding \(or 'same', 'valid'\) is a whole .*got 'sane'"),
    (lambda: ops.conv1d(t(1, 3, 5), t(4, 3, 3), padding="sane"), ValueError, r"conv1d: padding \(or 'same', 'valid'\) is a whole .*got 'sane'"),
    (lambda: ops.conv2d(t(1, 3, 5, 5), t(4, 3, 3, 3), stride=2, padding="same"), ValueError, "conv2d: padding 'same' goes with a stride of 1, got 2"),
    (lambda: ops.conv1d(t(1, 3, 5), t(4, 3, 3), stride=2, padding="same"), ValueError, "conv1d: padding 'same' goes with a stride of 1"),
    (lambda: ops.conv2d(t(1, 3, 5, 5), t(4, 3, 3, 3), padding=-1), ValueError, "conv2d: padding .* is a whole number from 0 on or a pair of them, got -1"),
    (lambda: ops.conv2d(t(1, 3, 5, 5), t(4, 3, 3, 3), stride=0), ValueError, "conv2d: stride is a whole number from 1 on or a pair of them, got 0"),
    (lambda: ops.conv2d(t(1, 3, 5, 5), t(4, 3, 3, 3), dilation=(1, 1, 1)), ValueError, r"conv2d: dilation is a whole .*got \(1, 1, 1\)"),
    (lambda: ops.conv1d(t(1, 3, 5), t(4, 3, 3), stride=1.5), ValueError, r"conv1d: stride is a whole .*got \(1, 1.5\)"),
    (lambda: ops.max_pool2d(t(1, 1, 3, 3), 2.0), ValueError, "max_pool2d: kernel_size is a whole number from 1 on or a pair of them, got 2.0"),
    (lambda: ops.max_pool2d(t(1, 1, 3, 3), "same"), ValueError, "max_pool2d: kernel_size is a whole .*got 'same'"),
    (lambda: ops.max_pool2d(t(1, 1, 3, 3), 2, padding="same"), ValueError, "max_pool2d: padding is a whole number from 0 on or a pair of them, got 'same'"),
    (lambda: ops.max_pool2d(t(1, 1, 3, 3), (1, 3), 1, (0, 2)), ValueError, r"max_pool2d: padding is at most half of kernel_size \(1, 3\), got \(0, 2\)"),
    (lambda: ops.avg_pool2d(t(1, 1, 3, 3), 3, 1, 2), ValueError, r"avg_pool2d: padding is at most half of kernel_size \(3, 3\), got 2"),
    (lambda: ops.max_pool1d(t(1, 1, 3), 3, 1, 2), ValueError, "max_pool1d: padding is at most half of kernel_size"),
    (lambda: ops.avg_pool1d(t(1, 1, 3), 2, 0), ValueError, r"avg_pool1d: stride is a whole .*got \(1, 0\)"),
    (lambda: ops.avg_pool2d(t(1, 1, 3, 3), 2, divisor_override=0), ValueError, "avg_pool2d: divisor_override must not be 0"),
    (lambda: ops.conv2d(t(1, 3, 2, 2), t(4, 3, 3, 3)), ValueError, "conv2d: a window of 3 is larger than the image of 2"),
    (lambda: ops.conv2d(t(1, 4, 5, 5), t(3, 2, 3, 3), groups=2), ValueError, "conv2d: .*multiple of 2"),
    (lambda: ops.conv2d(t(1, 1, 5, 5), t(3, 1, 3, 3), t(2)), ValueError, r"conv2d: bias has shape \(2,\), wanted \(3,\)"),
    (lambda: ops.conv1d(t(1, 3, 5), t(4, 2, 3)), ValueError, "conv1d: .*has 3 channels"),
    (lambda: ops.max_pool2d(t(1, 1, 3, 3), 4), ValueError, "max_pool2d: a window of 4 is larger than the image of 3"),
    (lambda: ops.batch_norm(t(1, 3), training=True), ValueError, "batch_norm: wanted more than 1 value per channel"),
    (lambda: ops.layer_norm(t(2, 3), 4), ValueError, r"layer_norm: x of shape \(2, 3\) does not end in .* \(4,\)"),
    (lambda: t(0).max(), ValueError, "max: zero-size array"),
    (lambda: t().max(1), ValueError, "axis 1 is out of bounds"),
    (lambda: t(2, 2) - t(2, 2).max(1), TypeError, "a pair .values, indices.*take its .values"),
    (lambda: t().amax(1), ValueError, "amax: axis 1 is out of bounds"),
    (lambda: t().mean(1), ValueError, "mean: axis 1 is out of bounds"),
    (lambda: t().transpose(0, 1), ValueError, "transpose: .*axis 1 is out of bounds|transpose: .*out of bounds"),
    (lambda: Tensor([[1.0, 2.0], [3.0]]), ValueError, "inhomogeneous shape"),
    (assigned_shape, ValueError, r"data keeps its shape: wanted \(3,\), got \(4,\)"),
    (lambda: setattr(t(3), "grad", np.ones(2)), ValueError, r"a gradient has its tensor's shape: wanted \(3,\), got \(2,\)"),
    # losses
    (lambda: ops.mse_loss(t(4, 1), t(4)), ValueError, r"mse_loss: x of shape \(4, 1\) and target of shape \(4,\)"),
    (lambda: ops.hinge_loss(t(4), t(3)), ValueError, r"hinge_loss: x of shape \(4,\) and target of shape \(3,\)"),
    (lambda: ops.mse_loss(t(2), t(2), reduction="avg"), ValueError, "reduction is 'mean', 'sum' or 'none', got 'avg'"),
    (lambda: ops.mse_loss(t(0), t(0)), ValueError, r"mse_loss: the mean over an empty batch is not defined \(its shape is \(0,\)\)"),
    (lambda: ops.cross_entropy(t(0, 3), I([], int)), ValueError, "cross_entropy: the mean over an empty batch"),
    (lambda: ops.cross_entropy(t(2, 3), I([0, 3])), ValueError, "cross_entropy: label 3 is out of range, wanted 0 to 2"),
    (lambda: ops.cross_entropy(t(2, 3), I([0, -1])), ValueError, "cross_entropy: label -1 is out of range"),
    (lambda: ops.cross_entropy(t(2, 3), I([0, 1, 2])), ValueError, r"want labels of shape \(2,\) or probabilities of shape \(2, 3\)"),
    (lambda: ops.cross_entropy(t(2, 3), I([0.0, 1.0])), ValueError, r"got float64 of shape \(2,\)"),
    (lambda: ops.cross_entropy(t(2, 3), I([0, 1]), reduction="x"), ValueError, "reduction is"),
    (lambda: ops.cross_entropy(t(2, 3), I([0, 1]), weight=t(2, grad=False)), ValueError, r"cross_entropy: weight has shape \(2,\), wanted one for each class"),
    (lambda: ops.gelu(t(2), approximate="erf"), ValueError, "gelu: approximate is 'none' or 'tanh', got 'erf'"),
    (lambda: ops.cross_entropy(t(4, 3), np.full(4, -100)), ValueError, "cross_entropy: every label is ignore_index"),
    (lambda: ops.cross_entropy(t(4, 3, 2), np.full((4, 2), 7), ignore_index=7), ValueError, "every label is ignore_index"),
    # axes
    (lambda: t(2, 3).max(dim=(0, 1)), TypeError, r"max and min go along one axis; for \(0, 1\) write amax"),
    (lambda: t(2, 3).min(dim=[0]), TypeError, r"max and min go along one axis; for \(0,\) write amax"),
    (lambda: t(2, 3).sum(dim="0"), TypeError, r"sum: .*'str' object cannot be interpreted as an integer"),
    (lambda: t(2, 3).sum(dim=0.5), TypeError, r"sum: .*'float' object"),
    (lambda: t(2, 3).squeeze(2), ValueError, "squeeze: axis 2 is out of bounds"),
    (lambda: ops.split(t(4), 0), ValueError, "split: a part has a size above 0"),
    (lambda: ops.split(t(4), -1), ValueError, "split: a part has a size above 0"),
    (lambda: ops.split(t(4), [5, -1]), ValueError, "split: a part has a size above 0"),
    # indices
    (lambda: ops.gather(t(2, 3), 1, I([0, 1])), ValueError, r"gather: index has 1 axes, wanted the 2 of x, as in index\[:, None\]"),
    (lambda: t(3)["a"], IndexError, "getitem: only integers, slices"),
    (lambda: t(3)[0.5], IndexError, "getitem: only integers, slices"),
    (lambda: ops.linear(None, t(2, 3)), TypeError, r"linear: .*given None, float64 \(2, 3\), None"),
    (lambda: optim.clip_grad_norm_([t(2)], -1.0), ValueError, "clip_grad_norm_: max_norm is a number from 0 on, got -1.0"),
    (lambda: ops.embedding(I([5]), t(5, 2)), IndexError, "embedding: index 5 is out of range, wanted 0 to 4"),
    (lambda: ops.embedding(I([1.0]), t(5, 2)), TypeError, "embedding: indices are integers, got float64"),
    (lambda: ops.embedding(I([1]), t(5, 2), 5), IndexError, "index 5 is out of bounds for axis 0 with size 5"),
    (lambda: ops.gather(t(2, 3), 1, I([[3], [0]])), IndexError, "gather: index 3 is out of range, wanted 0 to 2"),
    (lambda: t(3)[3], IndexError, "index 3 is out of bounds for axis 0 with size 3"),
    # gradients
    (lambda: t(3).backward(), RuntimeError, r"starts from a scalar, this tensor has shape \(3,\).*loss\.sum\(\)"),
    (lambda: (t(3) * 2).backward(np.ones(2)), ValueError, r"backward\(gradient\): wanted shape \(3,\), got \(2,\)"),
    (lambda: t(3, grad=False).sum().backward(), RuntimeError, "needs no gradient.*requires_grad=True"),
    (unrecorded, RuntimeError, r"needs no gradient.*no_grad\(\)"),
    (used_up, RuntimeError, "a second time.*retain_graph=True"),
    (changed, RuntimeError, "'exp' needs an array of shape .* changed in place"),
    (changed_leaf, RuntimeError, "leaf that requires a gradient cannot be changed in place"),
    (lambda: Tensor([1, 2], requires_grad=True), TypeError, "holds int64: write 1.0 instead of 1, or pass dtype"),
    (lambda: setattr(Tensor([True]), "requires_grad", True), TypeError, "this tensor holds bool"),
    (lambda: setattr(t(2) * 2, "requires_grad", False), RuntimeError, "on leaves only; use .detach()"),
    (lambda: setattr(Tensor([1.0]), "grad", np.ones(1)), RuntimeError, "only a leaf with requires_grad=True"),
    (changed_entry, RuntimeError, "'mul' needs an array of shape .* changed in place"),
    (changed_data, RuntimeError, "'mul' needs an array of shape .* changed in place"),
    (changed_by_a_step, RuntimeError, "'mul' needs an array of shape .* changed in place"),
    (lambda: nn.Parameter([1, 2]), TypeError, "holds int64: write 1.0 instead of 1"),
    # losses of losses.py
    (lambda: losses.l1_loss(t(2), t(2), reduction="avg"), ValueError, "reduction is 'mean', 'sum' or 'none', got 'avg'"),
    (lambda: losses.kl_div(t(2), t(2), "avg"), ValueError, "reduction is 'mean', 'sum' or 'none', got 'avg'"),
    (lambda: losses.huber_loss(t(2, 1), t(2)), ValueError, r"huber_loss: x of shape \(2, 1\) and target of shape \(2,\) must be alike"),
    (lambda: losses.huber_loss(t(2), t(2), delta=0), ValueError, "huber_loss: delta must be above 0, got 0"),
    (lambda: losses.multi_margin_loss(t(2, 3), I([0, 3])), ValueError, "multi_margin_loss: label 3 is out of range, wanted 0 to 2"),
    (lambda: losses.multi_margin_loss(t(0, 3), I([], int)), ValueError, "multi_margin_loss: the mean over an empty batch"),
    (lambda: losses.l1_loss(t(0), t(0)), ValueError, "l1_loss: the mean over an empty batch"),
    # layers
    (lambda: nn.Linear(3, 2)(t(5, 4)), ValueError, r"linear: x of shape \(5, 4\).*wanted x of shape \(\.\.\., 3\)"),
    (lambda: nn.BatchNorm2d(3)(t(2, 3)), ValueError, r"BatchNorm2d: wanted 3 features on axis 1 of 4 axes, got shape \(2, 3\)"),
    (lambda: nn.Embedding(5, 2, -6), IndexError, "index -6 is out of bounds for axis 0 with size 5"),
    (lambda: nn.RNN(3, 4)(t(2, 4)), ValueError, r"RNN: wanted x of shape \(T, B, 3\), got \(2, 4\)"),
    (lambda: nn.RNN(3, 4)(t(5, 2, 3), t(1, 3, 4)), ValueError, r"RNN: wanted a state of shapes \[\(1, 2, 4\)\], got \[\(1, 3, 4\)\]"),
    (lambda: nn.MultiheadAttention(4, 3), ValueError, "embed_dim 4 is no multiple of num_heads 3"),
    (lambda: nn.Sequential(3), TypeError, "Sequential wants modules; argument 0 is int"),
    (lambda: nn.Dropout(2.0), ValueError, r"Dropout: p is a probability in \[0, 1\], got 2.0"),
    (lambda: nn.Module()(1), NotImplementedError, r"Module defines no forward\(self, x\)"),
    (lambda: nn.Linear(2, 3).load_state_dict({"weight": np.ones((3, 2))}), RuntimeError, "does not fit Linear: missing: bias"),
    (lambda: nn.ReLU().load_state_dict({"b": 1}), RuntimeError, "does not fit ReLU: unknown: b"),
    (lambda: nn.Linear(2, 3, bias=False).load_state_dict({"weight": np.ones((2, 3))}), RuntimeError, r"weight: saved with shape \(2, 3\), here \(3, 2\)"),
    (lambda: init.xavier_uniform_(t(3)), ValueError, r"a fan needs a weight of shape \(out, in, …\), got shape \(3,\)"),
    # sequences
    (lambda: ops.lstm_cell(t(2, 8), t(2, 3)), ValueError, r"lstm_cell: gates of shape \(2, 8\) for a memory of \(2, 3\): wanted \(2, 12\)"),
    (lambda: ops.lstm_cell(t(4), t()), ValueError, "lstm_cell: .*wanted at least one axis"),
    (lambda: ops.lstm(t(5, 2, 8), t(2, 3), t(2, 3), t(12, 3)), ValueError, r"lstm: wanted .*weight \(4 H, H\), got \(5, 2, 8\), \(2, 3\)"),
    (lambda: ops.lstm(t(0, 2, 12), t(2, 3), t(2, 3), t(12, 3)), ValueError, r"lstm: wanted x \(T, B, 4 H\) with T at least 1.*got \(0, 2, 12\)"),
    (lambda: list(t()), TypeError, "a tensor without axes has no entries to go through"),
    # training
    (lambda: optim.SGD([], 0.1), ValueError, "an optimiser got no parameters"),
    (lambda: optim.SGD([t(1)], -1), ValueError, "SGD: lr must be at least 0, got -1"),
    (lambda: optim.SGD([t(1) * 2], 0.1), TypeError, "an optimiser wants leaf Tensors"),
    (lambda: optim.SGD([t(1)]).load_state_dict(optim.SGD([t(1), t(2)]).state_dict()), ValueError, r"groups of \[1\] parameters here, the state of \[2\]"),
    (lambda: fit_on(np.full((4, 2), np.nan)), RuntimeError, "fit: the loss is nan in epoch 1, batch 1: try a smaller learning rate"),
    (lambda: fit_on([[1.0, 2.0], [2.0, 1.0]], I([0, 1]), lr=1e39), RuntimeError, "fit: the loss is (inf|nan) in epoch [23], batch 1"),
    (lambda: fit_on(np.ones((0, 2))), ValueError, "batches: wanted at least one example a batch, got 0 by 32"),
    (lambda: fit_on(np.ones((3, 2)), np.zeros(4, int)), ValueError, r"batches: wanted arrays of one length, got shapes \[\(3, 2\), \(4,\)\]"),
    (lambda: fit_on(np.ones((3, 2)), np.array([0, 1, 2])), ValueError, "cross_entropy: label 2 is out of range, wanted 0 to 1"),
    (lambda: fit_on(np.ones((3, 2)), schedule_each="step"), ValueError, "schedule_each is 'epoch' or 'batch', got 'step'"),
    (lambda: fit_on(np.ones((3, 2)), rate=3), TypeError, "unexpected keyword argument 'rate'"),
    (lambda: data.moons(generator=0), TypeError, r"generator: wanted np.random.default_rng\(seed\), got 0"),
    (lambda: data.train_test_split(np.ones(1)), ValueError, "test_size=0.25 of 1 examples leaves one side empty"),
    # devices
    (lambda: device("gpu"), ValueError, "no device is called 'gpu'; wanted 'cuda', 'mps' or 'cpu'"),
    (lambda: to_torch(nn.Linear(1, 1), "abacus"), ValueError, "no device is called 'abacus'"),
    # types and conversion
    (lambda: Tensor("abc"), TypeError, "a Tensor holds real numbers; str gave dtype"),
    (lambda: Tensor([None]), TypeError, "a Tensor holds real numbers"),
    (lambda: Tensor(1j), TypeError, "a Tensor holds real numbers; complex gave dtype complex128"),
    (lambda: np.exp(t(2)), TypeError, "np.exp would lose the gradient of a Tensor: write chainrule.exp, or pass t.detach\\(\\)"),
    (lambda: t(2).item(), ValueError, r"item\(\) wants a tensor with one entry; this one has shape \(2,\)"),
    (lambda: bool(t(2)), ValueError, r"shape \(2,\) is neither true nor false: write t.numpy\(\).any\(\)"),
    (lambda: ops.sum(t(2), axes=0), TypeError, "unexpected keyword argument 'axes'"),
    (lambda: assert_same_as_torch(lambda x: x, lambda x: x + 1, np.ones(2)), AssertionError, "the value differs"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), BAD, ids=[message[:60] for *_, message in BAD])
def test_message(call, kind, message):
    with pytest.raises(kind, match=f"(?s){message}") as caught:
        call()
    assert caught.type is kind


def test_message_has_no_second_traceback():
    with pytest.raises(ValueError) as caught:
        t(2) + t(3)
    assert caught.value.__suppress_context__ and caught.value.__cause__ is None


# A sweep: whatever an op, a loss, a layer or an optimiser is given, it answers with its name, or computes.

ABSURD = {
    "None": None, "text": "x", "nothing": [], "empty": np.empty((0, 3)), "negative": -1, "half": 0.5, "object": object(),
    "nan": float("nan"), "dict": {}, "tuple": (7, 8), "complex": 1j, "bool": True,
}  # fmt: skip
PLAIN = {"float": np.ones((2, 3), np.float32), "integers": np.array([[1, 0, 2], [0, 1, 1]])}
KINDS = (TypeError, ValueError, IndexError)


def inputs_of(op):
    """How many inputs a call of an op cannot do without."""
    rule = inspect.unwrap(getattr(op, "rule", op))
    parameters = inspect.signature(rule).parameters.values()
    return max(sum(p.default is p.empty and p.kind != p.VAR_POSITIONAL for p in parameters), 1)


@pytest.mark.parametrize("name", [*ops.__all__, "l1_loss", "huber_loss", "multi_margin_loss", "kl_div"])
def test_an_op_answers_with_its_name(name):
    op = getattr(ops, name, None) or getattr(losses, name)
    for at, (what, thing) in itertools.product(range(inputs_of(op)), ABSURD.items()):
        for plain in PLAIN.values():
            given = [Tensor(plain) for _ in range(inputs_of(op))]
            given[at] = thing
            try:
                with np.errstate(all="ignore"):
                    op(*given)
            except Exception as error:
                known = name in str(error) or "real numbers" in str(error) or what == "dict"
                assert isinstance(error, KINDS) and known, f"{name}, {what} at {at}: {error!r}"


@pytest.mark.parametrize("kind", [optim.SGD, optim.Adagrad, optim.RMSprop, optim.Adam, optim.AdamW])
def test_an_optimiser_answers_clearly(kind):
    for thing in (
        None,
        "x",
        [],
        -1,
        0.5,
        {},
        (7, 8),
        [None],
        [{"param": []}],
        Tensor(1.0),
        [Tensor(1.0) * Tensor(1.0, requires_grad=True)],
    ):
        with pytest.raises(KINDS, match="optimiser"):
            kind(thing)
    for rate in (None, "x", -1.0, float("nan"), [], np.ones(2), 1j):
        with pytest.raises(ValueError, match=f"{kind.__name__}: lr must be at least 0, got"):
            kind([t(2)], lr=rate)


def test_schedules_and_clipping_answer_clearly():
    optimizer = optim.SGD([t(2)], lr=0.1)
    for kind in (optim.StepLR, optim.CosineAnnealingLR, optim.LinearLR):
        with pytest.raises(TypeError, match=f"{kind.__name__}: wanted an optimiser, got None"):
            kind(None) if kind is optim.LinearLR else kind(None, 3)
    for kind, name in (
        (optim.StepLR, "step_size"),
        (optim.CosineAnnealingLR, "T_max"),
        (optim.LinearLR, "total_iters"),
    ):
        for count in (0, -1, 1.5, None):
            with pytest.raises(
                ValueError, match=f"{kind.__name__}: {name} is a whole number of steps from 1 on"
            ):
                kind(optimizer, **{name: count})
    for given in (None, 3, ["x"], [None], "x"):
        with pytest.raises(TypeError, match="clip_grad_norm_: wanted Tensors"):
            optim.clip_grad_norm_(given, 1.0)
    for norm in (None, -1, "x", float("nan")):
        with pytest.raises(ValueError, match="clip_grad_norm_: max_norm is a number from 0 on"):
            optim.clip_grad_norm_([t(2)], norm)


@pytest.mark.parametrize("size", [None, "x", -1, 0.5, [], (7, 8), np.ones(2), float("nan")])
def test_a_layer_answers_with_the_size_it_wants(size):
    makes = {
        "Linear": (nn.Linear, 1), "Conv1d": (nn.Conv1d, 2), "Conv2d": (nn.Conv2d, 2), "BatchNorm1d": (nn.BatchNorm1d, 0),
        "Embedding": (nn.Embedding, 1), "RNN": (nn.RNN, 1), "LSTM": (nn.LSTM, 1), "GRU": (nn.GRU, 1),
        "MultiheadAttention": (nn.MultiheadAttention, 1),
    }  # fmt: skip
    for name, (make, more) in makes.items():
        with pytest.raises(ValueError, match=rf"{name}: \w+ is a whole number from [01] on, got"):
            make(size, *[2] * more)
