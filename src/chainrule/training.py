"""The training loop: `fit`, with progress, history, validation, early stopping and checkpoints.

`chainrule.torch.fit` is the same loop around PyTorch models: it replaces only the methods of `Trainer` that touch
tensors.
"""

import json
import warnings
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from chainrule.autograd import no_grad
from chainrule.data import batches
from chainrule.init import generator_or_shared
from chainrule.optim import EarlyStopping, clip_grad_norm_

History = dict[str, list[float]]


def accuracy(output: Any, target: Any) -> float:
    """Part of the rows of output, **shape** (B, C), whose largest score stands at the label in target, (B,).

    Raises:
        ValueError: if output or target has another shape, there are no rows, or target does not hold integers.
    """
    scores, labels, dtype = tuple(output.shape), tuple(target.shape), str(target.dtype)
    if len(scores) != 2 or labels != scores[:1] or 0 in scores or "int" not in dtype:
        wanted = "wanted scores (B, C) with C from 2 on, and integer labels (B,)"
        raise ValueError(f"accuracy: {wanted}, got {scores} and {dtype} {labels}")
    return float((output.argmax(1) == target).sum()) / len(target)


def fit(model: Any, data: Any, loss: Any, optimizer: Any, epochs: int = 10, **options: Any) -> History:
    """Losses of each epoch, after training the model in place.

    Args:
        model: Module; called with a batch of inputs.
        data: a pair (x, y) of arrays, or anything that gives pairs (x, y) of batches each time it is gone through,
            such as `chainrule.data.batches(x, y)`.
        loss: function of output and y that gives a scalar.
        optimizer: over the parameters of model.
        epochs: how often data is gone through, epochs from a checkpoint included.
        **options: any of the following.
        validation: data to look at after each epoch, in eval mode: "val_loss" in the history.
        metric: function of output and y, averaged over validation: "val_" and its name; see `accuracy`.
        schedule: its step() is called after every epoch, or after every batch with `schedule_each="batch"`.
        clip_norm: gradients are scaled down to this norm.
        early_stopping: an `EarlyStopping`, or its patience. It watches "val_loss" (without validation, "loss"),
            and the model ends with the parameters of its best epoch.
        checkpoint: path of a file that is written after every epoch. Where it exists, training goes on from it, so
            that after Ctrl-C the same call carries on as if nothing had happened.
        progress: show a bar, if tqdm is installed.
        batch_size: for pairs of arrays.
        generator: source of the order of batches, for a pair of arrays.

    Returns:
        The history: "loss", "lr", and what was asked for, each a list with one number an epoch. Every module is in the
        mode (train or eval) that it was in before.

    Raises:
        RuntimeError: if a loss is NaN or infinite, or the checkpoint cannot be read.
        ValueError, TypeError: if data, validation or an option is not what is wanted; as far as possible before the
            first step.
        FileNotFoundError: if the folder of the checkpoint does not exist.
    """
    return Trainer(model, data, loss, optimizer, epochs, **options).run()


@dataclass
class Trainer:
    """One run of `fit`; the arguments are explained there."""

    model: Any
    data: Any
    loss: Callable[..., Any]
    optimizer: Any
    epochs: int = 10
    validation: Any = None
    metric: Callable[..., float] | None = None
    schedule: Any = None
    schedule_each: str = "epoch"
    clip_norm: float | None = None
    early_stopping: EarlyStopping | int | None = None
    checkpoint: Any = None
    progress: bool = True
    batch_size: int = 32
    generator: np.random.Generator | None = None
    history: History = field(default_factory=lambda: {"loss": []})
    best: dict[str, Any] | None = None

    def run(self) -> History:
        """Train, and return the history."""
        modes = [(module, module.training) for module in self.model.modules()]
        try:
            self.check()
            return self.go()
        finally:
            for module, mode in modes:
                module.training = mode

    def go(self) -> History:
        """All epochs that are still to come."""
        stop = self.early_stopping
        stop = self.early_stopping = EarlyStopping(stop) if isinstance(stop, int) else stop
        if self.checkpoint and Path(self.checkpoint).exists():
            self.restore(self.read())
        with closing(_bar(self)) as bar:
            while len(self.history["loss"]) < self.epochs and not (stop and stop.done):
                self.epoch(bar)
                if self.checkpoint:
                    part = Path(f"{self.checkpoint}.part")
                    self.save(part)
                    part.replace(self.checkpoint)  # all or nothing: what was there survives a crash
        if self.best is not None:
            self.model.load_state_dict(self.best)
        return self.history

    # What is looked at before the first step.

    def check(self) -> None:
        """Refuse what would fail later, or train nothing."""
        mine = {id(p) for p in self.model.parameters()}
        if not any(id(p) in mine for group in self.optimizer.param_groups for p in group["params"]):
            raise ValueError(
                "fit: the optimizer has none of the model's parameters, so nothing would be trained"
            )
        self.check_options()
        self.data = self.in_batches("data", self.data)
        self.check_last(self.data)
        if self.validation is not None:
            self.validation = self.in_batches("validation", self.validation, shuffle=False)
            if isinstance(self.validation, batches) and not self.validation.shuffle:
                self.evaluate([next(iter(self.validation))])

    def check_options(self) -> None:
        """Refuse options that are not what is wanted."""
        if self.schedule_each not in ("epoch", "batch"):
            raise ValueError(f"fit: schedule_each is 'epoch' or 'batch', got {self.schedule_each!r}")
        if isinstance(self.epochs, bool) or not isinstance(self.epochs, int) or self.epochs < 0:
            raise ValueError(f"fit: epochs is a whole number from 0 on, got {self.epochs!r}")
        if not isinstance(self.early_stopping, EarlyStopping | int | None) or self.early_stopping is True:
            raise TypeError(
                f"fit: early_stopping is a patience or an EarlyStopping, got {self.early_stopping!r}"
            )
        if self.metric is not None and (self.validation is None or not callable(self.metric)):
            raise ValueError(f"fit: metric wants validation data and a function, got {self.metric!r}")
        if self.checkpoint and not Path(self.checkpoint).parent.is_dir():
            raise FileNotFoundError(
                f"fit: there is no folder {Path(self.checkpoint).parent} for the checkpoint"
            )

    def in_batches(self, name: str, data: Any, shuffle: bool = True) -> Any:
        """The data as something that gives pairs of batches each time it is gone through."""
        if isinstance(data, tuple):
            if len(data) != 2:
                raise ValueError(f"fit: {name} is a pair (x, y), got a tuple of {len(data)}")
            return batches(*data, batch_size=self.batch_size, shuffle=shuffle, generator=self.generator)
        if not hasattr(data, "__iter__") or isinstance(data, str | dict):
            raise TypeError(f"fit: {name} is a pair (x, y) or gives batches, got {type(data).__name__}")
        if isinstance(data, list) and data:
            _pair(name, data[0])
        if iter(data) is data and self.epochs > 1:
            raise ValueError(f"fit: {name} gave no batches; a generator can be gone through only once")
        return data

    def check_last(self, data: Any) -> None:
        """Refuse a last batch of one example, of which batch norm can make nothing."""
        alone = isinstance(data, batches) and not data.drop_last and data.n % data.batch_size == 1
        norms = any(type(module).__name__ == "BatchNorm1d" for module in self.model.modules())
        if alone and norms and data.arrays[0].ndim == 2:
            remedy = "pass chainrule.data.batches(x, y, drop_last=True), or another batch_size"
            raise ValueError(
                f"fit: batch norm cannot train on a last batch of 1 ({data.n} examples): {remedy}"
            )

    def epoch(self, bar: Any) -> None:
        """Go through the data once, and take down how it went."""
        number = len(self.history["loss"]) + 1
        rate = self.optimizer.param_groups[0]["lr"]
        self.model.train()
        total, count = 0.0, 0
        for i, pair in enumerate(self.data, 1):
            x, y = _pair("data", pair)
            total += self.step(x, y, f"epoch {number}, batch {i}") * len(x)
            count += len(x)
            if self.schedule is not None and self.schedule_each == "batch":
                self.schedule.step()
            bar.update()
        if count == 0:
            raise ValueError("fit: data gave no batches; a generator can be gone through only once")
        record = {"loss": _finite(float(total) / count, f"epoch {number}"), "lr": rate}
        record |= self.evaluate(self.validation)
        if self.schedule is not None and self.schedule_each == "epoch":
            self.schedule.step()
        self.take_down(record, bar)

    def take_down(self, record: dict[str, float], bar: Any) -> None:
        """Add an epoch to the history, and keep the parameters if they are the best so far."""
        for name, value in record.items():
            self.history.setdefault(name, []).append(value)
        bar.set_postfix({name: f"{value:.4g}" for name, value in record.items()})
        stop = self.early_stopping
        if isinstance(stop, EarlyStopping):
            stop(record.get("val_loss", record["loss"]))
            self.best = self.snapshot() if stop.waited == 0 else self.best

    def evaluate(self, data: Any) -> dict[str, float]:
        """Loss and metric on validation data, in eval mode; nothing if there is none."""
        if data is None:
            return {}
        self.model.eval()
        measures = {"val_loss": self.loss}
        measures |= {f"val_{_name(self.metric)}": self.metric} if self.metric else {}
        seen, sizes = [], []
        with self.without_gradient():
            for x, y in (_pair("validation", pair) for pair in data):
                output, y = self.model(self.place(x)), self.place(y)
                seen.append([float(measure(output, y)) for measure in measures.values()])
                sizes.append(len(x))
        if not seen:
            raise ValueError("fit: validation gave no batches; a generator can be gone through only once")
        return dict(zip(measures, np.average(seen, 0, sizes).tolist(), strict=True))

    # What is different for PyTorch.

    without_gradient = no_grad

    def place(self, batch: Any) -> Any:
        """The batch as the model wants it."""
        return batch

    def step(self, x: Any, y: Any, where: str) -> Any:
        """Loss of one batch, after one step of the optimiser."""
        self.optimizer.zero_grad()
        loss = self.loss(self.model(x), y)
        if not hasattr(loss, "backward"):
            raise TypeError(f"fit: wanted a loss that is a Tensor, got {type(loss).__name__}")
        value = _finite(loss.item(), where)
        loss.backward()
        if self.clip_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.clip_norm)
        self.optimizer.step()
        return value

    def snapshot(self) -> dict[str, Any]:
        """Copies of the parameters and buffers."""
        return {name: tensor.numpy().copy() for name, tensor in self.model.state_dict().items()}

    def save(self, path: Path) -> None:
        """Write the state to a file: JSON, with the number of an array in place of each array."""
        arrays: list[np.ndarray] = []

        def note(array: np.ndarray) -> dict[str, int]:
            arrays.append(np.asarray(array))
            return {"array": len(arrays) - 1}

        text = json.dumps(self.state(), default=note)
        with open(path, "wb") as file:
            np.savez(file, *arrays, text=text)  # type: ignore[arg-type]

    def load(self) -> dict[str, Any]:
        """Read the state from the checkpoint."""
        with np.load(self.checkpoint) as saved:
            find = lambda note: saved[f"arr_{note['array']}"] if note.keys() == {"array"} else note
            return json.loads(saved["text"].item(), object_hook=find)

    def read(self) -> dict[str, Any]:
        """The state from the checkpoint, or an error that says what to do about the file."""
        remedy = f"fit: {self.checkpoint} is no checkpoint, or damaged: move it away to start anew"
        try:
            state = self.load()
        except Exception as error:
            raise RuntimeError(remedy) from error
        if not {"model", "optimizer", "history", "best", "stop", "random"} <= set(state):
            raise RuntimeError(remedy)
        return state

    # What a checkpoint holds.

    def generators(self) -> list[np.random.Generator]:
        """The generators that a run draws from: the shared one, that of the batches, and those of the layers."""
        own = (getattr(holder, "generator", None) for holder in (self.data, *self.model.modules()))
        return [generator_or_shared(None), *(g for g in own if isinstance(g, np.random.Generator))]

    def state(self) -> dict[str, Any]:
        """Everything that a run needs to go on: numbers, lists, dicts and arrays."""
        parts = {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule}
        held = {name: part.state_dict() for name, part in parts.items() if part is not None}
        stop = vars(self.early_stopping) if self.early_stopping else None
        random = [g.bit_generator.state for g in self.generators()]
        return held | {"history": self.history, "best": self.best, "stop": stop, "random": random}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state."""
        for name in ("model", "optimizer", "schedule"):
            if name in state:
                getattr(self, name).load_state_dict(state[name])
        self.history, self.best = state["history"], state["best"]
        if self.early_stopping and state["stop"]:
            vars(self.early_stopping).update(state["stop"])
        if len(generators := self.generators()) != len(state["random"]):
            saved = len(state["random"])
            raise RuntimeError(
                f"fit: the checkpoint was made with {saved} generators, here are {len(generators)}"
            )
        for g, saved in zip(generators, state["random"], strict=True):
            g.bit_generator.state = saved


def _pair(name: str, item: Any) -> Any:
    """What data gave, if it is a pair of batches."""
    if not isinstance(item, tuple | list) or len(item) != 2:
        got = f"{len(item)} things" if isinstance(item, tuple | list) else type(item).__name__
        raise ValueError(
            f"fit: {name} gives pairs (x, y) of batches, or is one such pair (a tuple); got {got}"
        )
    return item


def _name(metric: Any) -> str:
    """Name of a metric, for the history; of a functools.partial that of its function."""
    return getattr(metric, "__name__", None) or _name(getattr(metric, "func", type(metric)))


def _finite(value: float, where: str) -> float:
    if not np.isfinite(value):
        hint = "try a smaller learning rate or clip_norm, and look for a logarithm of 0 or a division by 0"
        raise RuntimeError(f"fit: the loss is {value} in {where}: {hint}")
    return value


def _bar(run: Trainer) -> Any:
    """A progress bar over the batches of all epochs; one that shows nothing if it is not wanted or tqdm missing."""
    try:
        with warnings.catch_warnings(action="ignore"):  # tqdm complains of missing widgets, and works
            from tqdm.auto import tqdm
    except ImportError:
        return SimpleNamespace(**dict.fromkeys(("update", "set_postfix", "close"), lambda *_: None))
    size = len(run.data) if hasattr(run.data, "__len__") else 0
    about = {"total": size * run.epochs or None, "initial": size * len(run.history["loss"])}
    return tqdm(**about, desc="fit", unit="batch", disable=not run.progress)
