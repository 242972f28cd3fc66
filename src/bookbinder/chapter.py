"""Text of a page → Chapter: front matter, code blocks, exercise parts. The one parser; it decides what is code.

Everything that follows (the run, the page, the notebook, the tests) asks this module, so that no two of them
can disagree about what a program is. A page that could be read in two ways is a fault, with its line.
"""

import ast
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bookbinder.page import PageError

MAX_BLOCK_LINES = 25
MAX_BLOCKS_IN_A_ROW = 2
ROLES = ("setup", "starter", "check", "solution", "wrong")
# The folders whose pages are chapters, complete by the anatomy of the book; other pages may run code too.
PARTS = ("learning", "networks", "depth", "models", "tricks")
_text = lambda value: isinstance(value, str) and bool(value.strip())
_number = lambda value: type(value) is int and 0 < value <= 600  # not a bool, which is an int
_anything = lambda value: True


def _texts(*lengths: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and len(value) in lengths and {*map(type, value)} <= {str}


# Field → what to write, and whether a value is that. Every page has the first two, a chapter the first five.
FIELDS = {
    "title": ("a few words", _text),
    "description": ("one sentence", _text),
    "objectives": ("a list of 3 to 5 things that the reader can do afterwards", _texts(3, 4, 5)),
    "needs": ("a list of at most three earlier chapters ([] if none)", _texts(0, 1, 2, 3)),
    "minutes": ("a whole number", _number),
    "timeout": ("seconds that the whole page may run", _number),
    "gpu": ("true or false", lambda value: isinstance(value, bool)),
    "hide": ("a list of Material's page parts", _anything),
    "search": ("Material's search options", _anything),
}
MARKS = {
    "skip": 'pytest.mark.skip(reason="…")',
    "skipif": 'pytest.mark.skipif(condition, reason="…")',
    "xfail": "pytest.mark.xfail(raises=ValueError)",
}

FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})(?P<info>.*?)\s*$")
_PYTHON = re.compile(r"^\s*\{?\s*\.?(py|pyi|py3|python|python3|ipython|ipython3|pycon|pycon3)\b", re.I)
_SHELL = re.compile(r"^\s*\{?\s*\.?(sh|bash|zsh|shell)\b", re.I)
_COMMENT = re.compile(r"^\s*<!--[-\s]*(?P<body>.*?)[-\s]*-->\s*$")
_CONTAINER = re.compile(r"^\s*(!!!|\?\?\?\+?|===\+?|[-*+]\s|\d+[.)]\s|:\s{3}|\[\^[^]]+\]:)")
_DIRECTIVE = re.compile(r"<!--[-\s]*pytest", re.I)
CODE_SPAN = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
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
    """A page as the binder sees it: `blocks` in order, hidden wrong `answers`, every fault found.

    `prose` holds the lines outside of front matter, fences and comments, with their numbers.
    """

    path: str
    text: str
    meta: dict = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    answers: list[Block] = field(default_factory=list)
    faults: list[PageError] = field(default_factory=list)
    prose: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_chapter(self) -> bool:
        """Whether the page must be complete by the anatomy of a chapter."""
        parts = Path(self.path).parts
        return any(part in PARTS for part in parts[:-1]) and parts[-1] != "index.md"

    def error(self, line: int, message: str, advice: str) -> PageError:
        """A fault of this page, not yet among its `faults`."""
        return PageError(self.path, line, message, advice)

    def fault(self, line: int, message: str, advice: str) -> None:
        """Note a fault of this page."""
        self.faults.append(self.error(line, message, advice))

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
        chapter.fault(1, f"the file cannot be read as text: {error}", "save it as UTF-8")
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
        advice = "start the file with ---, title:, description:, ---"
        chapter.fault(1, "the page has no front matter", advice)
    _Scanner(chapter, text[: match.end()].count("\n") if match else 0).scan()
    chapter.faults.sort(key=lambda fault: fault.line)
    return chapter


def _read_meta(chapter: Chapter, source: str) -> None:
    try:
        meta = yaml.safe_load(source)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        message = f"the front matter is not YAML: {getattr(error, 'problem', error)}"
        return chapter.fault(place.line + 2 if place else 1, message, "mend it")
    if not isinstance(meta, dict):
        advice = "write title: … on a line of its own"
        return chapter.fault(1, "the front matter is not a list of fields", advice)
    chapter.meta = meta
    lines = {m[1]: n for n, row in enumerate(source.split("\n"), 2) if (m := re.match(r"(\w+):", row))}
    for name in list(FIELDS)[: 5 if chapter.is_chapter else 2]:
        if name not in meta:
            chapter.fault(1, f"the front matter has no {name}", f"write {name}: {FIELDS[name][0]}")
    for name, value in meta.items():
        line, (form, good) = lines.get(name, 1), FIELDS.get(name, ("", _anything))
        if not form:
            chapter.fault(line, f"unknown field {name!r} in the front matter", f"use {', '.join(FIELDS)}")
        elif not good(value):
            chapter.fault(line, f"{name}: {value!r} is not what is wanted", f"write {name}: {form}")


class _Scanner:
    """Walks the lines of a page once; `pending` holds the directives that wait for their fence."""

    def __init__(self, chapter: Chapter, start: int):
        self.chapter, self.fault, self.i = chapter, chapter.fault, start
        self.lines = chapter.text.split("\n")
        self.pending: list[tuple[int, str]] = []
        self.last_fence: Block | None = None  # the fence before, if Python: a cont may follow only that
        self.in_a_row = 0

    def scan(self) -> None:
        """Read every line from the body's first to the last."""
        while self.i < len(self.lines):
            line = self.lines[self.i]
            if FENCE.match(line):
                self._fence()
            elif line.lstrip().startswith("<!--"):
                self._comment()
            else:
                self._prose(line)
        self._drop_pending()

    def _prose(self, line: str) -> None:
        self.i += 1
        self.chapter.prose.append((self.i, line))
        if re.match(r"^\s*>[\s>]*(`{3,}|~{3,})\s*\{?\.?py", line, re.I):
            self.fault(self.i, "a Python fence in a quote is not run", "take it out of the quote")
        bare = CODE_SPAN.sub("", line)
        if "<!--" in bare and (_DIRECTIVE.search(bare) or "-->" not in bare.rpartition("<!--")[2]):
            advice = "start the comment on a line of its own"
            self.fault(self.i, "a comment behind text: tools disagree on what is in it", advice)
        if line.strip():
            self._drop_pending()
            self.in_a_row = self.in_a_row if _CONTAINER.match(line) else 0

    def _drop_pending(self) -> None:
        advice = "put it directly above its ```python line"
        for line, body in self.pending:
            self.fault(line, f"<!--{body}--> stands above no block", advice)
        self.pending = []

    def _comment(self) -> None:
        start = self.i
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
        elif not match and "pytest" in inside[0].lower():
            advice = "put the text after --> on the next line"
            self.fault(start + 1, "a directive must be alone on its line", advice)

    def _long_comment(self, start: int, inside: list[str]) -> None:
        match = re.match(r"^(\s*)<!--\s*exercise:\s*(\S+)\s+(\w+)\s*$", inside[0])
        if any(FENCE.match(line) or _DIRECTIVE.match(line.lstrip()) for line in inside[1:]):
            message = "a fence or directive in a comment: hidden from readers, yet obeyed"
            self.fault(start + 1, message, "take it out")
        elif match and match[3] == "wrong":
            width = len(match[1])
            rows = [line if line[:width].strip() else line[width:] for line in inside[1:-1]]
            part = Block("\n".join(rows) + "\n", start + 1, self.i, match[1], exercise=(match[2], "wrong"))
            self.chapter.answers.append(part)
        elif re.match(r"\s*<!--\s*(exercise|pytest|source)\b", inside[0]):
            advice = "one line a directive; only <!-- exercise: NAME wrong … --> holds code"
            self.fault(start + 1, "a directive over several lines", advice)

    def _directive(self, line: int, body: str) -> None:
        kind, _, value = (part.strip() for part in body.partition(":"))
        if kind == "pytest-codeblocks" and value != "cont":
            advice = "cont continues the block before; else use a pytest.mark.skip, skipif or xfail"
            self.fault(line, f"unknown pytest-codeblocks word {value!r}", advice)
        elif kind in ("pytest-codeblocks", "source", "exercise") or body.startswith("pytest.mark."):
            self.pending.append((line, body))
        elif body.lower().startswith("pytest"):
            self.fault(line, f"unknown directive {body!r}", "write pytest-codeblocks:cont or pytest.mark.…")

    def _fence(self) -> None:
        match = FENCE.match(self.lines[self.i])
        start, indent, ticks, info = self.i, match["indent"], match["ticks"], match["info"]
        self.i += 1
        if ticks[0] == "~" or "`" in info:
            wanted = "```python" if _PYTHON.match(info) else "three backticks on a line of their own"
            message = f"{ticks}{info} is not a fence that every tool reads alike"
            self.fault(start + 1, message, f"write {wanted}")
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
            advice = f"write ```python alone; to show and not run it: <!--{MARKS['skip']}--> above"
            self.fault(start + 1, f"```{info} looks like Python and would never run", advice)
        elif _SHELL.match(info):
            advice = "write ```console for commands to people"
            self.fault(start + 1, f"```{info} would be run by the tests", advice)
        self._drop_pending()
        self.last_fence, self.in_a_row = None, 0

    def _block(self, start: int, indent: str) -> None:
        body = self.lines[start + 1 : self.i - 1]
        short = [n for n, line in enumerate(body, start + 2) if line.strip() and not line.startswith(indent)]
        if short:
            advice = f"indent it by {len(indent)} spaces"
            self.fault(short[0], "the line is indented less than its fence", advice)
        if "\t" in indent:
            self.fault(start + 1, "a tab in the indentation of a fence", "use four spaces")
        if indent and not self._inside_container(start, len(indent)):
            message = "an indented fence that stands in no tab, box or list"
            self.fault(start + 1, message, "remove the indentation")
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
        above = filter(str.strip, reversed(self.lines[:start]))
        outer = next((line for line in above if len(line) - len(line.lstrip()) < width), "")
        return bool(_CONTAINER.match(outer))

    def _apply(self, block: Block) -> None:
        """Give a block what the directives above it say."""
        marks = 0
        for line, body in self.pending:
            kind, _, value = (part.strip() for part in body.partition(":"))
            if kind == "pytest-codeblocks":
                block.continues = self._may_continue(line)
            elif kind == "source":
                block.source = value
            elif kind == "exercise":
                name, _, role = (part.strip() for part in value.partition(" "))
                block.exercise = (name, role)
                if role not in ROLES[:4]:
                    advice = f"use one of {', '.join(ROLES)}"
                    self.fault(line, f"unknown part {role!r} of exercise {name}", advice)
            else:
                block.mark, marks = self._mark(line, body), marks + 1
        if marks > 1:
            self.fault(block.line, "two marks above one block", "keep one")
        if block.continues and block.mark:
            advice = "start a program here: drop the cont"
            self.fault(block.line, "a mark on a block that continues another", advice)
        if block.exercise and (block.continues or block.mark):
            advice = "parts of an exercise stand alone"
            self.fault(block.line, "an exercise part with a cont or a mark", advice)
        self.pending = []

    def _may_continue(self, line: int) -> bool:
        before, message = self.last_fence, ""
        if before is None:
            message = "cont with nothing to continue: the fence before, if any, is not Python"
        elif before.mark or before.exercise:
            message = "cont after " + (f"a {before.mark.kind} block" if before.mark else "an exercise part")
        if message:
            self.fault(line, message, "start a program here: drop the cont and import what it needs")
        return not message

    def _mark(self, line: int, text: str) -> Mark | None:
        try:
            call = ast.parse(text, mode="eval").body
            words = {word.arg: ast.unparse(word.value) for word in call.keywords}
            reason = ast.literal_eval(words.get("reason", "''"))
            condition = ast.unparse(call.args[0]) if call.args else ""
            mark = Mark(call.func.attr, reason, condition, words.get("raises", ""))
        except (SyntaxError, AttributeError, ValueError):
            return self.fault(line, f"{text} is not a mark", f"write {MARKS['skip']}")
        says_why = mark.raises if mark.kind == "xfail" else mark.reason
        if mark.kind not in MARKS or not says_why or bool(condition) != (mark.kind == "skipif"):
            form = MARKS.get(mark.kind, "pytest.mark.skip, skipif or xfail")
            return self.fault(line, f"{text} says too little or too much", f"write {form}")
        return mark
