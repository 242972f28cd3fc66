"""Questions before an output: what a reader is asked, and whether each choice is what the run shows.

A choice carries an expression in a comment. After the block has run, the expression of the ticked choice must be true
and those of the others false, in the kernel as in the tests. `chapter.py` says where a question stands and which block
answers it.
"""

import ast
import re
from dataclasses import dataclass, field

from bookbinder.page import PageError, fault

FEWEST, MOST = 2, 4
NAME = re.compile(r"[a-z][a-z0-9-]*")
_ITEM = re.compile(r"\s*[-*+] \[(.?)\](?:\s|$)(.*)")
# What begins no paragraph.
NO_TEXT = re.compile(r"\s*(?:`{3,}|~{3,}|#{1,6} |<!--|!!!|\?\?\?|===|[-*+] |\d+\. |\||>)")
_COMMENT = re.compile(r"<!--.*?-->")
_STATE = ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom
# Calls that are made for what they change. Names are copied before, so that what is not told here does no harm either.
_CHANGES = re.compile(
    r"next|setattr|delattr|exec|eval|print|input|open|append|extend|insert|pop|popitem|clear|sort|reverse|update"
    r"|setdefault|step|backward|zero_grad|[a-z]\w*_"
)
Told = tuple[str, int, dict]  # a rule of [predict] in faults.toml, its line, the words of its message


@dataclass(frozen=True)
class Choice:
    """One answer: its words, the expression that is true where it is right, and what to say to who chooses it."""

    line: int
    text: str
    expression: str
    right: bool
    reason: str


@dataclass
class Prediction:
    """A question with its choices; it stands from `line`, that of its comment, to `end`."""

    name: str
    line: int
    indent: str
    question: list[str]
    first: int  # line on which the question begins
    end: int
    choices: list[Choice] = field(default_factory=list)

    @property
    def right(self) -> int:
        """Number of the right choice, from 0."""
        return next(n for n, choice in enumerate(self.choices) if choice.right)


def bare(line: str) -> str:
    """A line of a choice without its tick and its expression; what is left keeps its place."""
    return _COMMENT.sub(
        lambda comment: " " * len(comment[0]), line.replace("[x]", "[ ]").replace("[X]", "[ ]")
    )


def read(rows: list[str], line: int, name: str) -> tuple[Prediction, list[Told]]:
    """The question below a comment, and what is wrong with it.

    Args:
        rows: All lines of the page.
        line: Number of the comment's line.
        name: What the comment calls it.
    """
    indent = rows[line - 1][: len(rows[line - 1]) - len(rows[line - 1].lstrip())]
    mine = lambda at: at < len(rows) and bool(rows[at].strip()) and rows[at].startswith(indent)
    first = at = _below(rows, line)
    while mine(at) and not (NO_TEXT if at == first else _ITEM).match(rows[at]):
        at += 1
    question = [row[len(indent) :].rstrip() for row in rows[first:at]]
    asked, found = Prediction(name, line, indent, question, first + 1, at), []
    at = _below(rows, at) if question else first
    while mine(at) and (item := _ITEM.match(rows[at])):
        at += 1
        choice = _choice(at, item)
        asked.choices.append(choice)
        asked.end = at
        found += [(rule, at, words) for rule, words in _wrong(choice, item[1])]
    if asked.choices and mine(at):
        found.append(("choice", at + 1, {}))
    broken = any(rule == "choice" for rule, _, _ in found)  # then nobody knows how many there are
    return asked, found if broken else found + _wrong_as_a_whole(asked)


def _below(rows: list[str], at: int) -> int:
    """Index of the first row from there on that is not blank."""
    while at < len(rows) and not rows[at].strip():
        at += 1
    return at


def _choice(line: int, item: re.Match) -> Choice:
    text, _, rest = item[2].partition("<!--")
    expression, _, reason = rest.partition("-->")
    return Choice(line, text.strip(), expression.strip(), item[1] in ("x", "X"), reason.strip())


def _wrong(choice: Choice, tick: str) -> list[tuple[str, dict]]:
    """What is wrong with one choice: rules, and the words of their messages."""
    if tick not in (" ", "x", "X") or not choice.text or "<!--" in choice.reason:
        return [("choice", {})]
    found = [trouble(choice.expression)]
    found += [("reason", {})] if not (choice.right or choice.reason) else []
    return [told for told in found if told]


def _wrong_as_a_whole(asked: Prediction) -> list[Told]:
    ticked, count = [choice for choice in asked.choices if choice.right], len(asked.choices)
    if not NAME.fullmatch(asked.name):
        return [("name", asked.line, {"name": asked.name})]
    if not asked.question:
        return [("question", asked.line, {})]
    if not FEWEST <= count <= MOST:
        return [("choices", asked.line, {"count": count})]
    return [("ticks", asked.line, {"count": len(ticked)})] if len(ticked) != 1 else []


def trouble(expression: str) -> tuple[str, dict] | None:
    """Why an expression cannot be asked of the names of a program: a rule, and the words of its message."""
    if not expression:
        return "expression", {}
    try:
        tree = ast.parse(expression, mode="eval", feature_version=(3, 11))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return "syntax", {"expression": expression, "error": getattr(error, "msg", error)}
    for node in ast.walk(tree):
        called = node.func if isinstance(node, ast.Call) else None
        name = getattr(called, "attr", getattr(called, "id", ""))
        if isinstance(node, _STATE) or getattr(node, "is_async", 0) or _CHANGES.fullmatch(name):
            return "state", {"seen": ast.unparse(node)[:60] if hasattr(node, "lineno") else expression[:60]}
    return None


def faults(asked: Prediction, answers: list[bool | str], path: str) -> list[PageError]:
    """What the run says against the choices.

    Args:
        asked: The question.
        answers: For each choice what its expression is, or the exception that it raised as a text.
        path: File name to show.
    """
    said = ", ".join(
        f"{choice.expression} is {answer}"
        if isinstance(answer, bool)
        else f"{choice.expression} raises {answer}"
        for choice, answer in zip(asked.choices, answers, strict=True)
    )
    found = []
    for choice, answer in zip(asked.choices, answers, strict=True):
        rule = "raises" if isinstance(answer, str) else "untrue" if choice.right else "also"
        if isinstance(answer, str) or answer != choice.right:
            words = {"expression": choice.expression, "error": answer, "said": said}
            found.append(fault(f"predict.{rule}", path, choice.line, **words))
    return found
