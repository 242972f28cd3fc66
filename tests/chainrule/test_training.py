"""fit: history, validation, early stopping, checkpoints that carry on exactly, clear errors."""

import functools
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from chainrule import Tensor, data, init, nn, optim, training
from chainrule.losses import cross_entropy, mse_loss
from chainrule.training import accuracy, fit


def rng(seed=0):
    return np.random.default_rng(seed)


def setup(seed=0, lr=0.05, dropout=0.2):
    """Model, pair of arrays, optimiser: two moons, with dropout drawn from the shared generator."""
    init.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(2, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 2)
    )
    return model, data.moons(120, generator=rng()), optim.Adam(model.parameters(), lr=lr)


def test_it_learns_and_keeps_a_history():
    model, pair, optimizer = setup()
    schedule = optim.StepLR(optimizer, 10, gamma=0.5)
    history = fit(
        model,
        pair,
        cross_entropy,
        optimizer,
        30,
        validation=data.moons(100, generator=rng(1)),
        metric=accuracy,
        schedule=schedule,
        progress=False,
    )
    assert set(history) == {"loss", "lr", "val_loss", "val_accuracy"} and {
        len(v) for v in history.values()
    } == {30}
    assert history["loss"][-1] < 0.3 < history["loss"][0] and history["val_accuracy"][-1] > 0.9
    assert history["lr"][0] == 0.05 and history["lr"][10] == 0.025 and history["lr"][-1] == 0.0125


def test_one_epoch_is_the_loop_written_out():
    model, pair, optimizer = setup(dropout=0.0)
    history = fit(
        model,
        data.batches(*pair, batch_size=50, generator=rng()),
        cross_entropy,
        optimizer,
        1,
        progress=False,
    )
    again, _, other = setup(dropout=0.0)
    total = 0.0
    for x, y in data.batches(*pair, batch_size=50, generator=rng()):
        other.zero_grad()
        loss = cross_entropy(again(x), y)
        loss.backward()
        other.step()
        total += loss.item() * len(x)
    assert history["loss"] == [total / 120]
    for a, b in zip(model.parameters(), again.parameters(), strict=True):
        assert np.array_equal(a.numpy(), b.numpy())


def test_validation_is_in_eval_mode_and_weighs_batches_by_size():
    model, pair, optimizer = setup(dropout=0.9)
    history = fit(
        model,
        pair,
        cross_entropy,
        optimizer,
        1,
        validation=pair,
        metric=accuracy,
        batch_size=50,
        progress=False,
    )
    assert model.training and all(module.training for module in model.modules())  # as it was before
    model.eval()
    wanted = cross_entropy(model(pair[0]), pair[1]).item()
    assert history["val_loss"][0] == pytest.approx(wanted, rel=1e-5)
    assert history["val_accuracy"][0] == pytest.approx(accuracy(model(pair[0]), pair[1]))


def test_schedule_for_each_batch_and_clipping():
    model, pair, optimizer = setup()
    schedule = optim.OneCycleLR(optimizer, 0.1, total_steps=12)
    fit(
        model,
        pair,
        cross_entropy,
        optimizer,
        3,
        batch_size=30,
        schedule=schedule,
        schedule_each="batch",
        clip_norm=1e-3,
        progress=False,
    )
    assert schedule.last_epoch == 12
    norm = np.sqrt(sum((p.grad.numpy() ** 2).sum() for p in model.parameters()))
    assert norm == pytest.approx(1e-3, rel=1e-2)


def test_early_stopping_ends_with_the_best_parameters():
    model, pair, optimizer = setup(lr=0.5)
    history = fit(
        model, pair, cross_entropy, optimizer, 200, validation=pair, early_stopping=3, progress=False
    )
    best = int(np.argmin(history["val_loss"]))
    assert len(history["loss"]) == best + 4 < 200
    assert cross_entropy(model.eval()(pair[0]), pair[1]).item() == pytest.approx(
        history["val_loss"][best], rel=1e-5
    )


class Interrupted(optim.Adam):
    """Ctrl-C in the middle of an epoch."""

    left = 10

    def step(self):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        super().step()


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
def test_interrupted_and_carried_on_equals_never_interrupted(tmp_path, kind):
    def run(epochs, path, cls=None, batch_generator=None):
        model, pair, _ = setup()
        options = {"momentum": 0.9} if kind == "SGD" and cls is None else {}
        optimizer = (cls or getattr(optim, kind))(model.parameters(), lr=0.05, **options)
        schedule = optim.CosineAnnealingLR(optimizer, 8)
        history = fit(
            model,
            pair,
            cross_entropy,
            optimizer,
            epochs,
            validation=pair,
            schedule=schedule,
            early_stopping=5,
            checkpoint=path,
            progress=False,
            generator=rng(5),
        )
        return model, history

    whole, wanted = run(8, None)
    if kind == "Adam":
        with pytest.raises(KeyboardInterrupt):
            run(8, tmp_path / "run.npz", Interrupted)  # in epoch 3: four batches each
    else:
        run(3, tmp_path / "run.npz")
    assert [f.name for f in tmp_path.iterdir()] == ["run.npz"]
    init.manual_seed(99)  # another state of the shared generator, which the checkpoint must put right
    again, history = run(8, tmp_path / "run.npz")
    assert history == wanted
    for (name, a), b in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert np.array_equal(a, b), name
    assert run(8, tmp_path / "run.npz")[1] == wanted  # finished: nothing more is done


def test_a_real_ctrl_c_leaves_a_file_that_can_be_read(tmp_path):
    path = tmp_path / "run.npz"
    code = f"""
        import os
        import numpy as np
        from chainrule import data, losses, nn, optim, training

        told = []

        def loss(output, y):
            if os.path.exists({str(path)!r}) and not told:
                told.append(print("a checkpoint is there", flush=True))
            return losses.cross_entropy(output, y)

        model = nn.Linear(2, 2, generator=np.random.default_rng(0))
        pair = data.moons(64, generator=np.random.default_rng(0))
        optimizer = optim.SGD(model.parameters(), 0.1)
        training.fit(model, pair, loss, optimizer, 10**9, checkpoint={str(path)!r}, progress=False)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "a checkpoint is there\n"
    os.kill(process.pid, signal.SIGINT)
    try:
        assert "KeyboardInterrupt" in process.communicate(timeout=60)[1]
    finally:
        process.kill()
    model = nn.Linear(2, 2)
    optimizer = optim.SGD(model.parameters(), 0.1)
    run = training.Trainer(model, None, cross_entropy, optimizer, checkpoint=path)
    state = run.load()
    assert len(state["history"]["loss"]) >= 1 and state["model"]["weight"].shape == (2, 2)


def test_nan_is_named_before_it_reaches_the_parameters():
    model, (x, y), optimizer = setup()
    x[7] = np.nan
    before = model.state_dict()
    with pytest.raises(RuntimeError, match=r"loss is nan in epoch 1, batch 1: try a smaller learning rate"):
        fit(model, (x, y), cross_entropy, optimizer, 2, batch_size=120, progress=False)
    learned = dict(model.named_parameters())
    assert all(np.array_equal(before[k], p.numpy()) for k, p in learned.items())
    line = nn.Linear(1, 1, generator=rng())
    xs = rng().standard_normal((20, 1)).astype(np.float32)
    with pytest.raises(RuntimeError, match="loss is (inf|nan) in epoch"), np.errstate(all="ignore"):
        fit(line, (xs, xs), mse_loss, optim.SGD(line.parameters(), lr=1e6), 50, progress=False)


@pytest.mark.parametrize(
    "given, options, error, message",
    [
        (iter(()), {}, ValueError, "data gave no batches"),
        (None, {"validation": iter(())}, ValueError, "validation gave no batches"),
        ((np.ones((0, 2)), np.ones(0)), {}, ValueError, "at least one example"),
        ((np.ones((3, 2)), np.ones(4)), {}, ValueError, "one length"),
        (None, {"rate": 3}, TypeError, "rate"),
    ],
)
def test_errors(given, options, error, message):
    model, pair, optimizer = setup()
    with pytest.raises(error, match=message):
        fit(model, given or pair, cross_entropy, optimizer, 1, progress=False, **options)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    model, pair, optimizer = setup()
    fit(model, pair, cross_entropy, optimizer, 1, checkpoint=tmp_path / "a.npz", progress=False)
    other = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="does not fit Linear"):
        fit(
            other,
            pair,
            cross_entropy,
            optim.Adam(other.parameters()),
            1,
            checkpoint=tmp_path / "a.npz",
            progress=False,
        )


def test_progress(capsys, monkeypatch):
    def run(progress):
        model, pair, optimizer = setup()
        fit(model, pair, cross_entropy, optimizer, 2, progress=progress)
        return capsys.readouterr()

    shown = run(True)
    assert "fit: 100%" in shown.err and "loss=" in shown.err and not shown.out
    assert run(False) == ("", "")
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)  # as if it were not installed
    assert run(True) == ("", "")


def test_training_mode_is_set_again_after_validation():
    seen = []

    class Watched(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(2, 2, generator=rng())

        def forward(self, x):
            seen.append(self.training)
            return self.layer(x)

    model = Watched()
    pair = data.moons(40, generator=rng())
    fit(
        model,
        pair,
        cross_entropy,
        optim.SGD(model.parameters(), 0.1),
        2,
        validation=pair,
        batch_size=40,
        progress=False,
    )
    assert seen == [False, True, False, True, False]  # validation is tried once before the first step


# What is wrong is told before the first step, and by name.


class Counted:
    """A loss that counts how often it is asked."""

    def __init__(self):
        self.count = 0

    def __call__(self, output, target):
        self.count += 1
        return cross_entropy(output, target)


X, Y = np.zeros((65, 2), np.float32), np.zeros(65, int)


def sevens(output, target):
    """A metric that does not fit."""
    raise ValueError("sevens wants seven classes")


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        ([X, Y], {}, ValueError, r"fit: data gives pairs \(x, y\) .* \(a tuple\); got ndarray"),
        ((X, Y, Y), {}, ValueError, r"data is a pair \(x, y\), got a tuple of 3"),
        ((X, Y[:3]), {}, ValueError, r"batches: wanted arrays of one length, got shapes \[\(65, 2\), \(3,\)\]"),
        (None, {}, TypeError, "data is a pair .* got NoneType"),
        ("moons", {}, TypeError, "data is a pair .* got str"),
        (iter([(X, Y)]), {"epochs": 2}, ValueError, "data gave no batches; a generator can be gone through only once"),
        ((X, Y), {"validation": iter([(X, Y)]), "epochs": 2}, ValueError, "validation gave no batches"),
        ((X, Y), {"validation": (X, Y[:2])}, ValueError, "one length"),
        ((X, Y), {"validation": (X[:, :1], Y)}, ValueError, "linear: x of shape"),
        ((X, Y), {"validation": (X, Y + 9)}, ValueError, "cross_entropy: label 9 is out of range"),
        ((X, Y), {"validation": (X, Y), "metric": sevens}, ValueError, "sevens wants seven"),
        ((X, Y), {"metric": accuracy}, ValueError, "metric wants validation data"),
        ((X, Y), {"validation": (X, Y), "metric": "accuracy"}, ValueError, "metric wants .* function, got 'accuracy'"),
        ((X, Y), {"checkpoint": "no-such-folder/c.npz"}, FileNotFoundError, "there is no folder no-such-folder"),
        ((X, Y), {"epochs": -1}, ValueError, "epochs is a whole number from 0 on, got -1"),
        ((X, Y), {"epochs": 1.5}, ValueError, "epochs is a whole number from 0 on, got 1.5"),
        ((X, Y), {"epochs": None}, ValueError, "epochs is a whole number"),
        ((X, Y), {"early_stopping": "yes"}, TypeError, "early_stopping is a patience or an EarlyStopping, got 'yes'"),
        ((X, Y), {"early_stopping": True}, TypeError, "early_stopping is a patience"),
        ((X, Y), {"early_stopping": -1}, ValueError, "patience and min_delta are numbers from 0 on"),
        ((X, Y), {"schedule_each": "step"}, ValueError, "schedule_each is 'epoch' or 'batch'"),
        ((X, Y), {"batch_size": 0}, ValueError, "at least one example a batch, got 65 by 0"),
        ((X, Y), {"batch_size": 64, "norm": True}, ValueError, "a last batch of 1 .65 .*: pass .*drop_last=True"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_before_the_first_step(given, options, error, message):
    loss, options = Counted(), dict(options)
    norm = nn.BatchNorm1d(2) if options.pop("norm", False) else nn.Identity()
    model = nn.Sequential(nn.Linear(2, 2), norm)
    before = model.state_dict()
    epochs = options.pop("epochs", 1)
    with pytest.raises(error, match=message):
        fit(model, given, loss, optim.SGD(model.parameters()), epochs, progress=False, **options)
    assert loss.count <= ("validation" in options) and model.training
    assert all(np.array_equal(x, before[name]) for name, x in model.state_dict().items())


def test_an_optimizer_of_another_model_trains_nothing():
    model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    with pytest.raises(ValueError, match="the optimizer has none of the model's parameters"):
        fit(model, (X, Y), cross_entropy, optim.SGD(other.parameters()), 1, progress=False)


def test_a_loss_that_is_a_number():
    model = nn.Linear(2, 2)
    with pytest.raises(TypeError, match="wanted a loss that is a Tensor, got float"):
        fit(model, (X, Y), lambda output, y: 1.0, optim.SGD(model.parameters()), 1, progress=False)


def test_a_metric_without_a_name():
    model = nn.Linear(2, 2)
    options = {"validation": (X, Y), "metric": functools.partial(accuracy), "progress": False}
    history = fit(model, (X, Y), cross_entropy, optim.SGD(model.parameters()), 1, **options)
    assert history["val_accuracy"] == [1.0] or history["val_accuracy"] == [0.0]


@pytest.mark.parametrize("validation", [None, (X, Y)])
def test_every_module_is_in_the_mode_that_it_was_in(validation):
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Sequential(nn.Dropout()))
    model[2].eval()
    modes = [module.training for module in model.modules()]
    options = {"validation": validation, "progress": False}
    fit(model, (X, Y), cross_entropy, optim.SGD(model.parameters()), 1, **options)
    assert [module.training for module in model.modules()] == modes
    model.eval()
    with pytest.raises(RuntimeError, match="loss is nan"):
        fit(model, (X * np.nan, Y), cross_entropy, optim.SGD(model.parameters()), 1, **options)
    assert not any(module.training for module in model.modules())


@pytest.mark.parametrize("damage", ["empty", "half", "text", "other", "pickle"])
def test_a_damaged_checkpoint(tmp_path, damage):
    path = tmp_path / "c.npz"
    model, pair, optimizer = setup()
    fit(model, pair, cross_entropy, optimizer, 1, checkpoint=path, progress=False)
    whole = path.read_bytes()
    if damage == "other":
        np.savez(path, weight=np.ones(3))
    elif damage == "pickle":
        with open(path, "wb") as file:
            np.save(file, np.array([{}]), allow_pickle=True)
    else:
        path.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "text": b"hello"}[damage])
    with pytest.raises(RuntimeError, match="c.npz is no checkpoint, or damaged: move it away to start anew"):
        fit(model, pair, cross_entropy, optimizer, 2, checkpoint=path, progress=False)


def test_a_validation_loss_that_is_nan_is_never_the_best():
    stop = optim.EarlyStopping(patience=2)
    assert [stop(x) for x in (np.nan, 3.0, np.nan, 2.0, np.nan, np.nan)] == [
        False,
        False,
        False,
        False,
        False,
        True,
    ]
    assert stop.best == 2.0
    stop = optim.EarlyStopping(patience=2, mode="max")
    assert [stop(x) for x in (np.nan, np.nan)] == [False, True] and stop.best is None


@pytest.mark.parametrize(
    ("output", "target"),
    [((4, 3), np.zeros((4, 1), int)), ((4, 3), np.zeros(3, int)), ((4,), np.zeros(4, int)), ((0, 3), np.zeros(0, int)),
     ((4, 3), np.zeros(4)), ((4, 3), np.zeros((4, 3), int)), ((4, 0), np.zeros(4, int))],
)  # fmt: skip
def test_accuracy_of_what_does_not_fit(output, target):
    with pytest.raises(
        ValueError, match=r"accuracy: wanted scores \(B, C\) .*and integer labels \(B,\), got"
    ):
        accuracy(Tensor(np.ones(output)), target)
    with pytest.raises(ValueError, match="accuracy: wanted scores"):
        accuracy(torch.ones(output), torch.tensor(target))


def test_accuracy_of_many_in_float16():
    scores = Tensor(np.tile(np.array([0, 1], np.float16), (70_000, 1)))
    assert accuracy(scores, np.ones(70_000, int)) == 1.0
