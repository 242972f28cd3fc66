"""The binder from a shell."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bookbinder import course, length
from bookbinder.__main__ import main

FRONT = "---\ntitle: T\ndescription: D.\n---\n# T\n\nText.\n\n"
CONFIG = "nav:\n  - I · Learning:\n      - learning/a.md\n  - Contribute:\n      - c.md\n"


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    (tmp_path / "docs").mkdir()
    (tmp_path / "mkdocs.yml").write_text(CONFIG)
    return tmp_path / "docs"


def test_check_tells_every_fault_of_every_page_at_once(book, capsys):
    (book / "a.md").write_text(FRONT + "```py\nx\n```\n\n[a](gone.md)\n")
    (book / "b.md").write_text(FRONT.replace("title: T\n", ""))
    assert main(["check"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in said] == ["docs/a.md:9", "docs/a.md:13", "docs/b.md:1"]


def test_check_annotates_the_diff_on_github(book, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (book / "a.md").write_text(FRONT + "[a](gone.md)\n")
    assert main(["check"]) == 1
    assert "::error file=docs/a.md,line=9::the link to gone.md leads nowhere" in capsys.readouterr().out


def test_run_reports_all_failing_pages_and_spares_the_others(book, capsys):
    for name, code in (("a", "1 / 0"), ("b", "[][1]"), ("c", "print(3)")):
        (book / f"{name}.md").write_text(FRONT + f"```python\n{code}\n```\n")
    assert main(["run"]) == 1
    said = capsys.readouterr().out
    assert "docs/a.md:10  block 1 of 1  ZeroDivisionError" in said
    assert "docs/b.md:10  block 1 of 1  IndexError" in said
    assert main(["run", "docs/c.md"]) == 0
    assert "kept    docs/c.md" in capsys.readouterr().out


def test_faults_and_failures_are_told_in_the_order_of_their_places(book, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (book / "a.md").write_text(FRONT + "[a](gone.md)\n\n```py\nx\n```\n")
    (book / "b.md").write_text(FRONT + "```python\n1 / 0\n```\n")
    (book / "c.md").write_text(FRONT + "[a](gone.md)\n")
    assert main(["check", "--run"]) == 1
    said = capsys.readouterr().out.split("\n")
    places = [line.split("  ")[0] for line in said if line.startswith("docs/")]
    assert places == ["docs/a.md:9", "docs/a.md:11", "docs/b.md:10", "docs/c.md:9"]
    noted = [line.partition("::error file=")[2].split(":")[0] for line in said if line.startswith("::error")]
    assert noted == [place.replace(":", ",line=") for place in places]


def test_new_writes_a_chapter_that_passes_and_enters_the_nav(book, capsys):
    assert main(["new", "learning/better-steps"]) == 0
    assert main(["check", "--run", "docs/learning/better-steps.md"]) == 0
    lines = Path("mkdocs.yml").read_text().splitlines()
    assert lines.index("      - learning/better-steps.md") == lines.index("      - learning/a.md") + 1
    assert main(["new", "learning/better-steps"]) == 1
    assert main(["new", "nowhere/x"]) == 1
    assert "part/name" in capsys.readouterr().out


def test_the_first_chapter_of_a_part_begins_it_behind_the_parts_before(book):
    for name in ("depth/a", "networks/b", "depth/c"):
        assert main(["new", name]) == 0
    wanted = ["II · Networks:", "networks/b.md", "III · Depth:", "depth/a.md", "depth/c.md", "Contribute:"]
    rows = Path("mkdocs.yml").read_text(encoding="utf-8").splitlines()
    assert [row.strip(" -") for row in rows[3:9]] == wanted


LIST = """[[part]]
folder = "learning"
chapters = [
  { planned = "What comes first", page = "learning/first.md" },
  "learning/a.md",
]
[[part]]
folder = "networks"
chapters = ["networks/n.md"]
[[part]]
folder = "depth"
chapters = []
"""


def test_new_writes_what_is_planned_and_puts_others_last_in_their_part(book, capsys, monkeypatch):
    monkeypatch.setattr(length, "FEWEST", 0)
    Path("course.toml").write_text(LIST)
    assert main(["new", "learning/first"]) == 0
    said = capsys.readouterr().out
    assert "docs/learning/first.md: written, chapter 1 of the course, as course.toml planned" in said
    assert "# What comes first" in (book / "learning/first.md").read_text()
    assert main(["new", "learning/last"]) == 0
    assert "chapter 3 of the course, the last of its part" in (said := capsys.readouterr().out)
    assert "the 1 behind it move up by one" in said
    assert main(["new", "depth/d"]) == 0
    entries = course.of(Path("docs")).entries
    wanted = ["learning/first.md", "learning/a.md", "learning/last.md", "networks/n.md", "depth/d.md"]
    assert [*entries] == wanted and not any(entry.planned for entry in entries.values())
    nav = [row.strip(" -") for row in Path("mkdocs.yml").read_text(encoding="utf-8").splitlines()]
    assert [row for row in nav if row in entries] == [page for page in wanted if page != "networks/n.md"]
    assert main(["check", "docs/learning/first.md", "docs/learning/last.md"]) == 0
    assert main(["new", "tricks/t"]) == 0
    assert "course.toml has no part for it" in capsys.readouterr().out


def test_faults_of_the_list_are_told_with_those_of_the_pages(book, capsys):
    Path("course.toml").write_text(LIST + '[redirects]\n"old/" = "gone/"\n')
    assert main(["check"]) == 1
    said = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert said == ["course.toml:5", "course.toml:9", "course.toml:14"]


def test_postprocess_leads_old_addresses_on(book, capsys):
    (book / "new.md").write_text(FRONT)
    Path("course.toml").write_text('[redirects]\n"old/" = "new/"\n')
    Path("site").mkdir()
    Path("site/index.html").write_text("<html><head></head></html>")
    assert main(["postprocess", "site"]) == 0
    assert "url=../new/" in Path("site/old/index.html").read_text()


def test_sync_mends_what_the_check_reports(book, capsys):
    Path("src/p").mkdir(parents=True)
    Path("src/p/m.py").write_text("def f(x):\n    return x\n")
    (book / "a.md").write_text(FRONT + "<!-- source: p.m.f -->\n```python\npass\n```\n")
    assert main(["check"]) == 1 and "the block differs from p.m.f" in capsys.readouterr().out
    assert main(["sync"]) == 0 and main(["check"]) == 0
    assert "return x" in (book / "a.md").read_text()


def test_notebooks_of_all_pages_go_into_a_folder(book, capsys):
    (book / "a.md").write_text(FRONT + "```python\nprint(1)\n```\n")
    (book / "b.md").write_text(FRONT)
    assert main(["notebooks", "--to", "out"]) == 0
    assert capsys.readouterr().out == "1 notebooks in out/notebooks\n"
    assert [file.name for file in Path("out/notebooks").iterdir()] == ["a.ipynb"]
    (book / "a.md").write_text(FRONT + "```python\n1 / 0\n```\n")
    assert main(["notebooks", "--to", "out"]) == 1 and "docs/a.md:10" in capsys.readouterr().out


def has_worked(process: psutil.Process) -> bool:
    """Whether a process has used a second of time; one that ended since it was listed counts no more."""
    try:
        return process.cpu_times().user > 1
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_ctrl_c_stops_the_kernels_and_keeps_the_cache_whole(book):
    (book / "a.md").write_text(FRONT + "```python\nprint(1)\n```\n")
    (book / "b.md").write_text(
        FRONT + "```python\nopen('started', 'w').close()\nwhile True:\n    pass\n```\n"
    )
    process = subprocess.Popen([sys.executable, "-m", "bookbinder", "run"], stderr=subprocess.PIPE, text=True)
    kernels = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (kernels and list(Path("cache/runs").glob("*.json"))):
        kernels = [p for p in psutil.Process(process.pid).children(recursive=True) if has_worked(p)]
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and "finished are kept" in said
    assert not any(kernel.is_running() and kernel.status() != "zombie" for kernel in kernels)
    assert len(list(Path("cache/runs").glob("*.json"))) == 1 and not list(Path("cache/runs").glob(".*"))
