"""Where old addresses lead: a page in the place of one that is gone, a note in the place of an anchor that has moved.

The table is [redirects] of course.toml. A page that is gone leads on by itself, with or without JavaScript. On a page
that is still there, an anchor under a new name gets its old one, too; one whose text is on another page now becomes a
note that is seen only by who comes to it, and that moved.js follows.
"""

import html
import json
import os
import posixpath
import re
from pathlib import Path

from bookbinder import cache, course, postprocess
from bookbinder.chapter import LABS, load
from bookbinder.check import anchors
from bookbinder.course import Course
from bookbinder.page import PageError, fault

SCRIPT = "assets/js/moved.js"
_FORM = re.compile(r"(?:[a-z0-9][a-z0-9_-]*/)*(?:#[^\s#\"'<>]+)?")


def page_at(docs: Path, address: str) -> Path | None:
    """The file behind an address of the site, whatever anchor it has."""
    path = address.partition("#")[0].strip("/")
    files = [docs / path / "index.md", *([docs / f"{path}.md"] if path else [])]
    files += [docs / f"{path}.py"] if Path(path).parent.name == LABS else []
    return next((file for file in files if file.is_file()), None)


def _leads(docs: Path, address: str) -> bool:
    """Whether an address leads to a page, and to an anchor of it where it names one."""
    file, anchor = page_at(docs, address), address.partition("#")[2]
    return file is not None and (not anchor or anchor in anchors(load(file)))


def faults(book: Course) -> list[PageError]:
    """Rows of the table that lead nowhere, or in whose place something stands."""
    found = []
    for old, new in book.moved.items():
        rule, words = _problem(book, old, new)
        if rule:
            line = next(n for n, row in enumerate(book.text.split("\n"), 1) if row.startswith(f'"{old}"'))
            found.append(fault(f"address.{rule}", book.name, line, old=old, new=new, **words))
    return found


def _problem(book: Course, old: str, new: str) -> tuple[str, dict]:
    """The rule that a row breaks and its words; "" for a good row."""
    bad = [address for address in (old, new) if not _FORM.fullmatch(address)]
    if bad:
        return "form", {"address": bad[0]}
    if _leads(book.docs, old):
        return "still", {}
    page, hash_, _ = old.partition("#")
    if hash_ and page not in book.moved and not page_at(book.docs, page):
        return "half", {"page": page}
    end = _step(book, new)
    if end is None:
        return ("" if _leads(book.docs, new) else "nowhere"), {}
    seen = {old, new}
    while end not in seen and (further := _step(book, end)) is not None:
        seen.add(end)
        end = further
    return ("loop" if end in seen else "chain"), {"end": end}


def _step(book: Course, address: str) -> str | None:
    """Where an address leads on by the table, its anchor kept where only its page has a row; None where it stays."""
    page, hash_, anchor = address.partition("#")
    if address in book.moved:
        return book.moved[address]
    return book.moved[page] + hash_ + anchor if page in book.moved else None


def relative(old: str, new: str) -> str:
    """Address of one page of the site as a link on another one."""
    page, hash_, anchor = new.partition("#")
    up = "../" * old.partition("#")[0].count("/")
    return f"{up or './'}{page}{hash_}{anchor}"


def of_page(book: Course, address: str) -> tuple[dict[str, list[str]], list[tuple[str, str, str]]]:
    """Anchors of a page that is still there.

    Returns:
        Those that have another name now (new → old), and those whose text is on another page now: the old anchor, the
        new address, and the name of the page there.
    """
    renamed, elsewhere = {}, []
    for old, new in book.moved.items():
        page, _, anchor = old.partition("#")
        if not anchor or page != address:
            continue
        file = page_at(book.docs, new)
        if new.partition("#")[0] == page:
            renamed.setdefault(new.partition("#")[2], []).append(anchor)
        elif file:
            elsewhere.append((anchor, new, book.label(file.relative_to(book.docs).as_posix())))
    return renamed, elsewhere


def write(docs: Path, site: Path, site_url: str = "") -> int:
    """Write what stands in the place of pages that are gone into a built site, and of their notebooks.

    Args:
        docs: Folder of the pages.
        site: Folder of the built site.
        site_url: Address of the site, for what has to be a whole address.

    Returns:
        The number of pages.
    """
    from bookbinder.markdown import html as macros  # late: it asks this module for the anchors of a page

    docs = Path(os.path.relpath(docs))
    book, base = course.of(docs), site_url and site_url.rstrip("/") + "/"
    gone = {old: new for old, new in book.moved.items() if "#" not in old}
    for old, new in gone.items():
        title = book.label(page_at(docs, new).relative_to(docs).as_posix())
        inside = [(row.partition("#")[2], to) for row, to in book.moved.items() if row.startswith(f"{old}#")]
        anchors_in = json.dumps({anchor: relative(old, to) for anchor, to in inside})
        there = relative(old, new)
        page = macros.moved(title, there, base + new if base else there, relative(old, SCRIPT), anchors_in)
        cache.put(site / old / "index.html", postprocess.process(str(page), f"{old}index.html").encode())
        _notebook(site, old, new, title, base)
    return len(gone)


def _notebook(site: Path, old: str, new: str, title: str, base: str) -> None:
    """An old notebook's address leads on by its only cell: nothing else can be said to Colab."""
    from nbformat import v4  # late: few books have moved pages

    from bookbinder import notebook

    name = new.partition("#")[0].rstrip("/")
    if not (site / "notebooks" / f"{name}.ipynb").is_file():
        return
    repo = os.environ.get("GITHUB_REPOSITORY", "")
    colab = f"https://colab.research.google.com/github/{repo}/blob/notebooks/{name}.ipynb"
    ways = [f"[open it in Colab]({colab})"] * bool(repo)
    ways += [f"[read the page]({base}{new})", f"[download it]({base}notebooks/{name}.ipynb)"] * bool(base)
    said = f"This notebook is now **{html.escape(title)}**{':' * bool(ways)} {', '.join(ways)}".rstrip() + "."
    cells = [v4.new_markdown_cell(f"# Moved\n\n{said}", id="moved")]
    made = v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
    notebook.write(made, site / "notebooks" / f"{posixpath.normpath(old)}.ipynb")
