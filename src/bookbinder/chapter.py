"""Text of a page → Chapter: front matter, code blocks, exercise parts. The one parser; it decides what is code.

Everything that follows (the run, the page, the notebook, the tests) asks this module, so that no two of them
can disagree about what a program is. A page that could be read in two ways is a fault, with its line.
"""

import ast
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bookbinder.page import PageError

MAX_BLOCK_LINES = 25
MAX_BLOCKS_IN_A_ROW = 2
ROLES = ("setup", "starter", "check", "solution", "wrong")
# The folders whose pages are chapters, complete by the anatomy of the book; other pages may run code too.
PARTS = ("learning", "networks", "depth", "models", "tricks")
FIELDS = {
    "title": "title: a few words",
    "description": "description: one sentence",
    "objectives": "objectives: a list of 3 to 5 things that the reader can do afterwards",
    "needs": "needs: a list of at most three earlier chapters ([] if none)",
    "minutes": "minutes: a whole number",
    "timeout": "timeout: seconds that the whole page may run",
    "gpu": "gpu: true or false",
    "hide": "hide: a list of Material's page parts",
    "search": "search: Material's search options",
}

_FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})(?P<info>.*?)\s*$")
_PYTHON = re.compile(r"^\s*\{?\s*\.?(py|pyi|py3|python|python3|ipython|ipython3|pycon|pycon3)\b", re.I)
_SHELL = re.compile(r"^\s*\{?\s*\.?(sh|bash|zsh|shell)\b", re.I)
_COMMENT = re.compile(r"^\s*<!--[-\s]*(?P<body>.*?)[-\s]*-->\s*$")
_CONTAINER = re.compile(r"^\s*(!!!|\?\?\?\+?|===\+?|[-*+]\s|\d+[.)]\s|:\s{3}|\[\^[^]]+\]:)")
_DIRECTIVE = re.compile(r"<!--[-\s]*pytest", re.I)
_CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
_FRONT = re.compile(r"\A---[ \t]*\n(.*?)^---[ \t]*\n", re.S | re.M)


@dataclass(frozen=True)
class Mark:
    """A pytest mark above a block: `kind` is skip, skipif or xfail; the other fields as pytest names them."""

    kind: str
    reason: str = ""
    condition: str = ""
    raises: str = ""


@dataclass
class Block:
    """One Python fence: its code without indentation, and where it stands (lines count from 1, top of file)."""

    code: str
    line: int
    end: int
    indent: str = ""
    continues: bool = False
    mark: Mark | None = None
    source: str = ""
    exercise: tuple[str, str] | None = None


@dataclass
class Chapter:
    """A page as the binder sees it: `blocks` in order, hidden wrong `answers`, and every fault found."""

    path: str
    text: str
    meta: dict = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    answers: list[Block] = field(default_factory=list)
    faults: list[PageError] = field(default_factory=list)

    @property
    def is_chapter(self) -> bool:
        """Whether the page must be complete by the anatomy of a chapter."""
        parts = Path(self.path).parts
        return any(part in PARTS for part in parts[:-1]) and parts[-1] != "index.md"

    def programs(self) -> list[list[Block]]:
        """Blocks grouped into programs: a block with what continues it; every exercise part stands alone."""
        found: list[list[Block]] = []
        for block in self.blocks:
            if block.continues and found:
                found[-1].append(block)
            else:
                found.append([block])
        return found


def load(file: Path, root: Path | None = None) -> Chapter:
    """Chapter of a file on disk.

    Args:
        file: The Markdown file.
        root: Folder that shown paths are relative to (the current folder if None).

    Returns:
        The chapter; faults, an unreadable file among them, are in its `faults`.
    """
    name = os.path.relpath(file, root or Path.cwd())
    name = str(file) if name.startswith("..") else Path(name).as_posix()
    try:
        text = file.read_bytes().decode("utf-8")
    except (UnicodeDecodeError, OSError) as error:
        chapter = Chapter(name, "")
        chapter.faults.append(
            PageError(name, 1, f"the file cannot be read as text: {error}", "save it as UTF-8")
        )
        return chapter
    return parse(text.replace("\r\n", "\n").replace("\r", "\n"), name)


def parse(text: str, path: str = "<text>", front_matter: bool = True) -> Chapter:
    """Chapter of a text.

    Args:
        text: The whole file, front matter included.
        path: Name shown in faults; its folder decides whether the page must be complete.
        front_matter: Whether the page must start with front matter (README.md need not).

    Returns:
        The chapter, with its faults sorted by line.
    """
    chapter = Chapter(path, text)
    match = _FRONT.match(text)
    if match:
        _read_meta(chapter, match[1])
    elif front_matter:
        _fault(
            chapter, 1, "the page has no front matter", "start the file with ---, title:, description:, ---"
        )
    _Scanner(chapter, text[: match.end()].count("\n") if match else 0).scan()
    chapter.faults.sort(key=lambda fault: fault.line)
    return chapter


def _fault(chapter: Chapter, line: int, message: str, advice: str) -> None:
    chapter.faults.append(PageError(chapter.path, line, message, advice))


def _read_meta(chapter: Chapter, source: str) -> None:
    try:
        meta = yaml.safe_load(source)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line = place.line + 2 if place else 1
        return _fault(
            chapter, line, f"the front matter is not YAML: {getattr(error, 'problem', error)}", "mend it"
        )
    if not isinstance(meta, dict):
        return _fault(
            chapter, 1, "the front matter is not a list of fields", "write title: … on a line of its own"
        )
    chapter.meta = meta
    at = {m[1]: n for n, row in enumerate(source.split("\n"), 2) if (m := re.match(r"(\w+):", row))}
    required = list(FIELDS)[:5] if chapter.is_chapter else list(FIELDS)[:2]
    for name in required:
        if name not in meta:
            _fault(chapter, 1, f"the front matter has no {name}", f"write {FIELDS[name]}")
    for name, value in meta.items():
        if name not in FIELDS:
            _fault(
                chapter,
                at.get(name, 1),
                f"unknown field {name!r} in the front matter",
                f"use {', '.join(FIELDS)}",
            )
        elif not _good_field(name, value):
            _fault(
                chapter, at.get(name, 1), f"{name}: {value!r} is not what is wanted", f"write {FIELDS[name]}"
            )


def _good_field(name: str, value: object) -> bool:
    if name in ("title", "description"):
        return isinstance(value, str) and bool(value.strip())
    if name in ("objectives", "needs"):
        low, high = (3, 5) if name == "objectives" else (0, 3)
        return (
            isinstance(value, list) and low <= len(value) <= high and all(isinstance(v, str) for v in value)
        )
    if name in ("minutes", "timeout"):
        return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 600
    return isinstance(value, bool) if name == "gpu" else True


class _Scanner:
    """Walks the lines of a page once; `pending` holds the directives that wait for their fence."""

    def __init__(self, chapter: Chapter, start: int):
        self.chapter, self.i = chapter, start
        self.lines = chapter.text.split("\n")
        self.pending: list[tuple[int, str, str]] = []
        self.last_fence: Block | None = (
            None  # the fence before, if it was Python; a cont may follow only that
        )
        self.in_a_row = 0

    def fault(self, line: int, message: str, advice: str) -> None:
        _fault(self.chapter, line, message, advice)

    def scan(self) -> None:
        """Read every line from the body's first to the last."""
        while self.i < len(self.lines):
            line = self.lines[self.i]
            if _FENCE.match(line):
                self._fence()
            elif line.lstrip().startswith("<!--"):
                self._comment()
            else:
                if re.match(r"^\s*>[\s>]*(`{3,}|~{3,})\s*\{?\.?py", line, re.I):
                    self.fault(self.i + 1, "a Python fence in a quote is not run", "take it out of the quote")
                if "<!--" in (bare := _CODE_SPAN.sub("", line)) and (
                    _DIRECTIVE.search(bare) or "-->" not in bare.rpartition("<!--")[2]
                ):
                    advice = "start the comment on a line of its own"
                    self.fault(self.i + 1, "a comment behind text: tools disagree on what is in it", advice)
                if line.strip():
                    self._drop_pending()
                    if not _CONTAINER.match(line):
                        self.in_a_row = 0
                self.i += 1
        self._drop_pending()

    def _drop_pending(self) -> None:
        for line, kind, value in self.pending:
            shown = value if kind in ("cont", "mark") else f"{kind}: {value}"
            self.fault(
                line, f"<!--{shown}--> stands above no block", "put it directly above its ```python line"
            )
        self.pending = []

    def _comment(self) -> None:
        start, first = self.i, self.lines[self.i].lstrip()
        while "-->" not in self.lines[self.i]:
            self.i += 1
            if self.i == len(self.lines):
                return self.fault(start + 1, "the comment is never closed", "end it with -->")
        self.i += 1
        inside = self.lines[start : self.i]
        if len(inside) > 1:
            return self._long_comment(start, inside)
        match = _COMMENT.match(inside[0])
        body = match["body"].strip() if match else ""
        if match and body.lower().startswith(("pytest", "exercise", "source")):
            self._directive(start + 1, body)
        elif not match and "pytest" in first.lower():
            self.fault(
                start + 1, "a directive must be alone on its line", "put the text after --> on the next line"
            )

    def _long_comment(self, start: int, inside: list[str]) -> None:
        match = re.match(r"^(\s*)<!--\s*exercise:\s*(\S+)\s+(\w+)\s*$", inside[0])
        if any(_FENCE.match(line) or _DIRECTIVE.match(line.lstrip()) for line in inside[1:]):
            self.fault(
                start + 1, "a fence or directive in a comment: hidden from readers, yet obeyed", "take it out"
            )
        elif match and match[3] == "wrong":
            width = len(match[1])
            code = (
                "\n".join(line[width:] if not line[:width].strip() else line for line in inside[1:-1]) + "\n"
            )
            part = Block(code, start + 1, self.i, match[1], exercise=(match[2], "wrong"))
            self.chapter.answers.append(part)
        elif re.match(r"\s*<!--\s*(exercise|pytest|source)\b", inside[0]):
            advice = "one line a directive; only <!-- exercise: NAME wrong … --> holds code"
            self.fault(start + 1, "a directive over several lines", advice)

    def _directive(self, line: int, body: str) -> None:
        kind, _, value = (part.strip() for part in body.partition(":"))
        if kind == "pytest-codeblocks":
            if value != "cont":
                advice = "cont continues the block before; else use a pytest.mark.skip, skipif or xfail"
                return self.fault(line, f"unknown pytest-codeblocks word {value!r}", advice)
            self.pending.append((line, "cont", body))
        elif body.startswith("pytest.mark."):
            self.pending.append((line, "mark", body))
        elif kind in ("source", "exercise"):
            self.pending.append((line, kind, value))
        elif body.lower().startswith("pytest"):
            self.fault(line, f"unknown directive {body!r}", "write pytest-codeblocks:cont or pytest.mark.…")

    def _fence(self) -> None:
        match = _FENCE.match(self.lines[self.i])
        start, indent, ticks, info = self.i, match["indent"], match["ticks"], match["info"]
        self.i += 1
        if ticks[0] == "~" or "`" in info:
            wanted = "```python" if _PYTHON.match(info) else "three backticks on a line of their own"
            self.fault(
                start + 1, f"{ticks}{info} is not a fence that every tool reads alike", f"write {wanted}"
            )
        while self.i < len(self.lines) and not self.lines[self.i].lstrip().startswith(ticks):
            self.i += 1
        self.i += 1
        if self.i > len(self.lines):
            self.pending = []
            return self.fault(start + 1, "the fence is never closed", f"end it with {indent}{ticks}")
        closing = self.lines[self.i - 1]
        if closing.rstrip() != indent + ticks:
            advice = f"close the fence of line {start + 1} with {ticks} at the same indentation"
            self.fault(self.i, f"{closing.strip()} does not close the fence as it opened", advice)
        if info == "python":
            self._block(start, indent)
        else:
            self._other_fence(start, info)

    def _other_fence(self, start: int, info: str) -> None:
        if _PYTHON.match(info):
            advice = (
                'write ```python alone; to show and not run it: <!--pytest.mark.skip(reason="…")--> above'
            )
            self.fault(start + 1, f"```{info} looks like Python and would never run", advice)
        elif _SHELL.match(info):
            self.fault(
                start + 1, f"```{info} would be run by the tests", "write ```console for commands to people"
            )
        self._drop_pending()
        self.last_fence, self.in_a_row = None, 0

    def _block(self, start: int, indent: str) -> None:
        body = self.lines[start + 1 : self.i - 1]
        for n, line in enumerate(body, start + 2):
            if line.strip() and not line.startswith(indent):
                self.fault(
                    n, "the line is indented less than its fence", f"indent it by {len(indent)} spaces"
                )
                break
        if "\t" in indent:
            self.fault(start + 1, "a tab in the indentation of a fence", "use four spaces")
        if indent and not self._inside_container(start, len(indent)):
            self.fault(
                start + 1, "an indented fence that stands in no tab, box or list", "remove the indentation"
            )
        if len(body) > MAX_BLOCK_LINES:
            message = f"the block has {len(body)} lines, at most {MAX_BLOCK_LINES} are read with pleasure"
            self.fault(start + 1, message, "split it, with a sentence between")
        code = "\n".join(line[len(indent) :] if line.strip() else "" for line in body) + "\n"
        block = Block(code, start + 1, self.i, indent)
        self._apply(block)
        self.in_a_row += 1
        if self.in_a_row > MAX_BLOCKS_IN_A_ROW and not block.exercise:
            self.fault(start + 1, "more than two blocks without prose between", "say what the block shows")
        self.last_fence = block
        self.chapter.blocks.append(block)

    def _inside_container(self, start: int, width: int) -> bool:
        for line in reversed(self.lines[:start]):
            if line.strip() and len(line) - len(line.lstrip()) < width:
                return bool(_CONTAINER.match(line))
        return False

    def _apply(self, block: Block) -> None:
        marks = 0
        for line, kind, value in self.pending:
            if kind == "cont":
                block.continues = self._may_continue(line)
            elif kind == "mark":
                block.mark, marks = self._mark(line, value), marks + 1
            elif kind == "source":
                block.source = value
            else:
                name, _, role = value.partition(" ")
                block.exercise = (name, role.strip())
                if role.strip() not in ROLES[:4]:
                    self.fault(
                        line, f"unknown part {role!r} of exercise {name}", f"use one of {', '.join(ROLES)}"
                    )
        if marks > 1:
            self.fault(block.line, "two marks above one block", "keep one")
        if block.continues and block.mark:
            self.fault(
                block.line, "a mark on a block that continues another", "start a program here: drop the cont"
            )
        if block.exercise and (block.continues or block.mark):
            self.fault(
                block.line, "an exercise part with a cont or a mark", "parts of an exercise stand alone"
            )
        self.pending = []

    def _may_continue(self, line: int) -> bool:
        before = self.last_fence
        if before is None:
            message = "cont with nothing to continue: the fence before, if any, is not Python"
            self.fault(line, message, "start a program here: drop the cont and import what it needs")
        elif before.mark or before.exercise:
            what = f"a {before.mark.kind} block" if before.mark else "an exercise part"
            self.fault(
                line, f"cont after {what}", "start a program here: drop the cont and import what it needs"
            )
        else:
            return True
        return False

    def _mark(self, line: int, text: str) -> Mark | None:
        try:
            call = ast.parse(text, mode="eval").body
            kind = call.func.attr
            words = {word.arg: word.value for word in call.keywords}
            mark = Mark(
                kind,
                reason=ast.literal_eval(words["reason"]) if "reason" in words else "",
                condition=ast.unparse(call.args[0]) if call.args else "",
                raises=ast.unparse(words["raises"]) if "raises" in words else "",
            )
        except (SyntaxError, AttributeError, ValueError):
            return self.fault(line, f"{text} is not a mark", 'write pytest.mark.skip(reason="…")')
        wanted = {
            "skip": (mark.reason and not mark.condition, 'pytest.mark.skip(reason="…")'),
            "skipif": (mark.reason and mark.condition, 'pytest.mark.skipif(condition, reason="…")'),
            "xfail": (mark.raises and not mark.condition, "pytest.mark.xfail(raises=ValueError)"),
        }
        good, form = wanted.get(kind, (False, "pytest.mark.skip, skipif or xfail"))
        if not good:
            return self.fault(line, f"{text} says too little or too much", f"write {form}")
        return mark
