"""Bad calls and the messages they give: what was seen, what was wanted, how to mend it."""

# ruff: noqa: E501  (a call and its message to a line)

import numpy as np
import pytest

from chainrule import Tensor, no_grad, ops
from chainrule.checks import assert_same_as_torch


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
    (lambda: ops.pad(t(3), (-1, 0)), ValueError, "pad: wanted up to 1 pairs"),
    (lambda: ops.pad(t(3), (1, 0), "reflect"), ValueError, "mode 'constant', got .*'reflect'"),
    (lambda: ops.broadcast_to(t(3), (2, 4)), ValueError, "broadcast_to: .*shape"),
    (lambda: ops.einsum("ij,jk->ik", t(2, 3)), ValueError, r"einsum: 'ij,jk->ik' names 2 inputs, got 1"),
    (lambda: ops.einsum("ij->i", t(2)), ValueError, "einsum: 'ij' in 'ij->i' does not name the axes of an input with 1"),
    (lambda: ops.einsum("ij,jk->ik", t(2, 3), t(4, 5)), ValueError, r"einsum: "),
    (lambda: ops.conv2d(t(1, 3, 5, 5), t(4, 2, 3, 3)), ValueError, "conv2d: .*has 3 channels.*wants 2"),
    (lambda: ops.conv2d(t(1, 3, 5), t(4, 3, 3, 3)), ValueError, r"conv2d: wanted x of shape \(B, C, H, W\)"),
    (lambda: ops.conv2d(t(1, 3, 2, 2), t(4, 3, 3, 3)), ValueError, "conv2d: a window of 3 is larger than the image of 2"),
    (lambda: ops.conv2d(t(1, 4, 5, 5), t(3, 2, 3, 3), groups=2), ValueError, "conv2d: .*multiple of 2"),
    (lambda: ops.conv2d(t(1, 1, 5, 5), t(3, 1, 3, 3), t(2)), ValueError, r"conv2d: bias has shape \(2,\), wanted \(3,\)"),
    (lambda: ops.conv1d(t(1, 3, 5), t(4, 2, 3)), ValueError, "conv1d: .*has 3 channels"),
    (lambda: ops.max_pool2d(t(1, 1, 3, 3), 4), ValueError, "max_pool2d: a window of 4 is larger than the image of 3"),
    (lambda: ops.batch_norm(t(1, 3), training=True), ValueError, "batch_norm: wanted more than 1 value per channel"),
    (lambda: ops.layer_norm(t(2, 3), 4), ValueError, r"layer_norm: x of shape \(2, 3\) does not end in .* \(4,\)"),
    (lambda: t(0).max(), ValueError, "max: zero-size array"),
    (lambda: Tensor([[1.0, 2.0], [3.0]]), ValueError, "inhomogeneous shape"),
    (assigned_shape, ValueError, r"data keeps its shape: wanted \(3,\), got \(4,\)"),
    (lambda: setattr(t(3), "grad", np.ones(2)), ValueError, r"a gradient has its tensor's shape: wanted \(3,\), got \(2,\)"),
    # losses
    (lambda: ops.mse_loss(t(4, 1), t(4)), ValueError, r"mse_loss: x of shape \(4, 1\) and target of shape \(4,\)"),
    (lambda: ops.hinge_loss(t(4), t(3)), ValueError, r"hinge_loss: x of shape \(4,\) and target of shape \(3,\)"),
    (lambda: ops.mse_loss(t(2), t(2), reduction="avg"), ValueError, "reduction is 'mean', 'sum' or 'none', got 'avg'"),
    (lambda: ops.mse_loss(t(0), t(0)), ValueError, r"mse_loss: the mean over an empty batch is not defined \(losses of shape \(0,\)\)"),
    (lambda: ops.cross_entropy(t(0, 3), I([], int)), ValueError, "cross_entropy: the mean over an empty batch"),
    (lambda: ops.cross_entropy(t(2, 3), I([0, 3])), ValueError, "cross_entropy: label 3 is out of range, 3 classes want 0 to 2"),
    (lambda: ops.cross_entropy(t(2, 3), I([0, -1])), ValueError, "cross_entropy: label -1 is out of range"),
    (lambda: ops.cross_entropy(t(2, 3), I([0, 1, 2])), ValueError, r"want labels of shape \(2,\) or probabilities of shape \(2, 3\)"),
    (lambda: ops.cross_entropy(t(2, 3), I([0.0, 1.0])), ValueError, r"got float64 of shape \(2,\)"),
    (lambda: ops.cross_entropy(t(2, 3), I([0, 1]), reduction="x"), ValueError, "reduction is"),
    (lambda: ops.gelu(t(2), approximate="erf"), ValueError, "gelu: approximate is 'none' or 'tanh', got 'erf'"),
    # indices
    (lambda: ops.embedding(I([5]), t(5, 2)), IndexError, "embedding: index 5 is out of range, wanted 0 to 4"),
    (lambda: ops.embedding(I([1.0]), t(5, 2)), TypeError, "embedding: indices are integers, got float64"),
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
    # types and conversion
    (lambda: Tensor("abc"), TypeError, "a Tensor holds real numbers; str gave dtype"),
    (lambda: Tensor([None]), TypeError, "a Tensor holds real numbers"),
    (lambda: Tensor(1j), TypeError, "a Tensor holds real numbers; complex gave dtype complex128"),
    (lambda: np.exp(t(2)), TypeError, "does not support ufuncs"),
    (lambda: t(2).item(), ValueError, r"item\(\) wants a tensor with one entry; this one has shape \(2,\)"),
    (lambda: bool(t(2)), ValueError, r"one entry"),
    (lambda: ops.sum(t(2), axis=0), TypeError, "unexpected keyword argument 'axis'"),
    (lambda: assert_same_as_torch(lambda x: x, lambda x: x + 1, np.ones(2)), AssertionError, "the value differs"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), BAD, ids=[message[:60] for *_, message in BAD])
def test_message(call, kind, message):
    with pytest.raises(kind, match=f"(?s){message}") as caught:
        call()
    assert caught.type is kind or kind is TypeError


def test_message_has_no_second_traceback():
    with pytest.raises(ValueError) as caught:
        t(2) + t(3)
    assert caught.value.__suppress_context__ and caught.value.__cause__ is None
