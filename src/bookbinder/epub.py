"""The built site as an e-book: the course, its labs and the reference as one EPUB 3, the solutions at its end.

The pages are those that any generator has built, in the order of the site's menu. What is made of each of them stands
in `epub_page`; here they become one file, of the same bytes for the same site.
"""

import os
import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from bs4 import BeautifulSoup, Tag
from jinja2 import Environment, FileSystemLoader

from bookbinder import offline
from bookbinder.epub_page import SOLUTIONS, WORDS, EbookPage, finish, page

NAME = offline.EBOOK
_SHARED = "assets/css/math.css", "assets/fonts/course-math.woff2", "assets/fonts/OFL.txt"
_KINDS = {
    ".xhtml": "application/xhtml+xml", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png",
    ".jpg": "image/jpeg", ".webp": "image/webp", ".woff2": "font/woff2", ".txt": "text/plain",
}  # fmt: skip
TEMPLATE = (
    Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
    .get_template("epub.xml")
    .module
)
# An entry of the menu: its title, the address of its page, and the entries below it.
Entry = tuple[str, str | None, list]


def write(site: Path, say: Callable[[str], None] = print) -> Path:
    """Write the e-book into a built site, and the link to it where the site has a place for one.

    Args:
        site: Folder of the built site.
        say: Is told how far it is.
    """
    to = site / NAME
    bundle(site, to, say)
    offline.link(site)
    return to


def bundle(site: Path, to: Path, say: Callable[[str], None] = print) -> None:
    """Write the e-book alone; the same site makes the same bytes.

    Args:
        site: Folder of the built site.
        to: The file.
        say: Is told how far it is.
    """
    files = {name: _bytes(content) for name, content in _files(site, say).items()}
    with ZipFile(to, "w", ZIP_DEFLATED) as packed:
        # First and as it is, by the standard.
        packed.writestr(ZipInfo("mimetype"), "application/epub+zip", ZIP_STORED)
        packed.writestr(ZipInfo("META-INF/container.xml"), TEMPLATE.container(), ZIP_DEFLATED)
        for name, content in files.items():
            packed.writestr(ZipInfo(f"book/{name}"), content, ZIP_DEFLATED)


def menu(home: Tag) -> list[Entry]:
    """What the menu of a built page lists, in its order; sections have no address.

    Args:
        home: the home page, from which the addresses are.
    """
    top = home.select_one("nav.md-nav--primary")

    def entries(nav: Tag) -> list[Entry]:
        found = []
        for item in nav.find("ul").find_all("li", recursive=False):
            below = item.find("nav", attrs={"data-md-level": True})
            here = item.find("a", class_="md-nav__link")
            title = item.find(class_="md-ellipsis").get_text()
            if below:
                found.append((_plain(title), None, entries(below)))
            else:
                found.append((_plain(title), here["href"].removeprefix(".").removeprefix("/"), []))
        return found

    return entries(top)


def gather(
    site: Path, wanted: Callable[[str], bool], say: Callable[[str], None] = print
) -> tuple[dict, list[Entry], dict[str, EbookPage]]:
    """What the site says of itself, its menu, and its pages by their address, as far as they are wanted.

    Args:
        site: Folder of the built site.
        wanted: Whether the page of an address is.
        say: Is told how far it is.
    """
    home = BeautifulSoup((site / "index.html").read_text("utf-8"), "html.parser")
    contents = [kept for entry in menu(home) if (kept := _kept(entry, wanted))]
    pages: dict[str, EbookPage] = {}
    for entry in contents:
        found = [*_addresses([entry])]
        pages |= {
            place: page((site / place / "index.html").read_text("utf-8"), place, name)
            for name, place in found
        }
        say(f"{entry[0]}: {len(found)} page{'s' * (len(found) > 1)}")
    return _about(home, site), contents, pages


def _files(site: Path, say: Callable[[str], None]) -> dict[str, str | bytes]:
    """All files of the e-book by name, first the package that lists them."""
    out = tuple(WORDS["folders_out"])
    about, contents, pages = gather(site, lambda address: not address.startswith(out), say)
    answers = [made.answers for made in pages.values() if made.answers]
    images = {image for made in [*pages.values(), *answers] for image in finish(made, pages, about["source"])}
    files: dict[str, str | bytes] = {
        made.name: _page(made.title, made.name, [made]) for made in pages.values()
    }
    listed = _listed(contents, pages)
    if answers:
        files[SOLUTIONS] = _page(WORDS["solutions"], SOLUTIONS, answers)
        below = [(part.title, f"{SOLUTIONS}#{part.article['id']}", []) for part in answers]
        listed.append((WORDS["solutions"], SOLUTIONS, below))
    order = range(1, len(files) + 1)
    nav = TEMPLATE.nav(about["title"], listed)
    files |= {"nav.xhtml": nav, "book.css": Path(__file__).with_name("epub.css").read_text("utf-8")}
    for name in sorted({*images, *(name for name in _SHARED if (site / name).is_file())}):
        files[name] = (site / name).read_bytes()
    items = [(name, _KINDS[Path(name).suffix], _properties(name, files[name])) for name in files]
    return {"content.opf": TEMPLATE.package(about, items, order), **files}


def _kept(entry: Entry, wanted: Callable[[str], bool]) -> Entry | None:
    """An entry of the menu with the pages that are wanted."""
    title, address, below = entry
    below = [kept for each in below if (kept := _kept(each, wanted))]
    return (title, address, below) if below or address is not None and wanted(address) else None


def _addresses(entries: list[Entry]) -> Iterator[tuple[str, str]]:
    """The pages of a part of the menu, in order."""
    for title, address, below in entries:
        if address is not None:
            yield title, address
        yield from _addresses(below)


def _listed(entries: list[Entry], pages: dict[str, EbookPage]) -> list[Entry]:
    """The table of contents: the menu, and below each page its sections."""
    found = []
    for title, address, below in entries:
        if address is None:
            found.append((title, None, _listed(below, pages)))
        else:
            made = pages[address]
            sections = [(name, f"{made.name}#{anchor}", []) for anchor, name in made.headings]
            found.append((title, made.name, sections))
    return found


def _page(title: str, name: str, parts: list[EbookPage]) -> str:
    """A file of the e-book: one page, or the solutions of all of them."""
    content = "\n".join(part.article.decode(formatter="minimal") for part in parts)
    return TEMPLATE.page(title, "../" * name.count("/"), content, name == SOLUTIONS)


def _properties(name: str, content: str | bytes) -> str:
    """What a reader has to know about a file before it opens it."""
    return " ".join(
        ["nav"] * (name == "nav.xhtml") + ["mathml"] * (name.endswith(".xhtml") and "<math" in content)
    )


def _about(home: Tag, site: Path) -> dict:
    """What the package says about the whole."""
    for link in home.select("h1 .headerlink"):
        link.decompose()
    title = _plain(home.find("h1").get_text())
    canonical, said = home.find("link", rel="canonical"), home.find("meta", attrs={"name": "description"})
    source = canonical["href"] if canonical else ""
    source *= source.startswith("http")  # else the site does not know its address
    return WORDS | {
        "title": title,
        "creator": WORDS["creator"].format(title=title),
        "description": said["content"] if said else title,
        "source": source,
        "identifier": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, source or title)}",
        "modified": datetime.fromtimestamp(changed(site), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def changed(site: Path) -> int:
    """When the book was last changed: as the environment says, else the commit, else the home page."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(command, cwd=site, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 else int((site / "index.html").stat().st_mtime)


def _bytes(content: str | bytes) -> bytes:
    return content if isinstance(content, bytes) else str(content).encode()


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
