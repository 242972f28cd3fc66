"""What the GPU of this machine does with our models: parity with chainrule, `fit`, and the time of a step.

Without a CUDA or MPS device it says so and changes nothing.

    python -m bench.gpu                the measurements
    python -m bench.gpu --record       the same, written to docs/reference/records/gpu.json and its page (make gpu)
    python -m bench.gpu --page         the page again, from the record there is
"""

import contextlib
import copy
import hashlib
import json
import platform
import re
import statistics
import subprocess
import sys
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import chainrule
from chainrule import data, losses, nn, optim, training
from chainrule.checks import differences_to_torch
from chainrule.torch import TorchTrainer, device, fit, to_torch

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "docs" / "reference" / "records" / "gpu.json"
PAGE = ROOT / "docs" / "reference" / "gpu.md"
CONFIG = ROOT / "mkdocs.yml"
LIMITS = {"float64": 1e-10, "float32": 1e-5}
MODES = {
    "plain": {},
    "bfloat16": {"mixed_precision": True},
    "compiled": {"compile": True},
    "compiled, bfloat16": {"mixed_precision": True, "compile": True},
}


# --- Models -----------------------------------------------------------------------------------------------------


def mlp():
    """784-512-512-10 on images."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )


def cnn():
    """Two blocks of convolution, batch norm and pooling, and a linear layer, on images."""
    block = lambda a, b: (nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 7 * 7, 10))


SMALL = {
    "MLP": (lambda: nn.Sequential(nn.Linear(20, 30), nn.LayerNorm(30), nn.GELU(), nn.Linear(30, 5)), (8, 20)),
    "CNN": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.AvgPool2d(2)), (4, 2, 8, 8)),
    "RNN": (lambda: nn.RNN(5, 7, num_layers=2), (6, 3, 5)),
    "LSTM": (lambda: nn.LSTM(5, 7, num_layers=2), (6, 3, 5)),
    "residual": (lambda: nn.Residual(nn.Sequential(nn.Linear(9, 9), nn.Sigmoid())), (4, 9)),
}  # fmt: skip


# --- Parity -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def exactly(where):
    """New torch tensors on the device, products in full precision, and no word about infinities that are meant."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with where, np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def of_case(case, dtype):
    """Largest difference of a row of the tests' table of cases, between us and PyTorch on the device."""
    constants = (1, 2) if case.op == "batch_norm" else ()  # running statistics
    free = [i for i, a in enumerate(case.inputs) if isinstance(a, np.ndarray) and i not in constants]

    def bound(f, make):
        inputs = [make(copy.copy(a)) for a in case.arrays(dtype)]
        return lambda *xs: f([xs[free.index(i)] if i in free else a for i, a in enumerate(inputs)])

    theirs = lambda a: torch.tensor(a) if isinstance(a, np.ndarray) else a
    pair = bound(case.ours, lambda a: a), bound(case.theirs, theirs)
    return max(differences_to_torch(*pair, *(case.inputs[i] for i in free), dtype=dtype).values())


def of_model(make, shape, dtype, where):
    """Largest difference of a model, its parameters' gradients included."""
    chainrule.init.manual_seed(0)
    model = make().to(dtype)
    x = np.random.default_rng(0).standard_normal(shape)
    return max(differences_to_torch(model, to_torch(model, where), x, dtype=dtype).values())


def parity(where, cases):
    """For each precision: how many rows, the largest difference, and the rows that exceed the limit."""
    found = {}
    for dtype, limit in LIMITS.items():
        if where.type == "mps" and dtype == "float64":
            continue  # not there
        kind = np.dtype(dtype).type
        with exactly(where):
            errors = [(case.op, of_case(case, kind)) for case in cases]
            errors += [(name, of_model(*about, kind, where)) for name, about in SMALL.items()]
        over = sorted({name for name, error in errors if not error <= limit})
        within = [error for _, error in errors if error <= limit]
        found[dtype] = {
            "rows": len(errors),
            "largest": max(within, default=0.0),
            "limit": limit,
            "over": over,
        }
    return found


# --- fit and speed ----------------------------------------------------------------------------------------------


def fits(where, epochs, examples):
    """`fit` of the CNN on Fashion-MNIST in each mode: the losses, the accuracy, the seconds of an epoch."""
    (x, y), test = data.fashion_mnist()
    rows = []
    for mode, options in MODES.items():
        chainrule.init.manual_seed(0)
        model = to_torch(cnn(), where)
        optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
        clock = Clock(where)
        history = fit(model, (x[:examples], y[:examples]), F.cross_entropy, optimizer, epochs, batch_size=128,
                      validation=tuple(part[:examples] for part in test), metric=training.accuracy, progress=False,
                      generator=np.random.default_rng(0), **options)  # fmt: skip
        row = {"mode": mode, "first": history["loss"][0], "last": history["loss"][-1]}
        rows.append(row | {"accuracy": history["val_accuracy"][-1], "seconds": clock.seconds() / epochs})
    return rows


class Clock:
    """Seconds since it was made, the device's work included."""

    def __init__(self, where):
        self.wait = {"cuda": torch.cuda.synchronize, "mps": torch.mps.synchronize}.get(
            where.type, lambda: None
        )
        self.wait()
        self.start = time.perf_counter()

    def seconds(self):
        self.wait()
        return time.perf_counter() - self.start


def per_step(step, where, rounds):
    """Median seconds of a step, over rounds of ten."""
    for _ in range(5):
        step()
    times = []
    for _ in range(rounds):
        clock = Clock(where)
        for _ in range(10):
            step()
        times.append(clock.seconds() / 10)
    return statistics.median(times)


def speed(where, batches, rounds):
    """Milliseconds of a training step: ours and PyTorch's on the processor, and on the device in each mode."""
    rows = []
    for make in (mlp, cnn):
        for batch in batches:
            rng = np.random.default_rng(0)
            x, y = rng.random((batch, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, batch)
            cpu = torch.device("cpu")
            steps = {"chainrule, processor": (in_chainrule(make(), x, y), cpu)}
            steps |= {"PyTorch, processor": (in_torch(make(), x, y, cpu), cpu)}
            steps |= {
                mode: (in_torch(make(), x, y, where, **options), where) for mode, options in MODES.items()
            }
            times = {name: 1e3 * per_step(*step, rounds) for name, step in steps.items()}
            rows.append({"model": make.__name__.upper(), "batch": batch, "ms": times})
    return rows


def in_chainrule(model, x, y):
    """A step of ours."""
    run = training.Trainer(model, None, losses.cross_entropy, optim.SGD(model.parameters(), 1e-3))
    return lambda: run.step(x, y, "bench")


def in_torch(model, x, y, where, **options):
    """A step of PyTorch, with the batch on the device already."""
    theirs = to_torch(model, where)
    run = TorchTrainer(theirs, None, F.cross_entropy, torch.optim.SGD(theirs.parameters(), 1e-3), **options)
    x, y = run.place(x), run.place(y)
    return lambda: run.step(x, y, "bench")


# --- The record and its page ------------------------------------------------------------------------------------


def code_hash():
    """Short hash of the package's source, as the page computes it too."""
    code = b"".join(p.read_bytes() for p in sorted(Path(chainrule.__file__).parent.glob("*.py")))
    return hashlib.sha256(code).hexdigest()[:16]


def about(where):
    """Which device, with which versions, and when."""
    name, driver = platform.processor() or platform.machine(), platform.release()
    if where.type == "cuda":
        name = torch.cuda.get_device_name(where)
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        driver = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()[0]
    versions = {"python": platform.python_version(), "numpy": np.__version__, "torch": torch.__version__}
    versions |= {"cuda": torch.version.cuda} if where.type == "cuda" else {}
    day = datetime.now(UTC).date().isoformat()
    return {"date": day, "device": name, "kind": where.type, "driver": driver, "code": code_hash()} | versions


HEAD = """---
title: On a GPU
description: What a graphics processor does with the book's models, from a record of parity, training and times.
---
# On a GPU

The book runs on any processor; a GPU only makes the larger models faster.
Models go there by `chainrule.torch.to_torch(model)` and are trained there by `chainrule.torch.fit`.
The book is built without a GPU.
What one does is measured by `make gpu`, on a machine that has one, and kept as a record.
"""
NO_RECORD = """
!!! note "No record yet"
    Nobody has run `make gpu` so far, so there is nothing to show.
"""


def page(record):
    """The reference page of a record; of None, a page that says that there is none."""
    if record is None:
        return HEAD + NO_RECORD
    return "\n".join([HEAD, provenance(record), parity_table(record), fit_table(record), speed_table(record)])


def listed(config):
    """The site's configuration with the page in its menu; without a record the page would say nothing there."""
    config = re.sub(r"^not_in_nav: /reference/gpu\.md.*\n", "", config, flags=re.M)
    row, above = "      - reference/gpu.md\n", "      - reference/speed.md\n"
    return config if row in config else config.replace(above, above + row, 1)


def table(head, rows):
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def provenance(record):
    """Where the numbers come from, and a block that says whether the code is still the one measured."""
    cuda = f", CUDA {record['cuda']}" if "cuda" in record else ""
    return f"""## The record

Measured on {record["date"]} on {record["device"]}, driver {record["driver"]}{cuda}.
Python was {record["python"]}, NumPy {record["numpy"]}, PyTorch {record["torch"]}.
Whether the code is still the one that was measured is found out when the page is built:

```python
import hashlib
from pathlib import Path

import chainrule

measured = "{record["code"]}"
files = sorted(Path(chainrule.__file__).parent.glob("*.py"))
code = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
stale = not code.startswith(measured)
print("stale: the code has changed since" if stale else "up to date: this is the code that was measured")
```
"""


def parity_table(record):
    """How far PyTorch on the device is from chainrule on the processor."""
    rows = []
    for dtype, found in record["parity"].items():
        over = ", ".join(f"`{name}`" for name in found["over"]) or "none"
        rows.append([dtype, found["rows"], f"{found['largest']:.0e}", f"{found['limit']:.0e}", over])
    return (
        "## Parity\n\nEvery case of the package's tests, and five small models with the gradients of their parameters: "
        "chainrule in NumPy against PyTorch on the device.\n\n"
        + table(["precision", "cases", "largest difference within the limit", "limit", "beyond it"], rows)
    )


def fit_table(record):
    """How training went in each mode."""
    rows = [
        [
            r["mode"],
            f"{r['first']:.3f}",
            f"{r['last']:.3f}",
            f"{100 * r['accuracy']:.1f} %",
            f"{r['seconds']:.2f}",
        ]
        for r in record["fit"]
    ]
    return (
        f"## Training\n\n`fit` of a convolutional network on the cut of Fashion-MNIST, {record['epochs']} epochs; "
        "compiling is part of the time.\n\n"
        + table(
            ["mode", "loss, first epoch", "loss, last epoch", "accuracy on the test set", "s an epoch"], rows
        )
    )


def speed_table(record):
    """Times of a step, to three digits."""
    names = list(record["speed"][0]["ms"])
    rows = [
        [f"{r['model']}, batch {r['batch']}", *(f"{r['ms'][n]:.3g}" for n in names)] for r in record["speed"]
    ]
    return (
        "## Time of a step\n\nMilliseconds of forward, backward and update, the median of many.\n\n"
        + table(["step", *names], rows)
    )


# --- All of it --------------------------------------------------------------------------------------------------


def measure(where, quick=False):
    """The whole record."""
    sys.path.append(str(ROOT / "tests" / "chainrule"))
    from cases import CASES

    epochs, examples = (1, 128) if quick else (5, 6000)
    return about(where) | {
        "epochs": epochs,
        "parity": parity(where, CASES[::29] if quick else CASES),
        "fit": fits(where, epochs, examples),
        "speed": speed(where, (16,) if quick else (64, 512), 2 if quick else 30),
    }


def main(arguments):
    """Measure, show, and with --record write."""
    if "--page" in arguments:
        PAGE.write_text(page(json.loads(RECORD.read_text()) if RECORD.exists() else None), encoding="utf-8")
        if RECORD.exists():
            CONFIG.write_text(listed(CONFIG.read_text(encoding="utf-8")), encoding="utf-8")
        return
    where = device()
    if where.type == "cpu":
        print(
            "gpu: this machine has no CUDA or MPS device, so nothing was measured and the record stays as it is"
        )
        return
    record = measure(where, "--quick" in arguments)
    print(page(record))
    if "--record" in arguments:
        RECORD.parent.mkdir(exist_ok=True)
        RECORD.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        main(["--page"])
        print(f"written: {RECORD.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main(sys.argv[1:])
