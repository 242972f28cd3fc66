"""Exercise groups: which parts belong together, and what is run with what.

The starter and the wrong answer must fail the check, the solution must pass it: a check that lets a plausible
wrong answer through proves nothing, and a starter that passes leaves nothing to do.
"""

from dataclasses import dataclass, field

from bookbinder.chapter import ROLES, Block, Chapter
from bookbinder.page import PageError, fault

# What must happen when set-up + part + check are run as a program of their own.
EXPECTED = {"starter": "fail", "solution": "pass", "wrong": "fail"}


@dataclass
class Exercise:
    """One exercise of a page: its `parts` by role."""

    name: str
    parts: dict[str, Block] = field(default_factory=dict)

    @property
    def line(self) -> int:
        """Line of the first part."""
        return min(block.line for block in self.parts.values())

    def program(self, role: str) -> list[Block]:
        """Blocks of the program that puts `role` to the check, in the order in which they run."""
        return [self.parts[part] for part in ("setup", role, "check") if part in self.parts]


def groups(chapter: Chapter) -> list[Exercise]:
    """Exercises of a chapter, in page order; incomplete ones included (see `faults`)."""
    found: dict[str, Exercise] = {}
    for block in [*chapter.blocks, *chapter.answers]:
        if block.exercise:
            name, role = block.exercise
            found.setdefault(name, Exercise(name)).parts.setdefault(role, block)
    return sorted(found.values(), key=lambda exercise: exercise.line)


def runnable(chapter: Chapter) -> list[tuple[Exercise, str]]:
    """Every (exercise, role) that is put to its check, where the group has both the part and a check."""
    checked = [exercise for exercise in groups(chapter) if "check" in exercise.parts]
    return [(exercise, role) for exercise in checked for role in EXPECTED if role in exercise.parts]


def faults(chapter: Chapter) -> list[PageError]:
    """What is wrong with the groups of a page: a part that is missing, or there twice."""
    found, seen = [], set()
    for block in [*chapter.blocks, *chapter.answers]:
        if block.exercise and block.exercise in seen:
            name, role = block.exercise
            found.append(chapter.wrong("exercise.twice", block.line, name=name, role=role))
        seen.add(block.exercise)
    for exercise in groups(chapter):
        for role in [role for role in ROLES if role not in exercise.parts and role != "setup"]:
            end = ", the answer, and --> on lines of their own" if role == "wrong" else " --> above its block"
            words = {"name": exercise.name, "role": role, "end": end}
            found.append(chapter.wrong("exercise.missing", exercise.line, **words))
    return found


def verdict(exercise: Exercise, role: str, path: str, error: str, at: int = -1) -> PageError | None:
    """Fault of one run, or None where it went as it must.

    Args:
        exercise: The group.
        role: The part that was put to the check.
        path: File name to show.
        error: What the program raised ("" if it passed).
        at: Number of the block of the program in which it did so; the last one is the check.
    """
    program = exercise.program(role)
    rule = "fails" if error else "passes"
    if role == "starter" and error and program[at] is not program[-1]:
        rule = "starter"
    elif (EXPECTED[role] == "pass") == (not error):
        return None
    words = {"name": exercise.name, "role": role, "error": error}
    return fault(f"exercise.{rule}", path, exercise.parts[role].line, **words)
