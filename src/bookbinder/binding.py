"""The whole book at once: check every page, run what is stale, write what lies beside the pages."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bookbinder import addresses, cache, course, markdown, runner
from bookbinder.chapter import Chapter, load
from bookbinder.check import check, pages
from bookbinder.page import PageError
from bookbinder.serve import Kept

HERE = Path(__file__).parent
ROOT = HERE.parents[1]  # the checkout: the binder is always installed editable
# What shapes a notebook.
_SHAPING = "notebook.py notebook.toml workbook.py exercises.py code.py math.py page.py course.py predict.py"
_EXPORTER = [HERE / name for name in _SHAPING.split()]


@dataclass
class Book:
    """Chapters of a folder with their faults and results."""

    docs: Path
    chapters: list[Chapter]
    faults: list[PageError] = field(default_factory=list)
    results: list[runner.Result] = field(default_factory=list)

    def tell(self, say: Callable[[str], object] = print) -> int:
        """Say all that is wrong, in the order of the files and their lines; the number of faults.

        Under GitHub Actions each is also an annotation of its line.
        """
        wrong = [*self.faults, *(failure for result in self.results for failure in result.failures)]
        for fault in sorted(wrong, key=lambda fault: (fault.file, fault.line)):
            say(str(fault))
            if os.environ.get("GITHUB_ACTIONS"):
                print(fault.annotation(), flush=True)
        return len(wrong)


def bind(
    docs: Path,
    files: list[Path] | None = None,
    force: bool = False,
    execute: bool = True,
    kept: Kept | None = None,
) -> Book:
    """Check pages, run what is stale, and write the figures.

    Args:
        docs: Folder of the pages.
        files: Only these pages; then no other page's figures are touched.
        force: Run even what the cache holds.
        execute: Whether to run at all.
        kept: What an earlier build of this process left; pages that have not changed are taken from it.

    Returns:
        The book; nothing is raised for a fault. Pages with faults are not run, the others are.
    """
    docs = Path(os.path.relpath(docs))
    book = Book(docs, [load(file) for file in (files or pages(docs))])
    kept = kept or Kept()
    found = {chapter: check(chapter, docs, kept=kept.checked) for chapter in book.chapters}
    book.faults = [fault for faults in found.values() for fault in faults]
    if files is None:
        listed = course.of(docs)
        book.faults += [*course.faults(listed), *addresses.faults(listed)]
    if execute:
        fit = [chapter for chapter in found if not found[chapter]]
        ran = runner.run([chapter for chapter in fit if chapter not in kept.results], force=force)
        kept.results |= {result.chapter: result for result in ran}
        book.results = [kept.results[chapter] for chapter in fit if chapter in kept.results]
        names = {name for result in book.results for name in markdown.publish(result.data, docs)}
        if files is None and not book.faults:
            markdown.prune(docs, names)
        _report(book)
    return book


def _report(book: Book) -> None:
    """Seconds of every block, kept out of the pages."""
    rows = {}
    for result in book.results:
        blocks = [slot.get("seconds") for slot in result.data["blocks"]]
        row = {"fresh": result.fresh, "seconds": result.data["seconds"], "blocks": blocks}
        rows[result.chapter.path] = row
    cache.put(cache.folder("report.json"), json.dumps(rows, indent=1).encode())


def extras(book: Book, site: Path, site_url: str) -> None:
    """Write the notebooks and the wheel of chainrule into a built site; an unchanged page's notebook is kept."""
    listed = course.of(book.docs)
    wheel, made_by = build_wheel(site / "dist"), cache.digest(*_EXPORTER, listed.text)
    for result in book.results:
        page = Path(os.path.relpath(result.chapter.path, book.docs)).with_suffix("")
        url = "" if page.as_posix() == "index" else page.as_posix().removesuffix("/index") + "/"
        needs = [listed.label(need) for need in result.chapter.meta.get("needs") or []]  # other pages' titles
        state = [
            made_by,
            *needs,
            result.chapter.text,
            json.dumps(result.data, sort_keys=True),
            site_url,
            url,
            wheel,
        ]
        kept = cache.folder("notebooks") / f"{cache.digest(*state)}.ipynb"
        if not kept.exists():
            from bookbinder import notebook  # late: most builds change no notebook

            places = {"site_url": site_url, "page_url": url, "wheel": wheel, "listed": listed}
            nb = notebook.export(result.chapter, result.data, **places)
            notebook.write(nb, kept)
        os.utime(kept)
        cache.put(site / markdown.NOTEBOOKS / page.with_suffix(".ipynb"), kept.read_bytes())


def build_wheel(folder: Path, root: Path = ROOT) -> str:
    """File name of chainrule's wheel, put into `folder`; built from the sources when they changed, never downloaded.

    Raises:
        RuntimeError: where the build fails, with what it said.
    """
    sources = [root / "pyproject.toml", *sorted((root / "src" / "chainrule").rglob("*.*"))]
    kept = (cache.folder("dist") / cache.digest(*sources)).resolve()
    if not list(kept.glob("chainrule-*.whl")):
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(kept)]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"chainrule's wheel was not built: {done.stderr.strip()}")
    wheel = max(kept.glob("chainrule-*.whl"))
    cache.put(folder / wheel.name, wheel.read_bytes())
    return wheel.name
