"""The book in numbers: what the home page says is counted, and nothing is counted that is not there."""

from pathlib import Path

import markdown
import pytest

from bookbinder import cache, course, runner, tally
from bookbinder.chapter import load
from bookbinder.markdown import makeExtension
from bookbinder.page import set_page
from conftest import ROOT

LIST = """[[part]]
folder = "learning"
title = "Deep learning"
sentence = "deep learning"
chapters = ["learning/a.md", { planned = "To come", page = "learning/to-come.md" }]
"""
HEAD = "---\ntitle: T\ndescription: D.\n---\n# T\n\n"
BLOCK = "```python\n{}\n```\n\n"
SKIPPED = '<!--pytest.mark.skip(reason="no end")-->\n' + BLOCK.format("while True: pass")
EXERCISE = """!!! exercise "One"
    <!-- exercise: one starter -->
    ```python
    x = ...
    ```

    <!-- exercise: one check -->
    ```python
    assert x == 1, f"no: {x}"
    ```

    ??? success "Solution"
        <!-- exercise: one solution -->
        ```python
        x = 1
        ```

    <!-- exercise: one wrong: no: 2
    x = 2
    -->

    <!-- exercise: one wrong: no: 3
    x = 3
    -->

    <!-- exercise: one right: a sum
    x = 0 + 1
    -->
"""


@pytest.fixture
def docs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path / "cache"))
    Path(course.FILE).write_text(LIST, encoding="utf-8")
    pages = {
        "index.md": f"{tally.MARK}\n\n" + BLOCK.format("print(1)"),
        "learning/a.md": "word " * 180 * 120 + "\n\n" + BLOCK.format("print(2)") + SKIPPED + EXERCISE,
        "contribute/style.md": BLOCK.format("print(3)"),
        "reference/parity.md": BLOCK.format('COUNTERPARTS = {}\nprint("7 rows")'),
    }
    for name, text in pages.items():
        Path("docs", name).parent.mkdir(parents=True, exist_ok=True)
        Path("docs", name).write_text(HEAD + text, encoding="utf-8")
    return Path("docs")


def test_what_is_there_is_counted(docs):
    said = dict((what.split()[0], (number, what)) for number, what in tally.of(docs))
    assert said["chapters"] == ("1 of 2", "chapters are ready, about 2 hours of reading")
    assert said["blocks"][0] == "6", (
        "one each on home and parity, one and three of an exercise in the chapter"
    )
    assert (
        said["exercises"][0] == "1"
        and "accept 1 right answers besides the solutions and explain 2 wrong" in said["exercises"][1]
    )
    assert "parts" not in said, "the page of parity has not run"


def test_rows_of_parity_are_those_that_it_printed(docs):
    assert runner.run([load(docs / "reference/parity.md")], quiet=True)[0].failures == []
    assert ("7", "parts of the engine, from operations to optimisers, compared with PyTorch") in tally.of(
        docs
    )


def test_the_home_page_shows_them_and_has_no_header(docs, monkeypatch):
    home = load(docs / "index.md")
    data = {
        "blocks": [{"state": "run", "outputs": []}],
        "versions": {},
        "device": "CPU",
        "date": "2026-01-02",
    }
    monkeypatch.setitem(runner.latest, home.path, runner.Result(home, data))
    set_page(docs / "index.md", home.text)
    body = home.text.split("---\n", 2)[2]
    page = markdown.markdown(body, extensions=["pymdownx.superfences", makeExtension()])
    set_page(None)
    assert "<li><strong>1 of 2</strong> chapters are ready" in page and tally.MARK not in page
    assert "book-header" not in page


def test_a_part_that_is_called_as_its_sentence_says_it_once(docs):
    map_ = course.of(docs).map()
    assert "### I · Deep learning\n\n- [1 T]" in map_ and "*deep learning*" not in map_


def test_the_book_has_all_four():
    home = load(ROOT / "docs/index.md")
    assert tally.MARK in home.text
    parity = load(ROOT / "docs/reference/parity.md")
    assert "COUNTERPARTS" in parity.text and 'print(f"{len(everything)} rows")' in parity.text
    if data := cache.read(cache.key(parity)):
        assert tally._ROWS.search(
            "\n".join(o.get("text", "") for b in data["blocks"] for o in b.get("outputs", ()))
        )
