"""The built site as one file to take along: unzipped, its pages are read from the disk, without a server or a network.

A browser allows a page from the disk less than one from a server. It opens no `index.html` for a folder, so links name
the file. It knows no origin that `'self'` could mean, so the policy names the scheme as well. It may keep a font in
another folder from the page, so the font stands in the style sheet. And it starts no worker, so the search runs in a
hidden frame (offline.js). The pages are those that any generator has built; none is built a second time.
"""

import base64
import re
from pathlib import Path
from urllib.parse import unquote
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from bookbinder import addresses
from bookbinder.postprocess import META

NAME = "whole-book"  # of the file, and of the folder in it
EBOOK = f"{NAME}.epub"
MARK = "<!-- links to the whole book as one file, written by make offline and make epub -->"
PLACE = '<p class="book-offline" data-search-exclude hidden></p>'
_PLACE = re.compile(r'<p class="book-offline"[^>]*>.*?</p>')
# What only a server, a robot or a debugger asks for. The theme's parts for other languages are among it.
_LEFT_OUT = re.compile(
    rf"{NAME}\.(?:zip|epub)|404\.html|robots\.txt|llms\.txt|sitemap\.xml.*|.*\.map|assets/javascripts/lunr/.*"
)
_TAG = re.compile(r"<(?:a|link)\s[^>]*>")
_HREF = re.compile(r'(\shref=)(?:"([^"]*)"|([^\s"\'>]+))')
_ADDRESS = re.compile(r"([^?#]*)(.*)", re.DOTALL)
# From the disk the theme turns no page without loading it, but told to do so it never says that a page is there.
_INSTANT = re.compile(r'"navigation\.instant",\s*|,\s*"navigation\.instant"')
_FONT = re.compile(r"""url\(["']?([^"')]+\.woff2)["']?\)""")
_INDEX, _SEARCH, _FRAME = "search/search_index.json", "assets/js/search.js", "search/frame.html"


def write(site: Path) -> Path:
    """Write the file into a built site, and the link to it where the site has a place for one.

    Args:
        site: Folder of the built site.
    """
    to = site / f"{NAME}.zip"
    bundle(site, to)
    link(site)
    return to


def link(site: Path) -> None:
    """Link the files of the whole book that there are, where the site has a place for it.

    Args:
        site: Folder of the built site.
    """
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        if 'class="book-offline"' in text:
            page.write_text(_PLACE.sub(_links(page, site), text), encoding="utf-8")


def bundle(site: Path, to: Path) -> None:
    """Write the file alone; the same site makes the same bytes.

    Args:
        site: Folder of the built site.
        to: The file.
    """
    with ZipFile(to, "w", ZIP_DEFLATED) as packed:
        for name, content in sorted(_contents(site).items()):
            packed.writestr(ZipInfo(f"{NAME}/{name}"), content, ZIP_DEFLATED)


def _links(page: Path, site: Path) -> str:
    """The paragraph with the links, their addresses relative to the page."""
    up = "../" * (len(page.relative_to(site).parts) - 1)
    said = {f"{NAME}.zip": "The whole book, offline", EBOOK: "The whole book as EPUB"}
    links = [
        f'<a class="md-button" href="{up}{name}" download>{words}</a> {(site / name).stat().st_size / 1e6:.0f} MB'
        for name, words in said.items()
        if (site / name).is_file()
    ]
    return f'<p class="book-offline" data-search-exclude>{" ".join(links)}</p>' if links else PLACE


def _contents(site: Path) -> dict[str, bytes]:
    """What is in the file, by name."""
    found = {}
    for file in site.rglob("*"):
        name = file.relative_to(site).as_posix()
        if not file.is_file() or _LEFT_OUT.fullmatch(name):
            continue
        found[name] = file.read_bytes()
        if file.suffix == ".css":
            found[name] = with_fonts(found[name].decode(), file).encode()
        if file.suffix == ".html":
            text = found.pop(name).decode()
            if (
                addresses.SCRIPT not in text
            ):  # else it leads on from an old address, which nobody has of a copy
                found[name] = _page(text, file).encode()
    if _INDEX in found:
        worker = next(name for name in sorted(found) if re.fullmatch(r".*/workers/search\..*\.js", name))
        index = re.sub(r'("location":\s?")([^"#]*)', _location, found.pop(_INDEX).decode())
        found["search/search_index.js"] = f"var __index = {index}".encode()  # where the theme looks for it
        found[_SEARCH] = Path(__file__).with_name("offline.js").read_bytes()
        scripts = "".join(f'<script src="../{name}"></script>' for name in (_SEARCH, worker))
        found[_FRAME] = f'<!doctype html><html lang="en"><title>Search</title>{scripts}</html>'.encode()
    return found


def _page(text: str, file: Path) -> str:
    """A page whose links name files, whose policy fits the disk, and that offers no download of what it is part of."""

    def named(match: re.Match) -> str:
        return f'{match[1]}"{from_disk(match[2] or match[3] or "", file.parent)}"'

    text = _TAG.sub(lambda tag: _HREF.sub(named, tag[0]), _PLACE.sub(PLACE, text))
    text = _INSTANT.sub("", text)
    return META.sub(lambda meta: _policy(meta[0]), text)


def from_disk(address: str, folder: Path) -> str:
    """An address as a page in that folder has to give it to be followed on the disk."""
    path, rest = _ADDRESS.fullmatch(address).groups()
    elsewhere = not path or re.match(r"[a-z][a-z0-9+.-]*:|/", path, re.IGNORECASE)
    if elsewhere or not (folder / unquote(path) / "index.html").is_file():
        return address
    return f"{path.rstrip('/')}/index.html{rest}"


def _location(match: re.Match) -> str:
    """A page as the search's index names it."""
    page = match[2]
    return f"{match[1]}{page}{'index.html' if not page or page.endswith('/') else ''}"


def _policy(meta: str) -> str:
    """The policy of a page for the disk: what the site itself may is what files may."""
    meta = meta.replace("font-src 'self'", "font-src 'self' data:; frame-src 'self'")
    return meta.replace("'self'", "'self' file:")


def with_fonts(css: str, file: Path) -> str:
    """The style sheet with its fonts in it.

    Args:
        css: The style sheet.
        file: Where it stands, from which it names its fonts.
    """

    def inside(match: re.Match) -> str:
        font = base64.b64encode((file.parent / match[1]).read_bytes()).decode()
        return f'url("data:font/woff2;base64,{font}")'

    return _FONT.sub(inside, css)
