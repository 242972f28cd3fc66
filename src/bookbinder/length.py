"""How long a page is: what a reader needs for its text, and how many blocks come before its exercises.

Counted is what is read in one go. A closed box and an exercise take as long as somebody wants, so they count nothing.
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from bookbinder.chapter import Chapter
from bookbinder.math import Maths
from bookbinder.page import PageError

WORDS, CODE = 180, 12  # words and lines of code a minute
SHOWN, INLINE = 0.75, 0.05  # minutes for a formula on lines of its own, and for one in a sentence
FOLDED = 0.5  # of the time for code that is shown
MINUTES, FEWEST, MOST = 45, 8, 18
_ASIDE = re.compile(r"^(\s*)(?:\?\?\?(?!\+)|(?:!!!|\?\?\?\+)\s+exercise\b)")
_MARKUP = re.compile(r"\]\([^)]*\)|\{[^}]*\}|<[^>]*>|^\s*(?:!!!|\?\?\?\+?|===)[+!]?\s*[a-z-]*")


@dataclass(frozen=True)
class Length:
    """What a reader reads: words, lines of code shown and folded, formulas; and the blocks before the exercises."""

    words: int
    code: int
    folded: int
    shown: int
    inline: int
    blocks: int

    @property
    def minutes(self) -> int:
        """Whole minutes for all of it."""
        code = (self.code + FOLDED * self.folded) / CODE
        return math.ceil(self.words / WORDS + code + SHOWN * self.shown + INLINE * self.inline)

    @property
    def time(self) -> str:
        """The minutes in words."""
        return f"{self.minutes} minute{'s' * (self.minutes != 1)}"


@lru_cache(maxsize=512)
def length(chapter: Chapter) -> Length:
    """Length of a page, without closed boxes and exercises."""
    aside = _aside(chapter.text.split("\n"))
    maths = Maths(chapter.text, chapter.path)
    formulas = [f for f in maths.formulas if chapter.text.count("\n", 0, f.start) + 1 not in aside]
    text = chapter.text
    for formula in reversed(maths.formulas):
        text = (
            text[: formula.start]
            + re.sub(r"[^\n]", " ", text[formula.start : formula.end])
            + text[formula.end :]
        )
    rows = text.split("\n")
    words = sum(len(_MARKUP.sub(" ", rows[n - 1]).split()) for n, _ in chapter.prose if n not in aside)
    blocks = [block for block in chapter.blocks if block.line not in aside and not block.exercise]
    lines = lambda fold: sum(
        block.code.count("\n") for block in blocks if bool(getattr(block, "fold", "")) == fold
    )
    shown = sum(formula.display for formula in formulas)
    first = min((block.line for block in chapter.blocks if block.exercise), default=math.inf)
    before = sum(block.line < first for block in chapter.blocks)
    return Length(words, lines(False), lines(True), shown, len(formulas) - shown, before)


def _aside(rows: list[str]) -> set[int]:
    """Numbers of the lines in closed boxes and exercises."""
    found, depth = set(), -1
    for n, row in enumerate(rows, 1):
        indent = len(row) - len(row.lstrip())
        if depth >= 0 and row.strip() and indent <= depth:
            depth = -1
        if depth < 0 and (match := _ASIDE.match(row)):
            depth = len(match[1])
        if depth >= 0:
            found.add(n)
    return found


def faults(chapter: Chapter) -> list[PageError]:
    """What makes a chapter longer or shorter than one sitting."""
    if not chapter.is_chapter or chapter.meta.get("kind") == "excursion":
        return []
    found, size = [], length(chapter)
    if size.minutes > MINUTES:
        found.append(chapter.wrong("length.minutes", 1, minutes=size.minutes, most=MINUTES))
    if size.blocks < FEWEST:
        found.append(chapter.wrong("length.few", 1, blocks=size.blocks, fewest=FEWEST))
    if size.blocks > MOST:
        late = chapter.blocks[MOST]
        found.append(chapter.wrong("length.many", late.line, blocks=size.blocks, most=MOST))
    return found
