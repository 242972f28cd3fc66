"""The living fork of MkDocs builds the same site, byte for byte, but for the line that names the generator."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import ROOT
from deep.environments import environment, own_packages

pytestmark = pytest.mark.deep
SITE = ROOT / "site"
NEEDED = ["src", "overrides", "vendor", "docs"]
FILES = ["mkdocs.yml", "course.toml", "pyproject.toml", "README.md", "LICENSE", "DATA.md"]
# They hold the day of the build; the others are added to a finished site.
APART = re.compile(r"sitemap\.xml.*|whole-book\.(zip|epub)")
GENERATOR = re.compile(r'<meta name="generator" content="([^"]*)">')
LINKS = re.compile(r'<p class="book-offline".*?</p>')


def build(folder: Path) -> subprocess.CompletedProcess:
    """The book as ProperDocs builds it in a folder, strictly; what has run is kept in the cache."""
    for name in NEEDED:
        ignored = shutil.ignore_patterns("__pycache__", "figures")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    cache = Path(os.environ.get("BOOK_CACHE", ROOT / ".cache")).resolve()
    env = os.environ | {"BOOK_CACHE": str(cache), "PYTHONPATH": str(folder / "src")}
    python = environment("properdocs", own_packages())
    command = [str(python), "-m", "properdocs", "build", "--strict", "-f", "mkdocs.yml"]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=300)


def files(site: Path) -> dict[str, Path]:
    """The files of a site that are the same whenever it is built."""
    found = {file.relative_to(site).as_posix(): file for file in site.rglob("*") if file.is_file()}
    return {name: file for name, file in found.items() if not APART.fullmatch(name)}


def content(file: Path) -> bytes:
    """What is in a file, without the generator's name and the links to what is made of a finished site."""
    if file.suffix != ".html":
        return file.read_bytes()
    return LINKS.sub("", GENERATOR.sub("", file.read_text(encoding="utf-8"))).encode()


def test_it_builds_the_same_site(tmp_path):
    assert (SITE / "index.html").is_file(), "the built site is missing: make site"
    done = build(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    theirs, ours = files(tmp_path / "site"), files(SITE)
    assert GENERATOR.search(theirs["index.html"].read_text("utf-8"))[1].startswith("mkdocs-ProperDocs 1.6")
    assert theirs.keys() == ours.keys() and len(ours) > 500
    assert [name for name in ours if content(ours[name]) != content(theirs[name])] == []
