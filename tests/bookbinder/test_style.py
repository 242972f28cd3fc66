"""The style page tells authors the messages of the check: each row of its table is provoked here."""

import re
import textwrap
from pathlib import Path

import pytest

from bookbinder.chapter import load
from bookbinder.check import check
from bookbinder.page import FAULTS
from conftest import ROOT

HEAD = "---\ntitle: T\ndescription: D.\n---\n# T\n\n"
BLOCK = "```python\nx = 1\n```\n\n"
CONT = "<!--pytest-codeblocks:cont-->\n" + BLOCK
SKIP = '<!--pytest.mark.skip(reason="a")-->\n'
MARK, CODE = "<!--pytest.mark.{}-->\n", "```python\n{}\n```\n\n"
GROUP = "".join(f"<!-- exercise: centred {part} -->\n{BLOCK}Text.\n\n" for part in ("starter", "solution"))
OWN_BOX = '!!! exercise "1"\n' + textwrap.indent(GROUP, "    ")
PART = "<!-- exercise: centred {} -->\n```python\nx = {}\n```\n\n"
STARTER, SOLUTION = PART.format("starter", "..."), PART.format("solution", 2)
ANSWER = "<!-- exercise: centred {}\nx = {}\n-->\n\n"
CHAPTER = HEAD.replace("---\n#", "objectives: [a, b, c]\nneeds: []\nminutes: 9\n---\n#") + "## Exercises\n\n"
CHECKED = f"<!-- exercise: centred check -->\n{BLOCK}<!-- exercise: centred wrong\nx = 2\n-->\n"
ASK = "<!-- predict: rate -->\n\nWill it?\n\n"
NO, YES = "- [ ] No. <!-- x < 0 --> So.\n", "- [x] Yes. <!-- x == 1 -->\n"
GOOD = f"{HEAD}{ASK}{NO}{YES}\n{BLOCK}"
# A page with the fault, by the first words of its row.
PAGES = {
    "no front matter": "# T\n",
    "timeout: soon": HEAD.replace("---\n#", "timeout: soon\n---\n#"),
    "author: me": HEAD.replace("---\n#", "author: me\n---\n#"),
    "kind: visit": HEAD.replace("---\n#", "kind: visit\n---\n#"),
    "a typed chapter 9": HEAD + "As in chapter 9.\n",
    "a fence that says py": HEAD + "```py\nx\n```\n",
    "a fence that says nothing": HEAD + "```\nx\n```\n",
    "a fence of tildes": HEAD + "~~~text\nx\n~~~\n",
    "a fence that says bash": HEAD + "```bash\nls\n```\n",
    "a fence without its end": HEAD + "```text\nx\n",
    "26 lines in a block": HEAD + "```python\n" + "x = 1\n" * 26 + "```\n",
    "a third block in a row": HEAD + BLOCK + CONT * 2,
    "an indented fence": HEAD + "Text.\n\n    ```python\n    x\n    ```\n",
    "cont first on a page": HEAD + CONT,
    "cont after a block": HEAD + SKIP + BLOCK + CONT,
    "a mark on a block with cont": HEAD + BLOCK + SKIP + CONT,
    "a mark without reason": HEAD + "<!--pytest.mark.skip()-->\n" + BLOCK,
    "pytest-codeblocks:continue": HEAD + "<!--pytest-codeblocks:continue-->\n" + BLOCK,
    "a comment for a block": HEAD + SKIP + "Text.\n",
    "plays: swing": HEAD + "<!-- plays: swing -->\n" + BLOCK,
    "play: with no knob": HEAD + "<!-- play: -->\n" + BLOCK,
    "play twice": HEAD + "<!-- play: a -->\n<!-- play: b -->\n" + BLOCK,
    "play above a block with": HEAD + "<!-- play: a -->\n" + SKIP + BLOCK,
    "play: cont with no play": HEAD + "<!-- play: cont -->\n" + BLOCK,
    "flod: draws": HEAD + "<!-- flod: draws -->\n" + BLOCK,
    "hide: draws": HEAD + "<!-- hide: draws -->\n" + BLOCK,
    "fold: without": HEAD + "<!-- fold: -->\n" + BLOCK,
    "fold twice": HEAD + "<!-- fold: a -->\n<!-- fold: b -->\n" + BLOCK,
    "fold above a starter": HEAD + "<!-- fold: a -->\n" + GROUP + CHECKED,
    "predict: without": GOOD.replace(": rate", ":"),
    "a name of a question": GOOD + GOOD.removeprefix(HEAD),
    "predict with a list": GOOD.replace("Will it?\n\n", ""),
    "one choice, or": GOOD.replace(NO, NO * 4),
    "no tick, or": GOOD.replace(YES, YES * 2),
    "a choice over": GOOD.replace("So.", "So.\n    And so."),
    "a choice without a comment": GOOD.replace("<!-- x < 0 --> ", ""),
    "a choice with x = 1": GOOD.replace("x < 0", "x = 1"),
    "a choice with losses": GOOD.replace("x < 0", "losses.append(1)"),
    "a wrong choice": GOOD.replace(" So.", ""),
    "a question with a heading": GOOD.replace("```python", "## A\n\n```python"),
    "a question before a block that is": GOOD.replace("```python", f"{SKIP}```python"),
    "a question outside": GOOD.replace(BLOCK, "!!! note\n    ```python\n    x = 1\n    ```\n"),
    "a question before frames": GOOD.replace("```python", "<!-- play: a -->\n```python")
    + "Text.\n\n<!-- play: cont -->\n"
    + CONT,
    "a mark that names": HEAD + MARK.format("xfail(raises=np.linalg.LinAlgError)") + BLOCK,
    "a condition that names": HEAD + MARK.format("skipif(torch, reason='a')") + BLOCK,
    "%timeit": HEAD + CODE.format("%timeit 1"),
    "a tab in a block": HEAD + CODE.format("if 1:\n\tpass"),
    "display": HEAD + CODE.format("display(1)"),
    "exit()": HEAD + CODE.format("exit()"),
    "an import from": HEAD + CODE.format("from __future__ import annotations"),
    "if __name__": HEAD + CODE.format("if __name__ == '__main__':\n    pass"),
    "a name that another program": HEAD + BLOCK + CODE.format("print(x)"),
    "time.time()": HEAD + CODE.format("import time\ntime.time()"),
    "os.getpid()": HEAD + CODE.format("import os\nos.getpid()"),
    "np.random.rand()": HEAD + CODE.format("import numpy as np\nnp.random.rand()"),
    "print(id(x))": HEAD + CODE.format("x = 1\nprint(id(x))"),
    "text indented by two": HEAD + "!!! note\n  a\n",
    "text indented by four": HEAD + "a\n\n    b\n",
    "a box with nothing": HEAD + "!!! note\n",
    "a box without a blank": HEAD + "!!!note\n    a\n",
    "a box of an unknown": HEAD + "!!! nota\n    a\n",
    "a list without": HEAD + "a\n- b\n",
    "a list that begins": HEAD + "2. b\n",
    "a list of numbers": HEAD + "- a\n1. b\n",
    "1) at the head": HEAD + "1) b\n",
    "a text with ---": HEAD + "a\n---\n",
    "prompts in a fence": HEAD + "```text\n>>> x\n```\n",
    "a table without": HEAD + "a\n| b |\n| - |\n",
    "a row with more": HEAD + "| a | b |\n| - | - |\n| 1 | 2 | 3 |\n",
    "a footnote or": HEAD + "a[^note]\n",
    "a word in angle": HEAD + "<eos>\n",
    "an HTML element": HEAD + "<div>\n",
    "<pre>": HEAD + "<pre>x</pre>\n",
    "an image without": HEAD + "![a](https://e.org/b.png)\n",
    "a character that": HEAD + "a\u200bb\n",
    "a block that differs": HEAD + "<!-- source: chainrule.autograd.unbroadcast -->\n" + BLOCK,
    "a stand-in in a chapter": HEAD + "<!-- exercise: centred stand-in -->\n" + BLOCK,
    "an exercise without a part": HEAD + GROUP,
    "a block that gives": HEAD + CODE.format("sum = 1"),
    "an exercise in words with": HEAD
    + "<!-- exercise: centred words -->\n<!-- exercise: centred check -->\n"
    + BLOCK,
    "an exercise outside": HEAD + GROUP,
    "a box with no exercise": HEAD + '!!! exercise "1"\n    a\n',
    "an exercise without hints": HEAD + OWN_BOX,
    "an exercise whose solution": HEAD + OWN_BOX,
    "a starter with nothing": HEAD + GROUP,
    "fewer than two": HEAD + STARTER + SOLUTION + ANSWER.format("wrong: a", 1),
    "a wrong or right": HEAD + STARTER + SOLUTION + ANSWER.format("wrong", 1),
    "two wrong answers": HEAD + STARTER + SOLUTION + ANSWER.format("wrong: one side", 1) * 2,
    "a right answer that is": HEAD + STARTER + SOLUTION + ANSWER.format("right: a loop", 2),
    "a wrong answer above": HEAD + "<!-- exercise: centred wrong: a -->\n" + BLOCK,
    "--> inside": HEAD + ANSWER.format("wrong: a", '"-->"'),
    "--> on a line": HEAD + "a\n-->\n",
    "fewer than four": CHAPTER + OWN_BOX + OWN_BOX.replace("centred", "other"),
    "a chapter with no": CHAPTER,
    "an open brace": HEAD + "$$\n\\frac{1}{2\n$$\n",
    "a reference without": HEAD + "By $\\eqref{eq:a}$.\n",
    "a formula's $$": HEAD + "Text\n$$\nx\n$$\n",
    "a link to a page": HEAD + "[a](gone.md)\n",
    "a link to a heading": HEAD + "[a](#heading)\n",
}
# What only a run or the whole book can tell, and the rule that says it: tests of the module that finds it provoke it.
RUN = {
    "a chapter longer": "length.minutes",
    "fewer than eight": "length.few",
    "more than 18": "length.many",
    "a page of a part that no list has": "page.unlisted",
    "an excursion in the list": "page.excursion",
    "a link chapter to a page": "page.no-number",
    "a map that is not": "page.map",
    "a chapter in the list that is not": "course.no-page",
    "a chapter in the list that is planned": "course.written",
    "a chapter twice in the list": "course.twice",
    "an old address that is none": "address.still",
    "an old anchor whose page": "address.half",
    "an old address that leads nowhere": "address.nowhere",
    "an old address that leads to an old": "address.chain",
    "an old address that leads to itself": "address.loop",
    "a starter or wrong answer that passes": "exercise.passes",
    "a wrong answer that the": "exercise.untold",
    "a wrong answer that raises": "exercise.raises",
    "a solution or right": "exercise.fails",
    "a solution or answer": "exercise.unfilled",
    "a starter that raises": "exercise.starter",
    "a figure without a title": "run.no-title",
    "a figure that is too heavy": "run.heavy",
    "a block under play with": "run.frames",
    "frames of text beside": "run.frames-mixed",
    "31 frames": "run.frames-many",
    "two frames with one title": "run.frames-twice",
    "a title that tells": "run.frames-value",
    "one of two knobs that": "run.frames-one",
    "a value of one knob": "run.frames-gap",
    "a question before a block that shows": "predict.silent",
    "a choice whose": "predict.raises",
    "a ticked choice": "predict.untrue",
    "a choice that is true": "predict.also",
    "a value with a memory address": "run.address",
    "a value that is a picture": "run.rich",
    "a figure or an": "run.nameless",
    "a path of this": "run.place",
    "an exception in a": "run.lost",
    "an output that is": "run.redrawn",
    "a block that raises": "run.raises",
    "a block that was to raise": "run.no-raise",
    "a page that runs too long": "run.time",
}

PROSE = ("a number that nothing supports", "a symbol that is not in the notation")  # held by test_evidence.py


def rows() -> dict[str, str]:
    """Message by fault, without the marks of code."""
    table = (
        (ROOT / "docs/contribute/style.md").read_text(encoding="utf-8").partition("## What the check says")[2]
    )
    cells = re.findall(r"^\| (.*?) \| (.*?) \|$", table, re.M)[2:]
    return {what.replace("`", ""): said.replace("`", "").replace("\\", "") for what, said in cells}


def of(row: str, table: dict) -> str:
    """The one key of a table that a row begins with."""
    return max((key for key in table if row.startswith(key)), key=len)


def test_every_row_is_held():
    held = [of(row, PAGES | RUN | dict.fromkeys(PROSE)) for row in rows()]
    assert sorted(held) == sorted([*PAGES, *RUN, *PROSE])


@pytest.mark.parametrize("row", [row for row in rows() if row.startswith(tuple(PAGES))])
def test_the_check_says_what_its_row_says(row, tmp_path, monkeypatch):
    page = tmp_path / "docs" / ("learning" if "chapter" in rows()[row] else "") / "page.md"
    page.parent.mkdir(parents=True)
    page.write_text(PAGES[of(row, PAGES)], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    told = [fault.message for fault in check(load(page), Path("docs"), ROOT / "src")]
    assert rows()[row] in (told[0] if "exercise" not in row + told[0] else "\n".join(told))


@pytest.mark.parametrize("row", [row for row in rows() if row.startswith(tuple(RUN))])
def test_the_run_says_what_its_row_says(row):
    section, rule = RUN[of(row, RUN)].split(".")
    said = FAULTS[section][rule][0].removesuffix(": {error}").removesuffix(": {said}")
    pattern = "".join(
        ".+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{.*?\})", said)
    )
    assert re.match(pattern, rows()[row]) or rows()[row] in said
