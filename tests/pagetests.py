"""pytest plugin around pytest-codeblocks: `PYTHONPATH=tests python -m pytest -p pagetests --codeblocks PAGE`.

pytest-codeblocks collects the programs of a page and runs them; this module makes it mean what the binder means:

- the programs are those that our parser sees, line for line, or nothing runs;
- blocks run at the lines of their page, so that tracebacks name them, and with the blank lines of indented blocks;
- an exception stays what it was (pytest-codeblocks makes it a RuntimeError), so that xfail(raises=…) matches, and
  an xfail block that passes fails;
- deprecations are errors, the network is closed, figures are closed after each program, as in the kernel;
- the choices of a question are held against what its block has done, in the same program;
- the parts of exercises run as groups: the starter alone runs through, the starter and the wrong answer fail the
  check, the solution passes it.
"""

import ast
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from types import MethodType
from xml.etree import ElementTree

import psutil
import pytest
from pytest_codeblocks.plugin import TestBlock

from bookbinder import exercises, figures, kernel, predict, runner, sandbox
from bookbinder.chapter import Block, Chapter, parse


def read(page: Path) -> Chapter:
    """Chapter of a page that may lack front matter, such as README.md."""
    text = page.read_bytes().decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    return parse(text, str(page), front_matter=False)


def tree(code: str) -> str:
    """What a program is, whatever its blank lines: pytest-codeblocks drops those of indented blocks."""
    return ast.dump(ast.parse("\n".join(row for row in code.split("\n") if row.strip())))


def placed(program: list[Block], page: Path) -> str:
    """Code of a program with each block at the lines where the page has it, and below it the question it answers."""
    rows: list[str] = []
    for block in program:
        rows += [""] * (block.line - len(rows)) + block.code.rstrip("\n").split("\n")
        if block.predicts:
            rows.append(f"__import__('pagetests').answer({str(page)!r}, {block.line}, globals())")
    return "\n".join(rows) + "\n"


def answer(page: str, line: int, names: dict) -> None:
    """Raise what is wrong with the choices of the question that the block of that line answers."""
    asked = next(block.predicts for block in read(Path(page)).blocks if block.line == line)
    answers = sandbox.answers([choice.expression for choice in asked.choices], names)
    assert not (faults := predict.faults(asked, answers, page)), "\n".join(map(str, faults))


def seen(programs: list[list[Block]]) -> list[tuple[int, str]]:
    """(line, tree) of each program of our parser."""
    return [(program[0].line, tree("".join(block.code for block in program))) for program in programs]


def expected(chapter: Chapter) -> set[str]:
    """Names of the tests that a page must give: its programs, and each part of an exercise put to its check."""
    names = {f"line {program[0].line}" for program in chapter.programs() if not program[0].exercise}
    return names | {f"exercise {exercise.name} {role}" for exercise, role in exercises.runnable(chapter)}


def run(*pages: Path, timeout: float = runner.TIMEOUT, memory: int = kernel.MEMORY) -> dict[str, str]:
    """Outcome of each test of pages, run in one process of their own under the rules of the kernel.

    Args:
        pages: Markdown files.
        timeout: Seconds for all of them.
        memory: Bytes that the process and its children may hold together.

    Returns:
        "passed", "skipped", "xfailed" or what went wrong, by the test's name.

    Raises:
        RuntimeError: the process gave no account of its tests, with the reason and what it wrote last.
    """
    with tempfile.TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as folder:
        report, output = Path(folder, "report.xml"), Path(folder, "output.txt")
        Path(folder, "pytest.ini").write_text("[pytest]\n")
        plugins = ("pytest_codeblocks.plugin", "pagetests", "no:cacheprovider")
        command = [sys.executable, "-m", "pytest", "-q", "-c", f"{folder}/pytest.ini", "--codeblocks"]
        # An exception in a thread or a destructor ends nothing, and is a fault all the same.
        lost = ("PytestUnhandledThreadExceptionWarning", "PytestUnraisableExceptionWarning")
        command += [word for name in lost for word in ("-W", f"error::pytest.{name}")]
        command += [f"--junitxml={report}", *(word for name in plugins for word in ("-p", name))]
        environment = sandbox.environment(Path(folder)) | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        environment["PYTHONPATH"] += f"{os.pathsep}{Path(__file__).parent}"
        with output.open("w") as out:
            process = subprocess.Popen(
                [*command, *(str(page.resolve()) for page in pages)],
                cwd=folder, env=environment, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
            why = _watch(process, timeout, memory)
        if why or not report.is_file():
            raise RuntimeError(f"{why or 'ended without a summary'}: {output.read_text()[-2000:]}")
        cases = ElementTree.parse(report).iter("testcase")
        found = {case.get("name"): _outcome(case) for case in cases}
        if process.returncode not in (0, 1) or "" in found:
            raise RuntimeError(f"pytest ended with {process.returncode}: {output.read_text()[-2000:]}")
        return found


def _watch(process: subprocess.Popen, timeout: float, memory: int) -> str:
    """Wait for a process within its limits; why it was ended, if it was."""
    end, why = time.monotonic() + timeout, ""
    while not why:
        try:
            process.wait(0.1)
            break
        except subprocess.TimeoutExpired:
            why = f"ran longer than {timeout} s" if time.monotonic() > end else ""
        try:
            family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            why = why or ("held too much memory" if sum(p.memory_info().rss for p in family) > memory else "")
        except psutil.Error:  # it ended a moment ago
            continue
    kernel.kill(process.pid)  # also what it left behind
    process.wait()
    return why


def _outcome(case: ElementTree.Element) -> str:
    for child in case:
        if child.tag == "skipped":
            return "xfailed" if child.get("type") == "pytest.xfail" else "skipped"
        if child.tag in ("failure", "error"):
            return child.text or child.get("message")
    return "passed"


def _said(item: TestBlock, excinfo) -> str:
    """What a program raised, at the line of its page (pytest-codeblocks runs it under the name <string>)."""
    lines = [entry.lineno + 1 for entry in excinfo.traceback if str(entry.path) == "<string>"]
    return f"{item.path}:{lines[-1] if lines else item.obj.lineno}  {excinfo.typename}: {excinfo.value}"


def pytest_configure(config):
    sandbox.enter()


def pytest_collection_modifyitems(config, items):
    """Hold what was collected against the parser, and put exercise groups in the place of their parts."""
    for page in {item.path for item in items if isinstance(item, TestBlock)}:
        chapter = read(page)
        if chapter.faults:
            raise pytest.UsageError("\n".join(map(str, chapter.faults)))
        mine = [item for item in items if isinstance(item, TestBlock) and item.path == page]
        programs = chapter.programs()
        collected = [(item.obj.lineno, tree(item.obj.code)) for item in mine if item.obj.syntax == "python"]
        if len(collected) != len(mine) or collected != seen(programs):
            lines = sorted({item.obj.lineno for item in mine} ^ {program[0].line for program in programs})
            raise pytest.UsageError(f"{page}: pytest-codeblocks and the parser disagree; lines {lines}")
        for item, program in zip(mine, programs, strict=True):
            item.obj.code = placed(program, page)
            item.repr_failure = MethodType(_said, item)
            for mark in item.iter_markers("xfail"):
                mark.kwargs.setdefault("strict", True)
        groups = [
            Attempt.from_parent(mine[0].parent, name=f"exercise {exercise.name} {role}", of=(exercise, role))
            for exercise, role in exercises.runnable(chapter)
        ]
        parts = {item for item, program in zip(mine, programs, strict=True) if program[0].exercise}
        items[:] = [item for item in items if item not in parts] + groups


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Run a program under the rules of the kernel, and let its own exception out."""
    if not isinstance(item, TestBlock):
        return (yield)
    with warnings.catch_warnings():
        sandbox.strict_warnings()
        try:
            return (yield)
        except RuntimeError as error:
            raise error.__context__ or error from None
        finally:
            figures.show()


class Attempt(pytest.Item):
    """One part of an exercise put to its check."""

    def __init__(self, *, of, **kwargs):
        super().__init__(**kwargs)
        self.exercise, self.role = of

    def runtest(self):
        """Fail with the fault that the binder would name."""
        program = self.exercise.program(self.role)
        with warnings.catch_warnings():
            sandbox.strict_warnings()
            pieces = [(block.code, str(self.path), block.line + 1) for block in program]
            said = sandbox.run_program(pieces, self.exercise.blanks())
        figures.show()
        if fault := exercises.verdict(self.exercise, self.role, str(self.path), *said):
            pytest.fail(str(fault), pytrace=False)

    def reportinfo(self):
        return self.path, self.exercise.parts[self.role].line - 1, self.name
