"""The benchmark of a step: contenders agree, and the page is what the record says."""

import contextlib
import importlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench import engine  # noqa: E402


@pytest.mark.parametrize(
    "task", [engine.small_mlp(8), engine.mlp(4), engine.cnn(8, 2)], ids=lambda task: task.kind
)
def test_contenders_take_the_same_steps(task):
    wanted, steps = engine.in_torch(task), engine.OURS.items()
    first = wanted(), wanted()
    for name, make in steps:
        if name == "NumPy by hand" and task.kind == "cnn":
            continue
        step = make(task)
        for grads in first:
            for a, b in zip(step(), grads, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, err_msg=name)


def test_a_wrong_gradient_is_not_timed(monkeypatch):
    wrong = lambda task: lambda: [a + 1 for a in task.arrays]
    monkeypatch.setitem(engine.OURS, "wrong", wrong)
    with pytest.raises(AssertionError, match="wrong"):
        engine.contenders(engine.small_mlp(8), peers=False)


@pytest.mark.parametrize("make", [make for _, make, _ in engine.SEQUENCES], ids=lambda make: make.__name__)
def test_steps_over_sequences_are_alike(make):
    steps = make()
    for _ in range(2):
        engine.agree(steps["chainrule"](), steps["PyTorch"](), make.__name__)


def test_sequences_are_measured_and_shown(monkeypatch):
    clock = iter(range(10**6))
    monkeypatch.setattr(engine, "clock", lambda: next(clock) / 1000)
    monkeypatch.setattr(engine.time, "monotonic", lambda: 0.0)
    same = lambda: [np.ones(2)]
    alike = {"PyTorch": same, "chainrule": same}
    monkeypatch.setattr(engine, "SEQUENCES", [("A", lambda: alike, 1.0), ("B", None, 1.0)])
    rows = engine.sequences(0)
    row = next(rows)
    assert row["step"] == "A" and row["ratio"]["chainrule"] == 1
    text = engine.page(record() | {"sequences": [row]})
    assert "| A | 1.00 | 1.00 |\n| B | 1.00 | – |\n" in text
    wrong = {"PyTorch": same, "chainrule": lambda: [np.zeros(2)]}
    monkeypatch.setattr(engine, "SEQUENCES", [("C", lambda: wrong, 1.0)])
    with pytest.raises(AssertionError, match="C"):
        next(engine.sequences(0))


def test_an_engine_that_is_missing_is_named(monkeypatch):
    def missing(task):
        raise ImportError("no module named such")

    monkeypatch.setattr(engine, "OTHERS", {"such": missing})
    steps, absent = engine.contenders(engine.small_mlp(8), peers=True)
    assert "such" not in steps and absent == {"such": "did not run here (no module named such)"}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system ties no process to cores")
def test_cores_are_given_back_for_what_is_measured_with_more_threads(monkeypatch):
    before, threads = os.sched_getaffinity(0), torch.get_num_threads()
    monkeypatch.setattr(engine, "THREADS", 1)
    try:
        with engine.tied():
            assert os.sched_getaffinity(0) == {max(before)}
        assert os.sched_getaffinity(0) == before
    finally:
        torch.set_num_threads(threads)


def test_every_benchmark_that_is_offered_can_be_run():
    done = subprocess.run(
        [sys.executable, "-m", "bench", "such"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    message, _, names = done.stderr.strip().partition("; there are ")
    assert done.returncode == 1 and message == "bench: there is no benchmark 'such'"
    assert {"engine", "parity", "build", "gpt", "gpu", "ladder", "outputs", "site"} == set(names.split(", "))
    assert all(callable(importlib.import_module(f"bench.{name}").main) for name in names.split(", "))


def said(page):
    """What the page's block prints."""
    out = io.StringIO()
    block = page.split("```python\n")[1].split("```")[0]
    with contextlib.redirect_stdout(out):
        exec(block, {})
    return out.getvalue()


def record():
    return json.loads(engine.RECORD.read_text(encoding="utf-8"))


def test_page_is_what_the_record_says():
    assert engine.PAGE.read_text(encoding="utf-8") == engine.page(record())


def test_page_says_when_the_code_is_another():
    now = record() | {"code": engine.code_hash()}
    assert said(engine.page(now)).startswith("up to date")
    assert said(engine.page(now | {"code": "0123456789abcdef"})).startswith("stale")


def test_page_names_every_engine_and_says_where_pytorch_leads():
    rows = [
        {
            "step": "A",
            "threads": 1,
            "ratio": {"PyTorch": 1.0, "chainrule": 1.25},
            "absent": {"JAX, jit": "is away"},
        }
    ]
    text = engine.page(record() | {"rows": rows})
    assert all(f"| {name} |" in text for name in [*engine.OURS, *engine.OTHERS])
    assert "PyTorch leads in: A." in text and "two threads |" not in text and "- JAX, jit is away." in text
    again = rows[0] | {"threads": 2, "ratio": {"PyTorch": 1.0, "chainrule": 1.5}}
    text = engine.page(record() | {"rows": [*rows, again]})
    assert "| A | one thread | two threads |" in text and "| chainrule | 1.25 | 1.50 |" in text
    heads = [line for line in text.split("\n") if line.startswith("|  |")]
    assert all(len({*head.split(" | ")}) == head.count("|") - 1 for head in heads), (
        "no two columns have one name"
    )
    assert "says little" in engine.page(record() | {"rows": [*rows, again], "load": [9.0, 9.0]})
    rows[0]["ratio"]["chainrule"] = 0.5
    assert "In none of these steps does PyTorch lead." in engine.page(record() | {"rows": rows})
