"""Labs: read as jupytext reads them or refused by line, then run, cached and shown as chapters are."""

import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pytest

from bookbinder import cache, labs, runner
from bookbinder.chapter import load
from bookbinder.check import check
from conftest import ROOT

LAB = ROOT / "docs/labs/first-descent.py"
TITLE = "# %% [markdown]\n# # A lab\n\n"
CONFIG = """site_name: Trial
use_directory_urls: true
theme: {name: material, font: false}
markdown_extensions: [pymdownx.superfences, pymdownx.highlight, bookbinder.math, bookbinder.markdown]
plugins: [JUPYTER, bookbinder]
"""
JUPYTER = '{mkdocs-jupyter: {include: ["labs/*.py"], execute: true, allow_errors: true}}'
INDEX = "---\ntitle: Trial\ndescription: A trial.\n---\n# Trial\n\n[A lab](labs/a.py).\n"
# What a lab may look like; `page` is its Markdown without the empty lines.
READ = {
    "comments": (TITLE + "# %%\nx = 1\n", "# A lab|```python|x = 1|```"),
    "quotes": (TITLE + '# %% [markdown]\n"""\n## Two\n\nMore.\n"""\n', "# A lab|## Two|More."),
    "raw quotes": (TITLE + '# %% [markdown]\nr"""\n$\\alpha$\n"""\n', "# A lab|$\\alpha$"),
    "quotes on the line": (TITLE + '# %% [markdown]\n"""## Two"""\n', "# A lab|## Two"),
    "no blank": (TITLE + "#%%\nx = 1\n", "# A lab|```python|x = 1|```"),
    "md": (TITLE + "# %% [md]\n# Text.\n", "# A lab|Text."),
    "a name and tags": (TITLE + '# %% A name tags=["a"]\nx = 1\n', "# A lab|```python|x = 1|```"),
    "sub-cell": (
        TITLE + "# %%\nx = 1\n\n# %%% Sub\ny = 2\n",
        "# A lab|```python|x = 1|```|```python|y = 2|```",
    ),
    "no sub-cell": (TITLE + "# %%\nx = 1\n\n# %%%\ny = 2\n", "# A lab|```python|x = 1|# %%%|y = 2|```"),
    "marker in a string": (
        TITLE + '# %%\ns = """\n# %% no\n"""\n',
        '# A lab|```python|s = """|# %% no|"""|```',
    ),
    "text below code": (TITLE + "# %%\nx = 1\n# %% [markdown]\n# T\n", "# A lab|```python|x = 1|```|T"),
    "twice the same": (
        TITLE + "# %%\nx = 1\n\n# %%\nx = 1\n",
        "# A lab|" + "|".join(["```python|x = 1|```"] * 2),
    ),
    "empty cells": (TITLE + "# %%\n\n# %%\nx = 1\n\n# %%\n", "# A lab|```python|x = 1|```"),
    "no last line end": (TITLE + "# %%\nx = 1", "# A lab|```python|x = 1|```"),
    "a header": ("# ---\n# title: A\n# jupyter:\n#   a: 1\n# ---\n\n" + TITLE, "---|title: A|---|# A lab"),
}
# What is refused: line and rule.
REFUSED = {
    "light format": ("# # A lab\n# Text.\n\n# +\nprint(1)\n# -\n", 1, "light"),
    "text above": ("# # A lab\n#\n# Text.\n\n# %%\nprint(1)\n", 1, "above"),
    "a docstring": ('"""A lab."""\n\n# %%\nprint(1)\n', 1, "above"),
    "sphinx": ('"""\n=\nA\n=\n"""\n\nx = 1\n####\n# text\n', 1, "above"),
    "raw": (TITLE + "# %% [raw]\n# raw\n\n# %%\nx = 1\n", 4, "raw"),
    "a magic": (TITLE + "# %%\n# %matplotlib inline\nx = 1\n", 4, "otherwise"),
    "codecell": (TITLE + "# <codecell>\nx = 1\n", 4, "otherwise"),
    "cells without a line between": (TITLE + "# %%\nx = 1\n# %%\ny = 2\n", 6, "close"),
    "code in text": (TITLE + "# %% [markdown]\n# ```python\n# x = 1\n# ```\n", 5, "fence"),
}


@pytest.mark.parametrize("name", READ)
def test_a_lab_is_read_as_jupytext_reads_it_on_the_same_lines(name):
    text, page = READ[name]
    shown, faults = labs.as_markdown(text)
    assert faults == [] and [row for row in shown.split("\n") if row] == page.split("|")
    cells = [cell.source for cell in jupytext.reads(text, "py:percent").cells if cell.cell_type == "code"]
    assert re.findall("```python\n(.*?)\n```", shown, re.S) == [source for source in cells if source]
    rows = text.split("\n")
    for n, row in enumerate(shown.rstrip("\n").split("\n")[: len(rows)]):
        assert row in ("", "---", "```", "```python") or row in rows[n]


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_be_read_otherwise_is_refused_at_its_line(tmp_path, name):
    text, line, rule = REFUSED[name]
    (tmp_path / "labs").mkdir()
    lab = tmp_path / "labs/a.py"
    lab.write_text(text, encoding="utf-8")
    found = load(lab, tmp_path).faults
    wanted = labs.fault(f"lab.{rule}", "labs/a.py", line, error="")
    assert [str(fault) for fault in found][:1] == [str(wanted)]


def test_a_page_and_a_lab_of_one_name_are_refused(tmp_path):
    (tmp_path / "labs").mkdir()
    for name, text in (("a.py", TITLE), ("a.md", INDEX.replace("[A lab](labs/a.py)", "A")), ("b.py", TITLE)):
        (tmp_path / "labs" / name).write_text(text, encoding="utf-8")
    said = [
        str(f) for name in ("a.py", "a.md", "b.py") for f in check(load(tmp_path / "labs" / name), tmp_path)
    ]
    assert len(said) == 2 and "the page and a.md are both called so" in said[0] and "a.py" in said[1]


def test_a_lab_is_read_as_a_chapter_of_the_same_lines():
    lab = load(LAB)
    text = LAB.read_text(encoding="utf-8")
    assert lab.faults == []
    assert [block.code.strip() for block in lab.blocks] == [code.strip() for code in programs()]
    for block in lab.blocks:
        assert text.splitlines()[block.line - 1] == "# %%"
    assert "\n# Lab: a first descent\n" in lab.text
    assert len(lab.programs()) == 1, "a lab is one program"


def written(folder: Path, code: str) -> Path:
    (folder / "docs/labs").mkdir(parents=True, exist_ok=True)
    file = folder / "docs/labs/a.py"
    file.write_text(f"{TITLE}# %%\n{code}\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "x = 1\nraise ValueError('seen to fail')",
            "docs/labs/a.py:6  block 1 of 1  ValueError: seen to fail",
        ),
        ("import socket\nsocket.create_connection(('192.0.2.1', 80))", "may not use the network"),
        ("import warnings\nwarnings.warn('old', DeprecationWarning)", "DeprecationWarning: old"),
        (
            "import matplotlib.pyplot as plt\n_ = plt.plot([1])",
            "docs/labs/a.py:4  block 1 of 1  a figure without",
        ),
    ],
)
def test_a_lab_runs_under_the_rules_of_chapters(own_cache, tmp_path, monkeypatch, code, said):
    monkeypatch.chdir(tmp_path)
    (result,) = runner.run([load(written(tmp_path, code))], quiet=True)
    assert [said in str(failure) for failure in result.failures] == [True]


def test_frames_that_make_no_film_are_a_fault_of_a_lab(own_cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lab = written(tmp_path, "print('--- 0')")
    lab.write_text(
        lab.read_text().replace("# %%\nprint", "# <!-- play: step -->\n\n# %%\nprint"), encoding="utf-8"
    )
    (failure,) = runner.run([load(lab)], quiet=True)[0].failures
    assert failure.line == 6 and "one frame under play" in failure.message


def test_a_lab_is_kept_by_what_shaped_it_and_is_the_same_page_as_markdown(own_cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lab = load(written(tmp_path, "print(6 * 7)"))
    assert runner.run([lab], quiet=True)[0].fresh and not runner.run([lab], quiet=True)[0].fresh
    (tmp_path / "overrides").mkdir()
    (tmp_path / "mkdocs.yml").write_text("nav: [labs/a.py]\n", encoding="utf-8")
    (tmp_path / "docs/index.md").write_text(INDEX, encoding="utf-8")
    assert labs.stage(tmp_path, tmp_path / "build") == 1
    monkeypatch.chdir(tmp_path / "build")
    assert cache.key(load(Path("docs/labs/a.md"))) == cache.key(lab) and not Path("docs/labs/a.py").exists()
    assert "labs/a.md" in Path("mkdocs.yml").read_text() and "labs/a.md" in Path("docs/index.md").read_text()
    monkeypatch.setattr(cache, "surroundings", lambda: "chainrule was changed")
    assert runner.run([lab], quiet=True)[0].fresh


def test_surroundings_know_a_change_of_the_package(tmp_path, monkeypatch):
    for name in [*(f"bookbinder/{name}" for name in cache._SHAPING), "chainrule/ops.py"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.setattr(cache, "_HERE", tmp_path / "bookbinder")
    file = tmp_path / "chainrule/ops.py"
    seen = set()
    for text in ("return a + b", "return a - b"):
        file.write_text(text, encoding="utf-8")
        seen.add(cache.surroundings())
    assert len(seen) == 2


def programs() -> list[str]:
    """The code cells of the lab."""
    cells = re.split(r"^# %%(.*)\n", LAB.read_text(encoding="utf-8"), flags=re.M)
    return [code for kind, code in zip(cells[1::2], cells[2::2], strict=True) if "markdown" not in kind]


def play(cells: list[str], capsys) -> str:
    space = {"__name__": "__main__"}
    for code in cells:
        exec(compile(code, str(LAB), "exec"), space)
    return capsys.readouterr().out


def test_run_all_reaches_the_end_and_says_not_yet(capsys):
    said = play(programs(), capsys)
    assert said.count("not yet: the") == 3 and said.count("still empty") == 3


def test_the_answers_fill_the_blanks_and_a_wrong_one_does_not(capsys):
    *cells, answers = programs()
    solved = dict(
        re.findall(r"^(def (?:gradient|longest_step|forgiving)\(.*\n)((?:    .*\n)+)", answers, re.M)
    )
    assert len(solved) == 3

    def filled(change=lambda body: body) -> list[str]:
        """The lab with each blank filled by its answer."""
        out = cells
        for head, body in solved.items():
            out = [
                re.sub(re.escape(head) + r"(?:    .*\n)+", lambda _, h=head, b=body: h + change(b), c)
                for c in out
            ]
        return out

    assert play(filled(), capsys).count("right: the check passes") == 3
    wrong = play(
        filled(lambda body: re.sub(r"\b2 \* (?=error|np)|(?<=\(1 \+ \()|\*\* 0\.5", "", body)), capsys
    )
    assert wrong.count("not yet:") == 3 and "empty" not in wrong


def build(folder: Path, jupyter: str) -> str:
    """The lab's page in a site of one lab, with or without a plugin for notebooks."""
    (folder / "docs/index.md").write_text(INDEX, encoding="utf-8")
    (folder / "mkdocs.yml").write_text(CONFIG.replace("JUPYTER, ", jupyter), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Converting notebook" not in done.stderr, "it would be run a second time"
    return (folder / "site/labs/a/index.html").read_text(encoding="utf-8")


def test_a_lab_is_the_same_page_with_and_without_the_plugin_for_notebooks(own_cache, tmp_path):
    """Its figure, output and formula stand there as on a chapter, and nothing of what that plugin writes."""
    lab = written(tmp_path, "import matplotlib.pyplot as plt\nprint('drawn')")
    with lab.open("a", encoding="utf-8") as more:
        more.write(
            "_ = plt.subplots()[1].set(title='A circle', xlabel='x')\n\n# %% [markdown]\n# The slope $w$.\n"
        )
    html = build(tmp_path, f"{JUPYTER}, ")
    assert html == build(tmp_path, "")
    assert html.count('alt="A circle. x axis: x"') == 2 and "drawn" in html and "<math" in html
    assert "jp-" not in html and "<title>A lab - Trial</title>" in html
    notebook = nbformat.read(tmp_path / "site/notebooks/labs/a.ipynb", as_version=4)
    code = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert ["image/svg+xml" in out.get("data", {}) for out in code.outputs] == [False, True]
    assert 'href="labs/a/"' in (tmp_path / "site/index.html").read_text(encoding="utf-8")
