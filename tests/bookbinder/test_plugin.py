"""The MkDocs plugin: what a build leaves in the site, how a fault ends it, and what `serve` shows instead."""

import logging
from pathlib import Path
from zipfile import ZipFile

import pytest
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

from bookbinder import exercise_form, length

CONFIG = """site_name: Trial
theme: {name: material, font: false}
markdown_extensions: [pymdownx.superfences, pymdownx.highlight, bookbinder.math, bookbinder.markdown]
plugins:
  - search
  - mkdocs-jupyter: {include: ["labs/*.py"], execute: false}
  - bookbinder
"""
PAGE = "---\ntitle: Trial\ndescription: A trial.\n---\n# Trial\n\nText.\n\n```python\nprint(6 * 7)\n```\n\nDone.\n"
LAB = "# %% [markdown]\n# # A lab\n\n# %%\nprint(6 * 8)\n"


@pytest.fixture
def site(own_cache, tmp_path, monkeypatch):
    """Build a book whose first page has that text; gives the folder of the site."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)

    def make(text=PAGE, command="build", lab="", config=CONFIG):
        for name, words in (("docs/index.md", text), ("docs/labs/a.py", lab), ("mkdocs.yml", config)):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            if words:
                Path(name).write_text(words, encoding="utf-8")
        make.config = load_config("mkdocs.yml")
        make.config.plugins.on_startup(command=command, dirty=False)
        build(make.config)
        return tmp_path / "site"

    return make


def test_a_build_leaves_pages_notebooks_and_the_wheel(site):
    folder = site(lab=LAB)
    page, lab = ((folder / name).read_text("utf-8") for name in ("index.html", "labs/a/index.html"))
    assert ">42" in page and ">48" in lab and "jp-" not in lab
    finished = [page, lab, (folder / "404.html").read_text("utf-8")]
    assert all("Content-Security-Policy" in text for text in finished), "templates are finished, too"
    notebooks = {"notebooks/index.ipynb", "notebooks/labs/a.ipynb"}
    assert {*ZipFile(folder / "notebooks.zip").namelist()} == notebooks
    assert all((folder / name).is_file() for name in notebooks)
    assert [file.suffix for file in (folder / "dist").iterdir()] == [".whl"]


def test_a_fault_ends_a_build_at_its_line(site, caplog):
    with caplog.at_level(logging.ERROR), pytest.raises(Abort):
        site(PAGE.replace("6 * 7", "6 / 0") + "\n[gone](gone.md)\n")
    assert "docs/index.md:15  the link to gone.md leads nowhere" in caplog.text
    with caplog.at_level(logging.ERROR), pytest.raises(Abort):
        site(PAGE.replace("6 * 7", "6 / 0"))
    assert "docs/index.md:10  block 1 of 1  ZeroDivisionError" in caplog.text


def test_a_script_that_the_check_took_for_code_ends_the_build(site, caplog):
    """In raw HTML backticks mean nothing; the page's policy would allow what stands on the page."""
    with caplog.at_level(logging.ERROR), pytest.raises(Abort):
        site(PAGE + "\n<div>\n`<script>alert(1)</script>`\n</div>\n")
    assert "docs/index.md:1  raw HTML that no page may have: <script" in caplog.text


def test_serve_shows_the_faults_in_place_of_the_page(site):
    page = (site(PAGE.replace("```python", "```py"), "serve") / "index.html").read_text("utf-8")
    assert "docs/index.md:9" in page and "looks like Python and would never run" in page
    assert "print(6 * 7)" not in page
    page = (site(command="serve") / "index.html").read_text("utf-8")
    assert "has faults" not in page and ">42" in page


def test_the_repository_is_the_one_that_builds_unless_one_is_named(site, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "someone/fork")
    plain = CONFIG.replace('  - mkdocs-jupyter: {include: ["labs/*.py"], execute: false}\n', "")
    assert "https://github.com/someone/fork" in (site(config=plain) / "index.html").read_text("utf-8")
    site(config=plain + "repo_url: https://example.org/book\n")
    assert site.config.repo_url == "https://example.org/book"


def test_numbers_and_old_addresses_are_in_the_site(site, monkeypatch):
    monkeypatch.setattr(length, "FEWEST", 0)
    monkeypatch.setattr(exercise_form, "faults", lambda chapter: [])
    Path("docs/learning").mkdir(parents=True)
    fields = "objectives: [a, b, c]\nneeds: []\n---\n#"
    for name in ("a", "b"):
        Path(f"docs/learning/{name}.md").write_text(PAGE.replace("---\n#", fields), encoding="utf-8")
    rows = 'chapters = ["learning/b.md", "learning/a.md"]\n[redirects]\n"old/" = "learning/a/"\n'
    Path("course.toml").write_text(f'[[part]]\nfolder = "learning"\n{rows}', encoding="utf-8")
    folder = site(config=CONFIG + "site_url: https://example.org/book/\n")
    page = (folder / "learning/a/index.html").read_text("utf-8")
    assert "<title>2 Trial - Trial</title>" in page and ">2 Trial" in page.partition("<h1")[2]
    assert "1 Trial" in page, "the nav has the number of the other page"
    assert "url=../learning/a/" in (folder / "old/index.html").read_text("utf-8")
    told = [(folder / name).read_text("utf-8") for name in ("sitemap.xml", "search/search_index.json")]
    assert "old/" not in told[0] + told[1] and "learning/a/" in told[0]
    assert '"2 Trial"' in told[1]
    moved = (folder / "notebooks/old.ipynb").read_text("utf-8")
    assert "https://example.org/book/learning/a/" in moved
    assert "notebooks/old.ipynb" not in ZipFile(folder / "notebooks.zip").namelist()


def test_a_fault_of_the_list_ends_a_build(site, caplog):
    Path("course.toml").write_text('[redirects]\n"old/" = "gone/"\n', encoding="utf-8")
    with caplog.at_level(logging.ERROR), pytest.raises(Abort):
        site()
    assert "course.toml:2  gone/ leads nowhere" in caplog.text
