"""How long a page is: what counts, what does not, and the bounds of a chapter."""

import pytest

from bookbinder.chapter import parse
from bookbinder.length import Length, faults, length

HEAD = "---\ntitle: T\ndescription: D.\n---\n# Three words here\n\n"
BLOCK = "```python\nx = 1\n\ny = 2\n```\n\n"
CLOSED = '??? note "Not counted"\n    Many words $x$ in here.\n\n    ```python\n    z = 3\n    ```\n\n'
OPEN = "!!! note\n    Two words.\n\n"
EXERCISE = """!!! exercise "1 · Do"
    Do it.

    <!-- exercise: a starter -->
    ```python
    a = ...
    ```

"""


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("", Length(4, 0, 0, 0, 0, 0)),
        ("A [link to it](a-long/address.md#there){ .button } and `code`.\n", Length(10, 0, 0, 0, 0, 0)),
        ("One $a + b$ and $c$.\n\n$$\nd = e\n$$\n", Length(7, 0, 0, 1, 2, 0)),
        (BLOCK * 2, Length(4, 6, 0, 0, 0, 2)),
        (CLOSED + "After it.\n", Length(6, 0, 0, 0, 0, 1)),
        (CLOSED.replace("???", "???+"), Length(10, 1, 0, 0, 1, 1)),
        (OPEN, Length(6, 0, 0, 0, 0, 0)),
        (BLOCK + EXERCISE + "After it.\n", Length(6, 3, 0, 0, 0, 1)),
    ],
    ids=["heading", "links", "formulas", "code", "closed", "opened", "box", "exercise"],
)
def test_what_is_counted(body, wanted):
    assert length(parse(HEAD + body)) == wanted


def test_minutes_are_those_of_the_rule():
    """180 words and 12 lines of code a minute, folded code half; 45 s a displayed formula and 3 s an inline one."""
    assert Length(180, 12, 24, 4, 20, 0).minutes == 1 + 1 + 1 + 3 + 1
    assert Length(181, 0, 0, 0, 0, 0).minutes == 2


def said(body: str, path: str = "docs/learning/x.md", meta: str = "") -> list[tuple[int, str]]:
    return [
        (fault.line, fault.message)
        for fault in faults(parse(HEAD.replace("---\n#", f"{meta}---\n#") + body, path))
    ]


def test_a_chapter_of_more_than_one_sitting_is_told():
    assert said(BLOCK * 8 + "word " * 180 * 42) == []
    assert said(BLOCK * 8 + "word " * 180 * 50)[0][1].startswith("53 minutes to read")


def test_too_few_and_too_many_blocks_are_told_at_the_place():
    assert said(BLOCK * 8) == said(BLOCK * 18 + EXERCISE) == []
    assert said(BLOCK * 7) == [(1, "7 blocks before the exercises, and a chapter has 8 or more")]
    line = HEAD.count("\n") + BLOCK.count("\n") * 18 + 1
    assert said(BLOCK * 20) == [
        (line, "20 blocks before the exercises, and a chapter has at most 18: this is the next one")
    ]


def test_pages_beside_the_course_have_no_bounds():
    assert said(BLOCK, "docs/start/index.md") == said(BLOCK, meta="kind: excursion\n") == []
