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
    """Part of the rows of output, **shape** (B, C), whose largest score stands at the label in target, (B,)."""
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
        The history: "loss", "lr", and what was asked for, each a list with one number an epoch.

    Raises:
        RuntimeError: if a loss is NaN or infinite.
        ValueError: if data or validation gives no batch, or for another schedule_each.
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
        if isinstance(self.data, tuple):
            self.data = batches(*self.data, batch_size=self.batch_size, generator=self.generator)
        if isinstance(self.validation, tuple):
            self.validation = batches(*self.validation, batch_size=self.batch_size, shuffle=False)
        if self.schedule_each not in ("epoch", "batch"):
            raise ValueError(f"fit: schedule_each is 'epoch' or 'batch', got {self.schedule_each!r}")
        stop = self.early_stopping
        stop = self.early_stopping = EarlyStopping(stop) if isinstance(stop, int) else stop
        if self.checkpoint and Path(self.checkpoint).exists():
            self.restore(self.load())
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

    def epoch(self, bar: Any) -> None:
        """Go through the data once, and take down how it went."""
        number = len(self.history["loss"]) + 1
        rate = self.optimizer.param_groups[0]["lr"]
        self.model.train()
        total, count = 0.0, 0
        for i, (x, y) in enumerate(self.data, 1):
            total += self.step(x, y, f"epoch {number}, batch {i}") * len(x)
            count += len(x)
            if self.schedule is not None and self.schedule_each == "batch":
                self.schedule.step()
            bar.update()
        if count == 0:
            raise ValueError("fit: data gave no batches; a generator can be gone through only once")
        record = {"loss": _finite(float(total) / count, f"epoch {number}"), "lr": rate} | self.evaluate()
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

    def evaluate(self) -> dict[str, float]:
        """Loss and metric on the validation data, in eval mode."""
        if self.validation is None:
            return {}
        self.model.eval()
        measures = {"val_loss": self.loss}
        measures |= {f"val_{self.metric.__name__}": self.metric} if self.metric else {}
        seen, sizes = [], []
        with self.without_gradient():
            for x, y in self.validation:
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
        for g, saved in zip(self.generators(), state["random"], strict=True):
            g.bit_generator.state = saved


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
