"""The compositions: equal to the fused ops in value and gradient, and to PyTorch where there is no op."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import chainrule
from chainrule import Tensor, functional, nn, ops, stepwise
from chainrule.checks import assert_same_as_torch, check_grad
from chainrule.torch import to_torch

rng = np.random.default_rng(0)
X, W, B = rng.standard_normal((6, 4)), rng.standard_normal((3, 4)), rng.standard_normal(3)
D = rng.standard_normal(4)
LABELS = np.array([0, 3, 2, 1, 1, 0])
SIGNS = np.where(X > 0.3, 1.0, -1.0)

TWINS = {
    "linear": (stepwise.linear, ops.linear, (X, W, B)),
    "linear without bias": (stepwise.linear, ops.linear, (X[None], W)),
    "softmax": (lambda x: stepwise.softmax(x, 1), lambda x: ops.softmax(x, 1), (X,)),
    "softmax along 0": (lambda x: stepwise.softmax(x, 0), lambda x: ops.softmax(x, 0), (X,)),
    "log_softmax": (lambda x: stepwise.log_softmax(x, -1), lambda x: ops.log_softmax(x, -1), (X,)),
    "cross_entropy": (
        lambda x: stepwise.cross_entropy(x, LABELS), lambda x: ops.cross_entropy(x, LABELS), (X,)
    ),
    "mse_loss": (stepwise.mse_loss, ops.mse_loss, (X, X[::-1].copy())),
    "hinge_loss": (lambda x: stepwise.hinge_loss(x, SIGNS), lambda x: ops.hinge_loss(x, SIGNS), (X,)),
    "binary_cross_entropy_with_logits": (
        stepwise.binary_cross_entropy_with_logits, ops.binary_cross_entropy_with_logits, (X, (X > 0) * 0.8)
    ),
    "batch_norm": (
        lambda x, w, b: stepwise.batch_norm(x, None, None, w, b, training=True),
        lambda x, w, b: ops.batch_norm(x, None, None, w, b, training=True),
        (X, D, D[::-1].copy()),
    ),
    "batch_norm in use": (
        lambda x, w, b: stepwise.batch_norm(x, Tensor(D), Tensor(D**2), w, b),
        lambda x, w, b: ops.batch_norm(x, Tensor(D), Tensor(D**2), w, b),
        (X, D, D[::-1].copy()),
    ),
    "layer_norm": (
        lambda x, w, b: stepwise.layer_norm(x, 4, w, b), lambda x, w, b: ops.layer_norm(x, 4, w, b),
        (X, D, D[::-1].copy()),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TWINS)
def test_composed_equals_fused(name):
    composed, fused, arrays = TWINS[name]
    results = []
    for f in (composed, fused):
        inputs = [Tensor(a, requires_grad=True) for a in arrays]
        out = f(*inputs)
        out.backward(np.cos(np.arange(out.numel()).reshape(out.shape)))
        results.append([out.numpy(), *(x.grad.numpy() for x in inputs)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", TWINS)
def test_composed_agrees_with_differences(name):
    composed, _, arrays = TWINS[name]
    check_grad(composed, *arrays)


def test_composed_batch_norm_moves_the_statistics_as_the_fused_one():
    moved = []
    for f in (stepwise.batch_norm, ops.batch_norm):
        mean, var = Tensor(D), Tensor(D**2)
        f(Tensor(X, requires_grad=True), mean, var, training=True)
        moved.append([mean.numpy(), var.numpy()])
    np.testing.assert_allclose(*moved, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"mask": "bool"}, {"mask": "float"}])
def test_attention_is_torchs(options):
    q, k, v = (rng.standard_normal((2, 3, n, 4)) for n in (5, 5, 5))
    mask = {"bool": rng.random((5, 5)) < 0.7, "float": rng.standard_normal((5, 5)), None: None}[
        options.pop("mask", None)
    ]
    if mask is not None and mask.dtype == bool:
        mask[:, 0] = True  # a query that may look nowhere has no answer
    assert_same_as_torch(
        lambda *x: functional.scaled_dot_product_attention(*x, attn_mask=mask, **options),
        lambda *x: F.scaled_dot_product_attention(
            *x, attn_mask=None if mask is None else torch.tensor(mask), **options
        ),
        q, k, v,
    )  # fmt: skip


def test_causal_attention_leaks_exactly_nothing():
    q, k, v = (Tensor(rng.standard_normal((1, 4, 2)), requires_grad=True) for _ in range(3))
    functional.scaled_dot_product_attention(q, k, v, is_causal=True)[0, 1].sum().backward()
    assert not k.grad.numpy()[0, 2:].any() and not v.grad.numpy()[0, 2:].any()
    assert v.grad.numpy()[0, :2].all()


def test_one_hot_is_torchs():
    index = np.array([[0, 2], [1, 1]])
    wanted = F.one_hot(torch.tensor(index), 3).numpy()
    np.testing.assert_array_equal(functional.one_hot(index, 3).numpy(), wanted)
    assert functional.one_hot(Tensor([1])).tolist() == [[0, 1]] and wanted.dtype == np.int64


def test_dropout():
    x = Tensor(np.ones((200, 50), np.float32), requires_grad=True)
    out = functional.dropout(x, 0.25, generator=3)
    assert np.unique(out.numpy()).tolist() == pytest.approx([0, 4 / 3]) and out.dtype == np.float32
    assert abs(out.numpy().mean() - 1) < 0.02
    out.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), out.numpy())
    np.testing.assert_array_equal(functional.dropout(x, 0.25, generator=3).numpy(), out.numpy())
    assert functional.dropout(x, 0.25, training=False) is x and functional.dropout(x, 0.0) is x
    with pytest.raises(ValueError, match="dropout: p is a probability"):
        functional.dropout(x, 1.1)
    assert not functional.dropout(x, 1.0).numpy().any()


LOGITS = np.array([1.0, -0.5, 0.0, 2.0, -np.inf])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("top_k", [None, 5, 2])
def test_sample_draws_with_the_probabilities_of_the_softmax(temperature, top_k):
    drawn = functional.sample(np.tile(LOGITS, (40_000, 1)), np.random.default_rng(0), temperature, top_k)
    p = np.exp(LOGITS / temperature)
    p[np.argsort(-LOGITS)[top_k or 5 :]] = 0
    p /= p.sum()
    assert drawn.shape == (40_000,) and drawn.dtype == np.int64
    spread = np.sqrt(p * (1 - p) / len(drawn))
    assert (np.abs(np.bincount(drawn, minlength=5) / len(drawn) - p) <= 4.5 * spread).all()


def test_sample_takes_each_row_by_itself_and_a_seed_again():
    logits = Tensor(np.where(np.eye(3) > 0, 0.0, -np.inf))
    assert functional.sample(logits, np.random.default_rng(0)).tolist() == [0, 1, 2]
    many = np.zeros((2, 50, 7), np.float32)
    first, again = (functional.sample(many, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == (2, 50) and (first == again).all() and len(set(first.ravel())) == 7
    assert functional.sample(LOGITS[:4], np.random.default_rng(0)) in range(4)


def test_sample_without_temperature_takes_the_largest():
    assert functional.sample(LOGITS, temperature=0) == 3
    assert functional.sample(np.stack([LOGITS, -LOGITS])[:, :4], temperature=0.0, top_k=1).tolist() == [3, 1]
    assert functional.sample(np.zeros(4), np.random.default_rng(0), top_k=1) == 0, "among equals the first"
    assert functional.sample(1e4 * LOGITS, np.random.default_rng(0), 1e-3) == 3, "nothing overflows"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature is at least 0, top_k 1 to 5, got -1.0"),
        ({"temperature": float("nan")}, "got nan"),
        ({"top_k": 0}, "top_k 1 to 5, got 1.0, 0"),
        ({"top_k": 6}, "got 1.0, 6"),
        ({"logits": np.float64(1)}, r"wanted logits \(..., C\)"),
        ({"logits": np.zeros((3, 0))}, r"got shape \(3, 0\)"),
        ({"logits": np.array([0.0, np.nan])}, "none of them NaN"),
        ({"logits": np.array([0.0, np.inf])}, "none of them NaN or infinity"),
        ({"logits": np.full((2, 3), -np.inf)}, "nor all of a row minus infinity"),
    ],
)
def test_sample_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        functional.sample(**{"logits": LOGITS} | options)


# Masks of attention, and shapes that would broadcast.


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_a_query_that_may_look_nowhere_gets_zeros_and_finite_gradients_as_in_torch(kind):
    mask = np.tri(4, dtype=bool)
    mask[2] = False
    x = np.random.default_rng(0).normal(size=(2, 4, 8))
    given = mask if kind == "bool" else np.where(mask, 0.0, -np.inf)
    mine, yours = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out = functional.scaled_dot_product_attention(mine, mine, mine, given)
    wanted = torch.nn.functional.scaled_dot_product_attention(yours, yours, yours, torch.tensor(given))
    (out * out).sum().backward()
    (wanted * wanted).sum().backward()
    assert not out.numpy()[:, 2].any()
    np.testing.assert_allclose(out.numpy(), wanted.detach().numpy(), atol=1e-12)
    np.testing.assert_allclose(mine.grad.numpy(), yours.grad.numpy(), atol=1e-12)


def test_masks_of_multihead_attention_as_torch():
    mine = nn.MultiheadAttention(8, 2, dtype=np.float64, generator=np.random.default_rng(0))
    theirs = to_torch(mine, "cpu")
    x, padding = (
        np.random.default_rng(1).normal(size=(4, 2, 8)),
        np.array([[False, False, True, True], [True] * 4]),
    )
    added = np.where(padding, -np.inf, 0.0)
    for key_padding_mask, attn_mask in (
        (padding, None), (added, None), (padding, np.triu(np.ones((4, 4), bool), 1)),
        (None, np.zeros((4, 4, 4), bool)), (None, np.random.default_rng(2).normal(size=(4, 4, 4))),
    ):  # fmt: skip
        ours, yours = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        masks = {"key_padding_mask": key_padding_mask, "attn_mask": attn_mask}
        out, _ = mine(ours, ours, ours, need_weights=False, **masks)
        masks = {name: None if m is None else torch.tensor(m) for name, m in masks.items()}
        wanted, _ = theirs(yours, yours, yours, need_weights=False, **masks)
        (out * out).sum().backward()
        (wanted * wanted).sum().backward()
        assert np.isfinite(out.numpy()).all() and np.isfinite(ours.grad.numpy()).all()
        np.testing.assert_allclose(out.numpy(), wanted.detach().numpy(), atol=1e-12)
        np.testing.assert_allclose(ours.grad.numpy(), yours.grad.numpy(), atol=1e-12)
    weights = mine(Tensor(x), Tensor(x), Tensor(x), key_padding_mask=padding)[1]
    assert not weights.numpy()[1].any()


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.int8])
def test_masks_of_integers_are_refused(dtype):
    x, attention = Tensor(np.ones((4, 2, 8), np.float32)), nn.MultiheadAttention(8, 2)
    zeros = np.zeros((2, 4), dtype)
    with pytest.raises(TypeError, match="key_padding_mask: wanted booleans, or floats .*: write mask == 1"):
        attention(x, x, x, key_padding_mask=zeros)
    with pytest.raises(TypeError, match="attn_mask: wanted booleans"):
        attention(x, x, x, attn_mask=np.zeros((4, 4), dtype))
    with pytest.raises(TypeError, match="attn_mask: wanted booleans"):
        functional.scaled_dot_product_attention(x, x, x, zeros[:, :2])


def test_masks_of_another_shape_are_refused():
    x, attention = Tensor(np.ones((4, 2, 8), np.float32)), nn.MultiheadAttention(8, 2)
    with pytest.raises(ValueError, match=r"key_padding_mask: wanted shape \(2, 4\), .*got \(4, 2\)"):
        attention(x, x, x, key_padding_mask=np.zeros((4, 2), bool))
    for shape in ((3, 4), (3, 4, 4), (2, 2, 2, 2, 2)):
        with pytest.raises(
            ValueError, match=r"attn_mask: shape .* does not broadcast to the scores' \(2, 2, 4, 4\)"
        ):
            attention(x, x, x, attn_mask=np.zeros(shape, bool))
    with pytest.raises(ValueError, match="attn_mask: shape"):
        functional.scaled_dot_product_attention(x, x, x, np.zeros((3, 3), bool))


def test_a_learned_mask_gets_its_gradient():
    x, bias = Tensor(np.ones((3, 2), np.float32)), Tensor(np.zeros((3, 3), np.float32), requires_grad=True)
    values = Tensor(np.arange(6.0, dtype=np.float32).reshape(3, 2))
    functional.scaled_dot_product_attention(x, x, values, bias)[0].sum().backward()
    assert bias.grad.numpy()[0].tolist() != [0, 0, 0] and not bias.grad.numpy()[1:].any()


@pytest.mark.parametrize("name", ["mse_loss", "hinge_loss", "binary_cross_entropy_with_logits"])
def test_a_teaching_loss_does_not_broadcast(name):
    with pytest.raises(
        ValueError, match=rf"{name}: x of shape \(4, 1\) and target of shape \(4,\) must be alike"
    ):
        getattr(stepwise, name)(Tensor(np.ones((4, 1))), np.ones(4))


@pytest.mark.parametrize(
    "labels", [[0, 1, 2, -1], [0, 1, 2, 3], [[0], [1], [2], [0]], [0.0, 1.0, 2.0, 0.0], [0, 1, 2]]
)
def test_labels_of_the_teaching_cross_entropy(labels):
    with pytest.raises(
        ValueError, match=r"cross_entropy: (label -?\d is out of range|wanted logits \(B, C\) and)"
    ):
        stepwise.cross_entropy(Tensor(np.eye(4, 3)), np.array(labels))


def test_manual_seed_fixes_dropout():
    x = Tensor(np.ones(20, np.float32))
    masks = []
    for _ in range(2):
        chainrule.manual_seed(0)
        masks.append(functional.dropout(x, 0.5).tolist())
    assert masks[0] == masks[1] == nn_dropout(x) != functional.dropout(x, 0.5).tolist()
    assert (
        functional.dropout(x, 0.5, generator=3).tolist()
        == functional.dropout(x, 0.5, generator=np.int64(3)).tolist()
    )
    with pytest.raises(TypeError, match="generator: wanted np.random.default_rng"):
        functional.dropout(x, 0.5, generator="3")


def nn_dropout(x):
    """What the layer makes of x after the same seed."""
    chainrule.manual_seed(0)
    return nn.Dropout(0.5)(x).tolist()
