"""The book in numbers, as the home page says them: counted when the page is built, so that nobody types them."""

import re
from pathlib import Path

from bookbinder import cache, course, evidence, exercises, length
from bookbinder.chapter import Chapter, load
from bookbinder.check import pages

MARK = "<!-- the book in numbers, counted by the build -->"
ASIDE = "contribute"  # its blocks are examples of how to write one
_ROWS = re.compile(r"^(\d+) rows$", re.M)  # what the page of parity prints at its end


def of(docs: Path) -> list[tuple[str, str]]:
    """Numbers of the book, each with what it counts; what the book lacks is left out."""
    book = course.of(docs)
    read = [load(file) for file in pages(docs) if file.relative_to(docs).parts[0] != ASIDE]
    ready = [chapter for chapter in read if book.number(book.page_of(chapter))]
    hours = round(sum(length.length(chapter).minutes for chapter in ready) / 60)
    kinds = [block.mark.kind if block.mark else "" for page in read for block in page.blocks]
    blocks = len(kinds) - kinds.count("skip") - kinds.count("skipif")
    drills = [drill for page in read for drill in exercises.groups(page) if not drill.in_words]
    roles = [role.split()[0] for drill in drills for role in drill.parts]
    right, wrong = roles.count("right"), roles.count("wrong")
    rows = max((_compared(page) for page in read), default=0)
    found = [
        (f"{len(ready)} of {len(book.entries)}", f"chapters are ready, about {hours} hours of reading"),
        (f"{blocks:,}", "blocks of Python ran when this site was built"),
        (
            f"{len(drills)}",
            f"exercises whose checks accept {right} right answers besides the solutions and explain {wrong} wrong ones",
        ),
        (f"{rows}", "parts of the engine, from operations to optimisers, compared with PyTorch"),
    ]
    return [(number, what) for number, what in found if number[0] != "0"]


def _compared(page: Chapter) -> int:
    """Rows that a page of parity has printed; 0 for another page, and for one that has not run."""
    if "COUNTERPARTS" not in page.text:
        return 0
    data = cache.read(cache.key(page))
    rows = _ROWS.search(evidence.outputs(data)) if data else None
    return int(rows[1]) if rows else 0
