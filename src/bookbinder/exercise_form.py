"""The form of exercises: what a page must keep beyond what its exercises need to run."""

from collections.abc import Iterator
from itertools import combinations

from bookbinder import code, exercises
from bookbinder.chapter import Box, Chapter
from bookbinder.exercises import Exercise
from bookbinder.page import PageError


def faults(chapter: Chapter) -> list[PageError]:
    """What is wrong with the exercises of a page, and with names that its notebook would keep."""
    return [*_exercises(chapter), *_builtins(chapter)]


def _exercises(chapter: Chapter) -> Iterator[PageError]:
    """What is wrong with the exercises of a page beyond what every page must keep."""
    found = exercises.groups(chapter)
    for exercise in found:
        yield from _box(chapter, exercise)
        if not exercise.in_words and {"starter", "solution"} <= exercise.parts.keys():
            yield from _blanks(chapter, exercise)
            yield from _answers(chapter, exercise)
            yield from _likeness(chapter, exercise)
    for box in chapter.boxes:
        if box.kind == "exercise" and not any(box.line < exercise.line < box.end for exercise in found):
            yield chapter.wrong("exercise.no-exercise", box.line)
    if chapter.is_chapter and chapter.meta.get("kind") != "excursion":
        line = next((n for n, row in chapter.prose if row.startswith("## Exercises")), 1)
        if not 4 <= len(found) <= 6:
            seen = f"{len(found) or 'no'} exercise{'s' * (len(found) != 1)}"
            yield chapter.wrong("exercise.count", line, seen=seen)
        if not any(exercise.in_words for exercise in found):
            yield chapter.wrong("exercise.all-code", line)


def _box(chapter: Chapter, exercise: Exercise) -> Iterator[PageError]:
    """A box of its own, hints in steps, and a closed solution."""
    around = lambda box, line: box.line < line < box.end
    outer = [box for box in chapter.boxes if box.kind == "exercise" and around(box, exercise.line)]
    others = [other.line for other in exercises.groups(chapter) if other.name != exercise.name]
    if not outer or any(around(outer[0], line) for line in others):
        yield chapter.wrong("exercise.no-box", exercise.line, name=exercise.name)
        return
    inner = [box for box in chapter.boxes if around(outer[0], box.line) and box.closed]
    hints = [box.title for box in inner if box.kind == "tip"]
    if hints not in (["Hint"], [f"Hint {n}" for n in range(1, max(len(hints), 2) + 1)]):
        seen = f"the hints {', '.join(map(repr, hints))}" if hints else "no hint in a closed box"
        yield chapter.wrong("exercise.hints", exercise.line, name=exercise.name, seen=seen)
    boxes = [box for box in inner if (box.kind, box.title) == ("success", "Solution")]
    at = exercise.parts.get("solution")
    if not any(_holds(box, at.line if at else 0) for box in boxes):
        yield chapter.wrong("exercise.answer", at.line if at else exercise.line, name=exercise.name)


def _holds(box: Box, line: int) -> bool:
    return not line or box.line < line < box.end


def _blanks(chapter: Chapter, exercise: Exercise) -> Iterator[PageError]:
    """A starter with blanks, each of which is told by a name."""
    found = exercises.blanks_of(exercise.parts["starter"])
    for names, line in found or [([], exercise.parts["starter"].line)]:
        if not names:
            yield chapter.wrong("exercise.blank", line, name=exercise.name)


def _answers(chapter: Chapter, exercise: Exercise) -> Iterator[PageError]:
    """Two wrong answers or more with words of their own, and a right one."""
    wrong, right = exercise.hidden("wrong"), exercise.hidden("right")
    if len(wrong) < 2 or not right:
        seen = f"{len(wrong)} wrong and {len(right)} right answers"
        yield chapter.wrong("exercise.few", exercise.line, name=exercise.name, seen=seen)
    for block in [*wrong, *right]:
        role = block.exercise[1]
        form = {"wrong": "words of the check", "right": "how it differs"}[role]
        if not block.words:
            yield chapter.wrong("exercise.no-words", block.line, name=exercise.name, role=role, form=form)
    for one, other in combinations([block for block in wrong if block.words], 2):
        if one.words in other.words or other.words in one.words:
            shorter = min(one.words, other.words, key=len)
            yield chapter.wrong("exercise.same-words", other.line, name=exercise.name, words=shorter)


def _likeness(chapter: Chapter, exercise: Exercise) -> Iterator[PageError]:
    """Right answers that say the same as the solution, or as one another, under other names."""
    roles = [role for role in exercise.parts if role.split()[0] in ("solution", "right")]
    for one, other in combinations(sorted(roles, key=lambda role: role.split()[0] != "solution"), 2):
        shapes = [exercises.shape(exercise.parts[role].code) for role in (one, other)]
        if shapes[0] == shapes[1]:
            words = {"role": exercise.said(other), "other": exercise.said(one)}
            yield chapter.wrong("exercise.same", exercise.parts[other].line, name=exercise.name, **words)


def _builtins(chapter: Chapter) -> Iterator[PageError]:
    """Blocks that give a name of Python's to something else, which the notebook keeps for all its cells."""
    for block in chapter.blocks:
        for name in code.builtins_bound(block):
            yield chapter.wrong("code.builtin", block.line, name=name)
