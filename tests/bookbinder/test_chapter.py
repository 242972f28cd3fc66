"""The one parser: every fault of a page with its line and message, and the good form beside it."""

import itertools
from pathlib import Path

import pytest

from bookbinder import chapter

HEAD = "---\ntitle: T\ndescription: D.\n---\n# T\n\n"  # what follows begins at line 7
CONT, SKIP = "<!--pytest-codeblocks:cont-->", '<!--pytest.mark.skip(reason="slow")-->'
XFAIL = "<!--pytest.mark.xfail(raises=ValueError)-->"
BLOCK = "```python\nx = 1\n```\n"


def faults(text: str, path: str = "docs/start/page.md") -> list[tuple[int, str]]:
    return [(fault.line, fault.message) for fault in chapter.parse(text, path).faults]


BODIES = {
    # The spelling of a fence
    "py": ("```py\nx\n```", [(7, "```py looks like Python and would never run")]),
    "python3": ("```python3\nx\n```", [(7, "```python3 looks like Python and would never run")]),
    "Python": ("```Python\nx\n```", [(7, "```Python looks like Python and would never run")]),
    "title": (
        '```python title="a"\nx\n```',
        [(7, '```python title="a" looks like Python and would never run')],
    ),
    "braces": ("```{.python}\nx\n```", [(7, "```{.python} looks like Python and would never run")]),
    "space": ("``` python\nx\n```", [(7, "``` python looks like Python and would never run")]),
    "braces-space": ("``` { .py }\nx\n```", [(7, "``` { .py } looks like Python and would never run")]),
    "pycon": ("```pycon\n>>> x\n```", [(7, "```pycon looks like Python and would never run")]),
    "ipython": ("```ipython\nx\n```", [(7, "```ipython looks like Python and would never run")]),
    "sh": ("```sh\nls\n```", [(7, "```sh would be run by the tests")]),
    "bash": ("```bash\nls\n```", [(7, "```bash would be run by the tests")]),
    "one-line": (
        "```x``` y",
        [(7, "```x``` y is not a fence that every tool reads alike"), (7, "the fence is never closed")],
    ),
    # Where it stands and how it ends
    "unclosed": ("```python\nx = 1\n", [(7, "the fence is never closed")]),
    "unclosed-by-fewer": ("````python\nx = 1\n```\n", [(7, "the fence is never closed")]),
    "closed-by-more": ("```python\nx = 1\n````\n", [(9, "```` does not close the fence as it opened")]),
    "closed-elsewhere": (
        "!!! note\n\n    ```python\n    x = 1\n```\n",
        [(11, "``` does not close the fence as it opened")],
    ),
    "swallows-the-next": (
        "```text\na\n```python\nx\n```\n",
        [(9, "```python does not close the fence as it opened"), (11, "the fence is never closed")],
    ),
    "dedented-line": (
        "!!! note\n\n    ```python\n    if 1:\n  x\n    ```\n",
        [(11, "the line is indented less than its fence")],
    ),
    "no-container": (
        "Text.\n\n    ```python\n    x\n    ```\n",
        [(9, "an indented fence that stands in no tab, box or list")],
    ),
    "tab": ("!!! note\n\n\t```python\n\tx\n\t```\n", [(9, "a tab in the indentation of a fence")]),
    "quote": ("> ```python\n> x\n> ```\n", [(7, "a Python fence in a quote is not run")]),
    "26-lines": (
        "```python\n" + "x = 1\n" * 26 + "```\n",
        [(7, "the block has 26 lines, at most 25 are read with pleasure")],
    ),
    "three-in-a-row": (
        f"{BLOCK}\n{CONT}\n{BLOCK}\n{CONT}\n{BLOCK}",
        [(17, "more than two blocks without prose between")],
    ),
    "tabs-in-a-row": (
        '=== "A"\n\n    ```python\n    x\n    ```\n' * 3,
        [(19, "more than two blocks without prose between")],
    ),
    # Comments
    "unclosed-comment": ("<!-- a\nb\n", [(7, "the comment is never closed")]),
    "fence-in-comment": (
        f"<!--\n{BLOCK}-->\n",
        [(7, "a fence or directive in a comment: hidden from readers, yet obeyed")],
    ),
    "cont-in-comment": (
        f"<!-- a\n{CONT}\n\n",
        [(7, "a fence or directive in a comment: hidden from readers, yet obeyed")],
    ),
    "comment-behind-text": (
        f"Text <!--\n{BLOCK}-->\n",
        [(7, "a comment behind text: tools disagree on what is in it")],
    ),
    "cont-behind-text": (f"Text {CONT}\n", [(7, "a comment behind text: tools disagree on what is in it")]),
    "text-behind-cont": (
        f"{CONT} text\n",
        [(7, "text behind a comment: a comment stands alone on its lines")],
    ),
    "long-directive": ("<!-- source:\nchainrule.ops.relu -->\n", [(7, "a directive over several lines")]),
    # Directives
    "unknown-word": (
        f"<!--pytest-codeblocks:expected-output-->\n{BLOCK}",
        [(7, "unknown pytest-codeblocks word 'expected-output'")],
    ),
    "skipfile": ("<!--pytest-codeblocks:skipfile-->\n", [(7, "unknown pytest-codeblocks word 'skipfile'")]),
    "unknown-directive": ("<!--pytest.skip-->\n", [(7, "unknown directive 'pytest.skip'")]),
    "upper-case": (
        f"<!--PYTEST-codeblocks:cont-->\n{BLOCK}",
        [(7, "unknown directive 'PYTEST-codeblocks:cont'")],
    ),
    "dangling-end": (f"{SKIP}\n", [(7, f"{SKIP} stands above no block")]),
    "dangling-text": (f"{SKIP}\nText.\n\n{BLOCK}", [(7, f"{SKIP} stands above no block")]),
    "dangling-other": (f"{SKIP}\n```text\na\n```\n", [(7, f"{SKIP} stands above no block")]),
    "dangling-source": ("<!-- source: a.b -->\nText.\n", [(7, "<!--source: a.b--> stands above no block")]),
    "cont-first": (
        f"{CONT}\n{BLOCK}",
        [(7, "cont with nothing to continue: the fence before, if any, is not Python")],
    ),
    "cont-across": (
        f"{BLOCK}\n```text\na\n```\n{CONT}\n{BLOCK}",
        [(14, "cont with nothing to continue: the fence before, if any, is not Python")],
    ),
    "cont-after-skip": (f"{SKIP}\n{BLOCK}\n{CONT}\n{BLOCK}", [(12, "cont after a skip block")]),
    "cont-after-xfail": (f"{XFAIL}\n{BLOCK}\n{CONT}\n{BLOCK}", [(12, "cont after a xfail block")]),
    "cont-after-exercise": (
        f"<!-- exercise: a setup -->\n{BLOCK}\n{CONT}\n{BLOCK}",
        [(12, "cont after an exercise part")],
    ),
    "mark-on-cont": (f"{BLOCK}\n{CONT}\n{SKIP}\n{BLOCK}", [(13, "a mark on a block that continues another")]),
    "two-marks": (f"{XFAIL}\n{SKIP}\n{BLOCK}", [(9, "two marks above one block")]),
    "mark-not-python": (
        f"<!--pytest.mark.skip(reason=)-->\n{BLOCK}",
        [(7, "pytest.mark.skip(reason=) is not a mark")],
    ),
    "mark-not-called": (f"<!--pytest.mark.skip-->\n{BLOCK}", [(7, "pytest.mark.skip is not a mark")]),
    "skip-no-reason": (
        f"<!--pytest.mark.skip()-->\n{BLOCK}",
        [(7, "pytest.mark.skip() says too little or too much")],
    ),
    "skipif-no-reason": (
        f"<!--pytest.mark.skipif(1)-->\n{BLOCK}",
        [(7, "pytest.mark.skipif(1) says too little or too much")],
    ),
    "skipif-no-condition": (
        f'<!--pytest.mark.skipif(reason="a")-->\n{BLOCK}',
        [(7, 'pytest.mark.skipif(reason="a") says too little or too much')],
    ),
    "xfail-any": (
        f"<!--pytest.mark.xfail()-->\n{BLOCK}",
        [(7, "pytest.mark.xfail() says too little or too much")],
    ),
    "slow": (f"<!--pytest.mark.slow()-->\n{BLOCK}", [(7, "pytest.mark.slow() says too little or too much")]),
    "play-typo": (f"<!-- plays: a -->\n{BLOCK}", [(7, "<!--plays: a--> is read by nothing")]),
    "play-no-colon": (f"<!-- play a -->\n{BLOCK}", [(7, "<!--play a--> is read by nothing")]),
    "play-upper-case": (f"<!-- Play: a -->\n{BLOCK}", [(7, "<!--Play: a--> is read by nothing")]),
    "flod": (f"<!-- flod: a -->\n{BLOCK}", [(7, "<!--flod: a--> is read by nothing")]),
    "fold-no-colon": (f"<!-- fold a -->\n{BLOCK}", [(7, "<!--fold a--> is read by nothing")]),
    "hide": (f"<!-- hide: a -->\n{BLOCK}", [(7, "<!--hide: a--> above a fence is no directive")]),
    "hide-first": (f"<!-- hide -->\n\n{SKIP}\n{BLOCK}", [(7, "<!--hide--> above a fence is no directive")]),
    "hide-text": ("<!-- hide: a -->\n```text\nx\n```", [(7, "<!--hide: a--> above a fence is no directive")]),
    "hide-once": (f"<!-- hide: a -->\n{BLOCK}{BLOCK}", [(7, "<!--hide: a--> above a fence is no directive")]),
    "fold-nothing": (f"<!-- fold: -->\n{BLOCK}", [(7, "fold: without words")]),
    "fold-bare": (f"{SKIP}\n<!-- fold -->\n{BLOCK}", [(8, "fold: without words")]),
    "fold-twice": (
        f"<!-- fold: a -->\n<!-- fold: b -->\n{BLOCK}",
        [(8, "two fold comments above one block")],
    ),
    "fold-starter": (
        f"<!-- fold: a -->\n<!-- exercise: b starter -->\n{BLOCK}",
        [(9, "fold above the starter of an exercise")],
    ),
    "fold-no-block": ("<!-- fold: a -->\nText.", [(7, "<!--fold: a--> stands above no block")]),
    "fold-lines": ("<!-- fold:\na -->\n", [(7, "a directive over several lines")]),
    "slides": ("<!-- slides: output -->\n", [(7, "<!--slides: output--> is read by nothing")]),
    "play-nothing": (f"<!-- play: -->\n{BLOCK}", [(7, "play: '' does not name one knob or two")]),
    "play-one-empty": (f"<!-- play: a, -->\n{BLOCK}", [(7, "play: 'a,' does not name one knob or two")]),
    "play-same": (f"<!-- play: a, a -->\n{BLOCK}", [(7, "play: 'a, a' does not name one knob or two")]),
    "play-three": (
        f"<!-- play: a, b, c -->\n{BLOCK}",
        [(7, "play: 'a, b, c' does not name one knob or two")],
    ),
    "play-twice": (
        f"<!-- play: a -->\n<!-- play: b -->\n{BLOCK}",
        [(8, "two play comments above one block")],
    ),
    "play-skip": (f"<!-- play: a -->\n{SKIP}\n{BLOCK}", [(9, "play above a skip block")]),
    "play-exercise": (
        f"<!-- exercise: a setup -->\n<!-- play: a -->\n{BLOCK}",
        [(9, "play above an exercise part")],
    ),
    "play-cont-first": (
        f"<!-- play: cont -->\n{BLOCK}",
        [(7, "play: cont with no frames before it to go on with")],
    ),
    "play-dangling": ("<!-- play: a -->\nText.\n", [(7, "<!--play: a--> stands above no block")]),
    "play-long": (f"<!-- play:\na -->\n{BLOCK}", [(7, "a directive over several lines")]),
    "exercise-cont": (
        f"{BLOCK}\n{CONT}\n<!-- exercise: a setup -->\n{BLOCK}",
        [(13, "an exercise part with a cont or a mark")],
    ),
    "exercise-mark": (
        f"{XFAIL}\n<!-- exercise: a setup -->\n{BLOCK}",
        [(9, "an exercise part with a cont or a mark")],
    ),
    "exercise-role": (f"<!-- exercise: a answer -->\n{BLOCK}", [(7, "unknown part 'answer' of exercise a")]),
    "exercise-no-role": (f"<!-- exercise: a -->\n{BLOCK}", [(7, "unknown part '' of exercise a")]),
}


def test_play_names_the_knobs_of_its_block():
    text = f"<!-- play: learning rate,momentum -->\n\n{BLOCK}\n<!-- playing with it, place: here -->\n{BLOCK}"
    page = chapter.parse(HEAD + text)
    assert page.faults == [] and [block.knobs for block in page.blocks] == [("learning rate", "momentum"), ()]


def test_fold_stands_among_other_directives_in_any_order():
    above = ("<!-- fold: a: b & c -->", "<!-- play: step -->", CONT)
    for first, second, third in itertools.permutations(above):
        page = chapter.parse(f"{HEAD}{BLOCK}\nText.\n\n{first}\n{second}\n\n{third}\n{BLOCK}")
        block = page.blocks[1]
        assert page.faults == [] and (block.fold, block.knobs, block.continues) == (
            "a: b & c",
            ("step",),
            True,
        )
        assert [len(program) for program in page.programs()] == [2]


def test_other_comments_stand_above_a_fence_or_apart_from_it():
    allowed = (
        "slide",
        "slide: output",
        "claim: a source",
        "what comes next",
        "hide: a -->\n\nText.\n\n<!-- slide",
    )
    for comment in allowed:
        assert faults(f"{HEAD}<!-- {comment} -->\n\n{BLOCK}") == []


@pytest.mark.parametrize("name", BODIES)
def test_fault_in_the_body(name):
    body, wanted = BODIES[name]
    assert faults(HEAD + body) == wanted


@pytest.mark.parametrize("body", ["~~~python\nx\n~~~", "~~~\nx\n~~~", "~~~py\nx\n~~~"])
def test_tilde_fences_are_faults(body):
    (line, message), *_ = faults(HEAD + body)
    assert (line, message.endswith("is not a fence that every tool reads alike")) == (7, True)


def test_a_fault_says_what_to_write():
    said = {
        name: str(chapter.parse(HEAD + BODIES[name][0], "p.md").faults[0])
        for name in ("py", "sh", "cont-first")
    }
    assert said["py"].startswith("p.md:7  ```py looks like Python") and "write ```python alone" in said["py"]
    assert said["sh"].endswith("write ```console for commands to people")
    assert said["cont-first"].endswith("start a program here: drop the cont and import what it needs")


FULL = {
    "title": "T",
    "description": "D.",
    "objectives": "[a, b, c]",
    "needs": "[]",
}
FIELDS = {
    "empty": ({"title": "''"}, (2, "title: '' is not what is wanted")),
    "number": ({"description": "3"}, (3, "description: 3 is not what is wanted")),
    "two-objectives": ({"objectives": "[a, b]"}, (4, "objectives: ['a', 'b'] is not what is wanted")),
    "no-list": ({"objectives": "a"}, (4, "objectives: 'a' is not what is wanted")),
    "four-needs": ({"needs": "[a, b, c, d]"}, (5, "needs: ['a', 'b', 'c', 'd'] is not what is wanted")),
    "needs-numbers": ({"needs": "[1]"}, (5, "needs: [1] is not what is wanted")),
    "minutes": ({"minutes": "5"}, (6, "unknown field 'minutes' in the front matter")),
    "timeout-text": ({"timeout": "five"}, (6, "timeout: 'five' is not what is wanted")),
    "timeout-bool": ({"timeout": "true"}, (6, "timeout: True is not what is wanted")),
    "timeout-zero": ({"timeout": "0"}, (6, "timeout: 0 is not what is wanted")),
    "gpu-text": ({"gpu": "maybe"}, (6, "gpu: 'maybe' is not what is wanted")),
    "unknown": ({"tags": "[a]"}, (6, "unknown field 'tags' in the front matter")),
}


def front(fields: dict[str, str]) -> str:
    return "---\n" + "".join(f"{name}: {value}\n" for name, value in fields.items()) + "---\n# T\n"


@pytest.mark.parametrize("name", FIELDS)
def test_fault_in_the_front_matter(name):
    change, wanted = FIELDS[name]
    assert faults(front(FULL | change), "docs/learning/page.md") == [wanted]


@pytest.mark.parametrize("name", FULL)
def test_missing_field_of_a_chapter(name):
    fields = {key: value for key, value in FULL.items() if key != name}
    assert faults(front(fields), "docs/learning/page.md") == [(1, f"the front matter has no {name}")]


def test_other_pages_need_only_title_and_description():
    fields = {"title": "T", "description": "D."}
    assert faults(front(fields), "docs/start/page.md") == []
    assert faults(front(fields), "docs/learning/index.md") == []
    assert faults(front({"title": "T"}), "docs/start/page.md") == [(1, "the front matter has no description")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("# T\n", (1, "the page has no front matter")),
        ("\n---\ntitle: T\n---\n", (1, "the page has no front matter")),
        ("---\ntitle: T\n", (1, "the page has no front matter")),
        ("---\n- a\n---\n", (1, "the front matter is not a list of fields")),
        ("---\ntitle: T\ndescription: [a\n---\n", (4, "the front matter is not YAML")),
    ],
)
def test_no_front_matter(text, wanted):
    ((line, message),) = faults(text)
    assert (line, message.startswith(wanted[1])) == (wanted[0], True)


def test_front_matter_may_be_asked_for_or_not():
    assert chapter.parse("# T\n", "README.md", front_matter=False).faults == []


def test_faults_are_sorted_and_all_told():
    text = HEAD + "```py\nx\n```\n\n" + f"{CONT}\nText\n\n```sh\nls\n```\n"
    assert [line for line, _ in faults(text)] == [7, 11, 14]


def test_good_page():
    """Every good form at once: what the parser makes of it."""
    text = HEAD + (
        "<!-- source: chainrule.ops.relu -->\n```python\nx = '''\n\n  a'''\n```\n\n"
        "Inline `<!--pytest-codeblocks:cont-->` and <!-- a note --> are text.\n\n"
        "<!-- a comment\nof two lines -->\n"
        f"- Item\n\n    {CONT}\n    ````python\n    y = '```'\n\n    z = 2\n    ````\n\n"
        '=== "A"\n\n    !!! note\n\n        <!--pytest.mark.skipif(sys.platform == "win32", reason="a")-->\n'
        "        ```python\n        v = 3\n        ```\n\nText.\n\n"
        f"{SKIP}\n```python\nw = 4\n```\n\nText.\n\n{XFAIL}\n```python\nint('x')\n```\n"
        "```text\n```\n\n```console\n$ ls\n```\n"
    )
    page = chapter.parse(text, "docs/start/page.md")
    assert page.faults == []
    assert [block.code for block in page.blocks] == [
        "x = '''\n\n  a'''\n", "y = '```'\n\nz = 2\n", "v = 3\n", "w = 4\n", "int('x')\n"
    ]  # fmt: skip
    rows = text.split("\n")
    assert [rows[block.line - 1].strip(" `") for block in page.blocks] == ["python"] * 5
    assert [rows[block.end - 1].strip(" `") for block in page.blocks] == [""] * 5
    assert [len(block.indent) for block in page.blocks] == [0, 4, 8, 0, 0]
    assert [block.continues for block in page.blocks] == [False, True, False, False, False]
    assert [len(program) for program in page.programs()] == [2, 1, 1, 1]
    assert page.blocks[0].source == "chainrule.ops.relu"
    marks = [block.mark for block in page.blocks]
    assert marks[:2] == [None, None]
    assert (marks[2].kind, marks[2].condition, marks[2].reason) == ("skipif", "sys.platform == 'win32'", "a")
    assert (marks[3].kind, marks[3].reason) == ("skip", "slow")
    assert (marks[4].kind, marks[4].raises) == ("xfail", "ValueError")


def test_limits_are_inclusive():
    assert faults(HEAD + "```python\n" + "x = 1\n" * 25 + "```\n") == []
    assert faults(HEAD + f"{BLOCK}\n{CONT}\n{BLOCK}\nText.\n\n{CONT}\n{BLOCK}") == []


def test_load_reads_every_line_ending(tmp_path):
    text = HEAD + BLOCK
    for ending in ("\n", "\r\n", "\r"):
        (tmp_path / "page.md").write_bytes(text.replace("\n", ending).encode())
        page = chapter.load(tmp_path / "page.md", tmp_path)
        assert (page.path, page.text, page.faults) == ("page.md", text, [])


def test_load_tells_what_it_cannot_read(tmp_path):
    (tmp_path / "page.md").write_bytes(b"\xff")
    for file in (tmp_path / "page.md", tmp_path / "none.md"):
        (fault,) = chapter.load(file, tmp_path).faults
        assert (fault.file, fault.line, fault.advice) == (file.name, 1, "save it as UTF-8")
    (tmp_path / "page.md").write_text(HEAD)
    assert chapter.load(tmp_path / "page.md", Path("/nowhere")).path == str(tmp_path / "page.md")
