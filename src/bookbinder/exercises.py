"""Exercise groups: which parts belong together, and what is run with what.

The starter and the wrong answer must fail the check, the solution must pass it: a check that lets a plausible
wrong answer through proves nothing, and a starter that passes leaves nothing to do.
"""

from dataclasses import dataclass, field

from bookbinder.chapter import ROLES, Block, Chapter
from bookbinder.page import PageError

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
            message = "exercise {} has a second {}".format(*block.exercise)
            found.append(chapter.error(block.line, message, "give the exercise a name of its own"))
        seen.add(block.exercise)
    for exercise in groups(chapter):
        for role in [role for role in ROLES if role not in exercise.parts and role != "setup"]:
            end = ", the answer, and --> on lines of their own" if role == "wrong" else " --> above its block"
            advice = f"write <!-- exercise: {exercise.name} {role}{end}"
            found.append(chapter.error(exercise.line, f"exercise {exercise.name} has no {role}", advice))
    return found


def verdict(exercise: Exercise, role: str, path: str, error: str) -> PageError | None:
    """Fault of one run, or None where it went as it must.

    Args:
        exercise: The group.
        role: The part that was put to the check.
        path: File name to show.
        error: What the program raised ("" if it passed).
    """
    if (EXPECTED[role] == "pass") == (not error):
        return None
    message = f"the {role} of exercise {exercise.name} passes its check"
    advice = "sharpen the check: it must tell this from the solution"
    if error:
        message, advice = f"the {role} of exercise {exercise.name} fails its check: {error}", "mend it"
    return PageError(path, exercise.parts[role].line, message, advice)
