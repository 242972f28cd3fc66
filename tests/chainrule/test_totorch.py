"""chainrule.torch: models there and back, the table of counterparts, fit, and no device named anywhere."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch

import chainrule.torch as ct
from chainrule import data, init, losses, nn, ops, optim, training

F = torch.nn.functional


def rng(seed=0):
    return np.random.default_rng(seed)


def resolve(path):
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_table_names_everything_and_nothing_else():
    layers = {f"nn.{k}" for k, v in vars(nn).items()
              if isinstance(v, type) and issubclass(v, nn.Module) and k == v.__name__ and k[0] != "_"}  # fmt: skip
    known = {f"optim.{k}" for k, v in vars(optim).items() if isinstance(v, type)
             and issubclass(v, optim.Optimizer | optim.LRScheduler)}  # fmt: skip
    layers = {k for k in layers if not k.startswith("nn.Lazy")}
    layers -= {"nn.Module", "nn.ModuleList", "nn.ModuleDict", "nn.ParameterList"}
    wanted = layers | {f"losses.{k}" for k in losses.__all__} | {"optim.clip_grad_norm_"}
    wanted |= known - {"optim.Optimizer", "optim.LRScheduler"}
    wanted |= {f"ops.{k}" for k in ops.__all__ if k not in {"cat", *losses.__all__}}
    assert set(ct.COUNTERPARTS) == wanted
    for ours, theirs in ct.COUNTERPARTS.items():
        assert callable(resolve(f"chainrule.{ours}")) and callable(resolve(theirs)), ours


def build(dropout=0.1):
    return nn.Sequential(
        nn.Conv2d(1, 4, (3, 3), padding=1, groups=1), nn.BatchNorm2d(4, momentum=0.3), nn.LeakyReLU(0.2),
        nn.MaxPool2d(2, 1), nn.AvgPool2d((2, 1)),
        nn.Residual(nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.GELU("tanh"))),
        nn.Residual(nn.Conv2d(4, 2, 1, bias=False), nn.Conv2d(4, 2, 1)), nn.Softplus(2.0), nn.Flatten(),
        nn.Linear(2 * 2 * 5, 6, bias=False), nn.LayerNorm(6, bias=False), nn.Tanh(), nn.Sigmoid(), nn.Identity(),
        nn.BatchNorm1d(6, affine=False), nn.Dropout(dropout), nn.Linear(6, 3), nn.Softmax(1), nn.ReLU(),
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_there_and_back(dtype):
    init.manual_seed(0)
    model = build().to(dtype).eval()
    theirs = ct.to_torch(model, "cpu")
    x = rng().standard_normal((3, 1, 6, 6)).astype(dtype)
    wanted = model(x).numpy()
    got = theirs(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-10 if dtype == np.float64 else 1e-5, atol=1e-7)
    assert not theirs.training and got.dtype == dtype
    back = ct.from_torch(theirs)
    np.testing.assert_array_equal(back(x).numpy(), wanted)
    assert repr(ct.to_torch(back, "cpu")) == repr(theirs) and not back.training
    for (name, a), b in zip(model.state_dict().items(), back.state_dict().values(), strict=True):
        assert np.array_equal(a, b) and a.dtype == b.dtype, name


SEQUENCES = [
    lambda: nn.RNN(3, 4, 2, "relu", False, True, 0.1),
    lambda: nn.RNN(3, 4, bidirectional=True),
    lambda: nn.LSTM(3, 4, num_layers=2, batch_first=True, dropout=0.2),
    lambda: nn.LSTM(3, 4, 2, False, True, 0.1, True),
    lambda: nn.GRU(3, 4, 2, False, True, 0.1, True),
    lambda: nn.MultiheadAttention(4, 2, 0.1, batch_first=True),
    lambda: nn.MultiheadAttention(4, 2, bias=False),
    lambda: nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
    lambda: nn.Embedding(5, 3),
    lambda: nn.Embedding(5, 3, padding_idx=-2),
    lambda: nn.Conv1d(2, 4, 3, stride=2, dilation=2, groups=2, bias=False),
    lambda: nn.Conv2d(2, 4, 3, padding="same"),
    lambda: nn.Sequential(nn.MaxPool1d(2), nn.AvgPool1d(2)),
    lambda: nn.Sequential(nn.MaxPool1d(2, dilation=3), nn.MaxPool2d(2, ceil_mode=True)),
    lambda: nn.Sequential(nn.AvgPool1d(2, 2, 1, True, False), nn.AvgPool2d(2, 2, 1, True, False, 3)),
    lambda: nn.BatchNorm1d(3, momentum=None),
    lambda: nn.BatchNorm2d(3, affine=False, track_running_stats=False),
]


@pytest.mark.parametrize("make", SEQUENCES)
def test_other_layers_there_and_back(make):
    model = make()
    theirs = ct.to_torch(model, "cpu")
    assert type(theirs).__name__ == type(model).__name__ and theirs.training
    back = ct.from_torch(theirs)
    assert type(back) is type(model) and repr(ct.to_torch(back, "cpu")) == repr(theirs)
    for name, value in model.state_dict().items():
        assert np.array_equal(value, back.state_dict()[name]) and np.array_equal(
            value, theirs.state_dict()[name]
        )


def test_dtype_frozen_parameters_and_shared_modules():
    shared = nn.Linear(2, 2)
    model = nn.Sequential(shared, nn.Tanh(), shared)
    shared.bias.requires_grad = False
    theirs = ct.to_torch(model, "cpu", torch.bfloat16)
    assert theirs[0] is theirs[2] and theirs[0].weight.dtype == torch.bfloat16
    assert theirs[0].weight.requires_grad and not theirs[0].bias.requires_grad
    theirs[0].weight.data += 1
    assert (shared.weight.numpy() < 1).all()  # weights are copies


class Own(nn.Module):
    def __init__(self):
        self.inner = nn.Linear(2, 2)

    def forward(self, x):
        return self.inner(x) * 2


class OwnTorch(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Linear(2, 2)

    def forward(self, x):
        return self.inner(x) * 2


class OwnWithCounterpart(Own):
    def to_torch(self):
        return OwnTorch()


def test_own_classes():
    model = nn.Sequential(OwnWithCounterpart(), nn.ReLU())
    x = rng().standard_normal((3, 2)).astype(np.float32)
    got = ct.to_torch(model, "cpu")(torch.tensor(x)).detach().numpy()
    np.testing.assert_allclose(got, model(x).numpy(), rtol=1e-6)


def test_hinge_loss_in_torch():
    x, y = rng().standard_normal(20), rng(1).choice([-1.0, 1.0], 20)
    for reduction in ("mean", "sum", "none"):
        got = ct.hinge_loss(torch.tensor(x), torch.tensor(y), reduction=reduction)
        np.testing.assert_allclose(
            got, losses.hinge_loss(nn.Tensor(x), y, reduction=reduction).numpy(), rtol=1e-12
        )


def test_nothing_names_a_device():
    """A step on torch's meta device, which has shapes and no numbers: any tensor left on the CPU would clash."""
    model = ct.to_torch(build(), "meta")
    assert {p.device.type for p in model.parameters()} | {b.device.type for b in model.buffers()} == {"meta"}
    optimizer = torch.optim.AdamW(model.parameters())
    run = ct.TorchTrainer(model, None, F.cross_entropy, optimizer, clip_norm=1.0)
    assert run.device.type == "meta"
    x, y = np.zeros((4, 1, 6, 6), np.float32), np.zeros(4, np.int64)
    loss = run.step(x, nn.wrap(y), "here")
    assert loss.device.type == "meta" and all(p.grad.device.type == "meta" for p in model.parameters())
    hinge = ct.hinge_loss(torch.zeros(3, device="meta"), torch.ones(3, device="meta"))
    assert hinge.device.type == "meta" and run.snapshot()["0.weight"].device.type == "meta"


def test_a_device_that_is_named_gets_the_model():
    model = ct.to_torch(nn.Linear(2, 2), "cpu")
    run = ct.TorchTrainer(model, None, F.cross_entropy, torch.optim.SGD(model.parameters()), device="meta")
    assert next(model.parameters()).device.type == run.place(np.ones(3)).device.type == "meta"


def both(dtype=np.float64, lr=0.05, seed=0):
    init.manual_seed(seed)
    # No bias before the batch norm, which would take it away again: its gradient is 0 but for rounding, and Adam would
    # make steps of that, others on every processor.
    layers = nn.Linear(2, 16, bias=False), nn.BatchNorm1d(16), nn.Tanh(), nn.Linear(16, 2)
    model = nn.Sequential(*layers).to(dtype)
    x, y = data.moons(120, generator=rng())
    return model, ct.to_torch(model, "cpu"), (x.astype(dtype), y)


def test_fit_is_the_same_fit():
    ours, theirs, pair = both()
    options = dict(
        epochs=6, validation=pair, metric=training.accuracy, clip_norm=0.5, early_stopping=4, progress=False
    )
    optimizer = optim.Adam(ours.parameters(), lr=0.05)
    mine = training.fit(ours, pair, losses.cross_entropy, optimizer, generator=rng(1),
                        schedule=optim.StepLR(optimizer, 2, 0.5), **options)  # fmt: skip
    optimizer = torch.optim.Adam(theirs.parameters(), lr=0.05)
    yours = ct.fit(theirs, pair, F.cross_entropy, optimizer, generator=rng(1),
                   schedule=torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5), **options)  # fmt: skip
    assert mine.keys() == yours.keys()
    for name in mine:
        np.testing.assert_allclose(mine[name], yours[name], rtol=1e-9, err_msg=name)
    for (name, a), b in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=1e-8, atol=1e-10, err_msg=name)


def test_fit_on_float32_learns_in_mixed_precision_and_compiled():
    for options in ({"mixed_precision": True}, {"compile": "eager"}, {"device": "cpu"}):
        _, model, pair = both(np.float32)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
        history = ct.fit(model, pair, F.cross_entropy, optimizer, 8, progress=False, **options)
        assert history["loss"][-1] < 0.35 < history["loss"][0]
        assert next(model.parameters()).dtype == torch.float32


def test_mixed_precision_computes_in_bfloat16():
    _, model, pair = both(np.float32)
    seen = []
    loss = lambda output, y: seen.append(output.dtype) or F.cross_entropy(output, y)
    ct.fit(
        model, pair, loss, torch.optim.SGD(model.parameters(), 0.1), 1, mixed_precision=True, progress=False
    )
    assert set(seen) == {torch.bfloat16}


def test_checkpoint_carries_on_exactly(tmp_path):
    def run(epochs, path):
        torch.manual_seed(0)
        _, model, pair = both(np.float32)
        model.append(torch.nn.Dropout(0.3))
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.05)
        history = ct.fit(model, pair, F.cross_entropy, optimizer, epochs, validation=pair, early_stopping=9,
                         checkpoint=path, generator=rng(2), progress=False)  # fmt: skip
        return history, model.state_dict()

    wanted, state = run(6, None)
    run(3, tmp_path / "run.pt")
    torch.manual_seed(5)
    history, again = run(6, tmp_path / "run.pt")
    assert history == wanted and all(torch.equal(state[k], again[k]) for k in state)


def test_batches_of_torch_tensors_are_taken_too():
    _, model, (x, y) = both(np.float32)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y)), batch_size=40
    )
    history = ct.fit(
        model, loader, F.cross_entropy, torch.optim.SGD(model.parameters(), 0.1), 2, progress=False
    )
    assert history["loss"][1] < history["loss"][0]


def fit_with(x, **options):
    model = torch.nn.Linear(2, 2)
    y = np.zeros(len(x), np.int64)
    ct.fit(
        model, (x, y), F.cross_entropy, torch.optim.SGD(model.parameters(), 0.1), 1, progress=False, **options
    )


def test_device_0_is_a_device_and_not_none(monkeypatch):
    for backend in (torch.cuda, torch.backends.mps):
        monkeypatch.setattr(backend, "is_available", lambda: False)
    with pytest.raises(ValueError, match="device"):
        fit_with(np.zeros((4, 2), np.float32), device=0)


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda: ct.to_torch(nn.Sequential(Own()), "cpu"), TypeError, r"Own has no counterpart.*to_torch\(\)"),
        (lambda: ct.from_torch(torch.nn.Bilinear(2, 2, 2)), TypeError, "Bilinear has no counterpart"),
        (lambda: ct.from_torch(torch.nn.Conv2d(1, 1, 3, padding_mode="reflect")), TypeError, "padding_mode='reflect'"),
        (lambda: ct.from_torch(torch.nn.LSTM(2, 3, proj_size=1)), RuntimeError, "unknown: weight_hr_l0"),
        (lambda: ct.from_torch(torch.nn.Embedding(3, 2, max_norm=1.0)), TypeError, "max_norm=1.0"),
        (lambda: ct.from_torch(torch.nn.MaxPool2d(2, return_indices=True)), TypeError, "return_indices=True"),
        (lambda: ct.to_torch(nn.Linear(2, 2), "abacus"), ValueError, "no device is called 'abacus'"),
        (lambda: fit_with(np.zeros((4, 2), np.float32), device="abacus"), ValueError, "no device is called"),
        (lambda: fit_with(np.full((4, 2), np.nan, np.float32)), RuntimeError, "loss is nan in epoch 1"),
        (lambda: fit_with(np.zeros((0, 2), np.float32)), ValueError, "at least one example"),
    ],
)  # fmt: skip
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_import_needs_no_torch():
    code = (
        "import sys, chainrule.torch; print('torch' in sys.modules, len(chainrule.torch.COUNTERPARTS) > 30)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False True\n"
    )
