"""One training step (forward, backward, update) in float32: chainrule and NumPy by hand against PyTorch eager = 1.

The contenders start from the same parameters, and their gradients are compared before anything is timed. They take
turns within each round; what is quoted is the median over rounds of the time relative to PyTorch's in that round.

    python -m bench engine                 the table
    python -m bench engine --threads=2     with two threads
    python -m bench engine --record        the same, and write bench/records/engine.json
    python -m bench engine --quick         fewer rounds
"""

import hashlib
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import chainrule
from chainrule import Tensor, ops
from chainrule.optim import SGD

HERE = Path(__file__).parent
SOURCE = Path(chainrule.__file__).parent
LR, DECAY = 1e-3, 1e-4


@dataclass
class Step:
    """One step, told to each contender as a function without arguments that returns the gradients."""

    name: str
    contenders: dict[str, Callable[[], list[np.ndarray]]]
    must: float
    aim: float


def parameters(rng, *shapes):
    """He-scaled float32 parameters; biases, of one axis, are small."""
    return [
        (rng.standard_normal(s) * (np.sqrt(2 / np.prod(s[1:])) if len(s) > 1 else 0.01)).astype(np.float32)
        for s in shapes
    ]


def in_torch(arrays, loss):
    """Step of PyTorch with its leanest loop over the parameters."""
    params = [torch.tensor(a, requires_grad=True) for a in arrays]

    def step():
        for p in params:
            p.grad = None
        loss(params).backward()
        with torch.no_grad():
            for p in params:
                p.sub_(p.grad, alpha=LR)
        return [p.grad.numpy() for p in params]

    return step


def in_chainrule(arrays, loss):
    """Step of chainrule with its own optimiser."""
    params = [Tensor(a, requires_grad=True) for a in arrays]
    optimizer = SGD(params, lr=LR)

    def step():
        optimizer.zero_grad()
        loss(params).backward()
        optimizer.step()
        return [p.grad.numpy() for p in params]

    return step


def small_mlp(batch=100):
    """2-16-16-1 on two moons, hinge loss and L2 penalty: micrograd's demonstration."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, batch)
    y = np.where(np.arange(batch) % 2, 1.0, -1.0).astype(np.float32)
    x = np.stack([y * np.cos(angle) + (y < 0), y * np.sin(angle) + (y < 0) / 2], 1).astype(np.float32)
    x += rng.normal(0, 0.1, x.shape).astype(np.float32)
    arrays = parameters(rng, (16, 2), (16,), (16, 16), (16,), (1, 16), (1,))
    y = y[:, None]
    tx, ty = torch.tensor(x), torch.tensor(y)

    def theirs(p):
        z = F.linear(torch.relu(F.linear(torch.relu(F.linear(tx, p[0], p[1])), p[2], p[3])), p[4], p[5])
        return torch.relu(1 - ty * z).mean() + DECAY * sum((w * w).sum() for w in p)

    def ours(p):
        z = ops.linear(ops.relu(ops.linear(ops.relu(ops.linear(x, p[0], p[1])), p[2], p[3])), p[4], p[5])
        return ops.hinge_loss(z, y) + DECAY * ops.sum_of_squares(*p)

    mine = [a.copy() for a in arrays]

    def by_hand():
        w1, b1, w2, b2, w3, b3 = mine
        a1 = np.maximum(x @ w1.T + b1, 0)
        a2 = np.maximum(a1 @ w2.T + b2, 0)
        z = a2 @ w3.T + b3
        g3 = -y * (y * z < 1) / batch
        g2 = (g3 @ w3) * (a2 > 0)
        g1 = (g2 @ w2) * (a1 > 0)
        grads = [g1.T @ x, g1.sum(0), g2.T @ a1, g2.sum(0), g3.T @ a2, g3.sum(0)]
        grads = [g + 2 * DECAY * w for g, w in zip(grads, mine, strict=True)]
        for w, g in zip(mine, grads, strict=True):
            w -= LR * g
        return grads

    return contenders(arrays, ours, theirs, by_hand)


def contenders(arrays, ours, theirs, by_hand=None):
    found = {"PyTorch": in_torch(arrays, theirs), "chainrule": in_chainrule(arrays, ours)}
    return found | ({"NumPy by hand": by_hand} if by_hand else {})


def mlp(batch):
    """784-128-64-10, cross-entropy."""
    rng = np.random.default_rng(1)
    x = rng.random((batch, 784), dtype=np.float32)
    y = rng.integers(0, 10, batch)
    arrays = parameters(rng, (128, 784), (128,), (64, 128), (64,), (10, 64), (10,))
    tx, ty = torch.tensor(x), torch.tensor(y)

    def theirs(p):
        z = F.linear(torch.relu(F.linear(torch.relu(F.linear(tx, p[0], p[1])), p[2], p[3])), p[4], p[5])
        return F.cross_entropy(z, ty)

    def ours(p):
        z = ops.linear(ops.relu(ops.linear(ops.relu(ops.linear(x, p[0], p[1])), p[2], p[3])), p[4], p[5])
        return ops.cross_entropy(z, y)

    mine = [a.copy() for a in arrays]

    def by_hand():
        w1, b1, w2, b2, w3, b3 = mine
        a1 = np.maximum(x @ w1.T + b1, 0)
        a2 = np.maximum(a1 @ w2.T + b2, 0)
        z = a2 @ w3.T + b3
        p = np.exp(z - z.max(1, keepdims=True))
        g3 = p / p.sum(1, keepdims=True)
        g3[np.arange(batch), y] -= 1
        g3 /= batch
        g2 = (g3 @ w3) * (a2 > 0)
        g1 = (g2 @ w2) * (a1 > 0)
        grads = [g1.T @ x, g1.sum(0), g2.T @ a1, g2.sum(0), g3.T @ a2, g3.sum(0)]
        for w, g in zip(mine, grads, strict=True):
            w -= LR * g
        return grads

    return contenders(arrays, ours, theirs, by_hand)


def cnn(side, batch=64):
    """3x3x16, pool, 3x3x32, pool, linear; cross-entropy."""
    rng = np.random.default_rng(2)
    x = rng.random((batch, 1, side, side), dtype=np.float32)
    y = rng.integers(0, 10, batch)
    flat = 32 * (side // 4) ** 2
    arrays = parameters(rng, (16, 1, 3, 3), (16,), (32, 16, 3, 3), (32,), (10, flat), (10,))
    tx, ty = torch.tensor(x), torch.tensor(y)

    def theirs(p):
        z = F.max_pool2d(torch.relu(F.conv2d(tx, p[0], p[1], padding=1)), 2)
        z = F.max_pool2d(torch.relu(F.conv2d(z, p[2], p[3], padding=1)), 2)
        return F.cross_entropy(F.linear(z.flatten(1), p[4], p[5]), ty)

    def ours(p):
        z = ops.max_pool2d(ops.relu(ops.conv2d(x, p[0], p[1], padding=1)), 2)
        z = ops.max_pool2d(ops.relu(ops.conv2d(z, p[2], p[3], padding=1)), 2)
        return ops.cross_entropy(ops.linear(z.flatten(1), p[4], p[5]), y)

    return contenders(arrays, ours, theirs)


STEPS = [
    ("MLP 2-16-16-1, 100 moons, hinge + L2", small_mlp, 0.25, 0.10),
    ("MLP 784-128-64-10, batch 64", lambda: mlp(64), 0.60, 0.46),
    ("the same, batch 512", lambda: mlp(512), 1.0, 0.85),
    ("CNN 28x28, batch 64", lambda: cnn(28), 1.8, 1.0),
    ("CNN 8x8, batch 64", lambda: cnn(8), 0.8, 0.57),
]


def check_gradients(name, steps):
    """Every contender's first gradients are PyTorch's."""
    wanted = steps["PyTorch"]()
    for who, step in steps.items():
        for a, b in zip(step() if who != "PyTorch" else wanted, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, err_msg=f"{name}: {who}")


def measure(steps, seconds):
    """Median seconds a step for each contender, and the median of its ratio to PyTorch within a round."""
    for step in steps.values():
        for _ in range(3):
            step()
    start = time.perf_counter()
    steps["PyTorch"]()
    count = max(1, int(0.02 / (time.perf_counter() - start)))
    times: dict[str, list[float]] = {name: [] for name in steps}
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop or len(times["PyTorch"]) < 5:
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(count):
                step()
            times[name].append((time.perf_counter() - start) / count)
    ratio = {
        name: statistics.median(a / b for a, b in zip(times[name], times["PyTorch"], strict=True))
        for name in steps
    }
    return {name: statistics.median(t) for name, t in times.items()}, ratio


def main(arguments):
    torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "1")))
    seconds = 2.0 if "--quick" in arguments else 12.0
    rows = []
    for name, make, must, aim in STEPS:
        steps = make()
        check_gradients(name, steps)
        times, ratio = measure(steps, seconds)
        rows.append({"step": name, "seconds": times, "ratio": ratio, "must": must, "aim": aim})
        told = "   ".join(f"{who} {ratio[who]:.2f} ({times[who] * 1e3:.3f} ms)" for who in steps)
        print(f"{name:40} {told}   must {must} aim {aim}", flush=True)
    if "--record" in arguments:
        path = HERE / "records" / "engine.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(about() | {"rows": rows}, indent=1) + "\n")
        print(f"written: {path.relative_to(HERE.parent)}")


def about():
    """What was measured, on what, when."""
    code = b"".join(p.read_bytes() for p in sorted(SOURCE.glob("*.py")))
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "code": hashlib.sha256(code).hexdigest()[:16],
    }


def processor():
    """Name of the processor, as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
