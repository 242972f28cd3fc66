"""The other generator, from the same mkdocs.yml: outputs, maths and figures stand where MkDocs puts them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bookbinder import epub, labs
from bookbinder.postprocess import process_site
from conftest import ROOT
from deep.environments import environment, own_packages

pytestmark = pytest.mark.deep
SITE = ROOT / "site"
COUNTED = {
    "outputs": 'class="book-output"',
    "figures": 'class="book-figure"',
    "formulas": "<math",
    "images": "<img",
}
COUNTED |= {
    "code": 'class="[^"]*highlight',
    "boxes": 'class="admonition|<details',
    "tabs": 'class="tabbed-set',
}


def build(folder: Path, *changes: tuple[str, str]) -> subprocess.CompletedProcess:
    """The book as Zensical builds it in a folder; it can run nothing there, results come from the cache."""
    labs.stage(ROOT, folder)
    for file, text in changes:
        with (folder / file).open("a", encoding="utf-8") as out:
            out.write(text)
    return zensical(folder)


def zensical(folder: Path) -> subprocess.CompletedProcess:
    """What Zensical makes of a folder, strictly."""
    cache = os.environ.get("BOOK_CACHE", ROOT / ".cache")
    env = os.environ | {"BOOK_CACHE": str(Path(cache).resolve())}
    command = [str(environment("zensical", own_packages())), "-m", "zensical", "build", "--strict"]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def counts(page: Path) -> dict[str, int]:
    """How often each kind of thing stands in a page's article."""
    article = re.search("<article.*?</article>", page.read_text(encoding="utf-8"), re.DOTALL)[0]
    return {name: len(re.findall(pattern, article)) for name, pattern in COUNTED.items()}


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    done = build(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "site"


def test_every_page_holds_what_mkdocs_puts_there(book):
    assert (SITE / "index.html").is_file(), "the built site is missing: make site"
    whole = [page for page in sorted(SITE.rglob("*/index.html")) if "<article" in page.read_text("utf-8")]
    pages = [page.relative_to(SITE) for page in whole]  # none that only lead on
    ours = {str(page): counts(SITE / page) for page in pages}
    theirs = {str(page): counts(book / page) for page in pages if (book / page).is_file()}
    assert theirs == ours
    assert all(sum(page[kind] for page in ours.values()) for kind in COUNTED)


def test_every_figure_lies_where_its_page_looks(book):
    for page in book.rglob("*.html"):
        for source in re.findall(r'<img[^>]* src="([^"#]+)', page.read_text(encoding="utf-8")):
            assert page.name == "404.html" or (page.parent / source).resolve().is_file(), (page, source)


def test_its_pages_can_be_published(book):
    pages, faults = process_site(book)
    assert pages > 5 and faults == []
    assert "Content-Security-Policy" in (book / "index.html").read_text(encoding="utf-8")


def test_an_e_book_can_be_made_of_them(book):
    about, contents, pages = epub.gather(
        book, lambda address: address.startswith("depth/"), lambda said: None
    )
    assert [(title, len(below)) for title, _, below in contents] == [("III · Depth", 4)] and len(pages) == 4
    assert about["title"] == "Chain Rule" and pages["depth/signals/"].answers


FRONT = "---\ntitle: {}\ndescription: D.\nneeds: [learning/a.md, learning/c.md]\n---\n# {}\n\n"
LIST = """[[part]]
folder = "learning"
title = "Learning"
chapters = ["learning/a.md", "learning/b.md", { planned = "To come", page = "learning/c.md" }]

[redirects]
"learning/old/" = "learning/b/"
"learning/b/#was" = "learning/b/#is"
"learning/b/#went" = "learning/a/#here"
"""
CONFIG = """site_name: Trial
site_url: https://example.org/book/
theme: {name: material, font: false, variant: classic}
markdown_extensions: [toc, attr_list, bookbinder.math, bookbinder.markdown]
nav: [index.md, Learning: [learning/a.md, learning/b.md]]
"""


@pytest.fixture
def small(tmp_path):
    """The site of a small book with a list of chapters and old addresses, finished from the shell."""
    files = {
        "mkdocs.yml": CONFIG,
        "course.toml": LIST,
        "overrides/main.html": '{% extends "base.html" %}\n',
        "docs/index.md": FRONT.format("Home", "Home"),
        "docs/learning/a.md": FRONT.format("First", "First")
        + "## Here\n\n[chapter](c.md) and [Chapter](b.md#is)\n",
        "docs/learning/b.md": FRONT.format("Second", "Second") + "## Is\n\nText.\n",
    }
    for name, text in files.items():
        file = tmp_path / "book" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    labs.stage(tmp_path / "book", tmp_path / "staged")
    done = zensical(tmp_path / "staged")
    assert done.returncode == 0, done.stdout + done.stderr
    command = [
        sys.executable,
        "-m",
        "bookbinder",
        "postprocess",
        "site",
        "--site-url",
        "https://example.org/book",
    ]
    subprocess.run(command, cwd=tmp_path / "staged", check=True)
    return tmp_path / "staged/site"


def test_numbers_of_chapters(small):
    page = (small / "learning/a/index.html").read_text(encoding="utf-8")
    assert "<title>1 First - Trial</title>" in page and '<h1 id="first">1 First' in page
    assert "chapter 3 and <a" in page and ">Chapter 2</a>" in page
    nav = re.search('<nav class="md-nav md-nav--primary".*', page, re.DOTALL)[0]
    assert "1 First" in nav and "2 Second" in nav
    needs = re.search("Needs:(.*?)</p>", page)[1]
    assert re.fullmatch(r" <a href=\"[./a-z]+\">1 First</a>, 3 To come", needs)


def test_old_addresses_lead_on(small):
    moved = (small / "learning/old/index.html").read_text(encoding="utf-8")
    assert 'content="0; url=../../learning/b/"' in moved and "Content-Security-Policy" in moved
    assert "https://example.org/book/learning/b/" in moved
    page = (small / "learning/b/index.html").read_text(encoding="utf-8")
    assert '<h2 id="is"><span id="was"></span>Is' in page
    note = re.search('<p class="book-moved" id="went"[^>]*>.*?href="([^"]*)"', page)[1]
    assert (small / "learning/b" / note.partition("#")[0]).resolve() == small / "learning/a"
    told = (small / "sitemap.xml").read_text(encoding="utf-8") + (small / "search.json").read_text(
        encoding="utf-8"
    )
    assert "learning/b/" in told and "learning/old" not in told


STYLE = "docs/contribute/style.md"
LINES = len((ROOT / STYLE).read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nA brace $x_{1$ too few.\n", f'{STYLE}:{LINES + 2}  Expected closing token "}}"'),
        ("\nNew code.\n\n```python\nprint(1)\n```\n\nIts end.\n", f"{STYLE}:1  the page has not been run"),
    ],
)
def test_a_fault_fails_its_build_too(tmp_path, text, said):
    done = build(tmp_path, (STYLE, text))
    assert done.returncode and said in done.stdout + done.stderr
