"""The form of exercises: each rule planted."""

import pytest

from bookbinder import chapter, exercise_form

FRONT = "---\ntitle: T\ndescription: D.\n---\n# T\n\n"
EXERCISE = """\
!!! exercise "1 · Double"
    The task.

    <!-- exercise: a starter -->
    ```python
    x = ...  # your turn
    ```

    <!-- exercise: a check -->
    ```python
    assert x != 3, "3 is one more"
    assert x == 4, f"{x} is no double of 2"
    ```

    ??? tip "Hint"
        Think.

    ??? success "Solution"
        <!-- exercise: a solution -->
        ```python
        x = 4
        ```

    <!-- exercise: a wrong: one more
    x = 3
    -->

    <!-- exercise: a wrong: no double
    x = 5
    -->

    <!-- exercise: a right: a product
    x = 2 * 2
    -->
"""
WORDS = """\
!!! exercise "2 · Why"
    Why is it even?

    <!-- exercise: why words -->

    ??? tip "Hint"
        Divide.

    ??? success "Solution"
        Half of it is whole.
"""


def faults(body: str, path: str = "docs/start/page.md") -> list[tuple[int, str]]:
    """What the rules for exercises say of a page with this body; lines count from its first one."""
    read = chapter.parse(FRONT + body, path)
    return [(fault.line - 6, fault.message) for fault in [*read.faults, *exercise_form.faults(read)]]


def test_exercises_in_the_new_form():
    assert faults(EXERCISE + "\n" + WORDS) == []


HINT = '    ??? tip "Hint"\n        Think.\n'
CHANGES = {
    "no words": (": one more\n", "\n", 24, "the wrong of exercise a does not say what it is"),
    "no words of a right one": (": a product\n", ":\n", 32, "the right of exercise a does not say what it is"),
    "one wrong": ("a wrong: no double", "a right: no double", 5, "exercise a has 1 wrong and 2 right answers"),
    "no right": ("a right: a", "a wrong: a", 5, "exercise a has 3 wrong and 0 right answers"),
    "the same words": (
        "wrong: no double", "wrong: one", 28, "two wrong answers of exercise a get the same words: 'one'"
    ),
    "the same answer": (
        "x = 2 * 2", "x = 4  # so", 32,
        "the right answer 'a product' of exercise a differs from the solution by names only"
    ),
    "no hint": (HINT, "", 5, "exercise a has no hint in a closed box"),
    "an open hint": ("??? tip", "!!! tip", 5, "exercise a has no hint in a closed box"),
    "one hint of another name": ('"Hint"', '"A hint"', 5, "exercise a has the hints 'A hint'"),
    "hints without numbers": (HINT, HINT * 2, 5, "exercise a has the hints 'Hint', 'Hint'"),
    "an open solution": ("??? success", "!!! success", 20, "exercise a has no solution in a closed box"),
    "no box": ("!!! exercise", "!!! note", 5, "exercise a stands in no box of its own"),
    "an empty starter": (
        "x = ...", "x = 1", 5, "the starter of exercise a leaves nothing that can be told to be blank"
    ),
    "a blank without a name": (
        "x = ...", "...", 6, "the starter of exercise a leaves nothing that can be told to be blank"
    ),
    "an arrow": ("    x = 5\n", '    x = 5\n    y = "-->"\n', 30, "--> inside an answer ends its comment"),
    "an arrow at the end": ("    x = 5\n    -->", "    x = 5 -->", 29, "--> inside an answer ends its comment"),
    "an arrow alone": ("    x = 5\n", "    x = 5\n    -->\n", 31, "--> closes no comment"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_fault_of_an_exercise(name):
    old, new, line, message = CHANGES[name]
    assert EXERCISE.count(old) == 1
    assert (line, message) in faults(EXERCISE.replace(old, new) + "\n" + WORDS)


def test_hints_in_steps_and_annotations_are_no_faults():
    steps = HINT.replace("Hint", "Hint 1") + "\n" + HINT.replace("Hint", "Hint 2")
    typed = EXERCISE.replace("x = 5", "def f() -> int:\n        return 5\n\n    x = f()")
    assert faults(typed.replace(HINT, steps)) == []


def test_a_wrong_answer_in_sight():
    body = EXERCISE.replace("a starter -->", "a wrong: seen -->")
    assert (4, "the wrong answer of exercise a would be seen by readers") in faults(body)


def test_two_right_answers_are_written_differently():
    again = "\n    <!-- exercise: a right: once more\n    x = 2 * 2\n    -->\n"
    said = (
        "the right answer 'once more' of exercise a differs from the right answer 'a product' by names only"
    )
    assert faults(EXERCISE + again) == [(36, said)]


def test_an_answer_in_words_has_a_model_and_a_hint():
    assert faults(WORDS.replace("success", "note")) == [(4, "exercise why has no solution in a closed box")]
    assert faults(WORDS.replace("??? tip", "!!! tip")) == [(4, "exercise why has no hint in a closed box")]
    gone = WORDS.replace("    <!-- exercise: why words -->\n", "")
    assert faults(gone) == [(1, "a box for an exercise with no exercise in it")]
    both = WORDS + WORDS.partition("\n")[2].replace("why", "how")
    assert [said for _, said in faults(both)] == [
        "exercise why stands in no box of its own",
        "exercise how stands in no box of its own",
    ]


def test_a_chapter_has_four_to_six_exercises_and_one_in_words():
    def told(count: int, words: bool = True, path: str = "docs/learning/page.md") -> list[str]:
        body = "## Exercises\n\n" + "".join(EXERCISE.replace(": a ", f": a{n} ") + "\n" for n in range(count))
        found = faults(body + WORDS * words, path)
        return [said for line, said in found if line == 1]

    assert told(3) == told(5) == [] == told(9, False, path="docs/start/page.md")
    assert told(2) == ["the chapter has 3 exercises"] and told(6) == ["the chapter has 7 exercises"]
    assert told(4, False) == ["no exercise of the chapter is answered in words or by a proof"]
    assert told(0, False)[0] == "the chapter has no exercises"


def test_a_block_leaves_the_names_of_python_alone():
    block = "```python\n{}\n```\n"
    said = "is Python's own, and would be another thing in every cell of the notebook"
    for code in ("def sum(x): ...", "max = 3", "from numpy import abs", "for id in []:\n    pass"):
        name = next(name for name in ("sum", "max", "abs", "id") if name in code)
        assert faults(block.format(code)) == [(1, f"{name} {said}")]
        shown = '<!--pytest.mark.skip(reason="a")-->\n' + block.format(code)
        assert faults(shown) == []
    assert faults(block.format("def f(sum):\n    max = sum\n    return x.abs")) == []
