"""The built site as files: which pages there are, and what stands in them."""

import functools
import os
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).parents[2]
SITE = Path(os.environ.get("SITE", ROOT / "site")).resolve()
# Every violation that axe finds in a page, one line each.
AXE = """async () => (await axe.run(document, {rules: {"target-size": {enabled: true}}, resultTypes: ["violations"]}))
  .violations.flatMap(v => v.nodes.map(n => `${v.id}: ${n.target.join(" ")} ${n.html.slice(0, 120)}`))"""


def pages() -> list[str]:
    """The built pages as a browser asks for them, `/` for the front page; none that only lead on to another."""
    moved = [file for file in SITE.rglob("*.html") if "assets/js/moved.js" in file.read_text("utf-8")]
    found = sorted("/" + file.relative_to(SITE).as_posix() for file in {*SITE.rglob("*.html")} - {*moved})
    return [path.removesuffix("index.html") for path in found]


def file_of(path: str) -> Path:
    """The file behind a page."""
    return SITE / (path.lstrip("/") + ("index.html" if path.endswith("/") else ""))


PAGES = pages() or ["/"]


def source_of(path: str) -> Path:
    """The file that a page was made from."""
    page = ROOT / "docs" / path.strip("/")
    found = [page / "index.md", page.with_suffix(".md"), page.with_suffix(".py")]
    return next(file for file in found if file.is_file())


class Reader(HTMLParser):
    """A page's links, anchors and images, and its text outside of code, outputs and annotations."""

    SILENT = {"pre", "code", "annotation", "script", "style"}

    def __init__(self, text: str):
        super().__init__()
        self.links, self.anchors, self.images, self.text, self.skipped = [], {""}, [], [], 0
        self.formulas = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        at = dict(attrs)
        self.anchors |= {at[key] for key in ("id", "name") if at.get(key)}
        self.links += [at[key] for key in ("href", "src") if at.get(key)]
        self.skipped += tag in self.SILENT
        self.formulas += tag == "math"
        if tag == "img":
            self.images.append(at)

    def handle_endtag(self, tag):
        self.skipped -= tag in self.SILENT

    def handle_data(self, data):
        if not self.skipped:
            self.text.append(data)


@functools.cache
def read(path: str) -> Reader:
    return Reader(file_of(path).read_text(encoding="utf-8"))
