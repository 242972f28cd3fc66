"""Text of a page → Chapter: front matter, code blocks, exercise parts. The one parser; it decides what is code.

Everything that follows (the run, the page, the notebook, the tests) asks this module, so that no two of them
can disagree about what a program is. A page that could be read in two ways is a fault, with its line.
"""

import ast
import builtins
import difflib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bookbinder import predict
from bookbinder.page import FAULTS, PageError, fault, table
from bookbinder.predict import Prediction

MAX_BLOCK_LINES = 25
MAX_BLOCKS_IN_A_ROW = 2
MAX_KNOBS = 2
# What a comment of one line may tell the binder or, in the case of slide and claim, who reads the page later.
DIRECTIVES = ("pytest-codeblocks", "source", "exercise", "play", "fold", "predict", "slide", "claim")
ROLES = ("setup", "starter", "check", "solution", "words", "wrong", "right")
HIDDEN = ROLES[5:]  # answers in comments, which no reader sees
STAND_IN = "stand-in"  # what a lab goes on with where a blank is left
# The folders whose pages are chapters, complete by the anatomy of the book; other pages may run code too.
PARTS = ("learning", "networks", "depth", "models", "tricks")
LABS = "labs"  # the folder of Python files in the percent format that are pages, too
FIELDS = table("fields")
MARKS = FAULTS["marks"]

FENCE = re.compile(r"^(?P<indent>\s*)(?P<ticks>`{3,}|~{3,})(?P<info>.*?)\s*$")
_PYTHON = re.compile(r"^\s*\{?\s*\.?(py|pyi|py3|python|python3|ipython|ipython3|pycon|pycon3)\b", re.I)
_SHELL = re.compile(r"^\s*\{?\s*\.?(sh|bash|zsh|shell)\b", re.I)
_UNKNOWN = re.compile(
    r"(?!\s*(?:text|console|markdown|md|toml|yaml|json|ini|csv|html|xml|svg|css|js|javascript|c|cpp|cuda|make|makefile|latex"
    r"|tex|bibtex|diff)(?:\s|$))",
    re.I,
)
_COMMENT = re.compile(r"^\s*<!--[-\s]*(?P<body>.*?)[-\s]*-->\s*$")
_BOX = re.compile(r'^(?P<indent>\s*)(?P<sign>!!!|\?\?\?\+?)\s+(?P<kind>[\w-]+)[^"]*(?:"(?P<title>.*)")?\s*$')
_ANSWER = re.compile(r"^(\s*)<!--\s*exercise:\s*(\S+)\s+(wrong|right)\s*(?::\s*(.*?))?\s*$")
_CONTAINER = re.compile(r"^\s*(!!!|\?\?\?\+?|===\+?|[-*+]\s|\d+[.)]\s|:\s{3}|\[\^[^]]+\]:)")
_DIRECTIVE = re.compile(r"<!--[-\s]*pytest", re.I)
CODE_SPAN = re.compile(r"(?<!\\)(`+)(?!`).*?(?<!`)\1(?!`)")
# What a mark may name: the tests read it beside the page, not in it; an interrupt ends them.
_ERRORS = "|".join(
    n
    for n, v in vars(builtins).items()
    if isinstance(v, type) and issubclass(v, BaseException) and n != "KeyboardInterrupt"
)
_RAISES = rf"(?:{_ERRORS})|\((?:(?:{_ERRORS})(?:, ?|,?(?=\))))+\)"
_SEEN = {*dir(builtins), "sys", "pytest"}
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
    """One Python fence: its code without indentation, and where it stands (lines count from 1, top of file).

    `words` are what stands behind the part of a hidden answer: what its check must say, or how it differs.
    `knobs` name what changes from frame to frame of what it puts out; with `joins` its frames go on with those of the
    block with knobs before it. `fold` is what is said of code that is shown closed, `predicts` the question that the
    block answers.
    """

    code: str
    line: int
    end: int
    indent: str = ""
    continues: bool = False
    mark: Mark | None = None
    source: str = ""
    exercise: tuple[str, str] | None = None
    words: str = ""
    knobs: tuple[str, ...] = ()
    joins: bool = False
    fold: str = ""
    predicts: Prediction | None = None


@dataclass
class Box:
    """An admonition, from its `line` up to the line `end`; `closed` until a reader opens it."""

    kind: str
    title: str
    line: int
    width: int
    closed: bool
    end: int = 0


@dataclass(eq=False)
class Chapter:
    """A page as the binder sees it: `blocks` in order, `answers` in comments, every fault found.

    The answers are the hidden ones of exercises, and an empty one for each exercise that is answered in words.
    `prose` holds the lines outside of front matter, fences and comments, with their numbers.
    """

    path: str
    text: str
    meta: dict = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    answers: list[Block] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    faults: list[PageError] = field(default_factory=list)
    prose: list[tuple[int, str]] = field(default_factory=list)

    @property
    def in_part(self) -> bool:
        """Whether the page belongs to a part of the course: it is a chapter, or an excursion from one."""
        parts = Path(self.path).parts
        return any(part in PARTS for part in parts[:-1]) and parts[-1] != "index.md"

    @property
    def is_chapter(self) -> bool:
        """Whether the page has a number, and must be complete by the anatomy of a chapter."""
        return self.in_part and self.meta.get("kind") != "excursion"

    @property
    def is_lab(self) -> bool:
        """Whether the page is a lab: one program, whose starters and stand-ins are part of it."""
        return Path(self.path).parent.name == LABS

    def wrong(self, rule: str, line: int, **words) -> PageError:
        """A fault of this page by its rule in faults.toml, not yet among its `faults`."""
        return fault(rule, self.path, line, **words)

    def fault(self, rule: str, line: int, **words) -> None:
        """Note a fault of this page by its rule in faults.toml."""
        self.faults.append(self.wrong(rule, line, **words))

    def programs(self) -> list[list[Block]]:
        """Blocks grouped into programs: a block with what continues it; every exercise part stands alone."""
        found: list[list[Block]] = []
        for block in self.blocks:
            if not (block.continues and found):
                found.append([])
            found[-1].append(block)
        return found

    def questions(self) -> list[Prediction]:
        """What the page asks before its outputs."""
        return [block.predicts for block in self.blocks if block.predicts]

    def films(self) -> list[list[int]]:
        """Numbers of the blocks whose frames one slider turns, for each slider of the page."""
        found: list[list[int]] = []
        for at, block in enumerate(self.blocks):
            if block.knobs and not block.joins:
                found.append([])
            if block.knobs:
                found[-1].append(at)
        return found


_read: dict[str, tuple[str, Chapter]] = {}  # by name: the text of the file, and what was read in it


def load(file: Path, root: Path | None = None) -> Chapter:
    """Chapter of a file on disk.

    Args:
        file: The Markdown file, or a lab.
        root: Folder that shown paths are relative to (the current folder if None).

    Returns:
        The chapter; faults, an unreadable file among them, are in its `faults`. A file that has not changed since it
        was last read gives the same chapter.
    """
    name = os.path.relpath(file, root or Path.cwd())
    name = str(file) if name.startswith("..") else Path(name).as_posix()
    try:
        text = file.read_text(encoding="utf-8")  # line ends of every kind are read as \n
    except (UnicodeDecodeError, OSError) as error:
        return Chapter(name, "", faults=[fault("page.unreadable", name, 1, error=error)])
    if name not in _read or _read[name][0] != text:
        _read[name] = text, _lab(text, name) if file.suffix == ".py" else parse(text, name)
    return _read[name][1]


def _lab(text: str, name: str) -> Chapter:
    from bookbinder import labs  # late: it needs jupytext

    shown, faults = labs.as_markdown(text, name)
    chapter = parse(shown, name)
    chapter.faults[:0] = faults
    return chapter


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
    match = _FRONT.match(text.removeprefix("\ufeff"))  # a byte-order mark is told by layout.py
    if match:
        _read_meta(chapter, match[1])
    elif front_matter and not chapter.is_lab:
        chapter.fault("page.no-front-matter", 1)
    _Scanner(chapter, match[0].count("\n") if match else 0).scan()
    for block in chapter.blocks[1:] if chapter.is_lab else ():
        block.continues = True
    chapter.faults.sort(key=lambda fault: fault.line)
    return chapter


def _read_meta(chapter: Chapter, source: str) -> None:
    try:
        meta = yaml.safe_load(source)
    except yaml.YAMLError as error:
        place = getattr(error, "problem_mark", None)
        line, said = place.line + 2 if place else 1, getattr(error, "problem", error)
        return chapter.fault("page.not-yaml", line, error=said)
    if not isinstance(meta, dict):
        return chapter.fault("page.no-fields", 1)
    chapter.meta = meta
    keys = [(m[1], n) for n, row in enumerate(source.split("\n"), 2) if (m := re.match(r"(\w+):", row))]
    lines = dict(reversed(keys))
    for name, line in keys:
        if line != lines[name] and name in meta:
            chapter.fault("page.field-twice", line, name=name)
    for name in list(FIELDS)[: 4 if chapter.is_chapter else 2]:
        if name not in meta:
            chapter.fault("page.field-missing", 1, name=name, form=FIELDS[name][0])
    for name, value in meta.items():
        line = lines.get(name, 1)
        if name not in FIELDS:
            chapter.fault("page.field-unknown", line, name=name, names=", ".join(FIELDS))
        elif not _is(value, *FIELDS[name][1:]):
            chapter.fault("page.field-wrong", line, name=name, value=value, form=FIELDS[name][0])


def _is(value, kind: str, least: int | str = 0, most: int = 0) -> bool:
    """Whether a value of the front matter is of a kind of fields.toml."""
    if kind == "texts":
        return isinstance(value, list) and least <= len(value) <= most and {*map(type, value)} <= {str}
    if kind == "word":
        return value == least
    if kind == "number":
        return type(value) is int and least <= value <= most  # not a bool, which is an int
    return kind == "any" or isinstance(value, bool if kind == "bool" else str) and str(value).strip() != ""


class _Scanner:
    """Walks the lines of a page once; `pending` holds the directives that wait for their fence."""

    def __init__(self, chapter: Chapter, start: int):
        self.chapter, self.fault, self.i = chapter, chapter.fault, start
        self.lines = chapter.text.split("\n")
        self.pending: list[tuple[int, str]] = []
        self.unknown: list[tuple[int, str]] = []  # comments of a word that would be directives above a fence
        self.asked: Prediction | None = None  # the question that waits for its block
        self.names: set[str] = set()  # of questions
        self.last_fence: Block | None = None  # the fence before, if Python: a cont may follow only that
        self.in_a_row = 0

    def scan(self) -> None:
        """Read every line from the body's first to the last."""
        while self.i < len(self.lines):
            line = self.lines[self.i]
            self._leave_boxes(line)
            if (fence := line.lstrip()[:3]) in ("```", "~~~"):
                self._fence()
            elif fence == "<!-":
                self._comment()
            else:
                self._prose(line)
        self._drop_pending()
        self._unanswered("the end of the page")
        for box in self.chapter.boxes:
            box.end = box.end or len(self.lines) + 1

    def _leave_boxes(self, line: str) -> None:
        """Note which boxes have ended above a line."""
        width = len(line) - len(line.lstrip())
        for box in self.chapter.boxes if line.strip() else ():
            if not box.end and width <= box.width:
                box.end = self.i + 1

    def _prose(self, line: str) -> None:
        self.i += 1
        self.chapter.prose.append((self.i, line))
        if box := _BOX.match(line):
            title = (box["title"] or "").strip()
            closed = box["sign"] == "???"
            self.chapter.boxes.append(Box(box["kind"], title, self.i, len(box["indent"]), closed))
        elif line.strip() == "-->" and not self.chapter.faults:  # else one of these may be the reason
            self.fault("comment.stray", self.i)
        if re.match(r"^\s*>[\s>]*(`{3,}|~{3,})\s*\{?\.?py", line, re.I):
            self.fault("fence.quoted", self.i)
        bare = CODE_SPAN.sub("", line) if "<!--" in line else ""
        if "<!--" in bare and (_DIRECTIVE.search(bare) or "-->" not in bare.rpartition("<!--")[2]):
            self.fault("comment.behind-text", self.i)
        if re.match(r"#{1,6} ", line):
            self._unanswered("the next heading")
        if line.strip():
            self._drop_pending()
            self.in_a_row = self.in_a_row if _CONTAINER.match(line) else 0

    def _drop_pending(self) -> None:
        for line, body in self.pending:
            self.fault("comment.no-block", line, body=body)
        self.pending, self.unknown = [], []

    def _unanswered(self, end: str) -> None:
        if self.asked:
            self.fault("predict.no-block", self.asked.line, end=end)
        self.asked = None

    def _comment(self) -> None:
        start = self.i
        while "-->" not in self.lines[self.i]:
            self.i += 1
            if self.i == len(self.lines):
                return self.fault("comment.open", start + 1)
        self.i += 1
        inside = self.lines[start : self.i]
        if len(inside) > 1 and _ANSWER.match(inside[0]) and inside[-1].strip() != "-->":
            return self.fault("exercise.arrow", self.i)
        if inside[-1].rpartition("-->")[2].strip():
            return self.fault("comment.not-alone", self.i)
        if len(inside) > 1:
            return self._long_comment(start, inside)
        self._directive(start + 1, _COMMENT.match(inside[0])["body"].strip())

    def _long_comment(self, start: int, inside: list[str]) -> None:
        match = _ANSWER.match(inside[0])
        if any(FENCE.match(line) or _DIRECTIVE.match(line.lstrip()) for line in inside[1:]):
            self.fault("comment.hides", start + 1)
        elif match:
            width = len(match[1])
            rows = [line if line[:width].strip() else line[width:] for line in inside[1:-1]]
            named = {"exercise": (match[2], match[3]), "words": match[4] or ""}
            self.chapter.answers.append(Block("\n".join(rows) + "\n", start + 1, self.i, match[1], **named))
        elif re.match(r"\s*<!--\s*(exercise|pytest|source|play|fold|predict)\b", inside[0]):
            self.fault("comment.lines", start + 1)

    def _directive(self, line: int, body: str) -> None:
        kind, _, value = (part.strip() for part in body.partition(":"))
        if kind == "pytest-codeblocks" and value != "cont":
            self.fault("comment.word", line, word=value)
        elif kind == "exercise" and value.endswith(" words"):
            self.chapter.answers.append(Block("", line, line, exercise=(value.split()[0], "words")))
        elif kind == "predict":
            self._predict(line, value)
        elif kind in DIRECTIVES[:5] or body.startswith("pytest.mark."):
            self.pending.append((line, body))
        elif body.lower().startswith("pytest"):
            self.fault("comment.directive", line, body=body)
        elif kind not in DIRECTIVES:
            self._no_directive(line, body, kind, value)

    def _no_directive(self, line: int, body: str, kind: str, value: str) -> None:
        """Refuse what is nearly a directive, and remember what would be one above a fence."""
        word = kind.lower() if value else body.partition(" ")[0]
        meant = difflib.get_close_matches(word, DIRECTIVES, n=1, cutoff=0.7)
        if meant and (value or " " in body and word in ("play", "fold", "predict")):
            self.fault("comment.typo", line, body=body, meant=meant[0])
        elif re.fullmatch(r"[\w-]+", kind):
            self.unknown.append((line, body))

    def _predict(self, line: int, name: str) -> None:
        """Read the question below a comment; what its choices hide is no text of the page."""
        self._unanswered("the next question")
        asked, found = predict.read(self.lines, line, name)
        for rule, at, words in found:
            self.fault(f"predict.{rule}", at, **words)
        if name in self.names:
            self.fault("predict.twice", line, name=name)
        for choice in asked.choices:
            self.lines[choice.line - 1] = predict.bare(self.lines[choice.line - 1])
        self.names.add(name)
        self.asked = asked

    def _fence(self) -> None:
        match = FENCE.match(self.lines[self.i])
        start, indent, ticks, info = self.i, match["indent"], match["ticks"], match["info"]
        self.i += 1
        for line, body in self.unknown:
            self.fault("comment.unknown", line, body=body, names=", ".join(DIRECTIVES[:5]))
        self.unknown = []
        if ticks[0] == "~" or "`" in info:
            wanted = "```python" if _PYTHON.match(info) else "three backticks on a line of their own"
            self.fault("fence.ambiguous", start + 1, fence=ticks + info, wanted=wanted)
        while self.i < len(self.lines) and not self.lines[self.i].lstrip().startswith(ticks):
            self.i += 1
        self.i += 1
        if self.i > len(self.lines):
            self.pending = []
            return self.fault("fence.open", start + 1, end=indent + ticks)
        closing = self.lines[self.i - 1]
        if closing.rstrip() != indent + ticks:
            self.fault("fence.crooked", self.i, seen=closing.strip(), opened=start + 1, ticks=ticks)
        if info == "python":
            return self._block(start, indent)
        rules = (("not-python", _PYTHON), ("shell", _SHELL), ("unknown", _UNKNOWN))
        if rule := next((rule for rule, pattern in rules if pattern.match(info)), ""):
            self.fault(f"fence.{rule}", start + 1, info=info)
        self._drop_pending()
        self.last_fence, self.in_a_row = None, 0

    def _block(self, start: int, indent: str) -> None:
        body, width = self.lines[start + 1 : self.i - 1], len(indent)
        short = [n for n, line in enumerate(body, start + 2) if line.strip() and not line.startswith(indent)]
        if short:
            self.fault("fence.outdented", short[0], width=width)
        if "\t" in indent:
            self.fault("fence.tab", start + 1)
        if indent and not self._inside_container(start, width):
            self.fault("fence.indented", start + 1)
        if len(body) > MAX_BLOCK_LINES and not self.chapter.is_lab:
            self.fault("fence.long", start + 1, lines=len(body), most=MAX_BLOCK_LINES)
        code = "\n".join(line[width:] if line.strip() else "" for line in body) + "\n"
        block = Block(code, start + 1, self.i, indent)
        self._apply(block)
        self.in_a_row += 1
        if self.in_a_row > MAX_BLOCKS_IN_A_ROW and not (block.exercise or self.chapter.is_lab):
            self.fault("fence.in-a-row", start + 1)
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
                hidden = next((kind for kind in HIDDEN if re.match(rf"{kind}\b", role)), "")
                if hidden:
                    self.fault("exercise.seen", line, role=hidden, name=name)
                elif role not in (*ROLES[:4], STAND_IN):
                    self.fault("exercise.role", line, role=role, name=name, roles=", ".join(ROLES))
                elif role == STAND_IN and not self.chapter.is_lab:
                    self.fault("exercise.stand-in", line, name=name)
            elif kind == "play":
                self._play(block, line, value)
            elif kind == "fold":
                if block.fold or not value:
                    self.fault("comment.fold-twice" if block.fold else "comment.fold", line)
                block.fold = value
            else:
                block.mark, marks = self._mark(line, body), marks + 1
        if marks > 1:
            self.fault("comment.two-marks", block.line)
        if block.continues and block.mark:
            self.fault("comment.cont-mark", block.line)
        if block.exercise and (block.continues or block.mark):
            self.fault("exercise.not-alone", block.line)
        if block.knobs and (block.mark or block.exercise):
            what = f"a {block.mark.kind} block" if block.mark else "an exercise part"
            self.fault("comment.play-above", block.line, what=what)
        if block.fold and block.exercise and block.exercise[1] == "starter":
            self.fault("comment.fold-starter", block.line)
        self.pending = []
        self._answer(block)

    def _answer(self, block: Block) -> None:
        """Give the question that waits to its block."""
        asked, self.asked = self.asked, None
        if asked and (block.mark or block.exercise):
            what = f"a {block.mark.kind} block" if block.mark else "an exercise part"
            self.fault("predict.block", block.line, name=asked.name, what=what)
        elif asked and asked.indent != block.indent:
            self.fault("predict.place", block.line, name=asked.name)
        else:
            block.predicts = asked

    def _play(self, block: Block, line: int, value: str) -> None:
        """Name the knobs of a block, or those of the film that it joins."""
        if block.knobs:
            return self.fault("comment.play-twice", line)
        last = next((b for b in reversed(self.chapter.blocks) if b.knobs), None)
        before = last.knobs if last else ()
        block.joins = value == "cont"
        block.knobs = before if block.joins else tuple(name.strip() for name in value.split(","))
        if block.joins and not before:
            self.fault("comment.play-cont", line)
        elif block.joins and last.predicts:
            self.fault("predict.frames", line, name=last.predicts.name)
        elif not all(block.knobs) or len({*block.knobs}) < len(block.knobs) or len(block.knobs) > MAX_KNOBS:
            self.fault("comment.play", line, value=value)

    def _may_continue(self, line: int) -> bool:
        before = self.last_fence
        if before is None:
            self.fault("comment.cont-nothing", line)
        elif before.mark or before.exercise:
            what = f"a {before.mark.kind} block" if before.mark else "an exercise part"
            self.fault("comment.cont-after", line, what=what)
        return before is not None and not before.mark and not before.exercise

    def _mark(self, line: int, text: str) -> Mark | None:
        try:
            call = ast.parse(text, mode="eval").body
            words = {word.arg: ast.unparse(word.value) for word in call.keywords}
            reason = ast.literal_eval(words.get("reason", "''"))
            condition = ast.unparse(call.args[0]) if call.args else ""
            mark = Mark(call.func.attr, reason, condition, words.get("raises", ""))
        except (SyntaxError, AttributeError, ValueError):
            return self.fault("comment.no-mark", line, text=text)
        says_why = mark.raises if mark.kind == "xfail" else mark.reason
        if mark.kind not in MARKS or not says_why or bool(condition) != (mark.kind == "skipif"):
            form = MARKS.get(mark.kind, "pytest.mark.skip, skipif or xfail")
            return self.fault("comment.mark", line, text=text, form=form)
        wanted = ast.walk(ast.parse(condition, mode="eval")) if condition else ()
        unknown = [node.id for node in wanted if isinstance(node, ast.Name) and node.id not in _SEEN]
        if mark.kind == "xfail" and not re.fullmatch(_RAISES, mark.raises):
            return self.fault("comment.raises", line, seen=mark.raises)
        return self.fault("comment.condition", line, name=unknown[0]) if unknown else mark
