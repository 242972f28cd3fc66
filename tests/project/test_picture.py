"""The picture of a page, for README.md and for those who share a link: its menu shows chapters that the book has."""

import json

from PIL import Image

from bookbinder import course
from conftest import ROOT


def test_the_picture_shows_no_chapter_that_the_course_lacks():
    book = course.of(ROOT / "docs")
    with Image.open(ROOT / "docs/assets/page.png") as picture:
        shown = json.loads(picture.text["chapters"])
    assert len(shown) > 3
    gone = {*shown} - {book.label(page) for page in book.entries}
    assert not gone, f"make it anew with tools/picture.py, its menu still shows {sorted(gone)}"
