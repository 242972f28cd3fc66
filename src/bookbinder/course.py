"""The course: every chapter in its order, planned ones included, which gives the numbers; and what has moved.

Both stand in one file beside the folder of the pages, course.toml. A book without it has no numbers.
"""

import posixpath
import re
import tomllib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from bookbinder.chapter import CODE_SPAN, PARTS, Chapter, load, parse
from bookbinder.page import PageError, fault

FILE = "course.toml"
ROMAN = "I II III IV V".split()
WORD = re.compile(r"[Cc]hapter")  # a link with this text is given the number of what it leads to
_LINK = re.compile(r"(?<![\\!])\[([Cc]hapter)\](?:\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)|\[([^\]]*)\])")
_TARGET = re.compile(r"^ {0,3}\[([^\]^][^\]]*)\]:[ \t]+<?([^\s>]+)")
_MAP = re.compile(r"(<!-- the map of course\.toml.*?-->\n)(.*?)(<!-- the end of the map -->)", re.S)


@dataclass(frozen=True)
class Entry:
    """A chapter of the list: its page below the docs, its number and, while it is planned, its title."""

    page: str
    number: int
    planned: str = ""


@dataclass(frozen=True)
class Part:
    """A part of the course and of its sentence; `also` is said below it on the map."""

    folder: str
    title: str
    sentence: str
    also: str
    entries: tuple[Entry, ...]


@dataclass
class Course:
    """The list as it stands in the file; `moved` holds addresses of the site, old to new."""

    docs: Path = Path("docs")
    text: str = ""
    parts: list[Part] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)
    faults: list[PageError] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The file as faults name it."""
        return (self.docs.parent / FILE).as_posix()

    @cached_property
    def entries(self) -> dict[str, Entry]:
        """Every chapter by its page."""
        return {entry.page: entry for part in self.parts for entry in part.entries}

    def line(self, start: str) -> int:
        """The first line of the file that holds a text."""
        return next((n for n, row in enumerate(self.text.split("\n"), 1) if start in row), 1)

    def wrong(self, rule: str, seen: str, **words) -> PageError:
        """A fault of the file, on the line that holds what was seen."""
        return fault(rule, self.name, self.line(seen), **words)

    def page_of(self, chapter: Chapter) -> str:
        """Path of a page below the docs, as the list and the front matter write it."""
        return Path(posixpath.relpath(chapter.path, self.docs.as_posix())).as_posix()

    def number(self, page: str) -> int | None:
        """Number of a chapter; None for other pages."""
        return self.entries[page].number if page in self.entries else None

    def entry(self, name: str) -> Entry | None:
        """A chapter by its page or, while it is planned, by its title."""
        planned = (entry for entry in self.entries.values() if entry.planned == name)
        return self.entries.get(name) or next(planned, None)

    def label(self, name: str) -> str:
        """Number and title of a page as readers see them; a text that names no page is its own title."""
        entry, file = self.entry(name), self.docs / name
        title = entry.planned if entry else ""
        if name.endswith(".md") and not title:
            meta = load(file).meta if file.is_file() else {}
            title = str(meta.get("title") or file.stem.replace("-", " ").capitalize())
        title = title or name
        return f"{entry.number} {title}" if entry else title

    def place(self, page: str) -> str:
        """Where a chapter stands in the course, in words; "" for other pages."""
        for numeral, part in zip(ROMAN, self.parts, strict=False):
            for entry in part.entries:
                if entry.page == page:
                    return f"Chapter {entry.number} of {len(self.entries)}, in part {numeral}: {part.title}"
        return ""

    def linked(self, page: str, target: str) -> Entry | None:
        """The chapter that a link on a page leads to."""
        folder, path = posixpath.dirname(page), target.partition("#")[0]
        return self.entries.get(posixpath.normpath(posixpath.join(folder, path)) if path else page)

    def map(self) -> str:
        """The map of the course as the home page holds it."""
        sections = []
        for numeral, part in zip(ROMAN, self.parts, strict=False):
            rows = [f"### {numeral} · {part.title}", ""]
            rows += [] if part.sentence.lower() == part.title.lower() else [f"*{part.sentence}*", ""]
            for entry in part.entries:
                said = self.label(entry.page)
                rows.append(f"- {said} *(planned)*" if entry.planned else f"- [{said}]({entry.page})")
            rows += ["", part.also] if part.also else []
            sections.append("\n".join(['<section class="book-part" markdown>', "", *rows, "", "</section>"]))
        return "\n" + "\n\n".join(sections) + "\n\n"


_read: dict[Path, Course] = {}


def of(docs: Path) -> Course:
    """The course of a folder of pages; its file is parsed once, and again when it changes."""
    file = docs.parent / FILE
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    if docs not in _read or _read[docs].text != text:
        _read[docs] = _parse(docs, text)
    return _read[docs]


def _parse(docs: Path, text: str) -> Course:
    course = Course(docs, text)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        course.faults.append(
            fault("course.unreadable", course.name, int(line[1]) if line else 1, error=error)
        )
        return course
    moved, parts = data.get("redirects", {}), data.get("part", [])
    if (
        not isinstance(moved, dict)
        or not isinstance(parts, list)
        or not all(isinstance(p, dict) for p in parts)
    ):
        course.faults.append(course.wrong("course.tables", ""))
        return course
    course.moved = {str(old): str(new) for old, new in moved.items()}
    for part in parts:
        _read_part(course, part)
    return course


def _read_part(course: Course, given: dict) -> None:
    """Add a part of the file to the course; its chapters are counted on."""
    folder, entries = given.get("folder"), []
    before = [entry.page for part in course.parts for entry in part.entries]
    if folder not in PARTS:
        words = {"folder": folder, "parts": ", ".join(PARTS)}
        course.faults.append(course.wrong("course.part", f'"{folder}"', **words))
    for row in given.get("chapters", []):
        entry = row if isinstance(row, dict) else {"planned": "", "page": row}
        page = str(entry.get("page"))
        if entry.keys() != {"planned", "page"} or not re.fullmatch(rf"{folder}/[a-z0-9-]+\.md", page):
            course.faults.append(course.wrong("course.entry", f'"{page}"', entry=row, folder=folder))
        elif page in before:
            course.faults.append(course.wrong("course.twice", f'"{page}"', page=page))
        else:
            before.append(page)
            entries.append(Entry(page, len(before), str(entry["planned"])))
    words = (str(given.get(name, "")) for name in ("title", "sentence", "also"))
    course.parts.append(Part(str(folder), *words, tuple(entries)))


def faults(course: Course) -> list[PageError]:
    """What is wrong with the list itself, sorted by line."""
    found = list(course.faults)
    for entry in course.entries.values():
        if (course.docs / entry.page).is_file() == bool(entry.planned):
            rule = "course.written" if entry.planned else "course.no-page"
            found.append(course.wrong(rule, f'"{entry.page}"', page=entry.page))
    return sorted(found, key=lambda fault: fault.line)


def faults_of(chapter: Chapter, docs: Path) -> list[PageError]:
    """What a page and the list say otherwise than each other: its kind, its links to chapters, the map."""
    course = of(docs)
    if not course.parts:
        return []
    page, excursion, found = course.page_of(chapter), chapter.meta.get("kind") == "excursion", []
    line = next((n for n, row in enumerate(chapter.text.split("\n"), 1) if row.startswith("kind:")), 1)
    if chapter.is_chapter and page not in course.entries:
        found.append(chapter.wrong("page.unlisted", 1, page=page, folder=page.partition("/")[0]))
    if excursion and page in course.entries:
        found.append(chapter.wrong("page.excursion", line, page=page))
    for n, text, target in links(chapter):
        if not course.linked(page, target):
            found.append(chapter.wrong("page.no-number", n, text=text, target=target))
    drawn = _MAP.search(chapter.text) if page == "index.md" else None
    if drawn and drawn[2] != course.map():
        found.append(chapter.wrong("page.map", chapter.text[: drawn.start()].count("\n") + 1))
    return found


def links(chapter: Chapter) -> list[tuple[int, str, str]]:
    """Line, text and target of each link of a page whose text is `chapter`."""
    if "hapter]" not in chapter.text:
        return []
    prose = [(n, CODE_SPAN.sub("", row)) for n, row in chapter.prose]
    named = {m[1].lower(): m[2] for _, row in prose if (m := _TARGET.match(row))}
    found = [(n, m) for n, row in prose for m in _LINK.finditer(row)]
    return [(n, m[1], m[2] or named.get((m[3] or m[1]).lower(), "")) for n, m in found]


def without_planned(text: str, page: str, book: Course) -> str:
    """Text of a page with the number in the place of each link to a planned chapter, lines kept."""

    def number(match: re.Match) -> str:
        entry = book.linked(page, match[2]) if match[2] else None
        return f"{match[1]} {entry.number}" if entry and entry.planned else match[0]

    rows = text.split("\n")
    for n, _ in parse(text, page).prose if "[chapter](" in text.lower() else ():
        row = rows[n - 1]  # as it is written: the prose of a question lacks what its choices hide
        code = [span.span() for span in CODE_SPAN.finditer(row)]
        inside = lambda m, code=code: any(start <= m.start() < end for start, end in code)
        rows[n - 1] = _LINK.sub(lambda m, inside=inside: m[0] if inside(m) else number(m), row)
    return "\n".join(rows)


def map_lines(chapter: Chapter) -> range:
    """Numbers of the lines of a page that hold the map: the list of chapters is what they say."""
    drawn = _MAP.search(chapter.text)
    line = lambda at: chapter.text.count("\n", 0, at) + 1
    return range(line(drawn.start()), line(drawn.end())) if drawn else range(0)


def write_map(docs: Path) -> bool:
    """Write the map into the home page; whether it was another one."""
    file, course = docs / "index.md", of(docs)
    old = file.read_text(encoding="utf-8") if course.parts and file.is_file() else ""
    new = _MAP.sub(lambda m: m[1] + course.map() + m[3], old)
    if new != old:
        file.write_text(new, encoding="utf-8")
    return new != old


def enter(docs: Path, page: str) -> str:
    """Put a new page into the list: a planned chapter is written now, another one comes last in its part.

    Returns:
        What was done, as a sentence; "" for a book without a list.
    """
    course, file = of(docs), docs.parent / FILE
    part = next((part for part in course.parts if page.startswith(f"{part.folder}/")), None)
    if part is None:
        return f"{course.name} has no part for it" if course.parts else ""
    mine = page in course.entries
    start = re.search(rf'^folder\s*=\s*"{part.folder}"[^[]*\bchapters\s*=\s*\[', course.text, re.M)
    last = page if mine else part.entries[-1].page if part.entries else None
    item = rf'\{{[^{{}}]*"{re.escape(last)}"[^{{}}]*\}}|"{re.escape(last)}"' if last else "$^"
    found = re.compile(item).search(course.text) or start
    new = f'"{page}"' if mine else f'{found[0]}{"," if last else ""}\n  "{page}"{"" if last else ","}'
    file.write_text(course.text[: found.start()] + new + course.text[found.end() :], encoding="utf-8")
    course = of(docs)
    said = f"chapter {course.number(page)} of the course"
    behind = len(course.entries) - course.number(page)
    if mine:
        return f"{said}, as {course.name} planned"
    moved = f"; the {behind} behind it move up by one" if behind else ""
    return f"{said}, the last of its part in {course.name}{moved}. Move its row there if it belongs elsewhere"
