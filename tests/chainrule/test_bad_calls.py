"""Bad calls and the messages they give: what was seen, what was wanted, how to mend it."""

# ruff: noqa: E501  (a call and its message to a line)

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
    # indices
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
