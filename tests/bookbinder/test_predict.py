"""Questions before an output: read, refused with their line, held against the run, and told to no one too early."""

import pytest

import pagetests
from bookbinder import cache, chapter, evidence, layout, notebook, predict, runner, sandbox
from bookbinder.check import check
from conftest import ROOT

HEAD = "---\ntitle: T\ndescription: D.\n---\n# T\n\n"  # what follows begins at line 7
ASK = "<!-- predict: rate -->\n\n"
QUESTION = "**Will it grow?**\n\n"
NO, YES = "- [ ] No. <!-- x < 0 --> It is 720.\n", "- [x] Yes, to 5. <!-- x == 5 -->\n"
CHOICES = NO + YES
BLOCK = "```python\nx = 5\nprint(x)\n```\n"
GOOD = f"{ASK}{QUESTION}{CHOICES}\nRun it.\n\n{BLOCK}\nIt is 5.\n"
SKIP = '<!--pytest.mark.skip(reason="a")-->\n'
PLAY = "<!-- play: step -->\n```python\nprint('--- 0')\n```\n\nText.\n\n"


def parsed(body: str) -> chapter.Chapter:
    return chapter.parse(HEAD + body, "docs/start/page.md")


def faults(body: str) -> list[tuple[int, str]]:
    page = parsed(body)
    return [(fault.line, fault.message) for fault in [*page.faults, *layout.faults(page)]]


def test_a_question_is_read_with_its_choices_and_belongs_to_the_next_block():
    page = parsed(f"Text.\n\n{GOOD}\n<!--pytest-codeblocks:cont-->\n{BLOCK}")
    asked = page.blocks[0].predicts
    assert (asked.name, asked.line, asked.first, asked.end) == ("rate", 9, 11, 14)
    assert asked.question == ["**Will it grow?**"] and asked.right == 1
    first, second = asked.choices
    assert first == predict.Choice(13, "No.", "x < 0", False, "It is 720.")
    assert second == predict.Choice(14, "Yes, to 5.", "x == 5", True, "")
    assert page.blocks[1].predicts is None and page.questions() == [asked]
    assert faults(GOOD) == []
    assert all("x < 0" not in line and "[x]" not in line for _, line in page.prose)


def test_a_question_stands_in_a_box_or_list_with_its_block():
    inside = "".join(f"    {row}\n" if row else "\n" for row in GOOD.split("\n"))
    for head in ("!!! note\n", "- An item.\n\n"):
        page = parsed(head + inside)
        assert faults(head + inside) == [] and page.blocks[0].predicts.indent == "    "


BAD = {
    "name": (GOOD.replace("rate", "The rate"), 7, "predict: 'The rate' is no name"),
    "no-name": (GOOD.replace(": rate", ""), 7, "predict: '' is no name"),
    "twice": (GOOD + "\n" + GOOD, 23, "the question rate is asked twice"),
    "no-question": (f"{ASK}{CHOICES}\n{BLOCK}", 7, "predict with no question below"),
    "heading": (f"{ASK}## Will it?\n\n{CHOICES}\n{BLOCK}", 7, "predict with no question below"),
    "one": (f"{ASK}{QUESTION}{YES}\n{BLOCK}", 7, "a question with 1 choices"),
    "five": (f"{ASK}{QUESTION}{NO * 4}{YES}\n{BLOCK}", 7, "a question with 5 choices"),
    "none": (f"{ASK}{QUESTION}{BLOCK}", 7, "a question with 0 choices"),
    "no-tick": (f"{ASK}{QUESTION}{NO * 2}\n{BLOCK}", 7, "0 choices are ticked"),
    "ticks": (f"{ASK}{QUESTION}{YES * 2}\n{BLOCK}", 7, "2 choices are ticked"),
    "cross": (GOOD.replace("[ ]", "[-]"), 11, "this line is not a choice"),
    "no-words": (GOOD.replace("No. ", ""), 11, "this line is not a choice"),
    "two-comments": (GOOD.replace("720.", "720. <!-- a -->"), 11, "this line is not a choice"),
    "next-line": (GOOD.replace("720.\n", "720.\n    More.\n"), 12, "this line is not a choice"),
    "bare": (GOOD.replace("<!-- x < 0 --> ", ""), 11, "a choice without an expression"),
    "empty": (GOOD.replace("x < 0", ""), 11, "a choice without an expression"),
    "open": (GOOD.replace("x == 5 -->", "x == 5"), 12, "a comment behind text"),
    "statement": (GOOD.replace("x < 0", "x = 0"), 11, "x = 0 is no Python expression: "),
    "no-reason": (GOOD.replace(" It is 720.", ""), 11, "a wrong choice without a reason"),
    "page-ends": (f"{ASK}{QUESTION}{CHOICES}", 7, "no block between the question and the end of the page"),
    "heading-first": (GOOD.replace("Run it.", "## A"), 7, "no block between the question and the next heading"),
    "next": (
        f"{ASK}{QUESTION}{CHOICES}\n{GOOD.replace('rate', 'b')}", 7,
        "no block between the question and the next question",
    ),
    "skipped": (GOOD.replace("```python", f"{SKIP}```python"), 17, "the block below the question rate is a skip block"),
    "exercise": (
        GOOD.replace("```python", "<!-- exercise: a starter -->\n```python"), 17,
        "the block below the question rate is an exercise part",
    ),
    "elsewhere": (
        GOOD.replace(BLOCK, "- a\n\n    ```python\n    x = 1\n    ```\n"), 18,
        "the block below the question rate stands in another box, tab or list",
    ),
    "frames": (
        GOOD.replace("```python", "<!-- play: step -->\n```python")
        + "\n<!-- play: cont -->\n<!--pytest-codeblocks:cont-->\n" + BLOCK,
        24, "the frames that the question rate is about go on here",
    ),
    "lines": ("<!-- predict:\nrate -->\n", 7, "a directive over several lines"),
    "tasks": (GOOD + "\n- [ ] Another list.\n", 23, "boxes to tick are shown as brackets"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_each_fault_is_told_at_its_line(name):
    body, line, said = BAD[name]
    found = faults(body)
    assert [at for at, message in found if message.startswith(said)] == [line], found


def test_frames_may_end_with_the_block_that_answers():
    body = PLAY + GOOD.replace("```python", "<!-- play: cont -->\n<!--pytest-codeblocks:cont-->\n```python")
    assert faults(body) == []


@pytest.mark.parametrize(
    "expression",
    ["(y := 1) == 1", "await f()", "(yield 1)", "any([a async for a in b])", "losses.append(1) is None",
     "next(rows) == 1", "t.add_(1) is t", "print(1) is None", "optimiser.step() is None"],
)  # fmt: skip
def test_an_expression_that_changes_something_is_refused(expression):
    found = faults(GOOD.replace("x < 0", expression))
    assert [line for line, message in found if "changes something" in message] == [11], found


@pytest.mark.parametrize(
    "expression",
    [
        "loss[-1] < loss[0]",
        "x <loss",
        "all(map(lambda a: a > 1, x))",
        "np.add(x, 1).any()",
        "f(x).item() > 0",
    ],
)
def test_an_expression_that_reads_is_not(expression):
    assert faults(GOOD.replace("x < 0", expression)) == []


def test_answers_are_true_false_or_an_exception_and_names_stay_as_they_are():
    import numpy as np

    names = {
        "x": [3, 1],
        "a": np.array([1.0, 2.0]),
        "rng": np.random.default_rng(0),
        "f": lambda rows: rows.pop(),
    }
    names["g"] = (n for n in range(3))  # cannot be copied
    kept = names["rng"].bit_generator.state
    said = sandbox.answers(
        [
            "x[0] > x[1]",
            "a[0] > a[1]",
            "rng.normal() > 9",
            "f(x) == 1",
            "gone",
            "x[0]",
            "a > 0",
            "g is not None",
        ],
        names,
    )
    assert said[:4] == [True, False, False, True] and said[7] is True
    assert [text.partition(":")[0] for text in said[4:7]] == ["NameError", "TypeError", "ValueError"]
    assert "3 is neither True nor False" in said[5]
    assert names["x"] == [3, 1] and names["rng"].bit_generator.state == kept
    assert sorted(names) == ["a", "f", "g", "rng", "x"]


def test_what_the_answers_say_against_the_ticks():
    asked = parsed(GOOD).questions()[0]
    told = lambda *answers: [(f.line, f.message) for f in predict.faults(asked, list(answers), "p.md")]
    said = "x < 0 is {}, x == 5 is {}"
    assert told(False, True) == []
    assert told(False, False) == [
        (12, f"the ticked choice is not what the block shows: {said.format(False, False)}")
    ]
    assert told(True, True) == [(11, f"this choice is not ticked, and it is true: {said.format(True, True)}")]
    assert [line for line, _ in told(True, False)] == [11, 12]
    assert told("NameError: n", True) == [(11, "x < 0 raises NameError: n")]


PAGES = {
    "right": (GOOD, []),
    "untrue": (GOOD.replace("x == 5 ", "x == 6 "), [(12, "the ticked choice is not what the block shows")]),
    "also": (GOOD.replace("x < 0", "x > 0"), [(11, "this choice is not ticked, and it is true")]),
    "raises": (GOOD.replace("x < 0", "x < gone"), [(11, "x < gone raises NameError")]),
    "silent": (GOOD.replace("print(x)\n", ""), [(16, "the block below the question rate puts out nothing")]),
    "clean": (
        GOOD.replace("x < 0", "len([n for n in [x]]) > 9")
        + "\n<!--pytest-codeblocks:cont-->\n```python\nassert 'n' not in globals() and x == 5\nprint('later')\n```\n",
        [],
    ),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BOOK_CACHE", str(folder / "cache"))
        for name, (body, _) in PAGES.items():
            (folder / f"{name}.md").write_text(HEAD + body, encoding="utf-8")
        ran = runner.run([chapter.load(folder / f"{name}.md") for name in PAGES], quiet=True)
        yield {result.chapter.path.removesuffix(".md"): result for result in ran}


@pytest.mark.parametrize("name", PAGES)
def test_the_run_holds_each_choice(results, name):
    found = [(failure.line, failure.message) for failure in results[name].failures]
    assert [line for line, _ in found] == [line for line, _ in PAGES[name][1]], found
    assert all(
        message.startswith(said) for (_, message), (_, said) in zip(found, PAGES[name][1], strict=True)
    )


@pytest.mark.parametrize("name", [name for name in PAGES if name != "silent"])
def test_so_do_the_tests_of_the_page(name, tmp_path):
    page = tmp_path / f"{name}.md"
    page.write_text(HEAD + PAGES[name][0], encoding="utf-8")
    (said,) = pagetests.run(page).values()
    if not PAGES[name][1]:
        assert said == "passed"
    for line, message in PAGES[name][1]:
        assert f"{page}:{line}  {message}" in said


def test_a_name_of_another_program_is_told_before_the_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "page.md"
    page.write_text(
        f"{HEAD}```python\nother = 1\n```\n\n{GOOD.replace('x < 0', 'other < 0')}", encoding="utf-8"
    )
    found = [(fault.line, fault.message) for fault in check(chapter.load(page), src=ROOT / "src")]
    assert found == [(15, "other is not defined in this program, which begins on line 20")]


def test_an_expression_and_a_tick_make_a_run_stale_and_words_do_not(monkeypatch):
    keys = [
        cache.key(parsed(body), "same")
        for body in (
            GOOD, GOOD.replace("720", "an arrow"), GOOD.replace("Will it", "Does it"), GOOD.replace("x < 0", "x < 1"),
            GOOD.replace("[ ]", "[?]").replace("[x]", "[ ]").replace("[?]", "[x]"),
        )
    ]  # fmt: skip
    assert keys[0] == keys[1] == keys[2] and len({*keys}) == 3


def numbers(body: str) -> list[str]:
    page = chapter.parse(
        HEAD.replace("D.\n", "D.\nobjectives: [a, b, c]\nneeds: []\n") + body, "docs/learning/x.md"
    )
    assert not page.faults, page.faults
    return [f"{fault.line} {fault.message.rpartition(' ')[2]}" for fault in evidence.faults(page, "5\n")]


def test_only_the_right_choice_and_the_question_are_held_to_numbers():
    assert numbers(GOOD) == []  # 720 is what a wrong choice says, and 77 below an expression's
    assert numbers(GOOD.replace("x == 5 ", "77 > x > 4 ")) == []
    assert numbers(GOOD.replace("to 5", "to 6")) == ["14 6"]
    assert numbers(GOOD.replace("grow?", "grow to 8?")) == ["11 8"]


def test_the_notebook_asks_without_ticks_and_leaves_the_run_to_the_reader():
    page = parsed(GOOD + "\n<!-- fold: draws *it* -->\n```python\nprint(1)\n```\n")
    data = {"blocks": [{"state": "run", "outputs": [{"kind": "stdout", "text": "5\n"}]} for _ in page.blocks]}
    _, text, code, _, folded = notebook.export(page, data).cells
    assert text.source == (
        "**Will it grow?**\n\n- No.\n- Yes, to 5.\n\n<details><summary>What is right, and why</summary>\n\n"
        "- No. **No.** It is 720.\n- Yes, to 5. **Yes.**\n\n</details>\n\nRun it."
    )
    assert (code.outputs, code.execution_count) == ([], None) and "cellView" not in code.metadata
    assert folded.source == "#@title draws it\nprint(1)" and folded.outputs
    assert folded.metadata["cellView"] == "form" and folded.metadata["jupyter"] == {"source_hidden": True}
