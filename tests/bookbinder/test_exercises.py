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


@pytest.mark.parametrize("role", list(PARTS))
def test_part_that_stands_twice(role):
    read = page(*PARTS, role)
    ((line, message),) = faults(read)
    assert message == f"exercise a has a second {role}"
    assert line == [*read.blocks, *read.answers][-1 if role == "wrong" else -2].line


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
    ],
)
def test_verdict(role, error, message):
    (group,) = exercises.groups(page(*PARTS))
    fault = exercises.verdict(group, role, "p.md", error)
    assert (fault and fault.message) == message
    assert fault is None or (fault.file, fault.line) == ("p.md", group.parts[role].line)
