"""The times beside the rows of the parity page: what is measured, and that the page shows the record."""

import contextlib
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench import engine, parity  # noqa: E402

from chainrule import nn, ops  # noqa: E402
from chainrule.torch import COUNTERPARTS, to_torch  # noqa: E402


@pytest.fixture
def clocked(monkeypatch):
    """A clock that stands still unless a step moves it: a list with the time."""
    now = [0.0]
    monkeypatch.setattr(parity, "clock", lambda: now[0])
    return now


def taking(now, seconds):
    def step():
        now[0] += seconds

    return step


def test_ratio_is_ours_by_theirs_however_often_either_is_repeated(clocked):
    ours, theirs = [taking(clocked, 1e-4)], [taking(clocked, 3e-5), taking(clocked, 1e-5)]
    assert parity.repeats(ours) == 20 and parity.repeats(theirs) == 50
    assert parity.ratio(ours, theirs, 3) == pytest.approx(2.5)


def test_steps_that_take_no_time_are_repeated_and_end(clocked):
    assert parity.repeats([taking(clocked, 0.0)]) == 20_000


def noted(ours, theirs, *inputs):
    timing = parity.Timing(1)
    timing.differences_to_torch(ours, theirs, *inputs, dtype=np.float32)
    return timing.steps


def test_a_step_goes_forward_and_backward_anew():
    seen = []

    def kept(x):
        seen.append(x)
        return x * x

    for step in noted(kept, kept, np.array([2.0, 3.0])):
        before = len(seen)
        step()
        step()
        assert len(seen) == before + 2 and str(seen[-1].dtype).endswith("float32")
        assert seen[-1].grad.tolist() == [4.0, 6.0], "that of one step, not of two"


def test_a_step_trains_a_layer_and_takes_several_outputs():
    ours = nn.LSTM(3, 2).to(np.float32)
    theirs = to_torch(ours, "cpu")
    for step, layer in zip(noted(ours, theirs, np.ones((4, 1, 3))), (ours, theirs), strict=True):
        step()
        assert all(p.grad is not None for p in layer.parameters())


def test_integers_are_passed_on_as_they_are():
    table, index = np.ones((4, 2)), np.array([1, 3])
    for step in noted(ops.embedding, torch.nn.functional.embedding, index, table):
        step()


def test_every_row_of_the_page_is_measured(monkeypatch, capsys):
    monkeypatch.setattr(parity, "TURN", 0.0)
    ratios = parity.measure(1)
    assert ratios.keys() == COUNTERPARTS.keys() and min(ratios.values()) > 0
    assert len(capsys.readouterr().out.splitlines()) == len(ratios), "one line each"


def test_page_shows_the_record():
    record, text = json.loads(parity.RECORD.read_text()), parity.PAGE.read_text(encoding="utf-8")
    assert text == parity.page(record, text)
    assert record["ratio"].keys() <= COUNTERPARTS.keys(), "what is new may be measured later"
    bare = [name.partition(".")[2] for name in COUNTERPARTS]
    assert len({*bare}) == len(bare), "the page looks a time up by the name alone"


def test_a_page_without_its_place_for_times_is_named():
    with pytest.raises(AssertionError, match="parity.md lacks"):
        parity.page(json.loads(parity.RECORD.read_text()), "no page")


def test_page_says_when_the_code_is_another():
    record, text = json.loads(parity.RECORD.read_text()), parity.PAGE.read_text(encoding="utf-8")

    def said(code):
        blocks = re.findall(r"```python\n(.*?)```", parity.page(record | {"code": code}, text), re.S)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec("".join([*blocks[:2], *(block for block in blocks if "MEASURED" in block)]), {})
        return out.getvalue()

    assert "up to date" in said(engine.code_hash())
    assert "stale" in said("0123456789abcdef")
