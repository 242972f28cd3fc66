"""Old addresses: what leads on and how, and rows of the table that lead nowhere."""

import json
import re
from html import unescape
from pathlib import Path

import pytest

from bookbinder import addresses, course

HEAD = "---\ntitle: {}\ndescription: D.\n---\n# T\n\n## One\n\n## Two\n"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book of two pages with these rows; gives its course."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    for name, title in (("index", "Home"), ("part/new", "New & old"), ("part/other", "Other")):
        file = Path(f"docs/{name}.md")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(HEAD.format(title), encoding="utf-8")

    def make(*rows: tuple[str, str]) -> course.Course:
        table = "".join(f'"{old}" = "{new}"\n' for old, new in rows)
        Path(course.FILE).write_text(f"[redirects]\n{table}", encoding="utf-8")
        return course.of(Path("docs"))

    return make


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([("part/old/", "part/new/"), ("part/old/#a", "part/other/#one"), ("part/new/#a", "part/new/#two")], None),
        ([("#a", "#one"), ("old/", "")], None),
        ([("part/new/", "part/other/")], "2 part/new/ is no old address: it still leads to its place"),
        ([("part/new/#one", "part/other/")], "2 part/new/#one is no old address: it still leads to its place"),
        ([("a/", ""), ("part/old/", "part/gone/")], "3 part/gone/ leads nowhere"),
        ([("part/old/", "part/new/#three")], "2 part/new/#three leads nowhere"),
        ([("part/old/#a", "part/new/")], "2 part/old/#a leads on, and its page part/old/ neither exists nor leads on"),
        ([("a/", "b/"), ("b/", "part/new/")], "2 a/ leads to b/, which leads on"),
        ([("a/", "b/#x"), ("b/", "part/new/"), ("b/#x", "part/other/#one")], "2 a/ leads to b/#x, which leads on"),
        ([("a/", "b/"), ("b/", "a/")], "2 a/ leads round in a circle"),
        ([("a/", "a/")], "2 a/ leads round in a circle"),
        ([("part/new/#x", "part/new/#x")], "2 part/new/#x leads round in a circle"),
        ([("/a/", "part/new/")], "2 /a/ is no address of the book"),
        ([("../a/", "part/new/")], "2 ../a/ is no address of the book"),
        ([("a/", "part/new.md")], "2 part/new.md is no address of the book"),
        ([("a/", "https://example.org/")], "2 https://example.org/ is no address of the book"),
    ],
)  # fmt: skip
def test_rows_that_lead_nowhere(book, rows, wanted):
    found = addresses.faults(book(*rows))
    assert (f"{found[0].line} {found[0].message}" if found else None) == wanted
    assert all(fault.file == "course.toml" for fault in found)


def test_a_chain_names_its_end(book):
    found = addresses.faults(book(("a/", "b/"), ("b/", "c/"), ("c/", "part/new/")))
    assert [fault.advice for fault in found] == ['write "part/new/"'] * 2


def test_a_page_stands_where_one_is_gone(book):
    book(("part/old/", "part/new/"), ("part/old/#a", "part/other/#one"), ("old/", ""))
    assert addresses.write(Path("docs"), Path("site"), "https://example.org/book") == 2
    page = Path("site/part/old/index.html").read_text(encoding="utf-8")
    assert '<meta http-equiv="refresh" content="0; url=../../part/new/">' in page
    assert '<link rel="canonical" href="https://example.org/book/part/new/">' in page
    assert 'It is now <a href="../../part/new/">New &amp; old</a>.' in page
    assert "script-src 'self';" in page and re.search(r"<script [^>]*></script>", page)
    assert json.loads(unescape(re.search(r'data-anchors="([^"]*)"', page)[1])) == {
        "a": "../../part/other/#one"
    }
    assert 'href="../"' in Path("site/old/index.html").read_text(encoding="utf-8")
    first = page
    addresses.write(Path("docs"), Path("site"))
    page = Path("site/part/old/index.html").read_text(encoding="utf-8")
    assert page == first.replace("https://example.org/book/", "../../"), "without the site's address"


def test_an_old_notebook_says_where_the_new_one_is(book, monkeypatch):
    book(("part/old/", "part/new/"), ("part/older/", "part/other/"))
    new = Path("site/notebooks/part/new.ipynb")
    new.parent.mkdir(parents=True)
    new.write_text("{}")
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/fork")
    addresses.write(Path("docs"), Path("site"), "https://example.org/book")
    (cell,) = json.loads(Path("site/notebooks/part/old.ipynb").read_text(encoding="utf-8"))["cells"]
    text = "".join(cell["source"])
    assert cell["cell_type"] == "markdown" and "This notebook is now **New &amp; old**" in text
    assert "(https://colab.research.google.com/github/someone/fork/blob/notebooks/part/new.ipynb)" in text
    assert "(https://example.org/book/part/new/)" in text
    assert not Path("site/notebooks/part/older.ipynb").exists(), "its page is no notebook"


def test_old_anchors_of_a_page_that_is_there(book):
    rows = [
        ("part/new/#a", "part/new/#two"),
        ("part/new/#b", "part/new/#two"),
        ("part/new/#c", "part/other/#one"),
    ]
    renamed, elsewhere = addresses.of_page(book(*rows, ("#d", "part/new/#one")), "part/new/")
    assert renamed == {"two": ["a", "b"]}
    assert elsewhere == [("c", "part/other/#one", "Other")]
    assert addresses.of_page(book(*rows, ("#d", "part/new/#one")), "")[1] == [
        ("d", "part/new/#one", "New & old")
    ]
