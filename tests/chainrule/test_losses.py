"""Losses: value and gradients equal PyTorch's in float64 for every option, finite differences, clear errors."""

import itertools

import numpy as np
import pytest
import torch

from chainrule import Tensor, losses
from chainrule.checks import assert_same_as_torch, check_grad

F = torch.nn.functional


def rng(seed=0):
    return np.random.default_rng(seed)


X, Y = rng(0).standard_normal((4, 5)), rng(1).standard_normal((4, 5))
TIED = np.array([[0.0, 1.0, -1.0, 2.0], [3.0, -3.0, 0.5, -0.5]])  # kinks of l1, huber and hinge among them
LOGITS, LABELS = rng(2).standard_normal((6, 4)), np.array([0, 3, 1, 1, 2, 0])
IMAGES, PIXELS = rng(3).standard_normal((2, 3, 2, 2)), rng(4).integers(0, 3, (2, 2, 2))
IGNORED = np.array([0, -100, 1, -100, 2, 0])
SOFT = rng(5).dirichlet(np.ones(4), 6)
ZEROS = np.where(SOFT < 0.2, 0.0, SOFT)
REDUCTIONS = ["mean", "sum", "none"]

CASES = [
    ("mse_loss", (X, Y), {}),
    ("l1_loss", (X, Y), {}),
    ("l1_loss", (TIED, np.zeros_like(TIED)), {}),
    *(("huber_loss", (a, b), {"delta": d}) for a, b in ((X, Y), (TIED, 0 * TIED)) for d in (1.0, 0.3)),
    ("binary_cross_entropy_with_logits", (X, rng(6).uniform(0, 1, X.shape)), {}),
    ("binary_cross_entropy_with_logits", (X * 1000, (Y > 0) * 1.0), {}),
    *(("multi_margin_loss", (LOGITS, LABELS), {"p": p, "margin": m}) for p, m in itertools.product((1, 2), (1.0, 0.4))),
    *(("cross_entropy", (LOGITS, t), {"label_smoothing": s})
      for t, s in itertools.product((LABELS, IGNORED, SOFT), (0.0, 0.2))),
    ("cross_entropy", (LOGITS, np.where(LABELS == 1, 9, LABELS)), {"ignore_index": 9}),
    ("cross_entropy", (IMAGES, PIXELS), {}),
    ("cross_entropy", (IMAGES, PIXELS), {"label_smoothing": 0.1}),
    ("cross_entropy", (LOGITS[0], np.array(2)), {}),
    ("cross_entropy", (LOGITS * 1000, LABELS), {}),
    ("kl_div", (np.log(SOFT), rng(7).dirichlet(np.ones(4), 6)), {}),
    ("kl_div", (np.log(SOFT), np.log(rng(7).dirichlet(np.ones(4), 6))), {"log_target": True}),
]  # fmt: skip


@pytest.mark.parametrize(
    "name, inputs, options", CASES, ids=[f"{i}-{case[0]}" for i, case in enumerate(CASES)]
)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype, tol", [(np.float64, 1e-10), (np.float32, 1e-5)])
def test_loss_as_torch(name, inputs, options, reduction, dtype, tol):
    if dtype == np.float32 and np.abs(inputs[0]).max() > 100:
        tol = 1e-4  # logits of 1,000 are known to 6e-5 in float32
    options = {"reduction": reduction} | options
    ours = lambda *t: getattr(losses, name)(*t, **options)
    theirs = lambda *t: getattr(F, name)(*t, **options)
    assert_same_as_torch(ours, theirs, *inputs, tol=tol, dtype=dtype)


def test_batchmean_of_kl_div_as_torch():
    for target, options in ((SOFT, {}), (np.log(SOFT), {"log_target": True})):
        options |= {"reduction": "batchmean"}
        assert_same_as_torch(
            lambda x, y, o=options: losses.kl_div(x, y, **o),
            lambda x, y, o=options: F.kl_div(x, y, **o),
            np.log(rng(8).dirichlet(np.ones(4), 6)),
            target,
        )


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_kl_div_where_the_target_is_0(reduction):
    assert (ZEROS == 0).any()  # PyTorch's gradient of the target is NaN there: the target is a constant here
    assert_same_as_torch(
        lambda x: losses.kl_div(x, ZEROS, reduction),
        lambda x: F.kl_div(x, torch.tensor(ZEROS), reduction=reduction),
        np.log(SOFT),
    )
    y = Tensor(ZEROS, requires_grad=True)
    losses.kl_div(np.log(SOFT), y).backward()
    assert np.isfinite(y.grad.numpy()).all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_hinge_as_written_with_torch(reduction):
    signs = np.where(Y > 0, 1.0, -1.0)

    def theirs(x):
        loss = torch.relu(1 - torch.tensor(signs) * x)
        return loss if reduction == "none" else getattr(loss, reduction)()

    assert_same_as_torch(lambda x: losses.hinge_loss(x, signs, reduction=reduction), theirs, X)


SMOOTH = [case for case in CASES if np.abs(case[1][0]).max() < 50 and case[1][0] is not TIED]


@pytest.mark.parametrize("name, inputs, options", SMOOTH)
def test_losses_against_differences(name, inputs, options):
    target = inputs[1]
    check_grad(lambda x: getattr(losses, name)(x, target, **options), inputs[0])


def test_every_loss_has_a_case():
    assert {name for name, *_ in CASES} | {"hinge_loss"} == set(losses.__all__)


def test_perfect_predictions_cost_nothing():
    assert losses.mse_loss(Tensor(X), X).item() == losses.l1_loss(Tensor(X), X).item() == 0
    assert losses.huber_loss(Tensor(X), X).item() == 0
    assert losses.kl_div(Tensor(np.log(SOFT)), SOFT, "batchmean").item() == pytest.approx(0, abs=1e-16)
    assert losses.multi_margin_loss(Tensor(10 * np.eye(4)), np.arange(4)).item() == 0
    assert losses.hinge_loss(Tensor([2.0, -3.0]), np.array([1, -1])).item() == 0


T = Tensor(LOGITS)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: losses.mse_loss(Tensor(X), Y[:, :1]), ValueError, r"\(4, 5\).*\(4, 1\).*must be alike"),
        (lambda: losses.l1_loss(Tensor(X), Y[:, :1]), ValueError, r"\(4, 5\).*\(4, 1\).*must be alike"),
        (lambda: losses.huber_loss(Tensor(X), Y[0]), ValueError, "huber_loss: x of shape"),
        (lambda: losses.hinge_loss(Tensor(X), Y[0]), ValueError, "must be alike"),
        (lambda: losses.kl_div(Tensor(X), Y[0]), ValueError, "must be alike"),
        (lambda: losses.huber_loss(Tensor(X), Y, delta=0), ValueError, "delta must be above 0"),
        (lambda: losses.cross_entropy(T, LABELS + 1), ValueError, "label 4 is out of range, wanted 0 to 3"),
        (lambda: losses.cross_entropy(T, LABELS - 1), ValueError, "label -1 is out of range"),
        (lambda: losses.cross_entropy(T, LABELS[:3]), ValueError, r"want labels of shape \(6,\)"),
        (lambda: losses.cross_entropy(T, SOFT[:, :2]), ValueError, r"probabilities of shape \(6, 4\)"),
        (lambda: losses.multi_margin_loss(T, LABELS + 1), ValueError, "label 4 is out of range, wanted 0 to 3"),
        (lambda: losses.multi_margin_loss(T, LABELS[:2]), ValueError, r"labels \(B,\)"),
        (lambda: losses.multi_margin_loss(T, LABELS * 1.0), ValueError, "integer labels"),
        (lambda: losses.multi_margin_loss(T, LABELS, p=3), ValueError, "p = 1 or 2"),
        *((lambda name=name, t=t: getattr(losses, name)(T, t, reduction="average"), ValueError, "got 'average'")
          for name, t in [("mse_loss", LOGITS), ("l1_loss", LOGITS), ("huber_loss", LOGITS), ("hinge_loss", LOGITS),
                          ("binary_cross_entropy_with_logits", SOFT), ("kl_div", SOFT), ("cross_entropy", LABELS),
                          ("multi_margin_loss", LABELS)]),
        *((lambda name=name: getattr(losses, name)(Tensor(np.zeros((0, 3))), np.zeros((0, 3))), ValueError, "empty")
          for name in ("l1_loss", "huber_loss", "kl_div")),
        (lambda: losses.multi_margin_loss(Tensor(np.zeros((0, 3))), np.zeros(0, int)), ValueError, "empty"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
