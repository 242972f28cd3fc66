"""Exercise groups: which parts belong together, and what is run with what.

The starter and the wrong answers must fail the check, the solution and the right answers must pass it: a check that
lets a plausible wrong answer through proves nothing, one that refuses another right answer is unfair, and a starter
that passes leaves nothing to do. Whether a starter is filled is told by value before its check runs (see workbook.py).
"""

import ast
from dataclasses import dataclass, field

from bookbinder.chapter import HIDDEN, ROLES, STAND_IN, Block, Chapter
from bookbinder.page import PageError, fault
from bookbinder.workbook import blanks_in

# What must happen when set-up + part + check are run as a program of their own.
EXPECTED = {"starter": "fail", "solution": "pass", "wrong": "fail", "right": "pass"}
_NAMED = ast.Assign | ast.AnnAssign | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass
class Exercise:
    """One exercise of a page: its `parts` by role; a second wrong answer has the role "wrong 2"."""

    name: str
    parts: dict[str, Block] = field(default_factory=dict)

    @property
    def line(self) -> int:
        """Line of the first part."""
        return min(block.line for block in self.parts.values())

    @property
    def in_words(self) -> bool:
        """Whether it is answered in words or by a proof, and has no check."""
        return "words" in self.parts

    def hidden(self, kind: str) -> list[Block]:
        """Its wrong or right answers."""
        return [block for role, block in self.parts.items() if role.split()[0] == kind]

    def program(self, role: str) -> list[Block]:
        """Blocks of the program that puts `role` to the check, in the order in which they run.

        In a lab what runs above the check comes before them (see sandbox.run_program).
        """
        return [self.parts[part] for part in ("setup", role, "check") if part in self.parts]

    def blanks(self) -> list[str]:
        """Names that its starter leaves to be filled."""
        return [name for names, _ in blanks_of(self.parts["starter"]) for name in names]

    def said(self, role: str) -> str:
        """What a message calls a part."""
        kind, words = role.split()[0], self.parts[role].words
        return f"{kind} answer {words!r}" if words else kind


def blanks_of(starter: Block) -> list[tuple[list[str], int]]:
    """Statements of a starter with a blank: names that each binds (none if it could not be told), and its line."""
    try:
        rows = ast.parse(starter.code).body
    except SyntaxError:  # told by code.py
        return []
    found = [row for row in rows if blanks_in(row, getattr(row, "name", ""))]
    names = lambda row: [
        n.id for n in ast.walk(row) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)
    ]
    told = lambda row: [row.name] if hasattr(row, "name") else names(row)
    return [(told(row) if isinstance(row, _NAMED) else [], starter.line + row.lineno) for row in found]


def groups(chapter: Chapter) -> list[Exercise]:
    """Exercises of a chapter, in page order; incomplete ones included (see `faults`)."""
    found: dict[str, Exercise] = {}
    for block in [*chapter.blocks, *chapter.answers]:
        if block.exercise:
            name, role = block.exercise
            exercise = found.setdefault(name, Exercise(name))
            if role in HIDDEN and (many := len(exercise.hidden(role))):
                role = f"{role} {many + 1}"
            exercise.parts.setdefault(role, block)
    return sorted(found.values(), key=lambda exercise: exercise.line)


def in_program(chapter: Chapter, block: Block) -> bool:
    """Whether a block runs with the program of its page: in a lab also what the cells below an exercise go on with."""
    role = block.exercise[1] if block.exercise else ""
    return not role or chapter.is_lab and role in ("setup", "starter", STAND_IN)


def runnable(chapter: Chapter) -> list[tuple[Exercise, str]]:
    """Every (exercise, role) that is put to its check, where the group has both the part and a check."""
    checked = [exercise for exercise in groups(chapter) if {"starter", "check"} <= exercise.parts.keys()]
    return [
        (exercise, role) for exercise in checked for role in exercise.parts if role.split()[0] in EXPECTED
    ]


def faults(chapter: Chapter) -> list[PageError]:
    """What is wrong with the groups of a page: a part that is missing, or there twice."""
    found, seen = [], set()
    for block in [*chapter.blocks, *chapter.answers]:
        if block.exercise and block.exercise in seen and block.exercise[1] not in HIDDEN:
            name, role = block.exercise
            found.append(chapter.wrong("exercise.twice", block.line, name=name, role=role))
        seen.add(block.exercise)
    for exercise in groups(chapter):
        if exercise.in_words:
            others = [role for role in exercise.parts if role != "words"]
            words = {"name": exercise.name, "role": ", ".join(others)}
            found += [chapter.wrong("exercise.words", exercise.line, **words)] if others else []
            continue
        for role in [role for role in ROLES[1:4] + ROLES[5:6] if role not in exercise.parts]:
            end = ": words of the check, the answer, and --> on lines of their own"
            words = {
                "name": exercise.name,
                "role": role,
                "end": end if role == "wrong" else " --> above its block",
            }
            found.append(chapter.wrong("exercise.missing", exercise.line, **words))
    return found


def verdict(exercise: Exercise, role: str, path: str, error: str, at: int = -1) -> PageError | None:
    """Fault of one run, or None where it went as it must.

    Args:
        exercise: The group.
        role: The part that was put to the check.
        path: File name to show.
        error: What the program raised ("" if it passed); NotYet where a blank was left.
        at: Number of the block of the program in which it did so; the last one is the check.
    """
    program, part = exercise.program(role), exercise.parts[role]
    kind, in_check, not_yet = role.split()[0], program[at] is program[-1], error.startswith("NotYet: ")
    rule = ""
    if kind == "starter" and error and not in_check and not not_yet:
        rule = "starter"
    elif kind != "starter" and not_yet:
        rule = "unfilled"
    elif (EXPECTED[kind] == "pass") != (not error):
        rule = "fails" if error else "passes"
    elif kind == "starter" and not not_yet and any(wrong.words for wrong in exercise.hidden("wrong")):
        rule = "blank"
    elif kind == "wrong" and part.words and not (in_check and error.startswith("AssertionError: ")):
        rule = "raises"
    elif kind == "wrong" and part.words not in error:
        rule = "untold"
    words = {
        "name": exercise.name,
        "role": exercise.said(role),
        "error": error[:300].removeprefix("NotYet: "),
    }
    return fault(f"exercise.{rule}", path, part.line, **words) if rule else None


def shape(code: str) -> str:
    """What is left of an answer without names of its own, annotations and docstrings; "" where it is no Python."""
    try:
        tree = ast.parse(code)
    except SyntaxError:  # told by code.py
        return ""
    return ast.dump(_Nameless(tree).visit(tree))


class _Nameless(ast.NodeTransformer):
    """Numbers the names that a program binds, in their order, and writes imported ones in full."""

    def __init__(self, tree: ast.Module):
        self.own: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                self.own |= {alias.asname or alias.name: f"{above}{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self._number(node.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                self._number(f".{node.attr}")
            elif isinstance(node, ast.arg):
                self._number(node.arg)
            elif hasattr(node, "name") and isinstance(node.name, str) and hasattr(node, "body"):
                self._number(node.name)
                self.own.setdefault(f".{node.name}", self.own[node.name])  # a method

    def _number(self, name: str) -> None:
        self.own.setdefault(name, f"name {len(self.own)}")

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Drop what an answer does not consist of, and rename the rest."""
        for field_ in ("annotation", "returns", "type_comment"):
            if hasattr(node, field_):
                setattr(node, field_, None)
        if isinstance(getattr(node, "body", None), list):
            nothing = lambda row: isinstance(row, ast.Expr) and isinstance(row.value, ast.Constant)
            rows = [row for row in node.body if not isinstance(row, ast.Import | ast.ImportFrom)]
            node.body = [row for row in rows if not nothing(row)]
        super().generic_visit(node)
        for key in ("id", "arg", "name"):
            if isinstance(name := getattr(node, key, None), str) and not isinstance(node, ast.keyword):
                setattr(node, key, self.own.get(name, name))
        if isinstance(node, ast.Attribute):
            node.attr = self.own.get(f".{node.attr}", node.attr)
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            return ast.Assign([node.target], node.value)
        return node
