"""One training step (forward, backward, update) in float32, relative to PyTorch eager = 1: chainrule and other engines.

All start from the same parameters and see the same batch; gradients are compared before anything is timed. They take
turns within each round, each with a step before the clock starts, and what is quoted is the median over rounds of the
time relative to PyTorch's in that round. With one thread the process is tied to one core and its processor time
counts, which the machine's other work leaves alone; with more the clock on the wall does, after a pause in each turn.

    python -m bench engine                 the table
    python -m bench engine --threads=2     with two threads
    python -m bench engine --record        the same, written to docs/reference/records/speed.json and its page
    python -m bench engine --page          the page again, from the record there is
    python -m bench engine --quick         fewer rounds
    python -m bench engine --no-peers      without the other engines
"""

import contextlib
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import chainrule
from bench.peers import PEERS, Task
from bench.sequences import SEQUENCES
from chainrule import Tensor, nn, ops
from chainrule.optim import SGD

ROOT = Path(__file__).parent.parent
RECORD = ROOT / "docs" / "reference" / "records" / "speed.json"
PAGE = ROOT / "docs" / "reference" / "speed.md"
MEASURED = (
    "tensor",
    "autograd",
    "arrays",
    "ops",
    "windows",
    "fused",
    "nn/__init__",
    "optim/__init__",
)  # the modules that a step runs through
LR, DECAY = 1e-3, 1e-4
THREADS = int(os.environ.get("BENCH_THREADS", "1"))
# Seconds between turns: threads of another library that wait for work in a loop give up their core within them.
PAUSE = 0.05 if THREADS > 1 else 0
clock = time.process_time if THREADS == 1 else time.perf_counter


# --- Tasks ------------------------------------------------------------------------------------------------------


def parameters(rng, *shapes):
    """He-scaled float32 parameters; biases, of one axis, are small."""
    return [
        (rng.standard_normal(s) * (np.sqrt(2 / np.prod(s[1:])) if len(s) > 1 else 0.01)).astype(np.float32)
        for s in shapes
    ]


def small_mlp(batch=100):
    """2-16-16-1 on two moons, hinge loss and L2 penalty: micrograd's demonstration."""
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, np.pi, batch)
    y = np.where(np.arange(batch) % 2, 1.0, -1.0).astype(np.float32)
    x = np.stack([y * np.cos(angle) + (y < 0), y * np.sin(angle) + (y < 0) / 2], 1).astype(np.float32)
    x += rng.normal(0, 0.1, x.shape).astype(np.float32)
    arrays = parameters(rng, (16, 2), (16,), (16, 16), (16,), (1, 16), (1,))
    return Task("hinge", arrays, x, y[:, None], LR, DECAY)


def mlp(batch):
    """784-128-64-10, cross-entropy."""
    rng = np.random.default_rng(1)
    x, y = rng.random((batch, 784), dtype=np.float32), rng.integers(0, 10, batch)
    arrays = parameters(rng, (128, 784), (128,), (64, 128), (64,), (10, 64), (10,))
    return Task("mlp", arrays, x, y, LR, DECAY)


def cnn(side, batch=64):
    """3x3x16, pool, 3x3x32, pool, linear; cross-entropy."""
    rng = np.random.default_rng(2)
    x, y = rng.random((batch, 1, side, side), dtype=np.float32), rng.integers(0, 10, batch)
    arrays = parameters(rng, (16, 1, 3, 3), (16,), (32, 16, 3, 3), (32,), (10, 32 * (side // 4) ** 2), (10,))
    return Task("cnn", arrays, x, y, LR, DECAY)


# --- Contenders -------------------------------------------------------------------------------------------------


def in_torch(task, compiled=False):
    """PyTorch, with functions of torch.nn.functional and its leanest loop over the parameters."""
    params = [torch.tensor(a, requires_grad=True) for a in task.arrays]
    x, y = torch.tensor(task.x), torch.tensor(task.y)

    def block(z, w, b):
        return F.max_pool2d(torch.relu(F.conv2d(z, w, b, padding=1)), 2)

    def loss(p):
        if task.kind == "cnn":
            return F.cross_entropy(
                F.linear(block(block(x, p[0], p[1]), p[2], p[3]).flatten(1), p[4], p[5]), y
            )
        z = F.linear(torch.relu(F.linear(torch.relu(F.linear(x, p[0], p[1])), p[2], p[3])), p[4], p[5])
        if task.kind == "hinge":
            return torch.relu(1 - y * z).mean() + DECAY * sum((w * w).sum() for w in p)
        return F.cross_entropy(z, y)

    loss = torch.compile(loss) if compiled else loss

    def step():
        for p in params:
            p.grad = None
        loss(params).backward()
        with torch.no_grad():
            for p in params:
                p.sub_(p.grad, alpha=LR)
        return [p.grad.numpy() for p in params]

    return step


def model(task, nn):
    """The network of a task from layers, in torch.nn or chainrule.nn, with nothing but names alike."""
    shapes = [a.shape for a in task.arrays[::2]]
    if task.kind != "cnn":
        linear = [nn.Linear(shape[1], shape[0]) for shape in shapes]
        return nn.Sequential(linear[0], nn.ReLU(), linear[1], nn.ReLU(), linear[2])
    conv = [nn.Conv2d(shape[1], shape[0], 3, padding=1) for shape in shapes[:2]]
    pool = nn.MaxPool2d(2)
    last = nn.Linear(shapes[2][1], shapes[2][0])
    return nn.Sequential(conv[0], nn.ReLU(), pool, conv[1], nn.ReLU(), pool, nn.Flatten(), last)


def in_torch_nn(task):
    """PyTorch as most write it: layers of torch.nn, torch.optim.SGD."""
    net = model(task, torch.nn)
    net.load_state_dict(dict(zip(net.state_dict(), map(torch.tensor, task.arrays), strict=True)))
    optimizer, x, y = torch.optim.SGD(net.parameters(), lr=LR), torch.tensor(task.x), torch.tensor(task.y)

    def step():
        optimizer.zero_grad()
        z = net(x)
        if task.kind == "hinge":
            loss = torch.relu(1 - y * z).mean() + DECAY * sum((w * w).sum() for w in net.parameters())
        else:
            loss = F.cross_entropy(z, y)
        loss.backward()
        optimizer.step()
        return [p.grad.numpy() for p in net.parameters()]

    return step


def in_chainrule_nn(task):
    """chainrule with layers and optimiser, as a chapter would write it."""
    net = model(task, nn)
    net.load_state_dict(dict(zip(net.state_dict(), task.arrays, strict=True)))
    optimizer = SGD(net.parameters(), lr=LR)

    def step():
        optimizer.zero_grad()
        z = net(task.x)
        if task.kind == "hinge":
            loss = ops.hinge_loss(z, task.y) + DECAY * ops.sum_of_squares(*net.parameters())
        else:
            loss = ops.cross_entropy(z, task.y)
        loss.backward()
        optimizer.step()
        return [p.grad.numpy() for p in net.parameters()]

    return step


def in_chainrule(task):
    """chainrule, with functions and its own optimiser."""
    params, x, y = [Tensor(a, requires_grad=True) for a in task.arrays], task.x, task.y
    optimizer = SGD(params, lr=LR)

    def block(z, w, b):
        return ops.max_pool2d(ops.relu(ops.conv2d(z, w, b, padding=1)), 2)

    def loss(p):
        if task.kind == "cnn":
            z = block(block(x, p[0], p[1]), p[2], p[3])
            return ops.cross_entropy(ops.linear(z.flatten(1), p[4], p[5]), y)
        z = ops.linear(ops.relu(ops.linear(ops.relu(ops.linear(x, p[0], p[1])), p[2], p[3])), p[4], p[5])
        if task.kind == "hinge":
            return ops.hinge_loss(z, y) + DECAY * ops.sum_of_squares(*p)
        return ops.cross_entropy(z, y)

    def step():
        optimizer.zero_grad()
        loss(params).backward()
        optimizer.step()
        return [p.grad.numpy() for p in params]

    return step


def by_hand(task):
    """NumPy, with the derivatives worked out on paper."""
    if task.kind == "cnn":
        raise NotImplementedError("is not written for convolutions")
    mine, x, y, batch = [a.copy() for a in task.arrays], task.x, task.y, len(task.x)

    def outer(z):
        """Loss, and its gradient at the scores."""
        if task.kind == "hinge":
            short = 1 - y * z
            penalty = sum(float(np.vdot(w, w)) for w in mine)
            return np.maximum(short, 0).mean() + DECAY * penalty, -y * (short > 0) / batch
        z = z - z.max(1, keepdims=True)
        p = np.exp(z)
        total = p.sum(1, keepdims=True)
        g = p / total
        g[np.arange(batch), y] -= 1
        return (np.log(total[:, 0]) - z[np.arange(batch), y]).mean(), g / batch

    def step():
        w1, b1, w2, b2, w3, b3 = mine
        a1 = np.maximum(x @ w1.T + b1, 0)
        a2 = np.maximum(a1 @ w2.T + b2, 0)
        _, g3 = outer(a2 @ w3.T + b3)
        g2 = (g3 @ w3) * (a2 > 0)
        g1 = (g2 @ w2) * (a1 > 0)
        grads = [g1.T @ x, g1.sum(0), g2.T @ a1, g2.sum(0), g3.T @ a2, g3.sum(0)]
        if task.kind == "hinge":
            grads = [g + 2 * DECAY * w for g, w in zip(grads, mine, strict=True)]
        for w, g in zip(mine, grads, strict=True):
            w -= LR * g
        return grads

    return step


def products(task):
    """The matrix products of a step and nothing else: what no engine on NumPy can save. No contender: no gradients."""
    weights = task.arrays[::2]

    def step():
        z, inputs = task.x, []
        for w in weights:
            inputs.append(z)
            z = z @ w.T
        for w, x in zip(weights[::-1], inputs[::-1], strict=True):
            z.T @ x
            z = z @ w if x is not task.x else None

    return step


OURS = {
    "PyTorch": in_torch,
    "chainrule": in_chainrule,
    "PyTorch, nn and optim": in_torch_nn,
    "chainrule, nn and optim": in_chainrule_nn,
    "NumPy by hand": by_hand,
}
PRODUCTS = "NumPy, its matrix products alone"
OTHERS = {"torch.compile": lambda task: in_torch(task, compiled=True), **PEERS}
# Name, task, what budgets ask for and hope for: relative to NumPy by hand, which depends less on the processor than
# PyTorch does; to PyTorch where nothing is written by hand.
STEPS = [
    ("MLP 2-16-16-1, 100 moons, hinge + L2", small_mlp, 1.8, 1.3),
    ("MLP 784-128-64-10, batch 64", lambda: mlp(64), 1.25, 1.1),
    ("MLP 784-128-64-10, batch 512", lambda: mlp(512), 1.06, 1.02),
    ("CNN 28×28, batch 64", lambda: cnn(28), 1.2, 1.0),
    ("CNN 8×8, batch 64", lambda: cnn(8), 0.85, 0.57),
]
TWO_THREADS = 2  # the step that is measured with two threads as well


# --- Measuring --------------------------------------------------------------------------------------------------


def contenders(task, peers):
    """The steps of a task by name, gradients checked, and why the others are missing."""
    steps, absent = {}, {}
    wanted = in_torch(task)()
    for who, make in {**OURS, **(OTHERS if peers else {})}.items():
        try:
            step = make(task)
            grads = step()
        except NotImplementedError as error:
            absent[who] = str(error)
            continue
        except Exception as error:  # whatever another engine may raise where it cannot run
            if who in OURS:
                raise
            reason = str(error).partition("\n")[0][:60] or type(error).__name__
            absent[who] = f"did not run here ({reason})"
            continue
        agree(grads, wanted, who)
        steps[who] = step
    return steps, absent


def measure(steps, seconds):
    """Median over rounds of each contender's time relative to PyTorch's in that round."""
    counts = {}
    for who, step in steps.items():
        start = clock()
        step()
        counts[who] = max(1, int(0.02 / max(clock() - start, 1e-6)))
    ratios: dict[str, list[float]] = {who: [] for who in steps}
    slow = {who for who, count in counts.items() if count == 1 and who not in OURS}
    stop, rounds = time.monotonic() + seconds, 0
    while time.monotonic() < stop or rounds < 7:
        times = {}
        for who, step in steps.items():
            if who in slow and rounds >= 3:
                continue
            if who not in slow:
                time.sleep(PAUSE)
                step()  # not timed: the caches hold what the one before needed
            start = clock()
            for _ in range(counts[who]):
                step()
            times[who] = (clock() - start) / counts[who]
        for who, t in times.items():
            ratios[who].append(t / times["PyTorch"])
        rounds += 1
    return {who: statistics.median(r) for who, r in ratios.items()}


@contextlib.contextmanager
def tied():
    """This process on as many cores as it has threads, and afterwards on those it had."""
    torch.set_num_threads(THREADS)
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(cores)[-THREADS:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def rows(chosen, seconds, peers):
    """A row for each step: its ratios, and what is missing in it."""
    for name, make, must, aim in chosen:
        task = make()
        steps, absent = contenders(task, peers)
        steps |= {PRODUCTS: products(task)} if task.kind != "cnn" else {}
        ratio = measure(steps, seconds)
        told = "   ".join(f"{who} {r:.2f}" for who, r in ratio.items())
        base = "NumPy by hand" if "NumPy by hand" in ratio else "PyTorch"
        met = f"chainrule by {base} {ratio['chainrule'] / ratio[base]:.2f} (must {must}, aim {aim})"
        print(f"{name:40} {told}   {met}", file=sys.stderr, flush=True)
        yield {"step": name, "threads": THREADS, "ratio": ratio, "absent": absent}


def sequences(seconds):
    """A row for each step over sequences: how ours compares with PyTorch."""
    for name, make, must in SEQUENCES:
        steps = make()
        agree(steps["chainrule"](), steps["PyTorch"](), name)
        ratio = measure(steps, seconds)
        print(f"{name:55} chainrule {ratio['chainrule']:.2f}   must {must}", file=sys.stderr, flush=True)
        yield {"step": name, "threads": THREADS, "ratio": ratio}


def agree(grads, wanted, who):
    """Raise AssertionError where gradients differ from PyTorch's."""
    for a, b in zip(grads, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(a), b, rtol=1e-3, atol=1e-5, err_msg=who)


def main(arguments):
    """Measure, show, and with --record write."""
    if "--page" in arguments:
        PAGE.write_text(page(json.loads(RECORD.read_text())), encoding="utf-8")
        return
    seconds, peers = (2.0 if "--quick" in arguments else 12.0), "--no-peers" not in arguments
    if THREADS == 1:
        before, what = os.getloadavg()[0], about()
        with tied():
            found, long = list(rows(STEPS, seconds, peers)), list(sequences(seconds))
        if os.cpu_count() > 1:
            found += with_two_threads(arguments)
        record = what | {"load": [round(before, 1), round(os.getloadavg()[0], 1)], "rows": found}
        record["sequences"] = long
        if "--record" in arguments:
            RECORD.parent.mkdir(exist_ok=True)
            RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            main(["--page"])
            print(f"written: {RECORD.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}")
    else:
        with tied():
            found = list(rows([STEPS[TWO_THREADS]], seconds, peers))
        print(json.dumps(found))


def with_two_threads(arguments):
    """The one step that is measured with two threads as well, in a process of its own."""
    flags = [flag for flag in arguments if flag in ("--quick", "--no-peers")]
    environment = {k: v for k, v in os.environ.items() if k != "BENCH_THREADS"}
    command = [sys.executable, "-m", "bench", "engine", "--threads=2", *flags]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def about():
    """What was measured, on what, when."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": processor(),
        "cores": os.cpu_count(),
        "blas": blas(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "code": code_hash(),
    }


def code_hash():
    """Hash of the modules that a step runs through."""
    folder = Path(chainrule.__file__).parent
    return hashlib.sha256(b"".join((folder / f"{name}.py").read_bytes() for name in MEASURED)).hexdigest()[
        :16
    ]


def blas():
    """NumPy's matrix products: library and kernel."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "unknown"
    found = [lib for lib in threadpool_info() if "numpy" in lib["filepath"]]
    return (
        ", ".join(f"{b['internal_api']} {b['version']} ({b.get('architecture', '?')})" for b in found)
        or "unknown"
    )


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


# --- The page ---------------------------------------------------------------------------------------------------


TWO = """Everything above is measured with one thread.
With two, both libraries can share a large product of matrices between two cores, so one step was measured again:

{table}
"""
BUSY = (
    "The machine was busy with other work, so what was measured with two threads says little: there the threads of a "
    "step wait for a free core as well as for each other.\n"
)


def page(record):
    """The reference page of a record."""
    names = [*OURS, PRODUCTS, *OTHERS]
    rows = [row for row in record["rows"] if row["threads"] == 1]
    pairs = [(row, other) for other in record["rows"] if other["threads"] > 1 for row in rows]
    pair = next(((row, other) for row, other in pairs if row["step"] == other["step"]), None)
    lines = [[who, *(cell(row, who) for row in rows)] for who in names]
    table = rendered(["", *(row["step"] for row in rows)], lines)
    absent = {f"{who} {why}" for row in record["rows"] for who, why in row["absent"].items()}
    notes = "".join(f"- {line}.\n" for line in sorted(absent))
    ahead = [row["step"] for row in rows if row["ratio"]["chainrule"] > 1]
    behind = (
        f"PyTorch leads in: {'; '.join(ahead)}." if ahead else "In none of these steps does PyTorch lead."
    )
    threads = ""
    if pair:
        both = [[who, *(cell(row, who) for row in pair)] for who in names]
        said = [line for line in both if line[1:] != ["–", "–"]]
        threads = TWO.format(table=rendered([pair[0]["step"], "one thread", "two threads"], said))
    measured = {r["step"]: cell(r, "chainrule") for r in record.get("sequences", ())}
    lines = "".join(f"| {name} | 1.00 | {measured.get(name, '–')} |\n" for name, *_ in SEQUENCES)
    sequences = rendered(["", "PyTorch", "chainrule"], []) + lines
    filled = {
        k: record[k] for k in ("date", "processor", "cores", "blas", "python", "numpy", "torch", "code")
    }
    load = " at the start and ".join(map(str, record["load"]))
    trust = BUSY if pair and max(record["load"]) > record["cores"] + 1 else ""
    files = ", ".join(f'"{name}.py"' for name in MEASURED)
    template = (Path(__file__).parent / "speed.md").read_text(encoding="utf-8")
    return template.format(
        **filled,
        table=table,
        sequences=sequences,
        notes=notes,
        behind=behind,
        load=load,
        threads=threads,
        trust=trust,
        files=files,
    )


def rendered(head, lines):
    """A Markdown table."""
    return "".join("| " + " | ".join(line) + " |\n" for line in [head, ["---"] * len(head), *lines])


def cell(row, who):
    """A ratio as text, or a dash."""
    ratio = row["ratio"].get(who)
    return "–" if ratio is None else f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"
