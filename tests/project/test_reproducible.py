"""Two builds of the same sources, in other surroundings, give the same bytes: nothing on a page is timed or local."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

pytestmark = pytest.mark.deep
# Enough of everything: formulas, figures in both inks, tables, warnings, exercises, frames, notebooks, the wheel.
WHOLE = [
    "index.md",
    "start/where-to-run.md",
    "contribute/style.md",
    "reference/bibliography.md",
    "reference/notation.md",
]
# They hold the moment of their making, or pack files that do.
APART = {"sitemap.xml.gz"}


def headings(text: str) -> str:
    """A page's front matter and headings, which other pages link to, without what takes time."""
    front = re.match(r"---\n.*?\n---\n", text, re.S)[0]
    body = re.sub(r"^(\s*)(`{3,}).*?^\1\2$", "", text[len(front) :], flags=re.S | re.M)
    return front + "\n" + "\n\n".join(line for line in body.split("\n") if line.startswith("#")) + "\n"


def build(folder: Path, surroundings: dict[str, str]) -> dict[str, str]:
    """Hash of every file of a site that was built from a copy of the book in a folder."""
    folder.mkdir(parents=True)
    for name in ("src", "overrides", "vendor"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("course.toml", "pyproject.toml", "README.md", "LICENSE", "DATA.md"):
        shutil.copy(ROOT / name, folder / name)
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("figures", "labs", "api"))
    for file in (folder / "course.toml", folder / "docs/index.md"):  # the map without the labs
        text = re.sub(r"\[([^]]*)\]\(labs/[^)]*\)", r"\1", file.read_text(encoding="utf-8"))
        file.write_text(text, encoding="utf-8")
    pages = (folder / "docs").rglob("*.md")
    cut = [page for page in pages if page.relative_to(folder / "docs").as_posix() not in WHOLE]
    for page in cut:
        page.write_text(headings(page.read_text(encoding="utf-8")), encoding="utf-8")
    rules = folder / "src" / "bookbinder" / "form.py"  # pages without a body are in no form of a chapter
    rules.write_text("def faults(chapter):\n    return []\n", encoding="utf-8")
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    start, end = config.index("nav:\n"), config.index("theme:")
    config = config[:start] + config[end:]
    start, end = config.index("  - mkdocs-jupyter:"), config.index("  - bookbinder\n  - mkdocstrings")
    (folder / "mkdocs.yml").write_text(config[:start] + config[end:], encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(folder / "src"), "SOURCE_DATE_EPOCH": "1700000000"} | surroundings
    env.pop("BOOK_CACHE", None)
    command = [Path(sys.executable).with_name("mkdocs"), "build"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    files = [file for file in (folder / "site").rglob("*") if file.is_file() and file.name not in APART]
    return {
        file.relative_to(folder / "site").as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def test_another_folder_zone_locale_and_home_make_the_same_site(tmp_path):
    other = tmp_path / "somewhere else" / "deep"
    here = build(
        tmp_path / "here", {"TZ": "UTC", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "HOME": str(tmp_path)}
    )
    there = build(
        other,
        {
            "TZ": "Asia/Kathmandu",
            "LANG": "C",
            "LC_ALL": "C",
            "HOME": str(tmp_path / "home"),
            "PYTHONUTF8": "1",
        },
    )
    assert here.keys() == there.keys() and any(name.endswith(".ipynb") for name in here)
    assert [name for name in here if here[name] != there[name]] == []
