"""Initialisation: bounds and spread as PyTorch's, orthogonality, seeds, errors."""

import math

import numpy as np
import pytest
import torch

from chainrule import Tensor, init

SHAPES = [(60, 40), (64, 32, 3), (32, 16, 3, 3)]  # 2,400 entries or more: a mean is known to 0.02 std


def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scheme", ["xavier", "kaiming"])
@pytest.mark.parametrize("kind", ["uniform", "normal"])
@pytest.mark.parametrize("options", [0, 1])
def test_spread_as_torch(shape, scheme, kind, options):
    name = f"{scheme}_{kind}_"
    known = {
        "xavier": [{}, {"gain": 1.7}],
        "kaiming": [{}, {"a": 0.3, "mode": "fan_out", "nonlinearity": "leaky_relu"}],
    }
    named = known[scheme][options]
    w = Tensor(np.zeros(shape))
    assert getattr(init, name)(w, **named, generator=rng()) is w
    draws = [
        getattr(torch.nn.init, name)(
            torch.empty(shape, dtype=torch.float64), **named, generator=torch.Generator().manual_seed(seed)
        )
        for seed in range(20)
    ]
    wanted = torch.stack(draws)
    assert abs(w.numpy().std() / wanted.std().item() - 1) < 0.08
    assert abs(w.numpy().mean()) < 0.08 * wanted.std().item()
    if kind == "uniform":
        assert w.numpy().max() == pytest.approx(wanted.max().item(), rel=0.02)
        assert w.numpy().min() == pytest.approx(wanted.min().item(), rel=0.02)


@pytest.mark.parametrize(
    "name", ["linear", "conv1d", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu", "selu"]
)
@pytest.mark.parametrize("param", [None, 0.2])
def test_gain_as_torch(name, param):
    assert init.calculate_gain(name, param) == pytest.approx(torch.nn.init.calculate_gain(name, param))


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3), (8, 1, 3)])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_orthogonal(shape, gain):
    w = init.orthogonal_(Tensor(np.zeros(shape)), gain, rng()).numpy().reshape(shape[0], -1)
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, gain**2 * np.eye(len(small)), atol=1e-12)


def test_orthogonal_has_no_preferred_sign():
    diagonal = [init.orthogonal_(Tensor(np.zeros((2, 2))), generator=np.random.default_rng(i)).numpy()[0, 0]
                for i in range(400)]  # fmt: skip
    assert abs(np.mean(diagonal)) < 0.15  # plain QR gives a mean of -0.64


def test_he_keeps_a_signal_through_thirty_layers():
    x = rng().standard_normal((200, 100))
    for i in range(30):
        w = init.kaiming_normal_(Tensor(np.zeros((100, 100))), nonlinearity="relu",
                                 generator=np.random.default_rng(i))  # fmt: skip
        x = np.maximum(x @ w.numpy().T, 0)
    assert 0.1 < x.std() < 3


def test_constants_keep_dtype_and_are_seen_by_backward():
    w = Tensor(np.zeros((2, 3), np.float32), requires_grad=True)
    assert init.ones_(w).numpy().tolist() == [[1.0] * 3] * 2 and w.dtype == np.float32
    assert init.constant_(w, 0.5).numpy().max() == 0.5 and init.zeros_(w).numpy().max() == 0
    loss = (w * w).sum()
    init.normal_(w, 2.0, 1.0, rng())
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_seed_of_the_shared_generator():
    init.manual_seed(3)
    a = init.uniform_(Tensor(np.zeros(5))).numpy().copy()
    init.manual_seed(3)
    b = init.uniform_(Tensor(np.zeros(5))).numpy().copy()
    c = init.uniform_(Tensor(np.zeros(5)), generator=np.random.default_rng(3)).numpy()
    assert np.array_equal(a, b) and np.array_equal(a, c) and not math.isclose(a[0], a[1])


@pytest.mark.parametrize(
    "call, error, message",
    [
        (
            lambda: init.xavier_uniform_(Tensor(np.zeros(3))),
            ValueError,
            r"shape \(out, in, …\), got shape \(3,\)",
        ),
        (
            lambda: init.kaiming_normal_(Tensor(np.zeros((3, 3))), mode="both"),
            ValueError,
            "'fan_in' or 'fan_out'",
        ),
        (lambda: init.calculate_gain("swish"), ValueError, "got 'swish'"),
        (lambda: init.orthogonal_(Tensor(np.zeros(3))), ValueError, "at least two axes"),
        (lambda: init.uniform_(Tensor(np.zeros(3)), generator=7), TypeError, "default_rng"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
