"""The list of chapters: its numbers, what is wrong with it, and what a page says otherwise than it."""

from pathlib import Path

import pytest

from bookbinder import course, evidence, exercise_form, length
from bookbinder.chapter import load
from bookbinder.check import check
from conftest import ROOT

LIST = """[[part]]
folder = "learning"
title = "Learning"
sentence = "train"
chapters = [
  "learning/a.md",
  { planned = "To come", page = "learning/to-come.md" },
]

[[part]]
folder = "networks"
title = "Networks"
sentence = "automatic"
also = "and [more](networks/beside.md)"
chapters = ["networks/b.md"]

[redirects]
"""
PLANNED = '{ planned = "To come", page = "learning/to-come.md" }'
HEAD = "---\ntitle: {}\ndescription: D.\n{}---\n# T\n\n"
FIELDS = "objectives: [a, b, c]\nneeds: {}\n"
MAP = "<!-- the map of course.toml -->\n<!-- the end of the map -->\n"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A small book; gives what writes one of its files."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(length, "FEWEST", 0)
    monkeypatch.setattr(exercise_form, "faults", lambda chapter: [])

    def write(name: str, text: str = "", fields: str = FIELDS.format("[]"), title: str = "T") -> Path:
        file = Path(name if name == course.FILE else f"docs/{name}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text if name == course.FILE else HEAD.format(title, fields) + text, encoding="utf-8")
        return file

    write(course.FILE, LIST)
    write("learning/a.md", title="First")
    write("networks/b.md", title="Third")
    write("networks/beside.md", fields="kind: excursion\n")
    return write


def said(file: Path) -> list[str]:
    return [f"{fault.line} {fault.message}" for fault in check(load(file), Path("docs"))]


def test_the_order_gives_the_numbers_and_planned_chapters_count():
    listed = course._parse(Path("docs"), LIST)
    assert {page: listed.number(page) for page in [*listed.entries, "networks/beside.md"]} == {
        "learning/a.md": 1,
        "learning/to-come.md": 2,
        "networks/b.md": 3,
        "networks/beside.md": None,
    }
    assert listed.place("networks/b.md") == "Chapter 3 of 3, in part II: Networks"
    assert listed.place("networks/beside.md") == ""


def test_a_label_is_number_and_title(book):
    listed = course.of(Path("docs"))
    names = [
        "networks/b.md",
        "learning/to-come.md",
        "To come",
        "networks/beside.md",
        "networks/not-there.md",
        "Words",
    ]
    assert [*map(listed.label, names)] == ["3 Third", "2 To come", "2 To come", "T", "Not there", "Words"]


def test_the_file_is_parsed_once_until_it_changes(book):
    first = course.of(Path("docs"))
    assert course.of(Path("docs")) is first
    book(course.FILE, LIST.replace('"learning/a.md",\n', ""))
    assert course.of(Path("docs")).number("networks/b.md") == 2


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("", "", []),
        ('"learning/a.md"', '"learning/gone.md"', ["6 there is no page learning/gone.md"]),
        (PLANNED, '"learning/a.md"', ["6 learning/a.md stands twice in the list"]),
        ("planned =", "planed =", ["7 {'planed': 'To come', 'page': 'learning/to-come.md'} is no chapter of"]),
        ('"networks/b.md"', '"learning/b.md"', ["15 learning/b.md is no chapter of networks/"]),
        ("to-come.md", "a2.md", ["7 learning/a2.md is planned, and it is written"]),
        ('"networks"', '"nets"', ["11 no folder of chapters is called nets", "15 networks/b.md is no chapter of"]),
        ("[redirects]", "", []),
        (LIST, "part = 3\n", ["1 the parts are no tables, or the redirects none"]),
        ("[[part]]\nfolder = ", "[[part]]\nfolder ", ["2 the list of chapters is not TOML"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_list(book, old, new, wanted):
    book("learning/a2.md")
    book(course.FILE, LIST.replace(old, new, 1))
    found = [f"{fault.line} {fault.message}" for fault in course.faults(course.of(Path("docs")))]
    assert len(found) == len(wanted) and all(map(str.startswith, found, wanted)), found
    assert all(fault.file == "course.toml" for fault in course.faults(course.of(Path("docs"))))


def test_a_page_of_a_part_is_in_the_list_or_an_excursion(book):
    assert said(Path("docs/networks/b.md")) == said(Path("docs/networks/beside.md")) == []
    stray = book("networks/stray.md")
    assert said(stray) == ["1 a page of networks/ that is neither in the list of chapters nor an excursion"]
    both = book("networks/b.md", fields="kind: excursion\n")
    assert said(both) == ["4 an excursion that stands in the list of chapters"]
    other = book("networks/beside.md", fields="kind: visit\n")
    assert any("kind: 'visit' is not what is wanted" in row for row in said(other))


def test_a_book_without_a_list_has_no_numbers_and_no_such_faults(book):
    Path(course.FILE).unlink()
    assert said(book("networks/stray.md")) == []
    assert course.of(Path("docs")).label("networks/b.md") == "Third"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[chapter](b.md), [Chapter](../learning/a.md#t), [chapter](../learning/to-come.md).", []),
        ("[chapter][b]\n\n[b]: b.md", []),
        ("`[chapter](beside.md)`", []),
        ("[chapter](beside.md)", ["9 the link chapter to beside.md, which has no number"]),
        (
            "Text.\n\n[Chapter][b]\n\n[b]: beside.md",
            ["11 the link Chapter to beside.md, which has no number"],
        ),
        ("[what comes](../learning/to-come.md)", ["9 the link to ../learning/to-come.md leads nowhere"]),
    ],
)
def test_links_that_are_given_a_number(book, text, wanted):
    assert said(book("networks/b.md", text)) == wanted


def test_needs_are_pages_or_planned(book):
    good = book("networks/b.md", fields=FIELDS.format("[learning/a.md, learning/to-come.md, To come]"))
    assert said(good) == []
    bad = book("networks/b.md", fields=FIELDS.format("[Never heard of]"))
    assert said(bad) == ["5 needs: there is no page Never heard of"]


def test_the_map_is_written_and_held(book):
    home = book("index.md", f"Text.\n\n{MAP}\nText.\n", fields="")
    assert said(home) == ["9 the map of the course is not that of course.toml"]
    assert course.write_map(Path("docs")) and not course.write_map(Path("docs"))
    text = home.read_text(encoding="utf-8")
    assert "- [1 First](learning/a.md)\n- 2 To come *(planned)*\n\n</section>" in text
    assert (
        "### II · Networks\n\n*automatic*\n\n- [3 Third](networks/b.md)\n\nand [more](networks/beside.md)\n"
        in text
    )
    assert said(home) == []
    assert evidence.faults(load(home), "", Path("docs")) == [], "its numbers need no other evidence"
    home.write_text(home.read_text(encoding="utf-8") + "\nThere are 77 of them.\n", encoding="utf-8")
    assert ["77" in fault.message for fault in evidence.faults(load(home), "", Path("docs"))] == [True]


def test_links_to_planned_chapters_can_be_written_out():
    listed = course._parse(Path("docs"), LIST)
    link = "[chapter](../learning/to-come.md)"
    text = f"[Chapter](../learning/to-come.md#a) `{link}` [chapter](b.md)\n\n```text\n{link}\n```\n"
    wanted = text.replace("[Chapter](../learning/to-come.md#a)", "Chapter 2")
    assert course.without_planned(text, "networks/b.md", listed) == wanted
    question = (
        "<!-- predict: a -->\n\nWill it?\n\n- [x] Yes. <!-- x > 1 -->\n- [ ] No. <!-- x < 1 --> So.\n\n"
    )
    asked = f"{question}See [chapter](../learning/to-come.md).\n"
    assert course.without_planned(asked, "networks/b.md", listed) == f"{question}See chapter 2.\n"


def test_the_nav_of_the_book_follows_its_list():
    listed = course.of(ROOT / "docs")
    nav = [row.strip(" -") for row in (ROOT / "mkdocs.yml").read_text(encoding="utf-8").splitlines()]
    written = [page for page, entry in listed.entries.items() if not entry.planned]
    assert [row for row in nav if row in listed.entries] == written
    assert course.faults(listed) == []
