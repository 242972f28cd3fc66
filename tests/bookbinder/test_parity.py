"""Our parser, pytest-codeblocks and the exported notebook see the same programs, on every page and on nasty ones."""

import ast
import builtins
import re
import shutil
from pathlib import Path

import pytest
from pytest_codeblocks.main import extract_from_file

from bookbinder import exercises, notebook
from bookbinder.chapter import Chapter
from pagetests import read, seen, tree

ROOT = Path(__file__).resolve().parents[2]
NASTY = sorted(Path(__file__).parent.joinpath("nasty").glob("*.md"))
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md", *NASTY]
by_name = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def theirs(page: Path) -> list[tuple[int, str]]:
    """(line, tree) of each program that pytest-codeblocks collects; it may collect nothing but Python."""
    blocks = extract_from_file(page)
    assert not {block.syntax for block in blocks} & {"sh", "bash"}
    return [(block.lineno, tree(block.code)) for block in blocks if block.syntax == "python"]


def unwrapped(source: str) -> str:
    """Tree of a cell's code without what the export put around it or below it."""
    body = ast.parse(source).body
    last = body[-1]
    if isinstance(last, ast.Delete) and all(
        hasattr(builtins, getattr(target, "id", "")) for target in last.targets
    ):
        *body, last = body[:-1]  # a name of Python's is given back
        body.append(last)
    if isinstance(last, ast.Try) and last.handlers[0].name == "_raised":
        body = last.body
    elif isinstance(last, ast.If) and isinstance(last.test, ast.Name) and last.test.id == "_left_out":
        body = last.orelse
    if "require_filled" in ast.dump(body[0]):  # what says which blanks are left
        body = body[1:]
    return ast.dump(ast.Module(body, []))


def in_notebook(chapter: Chapter) -> list[tuple[int, str]]:
    """(line, tree) of each block in the notebook of a page; the id of a cell names its line."""
    cells = notebook.export(chapter, None).cells
    code = [cell for cell in cells if cell.cell_type == "code" and cell.id not in ("setup", "workbook")]
    return [(int(cell.id.removeprefix("line-")), unwrapped(cell.source)) for cell in code]


@by_name
def test_pytest_codeblocks_sees_the_same_programs(page):
    chapter = read(page)
    assert not [*chapter.faults, *exercises.faults(chapter)]
    assert theirs(page) == seen(chapter.programs())


@by_name
def test_the_notebook_has_the_same_blocks(page):
    """Here not even a blank line in a string may differ."""
    chapter = read(page)
    shown = [block for block in chapter.blocks if block.mark and block.mark.kind == "skip"]
    solved = [block for block in chapter.blocks if (block.exercise or ("", ""))[1] == "solution"]
    run = [block for block in chapter.blocks if block not in shown + solved]
    assert in_notebook(chapter) == [(block.line, ast.dump(ast.parse(block.code))) for block in run]
    texts = "\n".join(
        cell.source for cell in notebook.export(chapter, None).cells if cell.cell_type == "markdown"
    )
    unquoted = re.sub("^> ?", "", texts, flags=re.M)
    for block in shown:
        assert f"````python\n{block.code}````\n\n*Shown, not run here: {block.mark.reason}*" in unquoted
    for block in solved:
        assert block.code in unquoted, "a solution is text in a closed box"


@pytest.mark.parametrize("page", NASTY, ids=lambda page: page.stem)
@pytest.mark.parametrize("ending", ["\r\n", "\r"], ids=["crlf", "cr"])
def test_line_endings_change_nothing(page, ending, tmp_path):
    """The files are written here, since a version control system may turn line endings around."""
    before = read(page)
    copy = Path(shutil.copy(page, tmp_path))
    copy.write_bytes(page.read_bytes().replace(b"\n", ending.encode()))
    after = read(copy)
    assert (after.blocks, after.answers, after.faults) == (before.blocks, before.answers, [])
    assert theirs(copy) == seen(after.programs())
    assert notebook.export(after, None) == notebook.export(before, None)


def test_nasty_pages_hold_what_they_are_for():
    """Guards the guard: no page lost its code, and the known difference of pytest-codeblocks is still there."""
    counts = {page.stem: (len(read(page).blocks), len(read(page).programs())) for page in NASTY}
    assert counts == {
        "exercises": (9, 9),
        "fences": (3, 2),
        "nested": (8, 5),
        "plain": (0, 0),
        "strings": (7, 6),
    }
    (nested,) = (page for page in NASTY if page.stem == "nested")
    first = extract_from_file(nested)[0].code
    ours = "".join(block.code for block in read(nested).programs()[0])
    assert first != ours and "More doc.\n" in first and tree(first) == tree(ours)


def test_a_page_on_which_they_differ_is_told(tmp_path):
    """The comparison can fail: a fence of a comment is run by pytest-codeblocks alone."""
    page = tmp_path / "page.md"
    page.write_text("# T\n\n<!--\n```python\nx = 1\n```\n-->\n")
    assert theirs(page) != seen(read(page).programs())
