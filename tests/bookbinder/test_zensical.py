"""The other generator, from the same mkdocs.yml: outputs, maths and figures stand where MkDocs puts them."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from bookbinder import labs
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
    pages = [page.relative_to(SITE) for page in sorted(SITE.rglob("*/index.html"))]
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
