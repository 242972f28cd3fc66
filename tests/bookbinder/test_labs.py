"""Labs: read as jupytext reads them or refused by line, then run, cached and shown as chapters are."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import jupytext
import nbformat
import pytest
from test_lab_solutions import Player, code_cells

from bookbinder import cache, labs, reader, runner
from bookbinder.chapter import load
from bookbinder.check import check
from conftest import ROOT

LAB = ROOT / "docs/labs/first-descent.py"
TITLE = "# %% [markdown]\n# # A lab\n\n"
CONFIG = """site_name: Trial
use_directory_urls: true
theme: {name: material, font: false}
markdown_extensions:
  - admonition
  - attr_list
  - pymdownx.details
  - pymdownx.superfences
  - pymdownx.highlight
  - bookbinder.math
  - bookbinder.markdown
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
    "part of an exercise": (
        TITLE + "# %% [markdown]\n#     <!-- exercise: a starter -->\n\n# %%\nx = 1\n\ny = 2\n",
        "# A lab|    <!-- exercise: a starter -->|    ```python|    x = 1|    y = 2|    ```",
    ),
    "below a directive": (
        TITLE + "# %% [markdown]\n# <!-- fold: f -->\n\n# %%\nx = 1\n",
        "# A lab|<!-- fold: f -->|```python|x = 1|```",
    ),
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
    "a solution elsewhere": (
        TITLE + "# %% [markdown]\n# <!-- exercise: a starter -->\n# ```python\n# x = 1\n# ```\n",
        6,
        "fence",
    ),
    "code in text": (TITLE + "# %% [markdown]\n# ```python\n# x = 1\n# ```\n", 5, "fence"),
}


@pytest.mark.parametrize("name", READ)
def test_a_lab_is_read_as_jupytext_reads_it_on_the_same_lines(name):
    text, page = READ[name]
    shown, faults = labs.as_markdown(text)
    assert faults == [] and [row for row in shown.split("\n") if row] == page.split("|")
    cells = [cell.source for cell in jupytext.reads(text, "py:percent").cells if cell.cell_type == "code"]
    found = re.findall("```python\n(.*?)\n *```", shown, re.S)
    assert [textwrap.dedent(code) for code in found] == [source for source in cells if source]
    rows = text.split("\n")
    for n, row in enumerate(shown.rstrip("\n").split("\n")[: len(rows)]):
        assert row.strip() in ("", "---", "```", "```python") or row.strip() in rows[n]


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
    cells = [cell.source for cell in jupytext.reads(text, "py:percent").cells if cell.cell_type == "code"]
    parts = [block for block in lab.blocks if not (block.exercise and block.exercise[1] == "solution")]
    assert [block.code.strip() for block in parts] == cells, "a solution is no cell"
    for block in parts:
        assert text.splitlines()[block.line - 1] == "# %%"
    assert "\n# A first descent\n" in lab.text and lab.meta["title"] == "A first descent"
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


DRILL = """# %% [markdown]
# # A lab
#
# !!! exercise "1 · Double"
#     Double it.
#
#     <!-- exercise: double setup -->

# %%
seen = [1]
count = lambda: len(seen)
ask = lambda: double(21)

# %% [markdown]
#     <!-- exercise: double starter -->

# %%
def double(x):
    ...  # your turn

# %% [markdown]
#     <!-- exercise: double check -->

# %%
seen.append(2)
assert count() == 2, "an answer before this one has changed the lab"
assert double(3) is not None, "nothing comes back"
assert ask() == 42, f"a half: {ask()}"
seen = "as a notebook keeps it"
print("doubled")

# %% [markdown]
#     ??? tip "Hint"
#         Add it to itself.
#
#     ??? success "Solution"
#         <!-- exercise: double solution -->
#         ```python
#         def double(x):
#             return 2 * x
#         ```
#
#     <!-- exercise: double wrong: a half
#     def double(x):
#         return x / 2
#     -->
#
#     <!-- exercise: double wrong: nothing comes back
#     def double(x):
#         seen.append(x)
#         x + x
#     -->
#
#     <!-- exercise: double right: added
#     def double(x):
#         return x + x
#     -->
#
# <!-- exercise: double stand-in -->

# %%
print("a product stands in, and seen is", seen)
double = lambda x: x * 2

# %%
print(double(4))
"""


def drill(folder: Path, change=lambda text: text) -> runner.Result:
    lab = written(folder, "")
    lab.write_text(change(DRILL), encoding="utf-8")
    chapter = load(lab)
    assert check(chapter, folder / "docs") == []
    return runner.run([chapter], quiet=True)[0]


def test_an_exercise_of_a_lab_is_put_to_its_check_where_it_stands(own_cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = drill(tmp_path)
    assert [str(failure) for failure in result.failures] == []
    shown = [[out["text"] for out in slot["outputs"]] for slot in result.data["blocks"]]
    assert shown == [[], [], [], ["doubled\n"], ["a product stands in, and seen is [1]\n"], ["8\n"]]


@pytest.mark.parametrize(
    ("old", "new", "at", "said"),
    [
        (
            "return x / 2",
            "return x * 2",
            "wrong: a half",
            "the wrong answer 'a half' of exercise double passes its check",
        ),
        (
            "return x + x",
            "return x + 1",
            "right: added",
            "the right answer 'added' of exercise double fails its check",
        ),
        ("return 2 * x", "...", "```python", "the solution of exercise double counts as not filled"),
        (
            "wrong: a half",
            "wrong: too small",
            "wrong: too small",
            "is not told its mistake: AssertionError: a half: 10.5",
        ),
        ("...  # your turn", "...\n\nraise ValueError", "raise ValueError", "ValueError"),
        ("double = lambda x: x * 2", "double = x * 2", "double = x", "NameError"),
    ],
)
def test_a_fault_of_an_exercise_of_a_lab_is_told_at_its_line(
    own_cache, tmp_path, monkeypatch, old, new, at, said
):
    monkeypatch.chdir(tmp_path)
    text = DRILL.replace(old, new)
    failures = drill(tmp_path, lambda _: text).failures
    line = next(n for n, row in enumerate(text.split("\n"), 1) if at in row)
    assert any(failure.line == line and said in failure.message for failure in failures), failures


def test_a_chapter_has_no_stand_in(tmp_path):
    page = tmp_path / "a.md"
    page.write_text("<!-- exercise: double stand-in -->\n```python\nx = 1\n```\n", encoding="utf-8")
    assert "exercise double of a chapter has a stand-in" in "".join(map(str, load(page).faults))


def test_the_notebook_of_a_lab_goes_on_with_what_fills_a_blank(tmp_path):
    lab = written(tmp_path, "")
    for filled, said in (
        ("...  # your turn", "not yet: fill the body of `double`\na product stands in, and seen is [1]\n8\n"),
        ("return 3 * x", "not right: a half: 63\na product stands in, and seen is [1, 2]\n8\n"),
        ("return x + x", "doubled\nright: the check passes\n8\n"),
    ):
        lab.write_text(DRILL.replace("...  # your turn", filled), encoding="utf-8")
        assert Player().run(*code_cells(load(lab)).values()) == said


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


def test_the_exercise_of_a_lab_stands_in_its_box(own_cache, tmp_path):
    written(tmp_path, "").write_text(DRILL, encoding="utf-8")
    html = build(tmp_path, "")
    html = html[html.index("admonition exercise") :]
    box = html[: html.index("a product stands in, and")]
    shown = re.findall(r"book-role[^>]*>(.*?)<|<summary>(.*?)<|(doubled)\n?</pre>", box)
    said = [next(filter(None, words)) for words in shown]
    assert said == ["Given", "Your turn", "Check", "Hint", "Solution", "doubled"]
    assert "<!-- exercise" not in html and "x / 2" not in html and "seen.append(x)" not in html


def test_a_cell_of_a_lab_needs_the_program_above_it(tmp_path):
    lab = written(tmp_path, "")
    lab.write_text(DRILL, encoding="utf-8")
    roles = [(block.exercise or ("", "cell"))[1] for block in load(lab).blocks]
    assert roles == ["setup", "starter", "check", "solution", "stand-in", "cell"]
    assert reader.chains(load(lab)) == [[0], [0, 1], [0, 1, 2], [0, 3, 2], [0, 1, 4], [0, 1, 4, 5]]
