"""What the Markdown of a page would lose silently: text that falls out of its box or list, code that is only shown.

Python-Markdown never fails. What is indented by two spaces stands outside of its box, a list without a blank line above
is a sentence with dashes, a word in angle brackets vanishes, and indented code is shown and never run. Each is told
here, with its line. Only the lines of a page are read, for converting it would take longer than all other checks.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from bookbinder.chapter import CODE_SPAN, FENCE, Chapter
from bookbinder.page import PageError, table

_DATA = table("layout")
_TAGS, _VOID = {*_DATA["tags"].split()}, {*_DATA["void"].split()}
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069" + "".join(_DATA["unseen"]) + "]"
)
_BOX = re.compile(r'(?:!!!|\?\?\?\+?) (?P<kind>[a-z-]+)(?: inline(?: end)?)?(?: ".*")?|===[+!]? ".+"')
_ITEM = re.compile(r"(?:(?P<number>\d{1,2})\.|[-*+])\s+(?=\S)")
_RULE = re.compile(r"([-*_])(?: *\1){2,}$")
_DEFINITION = re.compile(r":\s{1,3}\S|\[\^[^\]]+\]:")
_FORMULA = re.compile(r"\$(?![\s$])(?:\\.|[^$`\n])+?(?<!\s)\$(?![\d$])")
_OPENS = {"$$": "$$", "\\[": "\\]", "\\begin{": "\\end{"}  # a formula on lines of its own
_TAG = re.compile(
    r"(?<!\\)<(?P<end>/?)(?P<name>[a-zA-Z][\w.-]*)(?![\w.:@-])(?P<rest>(?:\"[^\"]*\"|[^<>\"])*>)?"
)
_SPAN = re.compile(CODE_SPAN.pattern, re.S)
_IMAGE = re.compile(r"!\[([^\[\]]*)\]\(\s*([^\s)]+)[^)]*\)(\{[^}]*\})?")
_DEAD = re.compile(r"<a\b[^>]*\bhref\s*=\s*[\"']?((?![a-z]+:)[^\"'\s>]*\.(?:md|py)\b[^\"'\s>]*)")
_NAMED = re.compile(r"(?<![\w\]\\])\[[^\[\]]+\]\[(?!\^)([^\[\]]+)\]")
_TARGET = re.compile(r"^ {0,3}\[([^\]^][^\]]*)\]:\s*\S")
_NOTE = re.compile(r"(?<!\\)\[\^([^\]\s]+)\](:(?!\S))?")
_SEPARATOR = re.compile(r"\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?$")


@dataclass
class _Row:
    """A line outside of code: its number, its text without indentation, without code and formulas in `bare`."""

    line: int
    indent: int
    text: str
    bare: str


def characters(chapter: Chapter) -> list[PageError]:
    """Characters that no reader sees and that tools read differently."""
    found = []
    for n, row in enumerate(chapter.text.split("\n"), 1):
        if match := _CONTROL.search(row) if not row.isascii() or not row.isprintable() else None:
            name = _DATA["unseen"].get(match[0], f"the control character U+{ord(match[0]):04X}")
            found.append(chapter.wrong("layout.unseen", n, name=name))
        elif re.match(r" *[^\S \t\n]", row):
            found.append(chapter.wrong("layout.blank", n))
    return found


def faults(chapter: Chapter) -> list[PageError]:
    """What a page would lose or show otherwise than it is meant; nothing where its fences are at fault already."""
    if chapter.faults:
        return characters(chapter)
    walker = _Walker(chapter)
    walker.walk()
    front = [(name, str(chapter.meta.get(name, ""))) for name in ("title", "description")]
    for name, words in front:  # both stand in the head of the page as they are
        if seen := re.search(r"<(?=[a-zA-Z/!])" if name == "title" else r"<(?=[a-zA-Z/!])|\"", words):
            walker.fault("front", _line_of(chapter, name), name=name, seen=seen[0])
    return characters(chapter) + walker.found + _names(chapter, walker.rows) + _html(chapter, walker.rows)


def _line_of(chapter: Chapter, field: str) -> int:
    rows = enumerate(chapter.text.split("\n"), 1)
    return next((n for n, row in rows if row.startswith(f"{field}:")), 1)


class _Walker:
    """Walks the lines with the containers that are open: the column where each began, and what it is."""

    def __init__(self, chapter: Chapter):
        self.chapter, self.found, self.rows = chapter, [], []
        self.open: list[tuple[int, str]] = []  # of lists: the kind, and the last one at this column
        self.above = ""  # what the line above is: "", text, item, box, or block (what ends with its line)
        self.box = (0, 0)  # line and column of a box that has nothing in it yet
        self.choices = {choice.line for asked in chapter.questions() for choice in asked.choices}
        self.until = ""  # what ends the formula or the raw HTML that the line is in

    def fault(self, rule: str, line: int, **words) -> None:
        self.found.append(self.chapter.wrong(f"layout.{rule}", line, **words))

    def walk(self) -> None:
        """Read every line of the body; lines of code and comments count as one block."""
        lines, prose = self.chapter.text.split("\n"), dict(self.chapter.prose)
        n = min(prose, default=1)
        start = re.match(r"\ufeff?---[ \t]*\n.*?^---[ \t]*\n", self.chapter.text, re.S | re.M)
        n = start[0].count("\n") + 1 if start else 1
        while n <= len(lines):
            line = lines[n - 1]
            if n in prose:
                self._line(n, prose[n])
                n += 1
            elif fence := FENCE.match(line):
                n = self._fence(n, line, fence, lines)
            else:
                while "-->" not in lines[n - 1]:
                    n += 1
                self.above, n = "block", n + 1
        self._close_box(n, -1)

    def _fence(self, n: int, line: str, fence: re.Match, lines: list[str]) -> int:
        self._close_box(n, len(fence["indent"]))
        self._place(n, len(fence["indent"]), "block")
        if self.until.startswith("</"):
            self.fault("raw", n, name=self.until[2:-1])
        self.above, start = "text", n
        while not lines[n].lstrip().startswith(fence["ticks"]):
            n += 1
        shown = (
            lines[start:n] if "markdown" not in fence["info"] and fence["info"].strip() != "python" else []
        )
        prompts = [start + 1 + at for at, row in enumerate(shown) if re.match(r"\s*(>>>|In \[\d*\]:) ", row)]
        if prompts:
            self.fault("prompts", prompts[0])
        return n + 2

    def _line(self, n: int, line: str) -> None:
        text = line.strip()
        if self.until:
            if self.until.startswith("</"):
                self.rows.append(_Row(n, 0, text, text))
                if self.until not in ("</svg>", "</math>") and re.search(r"`[^`<]+`|\*\*|\]\(", text):
                    self.fault("raw", n, name=self.until[2:-1])
            self.until = "" if self.until in text else self.until
            return
        if not text:
            self.above = ""
            return
        indent = len(line) - len(line.lstrip())
        if "\t" in line[:indent]:
            self.fault("tab", n)
            indent = len(line.expandtabs(4)) - len(line.expandtabs(4).lstrip())
        bare = _FORMULA.sub(_blank, CODE_SPAN.sub(_blank, text))
        self.rows.append(_Row(n, indent, text, bare))
        self._close_box(n, indent)
        self._block(n, indent, text)
        for opens, closes in _OPENS.items():
            if text.startswith(opens) and not (
                text.endswith(closes) and len(text) > len(closes) or closes in text[2:]
            ):
                self.until, self.above = closes, "block"
        if raw := re.match(
            r"<(svg|math|table|div|section|figure|dl|ul|ol|details|aside|article)\b(?![^>]*\bmarkdown)", text
        ):
            self.until = "" if f"</{raw[1]}>" in text else f"</{raw[1]}>"

    def _block(self, n: int, indent: int, text: str) -> None:
        """What a line is, and whether it stands where Python-Markdown reads it so."""
        item, marks = _ITEM.match(text), text.startswith(("!!!", "???")) or re.match(r"===[^=]", text)
        if _RULE.match(text) or "|" in text and _SEPARATOR.match(text):
            item = None
        if re.match(r"(-{3,}|={3,})$", text) and self.above == "text":
            self.fault("underlined", n)
        if text.startswith(">>> "):
            self.fault("prompts", n)
        if re.match(r"#{1,6}[^\s#]", text):
            self.fault("heading", n)
        if re.match(r"\d{1,2}\)\s+\S", text) and self.above in ("", "box", "item"):
            self.fault("paren", n, number=re.match(r"\d+", text)[0])
        if marks:
            self._opens_box(n, indent, text)
        elif item:
            self._item(n, indent, text, item)
        elif _DEFINITION.match(text):
            self._place(n, indent, "block")
            self.open.append((indent, "definition"))
            self.above = "text"
        else:
            if self.above in ("", "box", "block"):
                self._place(n, indent, "text")
            self.above = "block" if text.startswith("#") else self.above if self.above == "item" else "text"

    def _opens_box(self, n: int, indent: int, text: str) -> None:
        self._place(n, indent, "box")
        match = _BOX.fullmatch(text)
        if not match:
            self.fault("box", n, seen=text[:40])
        elif match["kind"] and match["kind"] not in _DATA["kinds"]:
            self.fault("kind", n, kind=match["kind"], kinds=", ".join(_DATA["kinds"][:6]))
        self.open.append((indent, "box"))
        self.above, self.box = "box", (n, indent)

    def _close_box(self, n: int, indent: int) -> None:
        """A box must have something in it, four spaces further in."""
        line, column = self.box
        if line and indent < column + 4:
            crooked = indent > column
            self.fault(
                "crooked" if crooked else "empty", n if crooked else line, seen=indent, wanted=column + 4
            )
            if crooked:
                self.open.append((indent - 4, "told"))
        self.box = (0, 0)

    def _item(self, n: int, indent: int, text: str, item: re.Match) -> None:
        kind = "numbers" if item["number"] else "dots"
        if self.above == "text":
            self.fault("list", n)
        before = next((what for column, what in reversed(self.open) if column == indent), "")
        self._place(n, indent, kind)
        if kind == "numbers" and before != kind and item["number"] != "1":
            self.fault("number", n, number=item["number"])
        if before in ("numbers", "dots") and before != kind:
            self.fault("mixed", n)
        if n not in self.choices and re.match(r"\[[ xX]\]\s", text[item.end() :]):
            self.fault("task", n)
        self.open.append((indent, kind))
        self.above = "item"

    def _place(self, n: int, indent: int, what: str) -> None:
        """Close what the line is no longer in; it must begin exactly where the innermost that is left has its text."""
        while self.open and indent < self.open[-1][0] + 4:
            column, kind = self.open.pop()
            if indent > column and kind != "told":
                self.fault("crooked", n, seen=indent, wanted=column + 4)
                self.open.append((indent - 4, "told"))
                return
        wanted = self.open[-1][0] + 4 if self.open else 0
        if indent >= wanted + 4 and what != "block":
            self.fault("code", n)
        elif indent != wanted:
            self.fault("crooked", n, seen=indent, wanted=wanted)


def _blank(match: re.Match) -> str:
    return " " * len(match[0])


def _names(chapter: Chapter, rows: list[_Row]) -> list[PageError]:
    """Links and footnotes by name, and tables: what they name, and that no cell is lost."""
    found = []
    targets = {m[1].lower() for row in rows if (m := _TARGET.match(row.text))}
    by_line = {row.line: row for row in rows}
    notes: dict[str, list[int]] = {}
    used: dict[str, int] = {}
    for row in rows:
        above = by_line.get(row.line - 1)
        if (
            above
            and re.match(r"> ?(?:[-*+]|\d\.) ", row.text)
            and re.match(r"> ?(?![-*+] |\d\. )[^\s>]", above.text)
        ):
            found.append(chapter.wrong("layout.list", row.line))
        if link := _DEAD.search(row.bare):
            found.append(chapter.wrong("layout.href", row.line, address=link[1]))
        for match in _NAMED.finditer(row.bare):
            if match[1].lower() not in targets:
                found.append(chapter.wrong("layout.named", row.line, name=match[1]))
        for match in _NOTE.finditer(row.bare):
            if match.end() - match.start() > len(match[1]) + 3 and match.start() == 0:
                notes.setdefault(match[1], []).append(row.line)
            else:
                used.setdefault(match[1], row.line)
        if re.search(r"\]\([^()\"<>]*[^\s()\"]\s+[^\s\"'()][^()\"]*\)", row.bare):
            found.append(chapter.wrong("layout.spaces", row.line))
    for name, lines in notes.items():
        found += [chapter.wrong("layout.note-twice", line, name=name) for line in lines[1:]]
        found += [chapter.wrong("layout.note-unused", lines[0], name=name)] if name not in used else []
    found += [
        chapter.wrong("layout.note-gone", line, name=name) for name, line in used.items() if name not in notes
    ]
    return found + _tables(chapter, rows) + _ticks(chapter, rows) + _given(chapter, rows)


def _ticks(chapter: Chapter, rows: list[_Row]) -> list[PageError]:
    """Code in a sentence that is not closed: its backtick is shown. It may go over the end of a line."""
    found, at = [], 0
    while at < len(rows):
        end = at + 1
        while end < len(rows) and rows[end].line == rows[end - 1].line + 1:
            end += 1
        text = "\n".join(row.text for row in rows[at:end])
        left = (
            _SPAN.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), re.sub(r"\\`", "  ", text))
            if "`" in text
            else ""
        )
        if "`" in left:
            found.append(chapter.wrong("layout.tick", rows[at].line + left[: left.index("`")].count("\n")))
        at = end
    return found


def _given(chapter: Chapter, rows: list[_Row]) -> list[PageError]:
    """What an author gives in braces: ids, each once, and the size of an image with its text."""
    found, ids = [], set()
    for row in rows:
        for name in re.findall(r"\{:?[^{}]*(?<=[\s{:])#([\w:.-]+)[^{}]*\}", row.bare):
            found += [chapter.wrong("layout.id-twice", row.line, name=name)] if name in ids else []
            ids.add(name)
        images = [(m[2], f'{m[3]} alt="{m[1]}"') for m in _IMAGE.finditer(row.bare)]
        images += [(m[1], m[0]) for m in re.finditer(r"<img\b[^>]*?\bsrc=\"?([^\s\">]+)[^>]*>", row.bare)]
        for image, given in images:
            missing = [
                name for name in ("alt", "width", "height") if not re.search(rf'\b{name}="?[^"\s]', given)
            ]
            if missing:
                found.append(
                    chapter.wrong("site.image", row.line, image=image, missing=", no ".join(missing))
                )
    return found


def _tables(chapter: Chapter, rows: list[_Row]) -> list[PageError]:
    """Tables that would be text, and rows with more or fewer cells than their head."""
    found, by_line = [], {row.line: row for row in rows}
    for row in rows:
        head = by_line.get(row.line - 1)
        if "|" not in row.bare or not _SEPARATOR.match(row.text) or not head or "|" not in head.bare:
            continue
        above = by_line.get(row.line - 2)
        if above and not above.text.startswith(("!!!", "???", "===")):
            found.append(chapter.wrong("layout.table", head.line))
        wanted, at = _cells(head), row.line
        while (below := by_line.get(at)) and "|" in below.bare:
            if _cells(below) != wanted:
                found.append(chapter.wrong("layout.cells", at, seen=_cells(below), wanted=wanted))
            at += 1
    return found


def _cells(row: _Row) -> int:
    return len(re.findall(r"(?<!\\)\|", row.bare.strip().removeprefix("|").removesuffix("|"))) + 1


def _html(chapter: Chapter, rows: list[_Row]) -> list[PageError]:
    """Words in angle brackets that vanish, and elements that are opened and not closed, or the other way."""
    found, opened = [], []
    text = "\n".join(row.bare for row in rows)
    ends = list(accumulate(len(row.bare) + 1 for row in rows))
    for match in _TAG.finditer(text) if "<" in text else ():
        name, line = match["name"].lower(), rows[bisect_right(ends, match.start())].line
        if name not in _TAGS:
            found.append(chapter.wrong("layout.tag", line, name=match["end"] + match["name"]))
        elif match["rest"] is None:
            found.append(chapter.wrong("layout.angle", line, name=match["name"]))
        elif match["end"] and opened and opened[-1][0] == name:
            opened.pop()
        elif match["end"]:
            found.append(chapter.wrong("layout.unopened", line, name=name))
        elif name not in _VOID and not match["rest"].endswith("/>"):
            opened.append((name, line))
    return found + [chapter.wrong("layout.unclosed", line, name=name) for name, line in opened]
