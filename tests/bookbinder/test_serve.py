"""`make serve`: an edit builds its page alone, and a broken page shows what is wrong until it is corrected.

The first tests build as the server does, one build after the other in one process; the last ones start a server.
"""

import json
import logging
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from jinja2 import TemplateError
from mkdocs.commands.build import build
from mkdocs.config import load_config

from bookbinder import exercise_form, length, runner

CONFIG = """site_name: Trial
theme: {name: material, font: false}
markdown_extensions: [pymdownx.superfences, bookbinder.math, bookbinder.markdown]
plugins: [bookbinder]
"""
BOOK = """site_name: Trial
theme: {name: material, font: false, custom_dir: overrides}
markdown_extensions: [pymdownx.superfences, pymdownx.highlight, bookbinder.math, bookbinder.markdown]
plugins:
  - search
  - mkdocs-jupyter: {include: ["labs/*.py"], execute: false}
  - bookbinder
"""
PAGE = "---\ntitle: Trial\ndescription: A trial.\n---\n# Trial\n\nText.\n\n```python\nprint(6 * 7)\n```\n\nDone.\n"


def write(name: str, text: str) -> None:
    """Write a file of the book."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


class Served:
    """A book of four pages as `make serve` builds it again and again."""

    PAGES = ("index", "learning/a/index", "learning/b/index", "labs/c/index")

    def __init__(self):
        fields = "objectives: [a, b, c]\nneeds: []\n---\n#"
        self.a, self.b = (
            PAGE.replace("Trial", name).replace("---\n#", fields) for name in ("First", "Second")
        )
        self.a += "\n## Here\n\nText.\n"
        self.b += "\n[Here](a.md#here)\n"
        write("docs/index.md", PAGE)
        write("docs/learning/a.md", self.a)
        write("docs/learning/b.md", self.b)
        write("docs/labs/c.py", "# %% [markdown]\n# # A lab\n\n# %%\nprint(6 * 8)\n")
        write("overrides/main.html", '{% extends "base.html" %}\n')
        write("course.toml", '[[part]]\nfolder = "learning"\nchapters = ["learning/a.md", "learning/b.md"]\n')
        write("mkdocs.yml", BOOK)
        self.config = load_config("mkdocs.yml")
        self.config.plugins.on_startup(command="serve", dirty=True)

    def build(self) -> set[str]:
        """Build; the pages that were made by it."""
        for page in self.PAGES:
            if Path(f"site/{page}.html").is_file():
                os.utime(f"site/{page}.html", (2e9, 2e9))  # no clock tells what is stale
        self.config = load_config("mkdocs.yml")  # as the server does
        build(self.config, serve_url="http://127.0.0.1:8000/", dirty=True)
        return {page for page in self.PAGES if Path(f"site/{page}.html").stat().st_mtime < 2e9}

    def page(self, name: str = "learning/a/index") -> str:
        """A built page."""
        return Path(f"site/{name}.html").read_text(encoding="utf-8")


@pytest.fixture
def book(own_cache, tmp_path, monkeypatch):
    """A served book, built once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(length, "FEWEST", 0)
    monkeypatch.setattr(exercise_form, "faults", lambda chapter: [])
    served = Served()
    assert served.build() == {*served.PAGES}
    yield served
    served.config.plugins.on_startup(command="build", dirty=False)
    served.config.plugins[
        "material/search"
    ].search_index_prev = None  # MkDocs keeps plugins for the whole process


def menu(page: str) -> list[str]:
    """Names in the menu of a page."""
    return [part.partition("<")[0].strip() for part in page.split('<span class="md-ellipsis">')[1:]]


def test_an_edit_builds_its_page_alone(book, caplog):
    names = menu(book.page())
    with caplog.at_level(logging.INFO):
        write("docs/learning/a.md", book.a.replace("Done.", "An edit."))
        assert book.build() == {"learning/a/index"}
    assert "An edit." in book.page() and "Content-Security-Policy" in book.page()
    assert menu(book.page()) == names and "2 Second" in " ".join(names), (
        "with the titles of pages passed over"
    )
    assert "Built alone: docs/learning/a.md." in caplog.text and "touch mkdocs.yml" in caplog.text
    assert "'dirty' build" not in caplog.text
    assert "An edit." in Path("site/notebooks/learning/a.ipynb").read_text(encoding="utf-8")
    assert book.build() == set(), "nothing has changed"


def found() -> list[str]:
    """Pages that the search finds, as its index lists them."""
    rows = json.loads(Path("site/search/search_index.json").read_text(encoding="utf-8"))["docs"]
    return sorted(row["location"] for row in rows if "#" not in row["location"])


def test_the_search_stays_whole(book):
    pages = found()
    assert {"learning/a/", "learning/b/", "labs/c/"} <= {*pages}
    write("docs/learning/a.md", book.a.replace("Done.", "An edit."))
    assert book.build() == {"learning/a/index"} and found() == pages
    os.utime("mkdocs.yml", (1e9, 1e9))
    assert book.build() == {*book.PAGES} and found() == pages
    assert "An edit." in Path("site/search/search_index.json").read_text(encoding="utf-8")


def test_a_lab_is_a_page_like_others(book):
    write("docs/labs/c.py", "# %% [markdown]\n# # A lab\n#\n# An edit.\n\n# %%\nprint(6 * 8)\n")
    assert book.build() == {"labs/c/index"}
    assert "An edit." in book.page("labs/c/index") and ">48" in book.page("labs/c/index")


@pytest.mark.parametrize("file", ["course.toml", "overrides/main.html", "mkdocs.yml"])
def test_what_is_not_a_page_builds_all(book, file):
    Path(file).write_text(Path(file).read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert book.build() == {*book.PAGES}
    assert book.build() == set()


def test_titles_and_the_list_of_pages_build_all(book, caplog):
    write("docs/learning/a.md", book.a.replace("title: First", "title: Another"))
    with caplog.at_level(logging.INFO):
        assert book.build() == {*book.PAGES}
    assert "1 Another" in book.page("learning/b/index") and "All pages are built" in caplog.text
    write("docs/more.md", PAGE)
    assert book.build() == {*book.PAGES}
    Path("docs/more.md").unlink()
    assert book.build() == {*book.PAGES} and not Path("site/more").exists()


def test_a_build_of_all_that_failed_is_made_up_for(book):
    template = Path("overrides/main.html").read_text(encoding="utf-8")
    write("overrides/main.html", "{% broken %}")
    with pytest.raises(TemplateError):
        book.build()
    write("overrides/main.html", template)
    assert book.build() == {*book.PAGES}


def test_an_open_page_can_load_itself_again(book):
    """MkDocs puts a script into each page that it gives out, whose hash no policy can know."""
    policy = re.search('Security-Policy" content="([^"]*)"', book.page())[1]
    assert "script-src 'self' 'unsafe-inline';" in policy and "default-src 'none';" in policy


def test_a_fault_is_told_on_its_page_and_cured(book, caplog):
    write("docs/learning/a.md", book.a.replace("```python", "```py"))
    with caplog.at_level(logging.ERROR):
        assert book.build() == {"learning/a/index"}
    assert "docs/learning/a.md:11" in caplog.text
    assert "docs/learning/a.md:11" in book.page() and "looks like Python and would never run" in book.page()
    caplog.clear()
    write("docs/index.md", PAGE.replace("Done.", "An edit."))
    assert book.build() == {"index"} and "docs/learning/a.md:11" in caplog.text, "said until it is cured"
    write("docs/learning/a.md", book.a)
    assert book.build() == {"learning/a/index"}
    assert "has faults" not in book.page() and ">42" in book.page()


def test_an_edit_that_breaks_another_page_is_told_there(book):
    write("docs/learning/a.md", book.a.replace("## Here", "## There"))
    assert book.build() == {"learning/a/index", "learning/b/index"}
    assert "docs/learning/b.md:17" in book.page("learning/b/index")
    write("docs/learning/a.md", book.a)
    assert book.build() == {"learning/a/index", "learning/b/index"}
    assert "has faults" not in book.page("learning/b/index")


def test_a_changed_block_runs_its_page_alone(book, monkeypatch):
    ran, run_chapter = [], runner.run_chapter

    async def noted(chapter, tick):
        ran.append(chapter.path)
        return await run_chapter(chapter, tick)

    monkeypatch.setattr(runner, "run_chapter", noted)
    write("docs/learning/a.md", book.a.replace("6 * 7", "1 / 0"))
    assert book.build() == {"learning/a/index"} and ran == ["docs/learning/a.md"]
    assert "ZeroDivisionError" in book.page()
    write("docs/index.md", PAGE.replace("Done.", "An edit."))
    assert book.build() == {"index"} and ran == ["docs/learning/a.md"], "what failed is not run at each edit"
    write("docs/learning/a.md", book.a.replace("6 * 7", "7 * 7"))
    assert book.build() == {"learning/a/index"} and ran == ["docs/learning/a.md"] * 2
    assert ">49" in book.page() and "ZeroDivisionError" not in book.page()


@pytest.fixture(params=[["--dirty"], []], ids=["make-serve", "mkdocs-serve"])
def server(own_cache, tmp_path, request):
    """A served book: its process, its page's file and its address."""
    page = tmp_path / "docs" / "index.md"
    page.parent.mkdir()
    page.write_text(PAGE, encoding="utf-8")
    (tmp_path / "mkdocs.yml").write_text(CONFIG, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mkdocs", "serve", *request.param, "-a", f"127.0.0.1:{port}"]
    with (tmp_path / "log").open("w") as log:
        env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
        process = subprocess.Popen(command, cwd=tmp_path, env=env, stdout=log, stderr=log)
    yield process, page, f"http://127.0.0.1:{port}/"
    process.terminate()
    process.wait(20)


def wait(process: subprocess.Popen, address: str, text: str) -> None:
    """Wait until a page holds a text, as long as the server lives."""
    seen, deadline = "", time.monotonic() + 300
    while text not in seen:
        with suppress(URLError, ConnectionError):
            seen = urlopen(address, timeout=60).read().decode()
        assert time.monotonic() < deadline, f"{text} does not appear in {seen[-2000:]}"
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"the server ended with {process.wait(0.1)}")


def change(page: Path, text: str) -> None:
    """Write a page in one step, so that no build sees half of it."""
    part = page.parent.parent / "part"
    part.write_text(text, encoding="utf-8")
    os.replace(part, page)


@pytest.mark.deep
def test_a_broken_page_shows_its_fault_and_recovers(server):
    process, page, address = server
    wait(process, address, ">42</pre>")
    change(page, PAGE.replace("6 * 7", "1 / 0"))
    wait(process, address, "block 1 of 1  ZeroDivisionError: division by zero")
    change(page, PAGE.replace("```python", "```py"))
    wait(process, address, "looks like Python and would never run")
    change(page, PAGE.replace("6 * 7", "6 * 8"))
    wait(process, address, ">48</pre>")
