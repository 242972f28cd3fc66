"""Exercise groups: what belongs together, what is missing, and what a run must show."""

import pytest

from bookbinder import chapter, exercises

HEAD = "---\ntitle: T\ndescription: D.\n---\n# T\n\n"
PARTS = {
    "setup": "<!-- exercise: a setup -->\n```python\nimport math\n```\n",
    "starter": "<!-- exercise: a starter -->\n```python\nx = ...\n```\n",
    "check": "<!-- exercise: a check -->\n```python\nassert x == 2\n```\n",
    "solution": "<!-- exercise: a solution -->\n```python\nx = 2\n```\n",
    "wrong": "<!-- exercise: a wrong\nx = 1\n\nif x:\n    x = 3\n-->\n",
}


def page(*roles: str, name: str = "a") -> chapter.Chapter:
    text = HEAD + "\nText.\n\n".join(PARTS[role].replace(": a", f": {name}") for role in roles)
    return chapter.parse(text, "docs/start/page.md")


def faults(read: chapter.Chapter) -> list[tuple[int, str]]:
    return [(fault.line, fault.message) for fault in [*read.faults, *exercises.faults(read)]]


def test_whole_group():
    read = page(*PARTS)
    assert faults(read) == []
    (group,) = exercises.groups(read)
    assert (group.name, group.line, list(group.parts)) == ("a", 8, list(PARTS))
    assert group.parts["wrong"].code == "x = 1\n\nif x:\n    x = 3\n"
    assert [block.exercise[1] for block in group.program("wrong")] == ["setup", "wrong", "check"]
    assert [role for _, role in exercises.runnable(read)] == ["starter", "solution", "wrong"]
    assert "".join(block.code for block in read.blocks).count("x = 3") == 0, "the wrong answer is no block"
    assert len(read.programs()) == 4, "each part stands alone"


def test_setup_may_be_left_out():
    read = page("starter", "check", "solution", "wrong")
    assert faults(read) == []
    assert [block.exercise[1] for block in exercises.groups(read)[0].program("starter")] == [
        "starter",
        "check",
    ]


@pytest.mark.parametrize("role", ["starter", "check", "solution", "wrong"])
def test_missing_part(role):
    read = page(*(part for part in PARTS if part not in ("setup", role)))
    ((line, message),) = faults(read)
    assert message == f"exercise a has no {role}"
    assert line == exercises.groups(read)[0].line
    (fault,) = exercises.faults(read)
    assert f"<!-- exercise: a {role}" in fault.advice


@pytest.mark.parametrize("role", ["setup", "starter", "check", "solution"])
def test_part_that_stands_twice(role):
    read = page(*PARTS, role)
    ((line, message),) = faults(read)
    assert message == f"exercise a has a second {role}"
    assert line == read.blocks[-1].line


def test_several_answers_are_told_apart():
    answer = "<!-- exercise: a {} -->\n"
    text = page(*PARTS).text + "".join(
        answer.format(f"{words}\nx = {n}\n")
        for n, words in enumerate(["wrong: too small", "right: a sum", "right:"])
    )
    read = chapter.parse(text.replace(" -->\n<", "-->\n<").replace("\n -->", "\n-->"), "docs/start/page.md")
    (group,) = exercises.groups(read)
    assert faults(read) == []
    assert list(group.parts)[-4:] == ["wrong", "wrong 2", "right", "right 2"]
    assert [block.words for block in read.answers] == ["", "too small", "a sum", ""]
    assert [block.code for block in group.hidden("wrong")] == [PARTS["wrong"][23:-4], "x = 0\n"]
    roles = ["starter", "solution", "wrong", "wrong 2", "right", "right 2"]
    assert [role for _, role in exercises.runnable(read)] == roles
    assert group.program("right 2")[1].code == "x = 2\n"
    assert group.said("wrong 2") == "wrong answer 'too small'" and group.said("wrong") == "wrong"


def test_an_exercise_in_words_has_no_other_part():
    words = "<!-- exercise: a words -->\n"
    read = chapter.parse(HEAD + words, "docs/start/page.md")
    (group,) = exercises.groups(read)
    assert faults(read) == [] and group.in_words and group.line == 7
    assert exercises.runnable(read) == [] and read.blocks == []
    read = chapter.parse(HEAD + words + PARTS["check"], "docs/start/page.md")
    assert faults(read) == [(7, "exercise a is answered in words and has a check")]
    assert exercises.runnable(read) == []


def test_groups_are_in_page_order_and_apart():
    first, second = page(*PARTS, name="b").text, page(*PARTS).text.removeprefix(HEAD)
    read = chapter.parse(f"{first}\nText.\n\n{second}", "docs/start/page.md")
    assert faults(read) == []
    assert [group.name for group in exercises.groups(read)] == ["b", "a"]


def test_wrong_answer_in_a_box_loses_its_indentation():
    text = HEAD + '!!! exercise "1"\n' + "".join(f"    {row}\n" for row in PARTS["wrong"].splitlines())
    (answer,) = chapter.parse(text, "docs/start/page.md").answers
    assert (answer.code, answer.line, answer.indent) == ("x = 1\n\nif x:\n    x = 3\n", 8, "    ")


def test_wrong_answer_with_a_fence_is_a_fault():
    text = HEAD + "<!-- exercise: a wrong\n```python\nx = 1\n```\n-->\n"
    ((line, message),) = faults(chapter.parse(text, "docs/start/page.md"))
    assert (line, message) == (7, "a fence or directive in a comment: hidden from readers, yet obeyed")


@pytest.mark.parametrize(
    ("role", "error", "message"),
    [
        ("starter", "", "the starter of exercise a passes its check"),
        ("wrong", "", "the wrong of exercise a passes its check"),
        ("solution", "ValueError: no", "the solution of exercise a fails its check: ValueError: no"),
        ("starter", "AssertionError: ", None),
        ("wrong", "TypeError: x", None),
        ("solution", "", None),
        ("solution", "NotYet: fill `x`", "the solution of exercise a counts as not filled: fill `x`"),
        ("wrong", "NotYet: fill `x`", "the wrong of exercise a counts as not filled: fill `x`"),
        ("starter", "NotYet: fill `x`", None),
    ],
)
def test_verdict(role, error, message):
    (group,) = exercises.groups(page(*PARTS))
    fault = exercises.verdict(group, role, "p.md", error)
    assert (fault and fault.message) == message
    assert fault is None or (fault.file, fault.line) == ("p.md", group.parts[role].line)


@pytest.mark.parametrize(
    ("role", "error", "at", "message"),
    [
        ("wrong", "AssertionError: 1 is too small (line 3)", 2, None),
        (
            "wrong",
            "AssertionError: wanted 2 (line 3)",
            2,
            "is not told its mistake: AssertionError: wanted 2 (line 3)",
        ),
        ("wrong", "TypeError: too small", 2, "raises, and its check does not tell why: TypeError: too small"),
        (
            "wrong",
            "AssertionError: too small",
            1,
            "raises, and its check does not tell why: AssertionError: too small",
        ),
        ("wrong", "", 2, "passes its check"),
        ("right", "", 2, None),
        ("right", "AssertionError: x", 2, "fails its check: AssertionError: x"),
        ("starter", "NotYet: fill `x`", 2, None),
        ("starter", "AssertionError: x", 2, "leaves nothing that can be told to be blank"),
    ],
)
def test_verdict_on_answers_with_words(role, error, at, message):
    read = page(*PARTS)
    for block, words in zip(read.answers, ["too small"], strict=True):
        block.words = words
    right = chapter.Block("x = 1 + 1\n", 90, 91, exercise=("a", "right"), words="a sum")
    read.answers.append(right)
    (group,) = exercises.groups(read)
    fault = exercises.verdict(group, role, "p.md", error, at)
    named = {"wrong": "wrong answer 'too small'", "right": "right answer 'a sum'", "starter": "starter"}[role]
    assert (fault and fault.message) == (message and f"the {named} of exercise a {message}")


@pytest.mark.parametrize(
    ("starter", "blanks"),
    [
        ("x = ...", [(["x"], 2)]),
        ("import math\n\nx, y = ..., 1", [(["x", "y"], 4)]),
        ("x = 3\n\n\ndef f(): ...", [(["f"], 5)]),
        ("class A:\n    def f(self):\n        return ...", [(["A"], 2)]),
        ("...", [([], 2)]),
        ("y = 0\nfor x in [1]:\n    ...", [([], 3)]),
        ("x = 1", []),
        ("x =", []),
    ],
)
def test_blanks_of_a_starter(starter, blanks):
    assert exercises.blanks_of(chapter.Block(starter, 1, 9)) == blanks


SOLUTION = """
import numpy as np

def mean(xs, weight=1.0):
    total = 0.0
    for x in xs:
        total += weight * x
    return total / len(xs)
"""


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ([("total", "s"), ("xs", "values")], True),
        ([("    total = 0.0", '    """Says."""\n    # and why\n    total: float = 0.0')], True),
        ([("xs, weight", "xs: list, weight: float"), ("):", ") -> float:")], True),
        ([("0.0\n", "0\n")], False),
        ([("len(xs)", "np.size(xs)")], False),
        ([("total / len", "1 / len")], False),
        ([("weight * x", "x * weight")], False),
        ([("len(xs)", "sum(xs)")], False),
    ],
)
def test_answers_that_differ_by_names_only(changes, same):
    other = SOLUTION
    for old, new in changes:
        assert old in other
        other = other.replace(old, new)
    assert (exercises.shape(SOLUTION) == exercises.shape(other)) == same


def test_names_of_modules_and_attributes():
    shape = exercises.shape
    assert shape("import numpy as np\nx = np.sum(y)") == shape("import numpy as n\nz = n.sum(y)")
    assert shape("x = y.sum()") != shape("x = y.mean()"), "a method of another's is no name of one's own"
    one = "class A:\n    def go(self):\n        self.w = 1\n        return self.w\n\nx = A().go()"
    assert shape(one) == shape(one.replace("self", "me").replace("w", "weight").replace("go", "run"))
    assert shape("x =") == ""
