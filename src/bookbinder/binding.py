"""The whole book at once: check every page, run what is stale, write what lies beside the pages."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from bookbinder import cache, markdown, runner
from bookbinder.chapter import Chapter, load
from bookbinder.check import check, pages
from bookbinder.page import PageError

ROOT = Path(__file__).parents[2]  # the checkout: the binder is always installed editable


@dataclass
class Book:
    """Chapters of a folder with their faults and results."""

    docs: Path
    chapters: list[Chapter]
    faults: list[PageError] = field(default_factory=list)
    results: list[runner.Result] = field(default_factory=list)

    def messages(self) -> list[str]:
        """One line a fault, and each failed block with its lines."""
        failures = [failure for result in self.results for failure in result.failures]
        return [str(fault) for fault in self.faults] + [str(failure) for failure in failures]


def bind(docs: Path, files: list[Path] | None = None, force: bool = False, execute: bool = True) -> Book:
    """Check pages, run what is stale, and write the figures.

    Args:
        docs: Folder of the pages.
        files: Only these pages; then no other page's figures are touched.
        force: Run even what the cache holds.
        execute: Whether to run at all.

    Returns:
        The book; nothing is raised for a fault. Pages with faults are not run, the others are.
    """
    docs = Path(os.path.relpath(docs))
    chapters = [load(file) for file in (files or pages(docs))]
    book = Book(docs, chapters)
    sound = []
    for chapter in chapters:
        found = check(chapter, docs)
        book.faults += found
        if not found:
            sound.append(chapter)
    if execute:
        book.results = runner.run(sound, force=force)
        names = {name for result in book.results for name in markdown.publish(result.data, docs)}
        if files is None and not book.faults:
            markdown.prune(docs, names)
        _report(book)
    return book


def _report(book: Book) -> None:
    """Seconds of every block, kept out of the pages."""
    rows = {
        result.chapter.path: {
            "fresh": result.fresh,
            "seconds": result.data.get("seconds"),
            "blocks": [slot.get("seconds") for slot in result.data["blocks"]],
        }
        for result in book.results
    }
    cache.put(cache.folder().parent / "report.json", json.dumps(rows, indent=1).encode())


def extras(book: Book, site: Path, site_url: str) -> None:
    """Write the notebooks and the wheel of chainrule into a built site; an unchanged page's notebook is kept."""
    wheel = build_wheel(site / "dist")
    exporter = Path(__file__).with_name("notebook.py").read_text(encoding="utf-8")
    for result in book.results:
        page = Path(result.chapter.path).resolve().relative_to(book.docs.resolve()).with_suffix("")
        url = "" if page.as_posix() == "index" else page.as_posix().removesuffix("/index") + "/"
        state = [exporter, result.chapter.text, result.data, site_url, url, wheel]
        kept = (
            cache.folder().parent / "notebooks" / f"{cache.digest(json.dumps(state, sort_keys=True))}.ipynb"
        )
        if not kept.exists():
            from bookbinder import notebook  # late: most builds change no notebook

            nb = notebook.export(result.chapter, result.data, site_url=site_url, page_url=url, wheel=wheel)
            notebook.write(nb, kept)
        cache.put(site / markdown.NOTEBOOKS / page.with_suffix(".ipynb"), kept.read_bytes())


def build_wheel(folder: Path, root: Path = ROOT) -> str:
    """File name of chainrule's wheel, put into `folder`; built from the sources when they changed, never downloaded.

    Raises:
        RuntimeError: where the build fails, with what it said.
    """
    sources = [root / "pyproject.toml", *sorted((root / "src" / "chainrule").rglob("*.*"))]
    kept = (cache.folder().parent / "dist" / cache.digest(*sources)).resolve()
    if not list(kept.glob("chainrule-*.whl")):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(kept)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"chainrule's wheel was not built: {done.stderr.strip()}")
    wheel = max(kept.glob("chainrule-*.whl"))
    cache.put(folder / wheel.name, wheel.read_bytes())
    return wheel.name
