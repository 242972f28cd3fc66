"""Faults end to end: each is put into a copy of the book, and the build must end with its file and line."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.deep
ROOT = Path(__file__).parents[2]
CHAPTER = "docs/learning/derivatives-and-descent.md"
ENGINE = "docs/networks/engine.md"
COPIED = (
    "docs",
    "src",
    "overrides",
    "vendor",
    "mkdocs.yml",
    "course.toml",
    "pyproject.toml",
    "README.md",
    "LICENSE",
)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """A copy of the book with a cache of its own, built once."""
    folder = tmp_path_factory.mktemp("book")
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    if (ROOT / ".cache").is_dir():
        ignore = shutil.ignore_patterns("envs", "font", "npm*")
        shutil.copytree(ROOT / ".cache", folder / ".cache", ignore=ignore, symlinks=True)
    done = build(folder)
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def build(folder):
    keep = {
        k: v for k, v in os.environ.items() if k not in ("BOOK_CACHE", "GITHUB_ACTIONS", "GITHUB_REPOSITORY")
    }
    environment = keep | {"PYTHONPATH": str(folder / "src"), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
    )


@pytest.fixture
def change(book):
    """Change the first match of a pattern in a file; the file is put back afterwards. Gives the changed line."""
    before = {}

    def put(name, pattern, new):
        file = book / name
        text = before.setdefault(file, file.read_text())
        match = re.search(pattern, text, re.M)
        assert match, f"{name} has no {pattern}"
        file.write_text(text[: match.start()] + match.expand(new) + text[match.end() :])
        return text[: match.start()].count("\n") + 1

    yield put
    for file, text in before.items():
        file.write_text(text)


def ran(book):
    report = json.loads((book / ".cache" / "report.json").read_text())
    return sorted(page for page, row in report.items() if row["fresh"])


@pytest.mark.parametrize(
    ("name", "pattern", "new", "said"),
    [
        (CHAPTER, r"^assert (?=abs)", "assert not ", "AssertionError"),
        (CHAPTER, r"(\$[^$\n]*)\}([^$\n]*\$)", r"\1\2", None),
        (CHAPTER, r"^```python$", "```py", "```py looks like Python and would never run"),
        ("docs/start/index.md", r"\]\(where-to-run\.md", "](gone.md", "the link to gone.md leads nowhere"),
    ],
    ids=["assert", "brace", "fence", "link"],
)
def test_a_fault_on_a_page_ends_the_build_at_its_line(book, change, name, pattern, new, said):
    line = change(name, pattern, new)
    done = build(book)
    assert done.returncode != 0
    assert f"{name}:{line}  " in done.stdout, done.stdout[-3000:]
    assert said is None or said in done.stdout


def test_a_figure_without_a_title_ends_the_build_at_its_block(book, change):
    """All titles of one block are taken away."""
    text = (book / CHAPTER).read_text()
    blocks = [m for m in re.finditer(r"^```python\n(.*?)^```$", text, re.M | re.S) if "plt." in m[1]]
    block = next(m for m in blocks if re.search(r"set_title\(|suptitle\(|title=", m[1]))
    line = text[: block.start()].count("\n") + 1
    quiet = re.sub(
        r"\.(set_title|suptitle)\(", ".get_label and str(", re.sub(r"\btitle=", "label=", block[1])
    )
    change(CHAPTER, re.escape(block[1]), quiet.replace("\\", "\\\\"))
    done = build(book)
    assert done.returncode != 0
    assert f"{CHAPTER}:{line}  " in done.stdout and "a figure without a title" in done.stdout, done.stdout[
        -3000:
    ]


def test_a_wrong_solution_ends_the_build_at_its_block(book, change):
    line = change(
        CHAPTER, r"(<!-- exercise: \w+ solution -->\n)( *)```python\n", r"\1\2```python\n\2raise ValueError\n"
    )
    done = build(book)
    assert done.returncode != 0
    assert f"{CHAPTER}:{line + 1}  the solution of exercise" in done.stdout, done.stdout[-3000:]


def test_a_sign_in_the_engine_ends_the_build_on_the_page_that_proves_it(book, change):
    change("src/chainrule/ops.py", r"lambda g: g \* y", "lambda g: -g * y")
    done = build(book)
    assert done.returncode != 0
    assert re.search(rf"{ENGINE}:\d+  (block \d+ of \d+|the)", done.stdout), done.stdout[-3000:]


def test_prose_runs_nothing_and_a_block_runs_its_chapter_alone(book, change):
    change(CHAPTER, r"^(## The question)$", r"\1\n\nOne more sentence.")
    assert build(book).returncode == 0 and ran(book) == []
    assert "One more sentence." in (book / "site/learning/derivatives-and-descent/index.html").read_text()
    change(CHAPTER, r"^import numpy as np$", "import numpy as np  # as usual")
    assert build(book).returncode == 0 and ran(book) == [CHAPTER]
