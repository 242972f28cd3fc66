"""The form of a chapter: rules for every page but those that were written before them and are still to be revised.

The pages of the old form stand on one list in the tests, by their paths, a line each. The list shrinks only: a listed
page that keeps all rules is a fault there.
"""

from pathlib import Path

from bookbinder import length
from bookbinder.chapter import Chapter
from bookbinder.page import PageError

OLD = Path("tests", "old-form.txt")


def is_old(chapter: Chapter) -> bool:
    """Whether a page is on the list of pages of the old form."""
    return OLD.is_file() and chapter.path in OLD.read_text(encoding="utf-8").split()


def faults(chapter: Chapter, docs: Path) -> list[PageError]:
    """What keeps a page from the form of a chapter, whether or not it is on the list."""
    return length.faults(chapter)
