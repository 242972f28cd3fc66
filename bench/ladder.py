"""What the chapter *Making it fast* says about time: one product by five programs, memory order, batches, compiling.

Each program is checked against the others before it is timed. The process has one thread, is tied to one core, and its
processor time is taken; every time is the least of several, since other work on the machine can only add to it. Of
compiling, which is done in other processes too, the time on the wall is taken.

    python -m bench ladder                 the table
    python -m bench ladder --record        the same, written to docs/reference/records/ladder.json, its page and a block
                                           of the chapter that holds the numbers
    python -m bench ladder --page          page and block again, from the record there is
    python -m bench ladder --quick         fewer rounds and smaller arrays
"""

import hashlib
import inspect
import json
import os
import re
import sys
import textwrap
import time

import numpy as np
import torch
import torch.nn.functional as F

from bench.engine import ROOT, about, clock, rendered, tied

RECORD = ROOT / "docs" / "reference" / "records" / "ladder.json"
PAGE = ROOT / "docs" / "reference" / "ladder.md"
CHAPTER = ROOT / "docs" / "tricks" / "making-it-fast.md"
TEMPLATE = ROOT / "bench" / "ladder.md"


# --- One product, five programs ---------------------------------------------------------------------------------


def loops(A, B):
    """Three loops over lists of numbers."""
    C = [[0.0] * len(B[0]) for _ in A]
    for i, j in np.ndindex(len(A), len(B[0])):
        for l in range(len(B)):
            C[i][j] += A[i][l] * B[l][j]
    return C


def dots(A, B):
    """A row times a column for each entry."""
    return np.array([[(a * b).sum() for b in B.T] for a in A])


def outers(A, B):
    """A sum of outer products, one for each column of A."""
    return sum(A[:, l : l + 1] * B[l] for l in range(len(B)))


def summed(A, B):
    """Loops of C, without BLAS."""
    return np.einsum("il,lj->ij", A, B)


def blas(A, B):
    """The library's product."""
    return A @ B


PROGRAMS = {
    "three loops": loops,
    "a dot product per entry": dots,
    "outer products": outers,
    "einsum": summed,
    "BLAS": blas,
}


# --- The other rows ---------------------------------------------------------------------------------------------


def pointwise(x):
    """Six operations on every entry, each a pass over memory unless they are fused."""
    return torch.tanh(0.8 * (x + 0.05 * x * x * x))


def plain_attention(q, k, v):
    """Attention with its matrices of scores, one for each head."""
    return torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, dim=-1) @ v


MEASURED = (*PROGRAMS.values(), pointwise, plain_attention)


def code_hash():
    """Hash of the programs that are timed."""
    return hashlib.sha256("".join(map(inspect.getsource, MEASURED)).encode()).hexdigest()[:16]


# --- Measuring --------------------------------------------------------------------------------------------------


def least(f, seconds, now=clock):
    """The least time of a call, in seconds."""
    f()
    start = now()
    f()
    count = max(1, int(2e-3 / max(now() - start, 1e-7)))
    found, stop = [], time.monotonic() + seconds
    while time.monotonic() < stop or len(found) < 3:
        start = now()
        for _ in range(count):
            f()
        found.append((now() - start) / count)
    return min(found)


def ladder(n, seconds):
    """A row for each program: its milliseconds in both precisions."""
    A, B = np.random.default_rng(0).normal(size=(2, n, n))
    wanted, rows = A @ B, []
    for name, f in PROGRAMS.items():
        row = {"program": name}
        for kind in ("float64", "float32"):
            if f is loops and kind == "float32":
                continue  # Python has no such number
            arrays = [M.tolist() if f is loops else M.astype(kind) for M in (A, B)]
            np.testing.assert_allclose(f(*arrays), wanted, atol=1e-11 if kind == "float64" else 1e-3)
            row[kind] = 1e3 * least(lambda f=f, arrays=arrays: f(*arrays), seconds)
        rows.append(row)
    return rows


def order(n, seconds):
    """Milliseconds to add up each row, and each column, of a matrix stored by rows (C) and by columns (F)."""
    by_rows = np.random.default_rng(0).normal(size=(n, n)).astype("f4")
    found = {}
    for name, M in {"C": by_rows, "F": np.asfortranarray(by_rows)}.items():
        rows = lambda M=M: [M[i].sum() for i in range(n)]
        columns = lambda M=M: [M[:, j].sum() for j in range(n)]
        found[name] = {"rows": 1e3 * least(rows, seconds), "columns": 1e3 * least(columns, seconds)}
    return found


def batch(seconds):
    """Milliseconds of 1,000 vectors through 256 × 256 weights, one by one and together."""
    rng = np.random.default_rng(0)
    W, x = rng.normal(size=(256, 256)).astype("f4"), rng.normal(size=(1000, 256)).astype("f4")
    np.testing.assert_allclose(np.stack([v @ W for v in x]), x @ W, atol=1e-3)
    one_by_one = least(lambda: [v @ W for v in x], seconds)
    return {"one by one": 1e3 * one_by_one, "together": 1e3 * least(lambda: x @ W, seconds)}


def roofline(n, entries, seconds):
    """The roofs, in GFLOP/s and GB/s, and what four operations on float32 reach, in GFLOP/s."""
    rng = np.random.default_rng(0)
    draw = lambda *shape: rng.normal(size=shape).astype("f4")
    large, out = (draw(2 * n, 2 * n), draw(2 * n, 2 * n)), np.empty((2 * n, 2 * n), "f4")
    peak = 2 * (2 * n) ** 3 / least(lambda: np.matmul(*large, out=out), seconds)
    x, copy = draw(entries), np.empty(entries, "f4")
    read = 4 * entries / least(lambda: np.vdot(x, x), seconds)
    bandwidth = max(read, 8 * entries / least(lambda: np.copyto(copy, x), seconds))  # read and written
    weights, reached = draw(entries // (2 * n * n) or 1, n, n), {}  # too many for a cache
    for size in (1, 64, n):
        a, c = draw(size, n), np.empty((size, n), "f4")
        through_all = lambda a=a, c=c: [np.matmul(a, W, out=c) for W in weights]
        reached[f"batch {size}"] = len(weights) * 2 * size * n * n / least(through_all, seconds)
    reached["ReLU"] = entries / least(lambda: np.maximum(x, 0, out=copy), seconds)
    giga = {name: speed / 1e9 for name, speed in reached.items()}
    return {"peak": peak / 1e9, "bandwidth": bandwidth / 1e9, "reached": giga}


def compiling(entries, seconds):
    """Milliseconds of six operations, one after another and compiled, and the seconds that compiling took."""
    x = torch.rand(entries, generator=torch.Generator().manual_seed(0))
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # what an earlier run has compiled
    compiled = torch.compile(pointwise)
    start = time.perf_counter()
    torch.testing.assert_close(compiled(x), pointwise(x))
    took = time.perf_counter() - start
    eager = least(lambda: pointwise(x), seconds)
    return {"seconds": took, "eager": 1e3 * eager, "compiled": 1e3 * least(lambda: compiled(x), seconds)}


def attention(n, d, seconds):
    """Milliseconds of attention with its matrices of scores, and of PyTorch's, which works in tiles; 4 heads."""
    q, k, v = torch.randn(3, 4, n, d, generator=torch.Generator().manual_seed(0))
    fused = lambda: F.scaled_dot_product_attention(q[None], k[None], v[None])[0]
    torch.testing.assert_close(fused(), plain_attention(q, k, v), atol=1e-4, rtol=1e-4)
    plain = least(lambda: plain_attention(q, k, v), seconds)
    return {"places": n, "plain": 1e3 * plain, "tiled": 1e3 * least(fused, seconds)}


def rounded(x):
    """The record with three digits to a number."""
    if isinstance(x, dict):
        return {key: rounded(value) for key, value in x.items()}
    if isinstance(x, list):
        return [rounded(value) for value in x]
    return float(f"{x:.3g}") if isinstance(x, float) else x


def measure(quick=False):
    """The whole record."""
    seconds, before = (0.0 if quick else 3.0), os.getloadavg()[0]
    entries = 10**5 if quick else 64 * 10**6
    with tied(), torch.no_grad():
        found = {
            "ladder": ladder(16 if quick else 128, seconds),
            "order": order(100 if quick else 8000, seconds),
            "batch": batch(seconds),
            "roofline": roofline(128 if quick else 1024, entries, seconds),
            "attention": attention(64 if quick else 2048, 64, seconds),
            "compile": compiling(entries // 4, seconds),
        }
    load = [round(before, 1), round(os.getloadavg()[0], 1)]
    return rounded(about() | {"code": code_hash(), "load": load} | found)


# --- The page, and the block of the chapter ---------------------------------------------------------------------


def page(record):
    """The reference page of a record."""
    digits = lambda x: "–" if x is None else f"{x:,.0f}" if x >= 100 else f"{x:.3g}"
    slowest, kinds = record["ladder"][0]["float64"], ("float64", "float32")
    rungs = [
        [row["program"], *(digits(row.get(kind)) for kind in kinds), digits(slowest / row["float64"])]
        for row in record["ladder"]
    ]
    found = record["order"]
    orders = [
        [what, *(digits(found[name][key]) for name in "CF")]
        for what, key in (("each row", "rows"), ("each column", "columns"))
    ]
    reached = [[name, digits(speed)] for name, speed in record["roofline"]["reached"].items()]
    pairs = [
        ["1,000 vectors, one by one", digits(record["batch"]["one by one"])],
        ["1,000 vectors together", digits(record["batch"]["together"])],
        ["six operations, one after another", digits(record["compile"]["eager"])],
        ["the same six, compiled", digits(record["compile"]["compiled"])],
        [f"attention over {record['attention']['places']:,} places", digits(record["attention"]["plain"])],
        ["the same, in tiles", digits(record["attention"]["tiled"])],
    ]
    fresh = record["code"] == code_hash()
    kept = ("date", "processor", "cores", "blas", "python", "numpy", "torch", "code")
    return TEMPLATE.read_text(encoding="utf-8").format(
        **{name: record[name] for name in kept},
        ladder=rendered(["program", "float64, ms", "float32, ms", "times as fast as the loops"], rungs),
        order=rendered(["what is added up", "stored by rows, ms", "stored by columns, ms"], orders),
        pairs=rendered(["what is computed", "ms"], pairs),
        peak=digits(record["roofline"]["peak"]),
        bandwidth=digits(record["roofline"]["bandwidth"]),
        reached=rendered(["operation", "GFLOP/s"], reached),
        seconds=digits(record["compile"]["seconds"]),
        load=" at the start and ".join(map(str, record["load"])),
        state="These programs are still the ones that were measured."
        if fresh
        else "The programs have changed since.",
    )


def block(record):
    """The assignment with the numbers that the chapter draws."""
    programs = {row["program"]: {k: row[k] for k in row if k != "program"} for row in record["ladder"]}
    keys = "order", "batch", "roofline", "compile", "attention"
    kept = {"date": record["date"], "ladder": programs} | {key: record[key] for key in keys}
    lines = [
        textwrap.fill(
            json.dumps({key: value})[1:-1] + ",", 76, initial_indent=" " * 4, subsequent_indent=" " * 8
        )
        for key, value in kept.items()
    ]
    return "\n".join(["record = {", *lines, "}"])


def written_in(chapter, record):
    """The chapter with the numbers of this record."""
    return re.sub(r"(?ms)^record = \{.*?^\}\n", lambda _: block(record) + "\n", chapter, count=1)


def main(arguments):
    """Measure, show, and with --record write."""
    if "--page" in arguments:
        record = json.loads(RECORD.read_text(encoding="utf-8"))
        PAGE.write_text(page(record), encoding="utf-8")
        CHAPTER.write_text(written_in(CHAPTER.read_text(encoding="utf-8"), record), encoding="utf-8")
        return
    record = measure("--quick" in arguments)
    print(json.dumps(record, indent=1, ensure_ascii=False), file=sys.stderr)
    if "--record" in arguments:
        RECORD.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        main(["--page"])
        print(f"written: {RECORD.relative_to(ROOT)}, {PAGE.relative_to(ROOT)}, {CHAPTER.relative_to(ROOT)}")
