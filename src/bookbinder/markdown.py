"""The Python-Markdown extension: puts each block's outputs below it and a header on the page.

It needs the results of a run, nothing of MkDocs: the same pages come out of any generator that runs
Python-Markdown extensions.
"""

import os
import re
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement

from jinja2 import Environment, FileSystemLoader
from markdown import Extension, Markdown
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor
from markdown.util import HTML_PLACEHOLDER_RE
from markupsafe import Markup

from bookbinder import (
    addresses,
    cache,
    course,
    exact,
    exercises,
    frames,
    in_browser,
    length,
    links,
    offline,
    predict,
    reader,
    runner,
    runtime,
    tally,
)
from bookbinder.chapter import LABS, Block, Chapter, load
from bookbinder.page import SITE, under_zensical, where
from bookbinder.predict import Prediction

_PUT_IN = re.compile(rf"{HTML_PLACEHOLDER_RE.pattern}\s*")
_COMMENT = re.compile(r"\s*<!--.*-->\s*$")
# In a lab an empty line stands between a directive and its cell.
_ABOVE_CELL = re.compile(r"\s*(<!--\s*(exercise|fold|play|source|pytest)\b.*-->\s*)?$")
FIGURES = "assets/figures"
NOTEBOOKS = "notebooks"


class Bookbinder(Extension):
    """Splices outputs and the header into a page."""

    def __init__(self, **options):
        self.config = {
            "docs_dir": ["docs", "Folder of the pages"],
            "repo": ["", "owner/name of the repository, for the Colab and edit buttons"],
            "branch": ["main", "Branch that the edit button leads to"],
            "directory_urls": [True, "Whether a page stands at name/ rather than name.html"],
        }
        super().__init__(**options)

    def extendMarkdown(self, md: Markdown) -> None:
        """Register what works on lines, after white space is normalised (30) and before fences are read (25).

        And what works on elements: after headings have their ids (5), before links are made addresses (0), and what
        makes addresses itself after that.
        """
        splice = _Splice(md)
        splice.options = self.getConfigs()
        md.preprocessors.register(splice, "bookbinder", 27)
        numbers = _Numbers(md)
        numbers.splice = splice
        md.treeprocessors.register(numbers, "bookbinder", 4)
        joined = _Links(md)
        joined.splice = splice
        md.treeprocessors.register(joined, "bookbinder-links", -1)


makeExtension = Bookbinder  # Python-Markdown looks it up by this name


def _safe_html(text: str) -> Markup:
    """HTML without scripts and styles."""
    import nh3  # late: few pages show tables

    allowed = {name: set(those) for name, those in SITE["output"]["attributes"].items()}
    tags, gone = set(SITE["output"]["tags"]), {"script", "style"}
    return Markup(nh3.clean(text, tags=tags, attributes=allowed, clean_content_tags=gone))


_HTML = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True)
_HTML.filters["safe_html"] = _safe_html
html = _HTML.get_template("page.html").module  # its macros


def publish(data: dict, docs: Path) -> set[str]:
    """Write the figures of a result below `docs`; the names of their files."""
    for name in data["figures"]:
        if not (docs / FIGURES / name).exists():
            cache.put(docs / FIGURES / name, (cache.folder("figures") / name).read_bytes())
    return set(data["figures"])


def prune(docs: Path, names: set[str]) -> None:
    """Remove figures of former runs from the folder that the generator copies."""
    for file in (docs / FIGURES).glob("*.*"):
        if file.name not in names and not file.name.startswith("."):
            file.unlink(missing_ok=True)


class _Splice(Preprocessor):
    """Works on lines, from the bottom up, so that places above stay right.

    Of the page that is converted it knows `page`, its path below the docs without suffix, `root`, the relative
    address of the site's root, and `offset`, the number of lines that its text lacks.
    """

    options: dict
    chapter: Chapter | None = None

    def run(self, lines: list[str]) -> list[str]:
        """Lines with outputs, notes and the header put in as stashed HTML."""
        path, self.offset = where(self.md)
        self.chapter = None
        file, self.docs = Path(path), Path(self.options["docs_dir"])
        if path == "<text>" or not file.is_file():
            return lines
        self.page = file.resolve().relative_to(self.docs.resolve()).with_suffix("")
        deep = len(self.page.parts) - 1
        if self.page.name != "index" and self.options["directory_urls"] and not under_zensical(self.md):
            deep += 1  # Zensical moves the addresses of a page that comes to stand a folder deeper
        self.root = "../" * deep or "./"
        self.chapter = chapter = load(file)
        self.course = course.of(self.docs)
        if under_zensical(self.md):  # under MkDocs the plugin does it
            self.md.preprocessors["rendering_context"].page.meta.update(titles(chapter, self.docs))
        data = runner.result_of(chapter) if chapter.blocks else {"blocks": []}
        if data is None:
            raise chapter.wrong("page.not-run", 1)
        lines = list(lines)
        for answer in chapter.answers:
            first, last = answer.line - 1 - self.offset, answer.end - self.offset
            lines[first:last] = [""] * (last - first)
        runs = self._address() and runtime.folder()  # the home page shows its code, and has no place for more
        self.bars = in_browser.bars(chapter) if runs else {}
        below = frames.below(chapter, data["blocks"])
        below = [
            (*shown, names) for shown, names in zip(below, links.figures(b[0] for b in below), strict=True)
        ]
        for block, slot, shown in reversed(list(zip(chapter.blocks, data["blocks"], below, strict=True))):
            self._splice(lines, chapter, block, slot, shown)
        self._made(lines)
        self._header(lines, chapter, data)
        if self.page.as_posix().startswith(links.API):
            self._overview(lines)
        return lines

    def _splice(self, lines: list[str], chapter: Chapter, block: Block, slot: dict, shown: tuple) -> None:
        fence = block.line - 1 - self.offset
        if not (0 <= fence < len(lines) and lines[fence].lstrip().startswith("```")):
            raise chapter.wrong("page.moved", block.line)
        outputs, film, figures = shown
        if outputs or film:
            name = block.predicts.name if block.predicts else ""
            text = html.outputs(outputs, f"{self.root}{FIGURES}", film, name, figures)
            if name:
                self._close_paragraph(lines, block)
            self._insert(lines, block.end - self.offset, block.indent, text)
        number = chapter.blocks.index(block)
        if number in self.bars:
            self._insert(lines, block.end - self.offset, block.indent, html.bar(number, self.bars[number]))
        if block.fold:
            self._insert(lines, block.end - self.offset, block.indent, "</details>")
        directive = _ABOVE_CELL if chapter.is_lab else _COMMENT
        for above in range(fence - 1, -1, -1):
            if not directive.match(lines[above]):
                break
            lines[above] = ""
        if block.fold:
            self._insert(lines, fence, block.indent, html.fold(block.fold))
        if block.exercise and (name := html.role(block.exercise[1]).strip()):
            self._insert(lines, fence, block.indent, name)
        if slot["state"] == "skipped":
            self._insert(lines, fence, block.indent, html.skipped(block.mark.reason))
        if block.predicts:
            self._ask(lines, block.predicts)

    def _close_paragraph(self, lines: list[str], block: Block) -> None:
        """Mark the paragraph below a block, which tells what came out: it stays closed with the output."""
        at = block.end - self.offset
        while at < len(lines) and re.match(r"\s*(<!--.*-->\s*)?$", lines[at]):
            at += 1
        text = lines[at].removeprefix(block.indent) if at < len(lines) else ""
        begins = text[:1].strip() and not _PUT_IN.fullmatch(
            text
        )  # no text further in, nothing that was put in
        if begins and lines[at].startswith(block.indent) and not predict.NO_TEXT.match(text):
            while at < len(lines) and lines[at].strip():
                at += 1
            mark = f'class="book-waits" data-answers="{block.predicts.name}" data-search-exclude=""'
            lines[at:at] = [f"{block.indent}{{: {mark} }}"]

    def _ask(self, lines: list[str], asked: Prediction) -> None:
        """Put a question without what is behind its choices in the place of its source, formulas as they are here."""
        asked, _ = predict.read(lines, asked.line - self.offset, asked.name)
        stash = self.md.htmlStash.store
        rows = [stash(str(html.question(asked.name, asked.right))), "", *asked.question, ""]
        rows += [f"- {choice.text}" for choice in asked.choices]
        rows += ["", stash(str(html.reasons())), ""]
        for choice in asked.choices:
            said = f"**{'Yes' if choice.right else 'No'}.** {choice.reason}".rstrip()
            rows.append(f'- <span class="book-choice">{choice.text}</span> {said}')
        rows += ["", stash("</details></div>")]
        lines[asked.line - 1 : asked.end] = ["", *(asked.indent + row if row else "" for row in rows), ""]

    def _made(self, lines: list[str]) -> None:
        """Put what the build knows in the places of its marks."""
        if tally.MARK in lines:
            self._put(lines, tally.MARK, html.tally(tally.of(self.docs)))
        if reader.WHEEL in lines:
            self._put(lines, reader.WHEEL, html.wheel(reader.wheel(self.root)))
        if offline.MARK in lines:
            self._put(lines, offline.MARK, offline.PLACE)
        if exact.PLATFORMS in lines:
            for mark, rows in exact.written(self.docs).items():
                at = lines.index(mark)
                lines[at : at + 1] = ["", *rows, ""]

    def _put(self, lines: list[str], mark: str, text: str) -> None:
        """Put HTML in the place of a mark."""
        at = lines.index(mark)
        lines[at : at + 1] = ["", self.md.htmlStash.store(str(text)), ""]

    def _insert(self, lines: list[str], at: int, indent: str, text: str) -> None:
        lines[at:at] = ["", indent + self.md.htmlStash.store(str(text)), ""]

    def _header(self, lines: list[str], chapter: Chapter, data: dict) -> None:
        heading = next((n for n, line in enumerate(lines) if line.startswith("# ")), None)
        if heading is not None and (notes := addresses.of_page(self.course, self._address())[1]):
            self._insert(lines, heading + 1, "", html.elsewhere(notes, self.root))
        tells = chapter.blocks or chapter.meta.keys() & {"objectives", "needs"}
        if heading is None or not tells or not self._address():  # the home page says it in its own way
            return
        page, repo = self.page.as_posix(), self.options["repo"] or os.environ.get("GITHUB_REPOSITORY", "")
        buttons = html.buttons(page, self.root, repo, f"{self.options['branch']}/{self.docs.name}/{page}.md")
        needs = [self._need(need) for need in chapter.meta.get("needs") or []]
        proved, more = _proved(chapter, data), reader.attributes(chapter, self.root)
        if chapter.blocks and (python := runtime.folder()):
            more += in_browser.attributes(chapter, self.root + python)
        place = self.course.place(self.course.page_of(chapter))
        notation = (
            f"{self.root}reference/notation/" if (self.docs / "reference/notation.md").is_file() else ""
        )
        symbols = notation if chapter.is_chapter else ""
        header = html.header(chapter.meta, place, needs, _minutes(chapter), proved, buttons, more, symbols)
        self._insert(lines, heading + 1, "", header)

    def _overview(self, lines: list[str]) -> None:
        """Put a table of what there is above the first module of an API page."""
        first = next((n for n, line in enumerate(lines) if line.startswith(f"::: {links.PACKAGE}")), None)
        if first is not None:
            modules = links.overview("\n".join(lines), self.docs)
            self._insert(lines, first, "", html.overview(modules, self.root))

    def _address(self) -> str:
        """Address of the page below the site's root."""
        page = self.page.as_posix()
        return page.removesuffix("index") if self.page.name == "index" else f"{page}/"

    def _need(self, need: str) -> tuple[str, str]:
        """Label and address of a page that is needed; no address where it is still to be written."""
        if not (self.docs / need).is_file():
            return self.course.label(need), ""
        end = "" if need.endswith("index.md") else "/" if self.options["directory_urls"] else ".html"
        address = f"{self.root}{need.removesuffix('index.md').removesuffix('.md')}{end}"
        return self.course.label(need), address


class _Numbers(Treeprocessor):
    """Writes the numbers of chapters into the page's heading and its links, and old anchors beside new ones."""

    splice: _Splice

    def run(self, root: Element) -> None:
        """Change the elements of the page that was spliced last."""
        chapter = self.splice.chapter
        if chapter is None:
            return
        book = self.splice.course
        page = book.page_of(chapter)
        heading, number = root.find(".//h1"), book.number(page)
        if heading is not None and number:
            heading.text = f"{number} {heading.text or ''}"
        for link in root.iter("a"):
            entry = book.linked(page, link.get("href", ""))
            if entry and not len(link) and course.WORD.fullmatch(link.text or ""):
                link.text = f"{link.text} {entry.number}"
                link.set("class", "book-kept")
                if entry.planned:  # a link when it is written
                    link.tag = "span"
                    del link.attrib["href"]
        renamed = addresses.of_page(book, self.splice._address())[0]
        for element in [element for element in root.iter() if element.get("id") in renamed]:
            for name in renamed[element.get("id")]:
                old = Element("span", id=name)
                old.tail, element.text = element.text, ""
                element.insert(0, old)


class _Links(Treeprocessor):
    """Adds the links that nobody types (see links.py), to the page that was spliced last."""

    splice: _Splice

    def run(self, root: Element) -> None:
        """Change the page's elements."""
        chapter, splice = self.splice.chapter, self.splice
        if chapter is None:
            return
        page = splice.course.page_of(chapter)
        if page == links.BIBLIOGRAPHY:
            self._cited(root, links.cited(splice.docs))
        in_api = page.startswith(links.API)  # docstrings, too, which name things in full
        if not in_api and page.startswith(("reference/", "contribute/")):
            return
        if not splice.options["directory_urls"]:
            return
        entries = links.names(splice.docs)
        known = {links.PACKAGE: links.PACKAGE} if in_api else links.known(chapter, splice.docs)

        def address_of(name: str) -> str:
            head, _, rest = name.partition(".")
            full = f"{known[head]}.{rest}".rstrip(".") if head in known else ""
            return splice.root + entries[full].address if full in entries else ""

        links.into_text(root, links.number_exercises(root), address_of)

    def _cited(self, root: Element, places: dict[str, list[tuple[str, str]]]) -> None:
        for entry in [element for element in root.iter() if element.get("id") in places]:
            said = SubElement(entry, "span", {"class": "book-cited", "data-search-exclude": ""})
            said.text = "Cited in "
            for address, label in places[entry.get("id")]:
                link = SubElement(said, "a", href=self.splice.root + address)
                link.text, link.tail = label, ", "
            said[-1].tail = ""


def titles(chapter: Chapter, docs: Path) -> dict:
    """What the theme is told of a page: its title with its number, and without; the labs that name it."""
    book = course.of(docs)
    page = book.page_of(chapter)
    title, number = chapter.meta.get("title"), book.number(page)
    labs = [load(file) for file in sorted((docs / LABS).glob("*.py"))] if number else []
    after = [lab for lab in labs if f"](../{page})" in lab.text]
    told = {"labs": [(lab.meta.get("title"), f"{Path(book.page_of(lab)).with_suffix('')}/") for lab in after]}
    return ({"title": f"{number} {title}", "name": title} if title and number else {}) | (
        told if after else {}
    )


def _minutes(chapter: Chapter) -> str:
    """How long a page takes that says what it is for."""
    if not chapter.meta.get("objectives"):
        return ""
    return length.length(chapter).time + ", and exercises" * bool(exercises.groups(chapter))


def _proved(chapter: Chapter, data: dict) -> str:
    """One line on the run: counts, versions, device, date; "" for a page without code."""
    if not chapter.blocks:
        return ""
    pairs = zip(chapter.blocks, data["blocks"], strict=True)
    states = [slot["state"] for block, slot in pairs if not block.exercise]
    skipped = states.count("skipped")
    drills = sum(not exercise.in_words for exercise in exercises.groups(chapter))
    ran = len(states) - skipped
    facts = [f"{ran} block{'s' * (ran != 1)} run", f"{skipped} skipped"]
    facts += [f"{drills} exercise{'s' * (drills > 1)} checked"] if drills else []
    facts += [f"{name} {'.'.join(v.split('.')[:2])}" for name, v in sorted(data.get("versions", {}).items())]
    return ", ".join([*facts, *filter(None, (data.get("device"), data.get("date")))])
