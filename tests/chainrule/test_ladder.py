"""The benchmark behind *Making it fast*: its programs agree, and page and chapter hold what the record says."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench import ladder  # noqa: E402


def record():
    return json.loads(ladder.RECORD.read_text(encoding="utf-8"))


def written(chapter):
    """The numbers that the chapter draws."""
    block = chapter[chapter.index("\nrecord = {") :].partition("```")[0]
    names: dict = {}
    exec(block, names)
    return names["record"]


@pytest.mark.parametrize("name", ladder.PROGRAMS)
def test_programs_give_the_same_product(name):
    A, B = np.random.default_rng(0).normal(size=(2, 7, 7))
    lists = ladder.PROGRAMS[name] is ladder.loops
    got = ladder.PROGRAMS[name](*((A.tolist(), B.tolist()) if lists else (A, B)))
    np.testing.assert_allclose(got, A @ B, atol=1e-13)


def test_programs_are_those_of_the_chapter():
    blocks = ladder.CHAPTER.read_text(encoding="utf-8").split("```python\n")
    names: dict = {"np": np}
    exec(next(block for block in blocks if "def loops" in block).split("```")[0], names)
    A, B = np.random.default_rng(0).normal(size=(2, 5, 5))
    for ours, theirs in {"loops": "loops", "dots": "dots", "outers": "outers", "summed": "einsum"}.items():
        np.testing.assert_array_equal(getattr(ladder, ours)(A, B), names[theirs](A, B))


def test_a_wrong_program_is_not_timed(monkeypatch):
    monkeypatch.setitem(ladder.PROGRAMS, "wrong", lambda A, B: A + B)
    with pytest.raises(AssertionError):
        ladder.ladder(4, 0.0)


def test_least_of_the_times_counts(monkeypatch):
    times = iter([0.0, 1.0, 0.0, 5.0, 0.0, 3.0, 0.0, 4.0])
    monkeypatch.setattr(ladder.time, "monotonic", lambda: 0.0)
    assert ladder.least(lambda: None, 0.0, now=lambda: next(times)) == 3.0


def test_everything_is_measured_and_has_three_digits(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_FORCE_DISABLE_CACHES", "1")  # so that it is put back
    monkeypatch.setattr(torch, "compile", lambda f: f)
    found = ladder.measure(quick=True)
    assert found.keys() == record().keys()
    assert [row["program"] for row in found["ladder"]] == list(ladder.PROGRAMS)
    assert "float32" not in found["ladder"][0] and all("float32" in row for row in found["ladder"][1:])
    assert list(found["roofline"]["reached"]) == ["batch 1", "batch 64", "batch 128", "ReLU"]
    assert ladder.rounded({"a": [1.23456, 3]}) == {"a": [1.23, 3]}
    assert (
        "| three loops |" in ladder.page(found)
        and written(f"\n{ladder.block(found)}\n")["order"] == found["order"]
    )


def test_page_is_what_the_record_says():
    assert ladder.PAGE.read_text(encoding="utf-8") == ladder.page(record())
    changed = ladder.page(record() | {"code": "0123456789abcdef"})
    assert "The programs have changed since." in changed


def test_chapter_holds_the_numbers_of_the_record():
    chapter = ladder.CHAPTER.read_text(encoding="utf-8")
    assert ladder.written_in(chapter, record()) == chapter
    found = written(chapter)
    assert found["roofline"] == record()["roofline"] and found["date"] == record()["date"]
    assert all(found["ladder"][row["program"]]["float64"] == row["float64"] for row in record()["ladder"])
    other = record() | {"date": "2030-01-01"}
    assert written(ladder.written_in(chapter, other))["date"] == "2030-01-01"
    assert all(len(line) <= 80 for line in ladder.block(record()).split("\n"))
