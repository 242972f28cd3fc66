"""The form of a chapter: rules for every page but those that were written before them and are still to be revised.

The pages of the old form stand on one list in the tests, by their paths, a line each. The list shrinks only: a listed
page that keeps all rules is a fault there.
"""

import re
from pathlib import Path

from bookbinder import exercise_form, length
from bookbinder.chapter import CODE_SPAN, Chapter
from bookbinder.page import PageError, front_matter_lines

OLD = Path("tests", "old-form.txt")
_TYPED = re.compile(r"\b(?:chapters?|chaps?\.|chs?\.)(?:\s|&nbsp;)+\d+", re.I)
_CITATION = re.compile(r"bibliography\.md#|https?://")


def is_old(chapter: Chapter) -> bool:
    """Whether a page is on the list of pages of the old form."""
    return OLD.is_file() and chapter.path in OLD.read_text(encoding="utf-8").split()


def faults(chapter: Chapter) -> list[PageError]:
    """What keeps a page from the form of a chapter, whether or not it is on the list."""
    return _typed_numbers(chapter) + length.faults(chapter) + exercise_form.faults(chapter)


def _typed_numbers(chapter: Chapter) -> list[PageError]:
    """Numbers of chapters that an author has typed, where no source is cited."""
    front = enumerate(chapter.text.split("\n")[: front_matter_lines(chapter.text)], 1)
    code = [(n, row) for b in chapter.blocks for n, row in enumerate(b.code.split("\n"), b.line + 1)]
    prose = [(n, CODE_SPAN.sub("", row)) for n, row in chapter.prose]
    seen = [(n, _TYPED.search(row)) for n, row in [*front, *prose, *code] if not _CITATION.search(row)]
    return [chapter.wrong("form.number", n, seen=typed[0]) for n, typed in seen if typed]
