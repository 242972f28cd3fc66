"""Every page and README.md under pytest-codeblocks, one process a page, by the rules of the kernel."""

import asyncio
from pathlib import Path

import pytest

import pagetests
from bookbinder import chapter, runner
from bookbinder.code import faults as faults_of_code

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    page
    for page in (*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md")
    if "```" in page.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_page(page):
    """Every program passes in a fresh namespace; what is marked behaves as it is marked; nothing is left out."""
    read = pagetests.read(page)
    faults = [*read.faults, *faults_of_code(read)]
    assert not faults, "\n".join(map(str, faults))
    if not read.blocks:
        return
    outcomes = pagetests.run(page, timeout=read.meta.get("timeout", runner.TIMEOUT))
    bad = {name: said for name, said in outcomes.items() if said not in ("passed", "skipped", "xfailed")}
    assert not bad, "\n".join(bad.values())
    assert set(outcomes) == pagetests.expected(read)
    marks = {f"line {block.line}": block.mark.kind for block in read.blocks if block.mark}
    wrong = {name: said for name, said in outcomes.items() if (said != "passed") and name not in marks}
    wrong |= {name: "runs" for name, kind in marks.items() if kind == "skip" and outcomes[name] != "skipped"}
    assert not wrong


def write(folder: Path, *programs: tuple[str, str], name: str = "page.md") -> Path:
    """A page of programs, each a (directive, code)."""
    text = ["---\ntitle: T\ndescription: D.\n---\n# T\n"]
    for directive, code in programs:
        text.append(f"Prose.\n\n{directive}\n```python\n{code}\n```\n")
    file = folder / name
    file.write_text("\n".join(text), encoding="utf-8")
    return file


OLD = """import types

part = types.ModuleType("chainrule.old")
exec("import numpy as np\\ndef f():\\n    return np.row_stack([[1], [2]])", part.__dict__)
part.f()"""
DEPRECATED = [
    ("DeprecationWarning", "import numpy as np\nnp.row_stack([[1], [2]])"),
    ("UserWarning", "import numpy as np\nnp.dtype('f8', align=1)"),  # NumPy's VisibleDeprecationWarning
    ("DeprecationWarning", "import matplotlib.pyplot as plt\nplt.title('T')\nplt.boxplot([1, 2], vert=True)"),
    ("FutureWarning", "import torch\ntorch.cuda.amp.GradScaler(enabled=False)"),
    ("PendingDeprecationWarning", "import warnings\nwarnings.warn('old', PendingDeprecationWarning)"),
    ("DeprecationWarning", OLD),  # raised below a function of our package
]


def test_deprecations_of_every_library_are_errors(tmp_path):
    """The same page under pytest and in the kernel; without the rule its xfail blocks would pass and so fail."""
    marked = [(f"<!--pytest.mark.xfail(raises={kind})-->", code) for kind, code in DEPRECATED]
    page = write(tmp_path, *marked)
    assert list(pagetests.run(page).values()) == ["xfailed"] * len(DEPRECATED)
    result = asyncio.run(runner.run_chapter(chapter.load(page)))
    assert [str(failure) for failure in result.failures] == []
    assert [slot["state"] for slot in result.data["blocks"]] == ["raised"] * len(DEPRECATED)


def test_deprecation_without_a_mark_names_its_line(tmp_path):
    page = write(tmp_path, ("", DEPRECATED[0][1]))
    (said,) = pagetests.run(page).values()
    assert f"{page}:12  DeprecationWarning" in said
    (failure,) = asyncio.run(runner.run_chapter(chapter.load(page))).failures
    assert failure.line == 12 and "DeprecationWarning" in failure.message


def test_foreign_warnings_stay_warnings(tmp_path):
    code = "import warnings\nwarnings.warn_explicit('old', DeprecationWarning, 'x.py', 1, module='elsewhere')"
    assert pagetests.run(write(tmp_path, ("", code), ("", "import warnings\nwarnings.warn('user')"))) == {
        "line 10": "passed",
        "line 18": "passed",
    }


def test_marks_mean_what_they_say(tmp_path):
    page = write(
        tmp_path,
        ("<!--pytest.mark.xfail(raises=ZeroDivisionError)-->", "1 / 0"),
        ("<!--pytest.mark.xfail(raises=RuntimeError)-->", "raise RuntimeError('itself')"),
        ("<!--pytest.mark.xfail(raises=ValueError)-->", "1 / 0"),
        ("<!--pytest.mark.xfail(raises=ValueError)-->", "pass"),
        ('<!--pytest.mark.skip(reason="no")-->', "1 / 0"),
        ('<!--pytest.mark.skipif(sys.version_info > (3, 0), reason="old")-->', "1 / 0"),
        ('<!--pytest.mark.skipif(sys.version_info < (3, 0), reason="new")-->', "x = 1"),
    )
    outcomes = list(pagetests.run(page).values())
    assert outcomes[:2] == ["xfailed", "xfailed"]
    assert "ZeroDivisionError" in outcomes[2] and "XPASS(strict)" in outcomes[3]
    assert outcomes[4:] == ["skipped", "skipped", "passed"]


def test_a_page_harms_no_other(tmp_path):
    """A page that breaks NumPy, one that ends its process, one that hangs, one that eats memory, and a good one."""
    breaks = write(tmp_path, ("", "import numpy as np\nnp.exp = None"))
    ends = write(tmp_path, ("", "x = 1"), ("", "import os\nos._exit(0)"), name="ends.md")
    hangs = write(tmp_path, ("", "while True:\n    pass"), name="hangs.md")
    eats = write(tmp_path, ("", "held = b'1' * 400_000_000\nwhile True:\n    pass"), name="eats.md")
    good = write(tmp_path, ("", "import numpy as np\nassert np.exp(0) == 1"), name="good.md")
    assert pagetests.run(breaks) == {"line 10": "passed"}
    with pytest.raises(RuntimeError, match="ended without a summary"):
        pagetests.run(ends)
    with pytest.raises(RuntimeError, match="ran longer than 3 s"):
        pagetests.run(hangs, timeout=3)
    with pytest.raises(RuntimeError, match="too much memory"):
        pagetests.run(eats, memory=300_000_000)
    assert pagetests.run(good) == {"line 10": "passed"}


def test_network_secrets_and_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    page = write(
        tmp_path,
        (
            "<!--pytest.mark.xfail(raises=PermissionError)-->",
            "import socket\nsocket.create_connection(('192.0.2.1', 80), 1)",
        ),
        ("", "import os\nassert 'SECRET_TOKEN' not in os.environ"),
        (
            "",
            f"import os\nassert os.getcwd() != {str(Path.cwd())!r} and os.environ['OMP_NUM_THREADS'] == '1'",
        ),
    )
    assert list(pagetests.run(page).values()) == ["xfailed", "passed", "passed"]


EXERCISE = """!!! exercise "1"
    Do.

    <!-- exercise: a starter -->
    ```python
    {starter}
    ```

    <!-- exercise: a check -->
    ```python
    assert x == 2
    ```

    ??? success "Solution"
        <!-- exercise: a solution -->
        ```python
        {solution}
        ```

    <!-- exercise: a wrong
    {wrong}
    -->
"""


@pytest.mark.parametrize(
    ("change", "role", "said"),
    [
        ({}, "", ""),
        ({"solution": "x = 3"}, "solution", "the solution of exercise a fails its check"),
        ({"starter": "x = 2"}, "starter", "the starter of exercise a passes its check"),
        ({"starter": "x = 1 / 0"}, "starter", "the starter of exercise a raises by itself"),
        ({"wrong": "x = 2"}, "wrong", "the wrong of exercise a passes its check"),
    ],
)
def test_exercises_run_as_groups(tmp_path, change, role, said):
    parts = {"starter": "x = ...", "solution": "x = 2", "wrong": "x = 1"} | change
    page = write(tmp_path)
    page.write_text(page.read_text() + EXERCISE.format(**parts))
    outcomes = pagetests.run(page)
    assert set(outcomes) == {"exercise a starter", "exercise a solution", "exercise a wrong"}
    assert all((outcome == "passed") == (name.split()[2] != role) for name, outcome in outcomes.items())
    assert not role or said in outcomes[f"exercise a {role}"]


def test_programs_that_the_parser_does_not_see_stop_the_page(tmp_path):
    """pytest-codeblocks runs the fence of a comment; the parser calls it a fault, and nothing runs."""
    page = write(tmp_path, ("", "x = 1"))
    page.write_text(page.read_text() + "\n<!-- hidden\n```python\ny = 1\n```\n-->\n")
    with pytest.raises(RuntimeError, match="a fence or directive in a comment"):
        pagetests.run(page)
    page.write_text(
        page.read_text().replace("<!-- hidden\n", "").replace("-->\n", "").replace("```python\ny", "```sh\ny")
    )
    with pytest.raises(RuntimeError, match="would be run by the tests"):
        pagetests.run(page)


def test_blocks_of_a_program_stand_at_their_lines(tmp_path):
    page = write(tmp_path, ("", "x = 1"), ("<!--pytest-codeblocks:cont-->", "\ny = x / 0"))
    (said,) = pagetests.run(page).values()
    assert f"{page}:19  ZeroDivisionError" in said
