"""The form of a chapter: rules that every page keeps."""

import re

from bookbinder import exercise_form, length
from bookbinder.chapter import CODE_SPAN, Chapter
from bookbinder.page import PageError, front_matter_lines

_TYPED = re.compile(r"\b(?:chapters?|chaps?\.|chs?\.)(?:\s|&nbsp;)+\d+", re.I)
_CITATION = re.compile(r"bibliography\.md#|https?://")


def faults(chapter: Chapter) -> list[PageError]:
    """What keeps a page from the form of a chapter."""
    return _typed_numbers(chapter) + length.faults(chapter) + exercise_form.faults(chapter)


def _typed_numbers(chapter: Chapter) -> list[PageError]:
    """Numbers of chapters that an author has typed, where no source is cited."""
    front = enumerate(chapter.text.split("\n")[: front_matter_lines(chapter.text)], 1)
    code = [(n, row) for b in chapter.blocks for n, row in enumerate(b.code.split("\n"), b.line + 1)]
    prose = [(n, CODE_SPAN.sub("", row)) for n, row in chapter.prose]
    seen = [(n, _TYPED.search(row)) for n, row in [*front, *prose, *code] if not _CITATION.search(row)]
    return [chapter.wrong("form.number", n, seen=typed[0]) for n, typed in seen if typed]
