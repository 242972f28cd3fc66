"""The GPU record: what is measured, that it can fail, and that without a device nothing changes.

No GPU is needed: the measuring runs on the CPU as a stand-in, or on torch's meta device, where tensors have shapes
and no numbers and anything left on the CPU would clash.
"""

import contextlib
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cases import CASES

from chainrule import ops

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from bench import gpu  # noqa: E402

CPU = torch.device("cpu")
RECORD = {
    "date": "2026-01-02", "device": "a card", "kind": "cuda", "driver": "1.2.3", "cuda": "13.0",
    "code": gpu.code_hash(), "python": "3.11", "numpy": "2.0", "torch": "2.6", "epochs": 2,
    "parity": {"float32": {"rows": 9, "largest": 2e-7, "limit": 1e-5, "over": ["sin"]}},
    "fit": [{"mode": "plain", "first": 2.0, "last": 1.0, "accuracy": 0.75, "seconds": 0.5}],
    "speed": [{"model": "MLP", "batch": 64, "ms": {"chainrule, processor": 12.345, "plain": 0.5}}],
}  # fmt: skip


@pytest.fixture
def folder(monkeypatch, tmp_path):
    book = tmp_path / "book"
    book.mkdir()
    monkeypatch.setattr(gpu, "ROOT", book)
    monkeypatch.setattr(gpu, "RECORD", book / "records" / "gpu.json")
    monkeypatch.setattr(gpu, "PAGE", book / "gpu.md")
    monkeypatch.setattr(gpu, "CONFIG", tmp_path / "mkdocs.yml")
    gpu.CONFIG.write_text("nav:\n      - reference/speed.md\nnot_in_nav: /reference/gpu.md  # yet\nx: 1\n")
    return book


def test_the_page_is_in_the_menu_when_there_is_a_record(folder):
    gpu.main(["--page"])
    assert "not_in_nav" in gpu.CONFIG.read_text()
    gpu.RECORD.parent.mkdir()
    gpu.RECORD.write_text(json.dumps(RECORD))
    for _ in range(2):
        gpu.main(["--page"])
        assert gpu.CONFIG.read_text() == "nav:\n      - reference/speed.md\n      - reference/gpu.md\nx: 1\n"
    written = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert ("\n      - reference/gpu.md\n" in written) == (ROOT / "docs/reference/records/gpu.json").exists()


def test_without_a_device_one_line_and_no_change(monkeypatch, folder, capsys):
    monkeypatch.setattr(gpu, "device", lambda: CPU)
    assert gpu.main(["--record"]) is None
    assert capsys.readouterr().out.count("\n") == 1 and not list(folder.iterdir())


def test_with_a_device_record_and_page(monkeypatch, folder, capsys):
    monkeypatch.setattr(gpu, "device", lambda: torch.device("cuda"))
    monkeypatch.setattr(gpu, "measure", lambda where, quick: RECORD | {"kind": where.type})
    gpu.main([])
    assert not list(folder.iterdir())
    gpu.main(["--record"])
    assert json.loads(gpu.RECORD.read_text()) == RECORD
    text = gpu.PAGE.read_text()
    for part in (
        "a card, driver 1.2.3, CUDA 13.0",
        "| float32 | 9 | 2e-07 | 1e-05 | `sin` |",
        "75.0 %",
        "| 12.3 | 0.5 |",
    ):
        assert part in text
    assert "written: records/gpu.json" in capsys.readouterr().out


def said(page):
    """What the page's block prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(re.search(r"```python\n(.*?)```", page, re.S)[1], {})
    return out.getvalue()


def test_the_page_says_when_the_record_is_stale():
    assert said(gpu.page(RECORD)).startswith("up to date")
    assert said(gpu.page(RECORD | {"code": "0" * 16})).startswith("stale")


def test_the_committed_page_is_that_of_the_committed_record():
    record = json.loads(gpu.RECORD.read_text()) if gpu.RECORD.exists() else None
    assert gpu.PAGE.read_text(encoding="utf-8") == gpu.page(record)


def test_parity_covers_both_precisions_and_names_what_is_wrong(monkeypatch):
    some = [*CASES[::43], next(case for case in CASES if case.op == "sin")]
    found = gpu.parity(CPU, some)
    assert [(f["rows"], f["over"]) for f in found.values()] == [(len(some) + len(gpu.SMALL), [])] * 2
    assert 0 < found["float64"]["largest"] < 1e-12 < found["float32"]["largest"] < 1e-5
    monkeypatch.setattr(ops, "sin", ops.primitive(lambda x: (np.sin(x), lambda g: -g * np.cos(x))))
    assert gpu.parity(CPU, some)["float64"]["over"] == ["sin"]


class FakeMps(contextlib.nullcontext):
    type = "mps"


def test_mps_has_no_float64(monkeypatch):
    monkeypatch.setattr(gpu, "SMALL", {})
    assert set(gpu.parity(FakeMps(), CASES[:3])) == {"float32"}


def test_parity_runs_in_full_precision_and_leaves_the_settings():
    before = torch.backends.cudnn.allow_tf32
    with gpu.exactly(CPU):
        assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32 == before


def test_fit_and_speed(monkeypatch):
    monkeypatch.setattr(gpu, "MODES", {"plain": {}})
    (row,) = gpu.fits(CPU, 1, 32)
    assert (
        row["mode"] == "plain"
        and row["first"] == row["last"] > 1
        and row["seconds"] > 0 <= row["accuracy"] <= 1
    )
    mlp, cnn = gpu.speed(CPU, (2,), 1)
    assert mlp["model"] == "MLP" and cnn["model"] == "CNN" and min(cnn["ms"].values()) > 0
    assert list(mlp["ms"]) == ["chainrule, processor", "PyTorch, processor", "plain"]


@pytest.mark.deep
def test_every_mode_trains_alike(monkeypatch):
    eager = lambda options: {k: "eager" if k == "compile" else v for k, v in options.items()}
    monkeypatch.setattr(gpu, "MODES", {name: eager(options) for name, options in gpu.MODES.items()})
    rows = gpu.fits(CPU, 1, 32)
    assert [row["mode"] for row in rows] == ["plain", "bfloat16", "compiled", "compiled, bfloat16"]
    plain = rows[0]["last"]
    assert rows[2]["last"] == pytest.approx(plain, rel=1e-5)
    assert all(row["last"] == pytest.approx(plain, rel=0.05) for row in rows)


@pytest.mark.parametrize("make", [gpu.mlp, gpu.cnn])
def test_no_step_names_a_device(make):
    x, y = np.zeros((4, 1, 28, 28), np.float32), np.zeros(4, np.int64)
    assert gpu.in_torch(make(), x, y, torch.device("meta"))().device.type == "meta"
    assert gpu.Clock(torch.device("meta")).seconds() >= 0
