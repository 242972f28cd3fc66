"""The form of a chapter: each rule planted."""

from pathlib import Path

import pytest

from bookbinder import form
from bookbinder.chapter import load, parse
from bookbinder.check import check, pages
from conftest import ROOT

HEAD = "---\ntitle: T\ndescription: D.\n---\n# T\n\n"
NUMBER = "a typed number of a chapter: "


def said(text: str) -> list[str]:
    return [f"{fault.line} {fault.message}" for fault in form.faults(parse(text, "docs/page.md"))]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (HEAD + "As in chapter 9.", f"7 {NUMBER}chapter 9"),
        (HEAD + "## Chapter 12, again", f"7 {NUMBER}Chapter 12"),
        (HEAD + '!!! note "See ch. 4"\n    Text.', f"7 {NUMBER}ch. 4"),
        (HEAD + "Text.\n\n- chapters 3 and 4", f"9 {NUMBER}chapters 3"),
        (HEAD + "[chapter 9](networks/engine.md)", f"7 {NUMBER}chapter 9"),
        (HEAD + "chapter&nbsp;9, chapter\u00a010", f"7 {NUMBER}chapter&nbsp;9"),
        (HEAD + "```python\nx = 1\ny = 2  # chapter 3\n```", f"9 {NUMBER}chapter 3"),
        (HEAD.replace("D.", "After chapter 2."), f"3 {NUMBER}chapter 2"),
    ],
)
def test_a_typed_number_of_a_chapter(text, wanted):
    assert said(text) == [wanted]


@pytest.mark.parametrize(
    "text",
    [
        "[chapter](networks/engine.md) and this chapter; 4 chapters; the chapter of 1986.",
        "[Griewank 2008](reference/bibliography.md#griewank2008), chapter 4.",
        "Chapter 3 of [the book](https://example.org).",
        "`chapter 9`",
        "<!-- chapter 9 -->",
    ],
)
def test_what_is_no_typed_number(text):
    assert said(HEAD + text) == []


def test_it_is_part_of_the_check(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = Path("docs/page.md")
    page.parent.mkdir()
    page.write_text(HEAD + "As in chapter 9.\n", encoding="utf-8")
    assert [fault.line for fault in check(load(page))] == [7]


def test_no_page_of_the_book_types_a_number():
    found = [str(fault) for page in pages(ROOT / "docs") for fault in form._typed_numbers(load(page, ROOT))]
    assert found == []
