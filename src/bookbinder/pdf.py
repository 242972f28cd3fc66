"""A part of the book as one PDF for paper: its pages as the e-book has them, in one file that a browser prints.

Paper opens nothing, so what is closed on a page is printed open. Hints and solutions are not printed.
"""

import os
import posixpath
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from bookbinder import epub, offline
from bookbinder.epub_page import EbookPage, finish
from bookbinder.page import ELSEWHERE

_STYLE = """
@page { size: A4; margin: 18mm; }
body { font-family: sans-serif; font-size: 10pt; }
body > section { break-before: page; }
body > section:first-child { break-before: auto; }
pre { break-inside: avoid; }
.book-frame-title, summary { break-after: avoid; }
a { text-decoration: none; }
"""


def browser() -> str | None:
    """The browser that prints: what CHROMIUM names, else what is installed."""
    return os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")


def write(site: Path, part: str, to: Path, say: Callable[[str], None] = print) -> bool:
    """Print a part; whether the site has it.

    Args:
        site: Folder of the built site.
        part: Folder of its pages in the site, such as `depth`.
        to: The file.
        say: Is told how far it is.
    """
    text = document(site, part, say)
    if not text:
        return False
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "part.xhtml")
        file.write_text(text, encoding="utf-8")
        options = ["--headless", "--disable-gpu", "--no-pdf-header-footer", "--generate-pdf-document-outline"]
        options += ["--disable-background-networking", f"--user-data-dir={folder}/profile"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # a sandbox for the superuser does not exist
        command = [str(browser()), *options, f"--print-to-pdf={to.resolve()}", file.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    return True


def document(site: Path, part: str, say: Callable[[str], None] = print) -> str:
    """All pages of a part as one file; nothing where the site has none.

    Args:
        site: Folder of the built site.
        part: Folder of its pages in the site.
        say: Is told how far it is.
    """
    about, contents, pages = epub.gather(site, lambda address: address.startswith(f"{part}/"), say)
    for made in pages.values():
        made.answers = None
        for tag in made.article.select(".book-there, details.tip"):
            tag.decompose()
        for tag in made.article.find_all("details"):
            tag["open"] = ""
        finish(made, pages, about["source"])
        for image in made.article.find_all("img"):
            image["src"] = (site.resolve() / image["src"].replace("../", "")).as_uri()
    for made in pages.values():
        _join(made)
    if not pages:
        return ""
    sheet = site / "assets/css/math.css"
    maths = offline.with_fonts(sheet.read_text("utf-8"), sheet) if sheet.is_file() else ""
    style = maths + Path(__file__).with_name("epub.css").read_text("utf-8") + _STYLE
    content = "\n".join(made.article.decode(formatter="minimal") for made in pages.values())
    return epub.TEMPLATE.whole(f"{about['title']}: {contents[0][0]}", style, content)


def _join(made: EbookPage) -> None:
    """Give a page's anchors and links the form that they have in one file with other pages."""
    for tag in made.article.find_all(id=True):
        tag["id"] = f"{_mark(made.name)}-{tag['id']}"
    made.article["id"] = _mark(made.name)
    for tag in made.article.find_all("a", href=True):
        if not ELSEWHERE.match(tag["href"]):
            parts = urlsplit(tag["href"])
            name = posixpath.normpath(posixpath.join(posixpath.dirname(made.name), parts.path))
            name = name if parts.path else made.name
            tag["href"] = f"#{_mark(name)}{f'-{parts.fragment}' * bool(parts.fragment)}"


def _mark(name: str) -> str:
    return re.sub(r"\W+", "-", name.removesuffix(".xhtml"))
