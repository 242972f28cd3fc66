"""Each assert of a page can fail: negated, in turn, it ends the run at its line; a wrong sign in a solution is told.

The style page goes through the binder, each mutant as a page of its own. A whole chapter, which has too many asserts
for that, is played once in one process, which forks before each block for every mutant of it.
"""

import ast
import json
import os
import subprocess
import sys
from functools import partial
from itertools import accumulate
from pathlib import Path

import pytest

from bookbinder import exercises, runner, sandbox
from bookbinder.chapter import load

pytestmark = pytest.mark.deep
ROOT = Path(__file__).parents[2]
STYLE = ROOT / "docs/contribute/style.md"
CHAPTERS = [ROOT / f"docs/{page}.md" for page in ("learning/derivatives-and-descent", "networks/four-ways")]


def mutants(code: str, of: type, change) -> list[tuple[range, str]]:
    """For each part of code that a change applies to: the lines of its statement, and the code with it changed."""
    raw, found = code.encode(), []
    starts = [0, *accumulate(len(row) for row in raw.splitlines(keepends=True))]
    for node in (node for node in ast.walk(ast.parse(code)) if isinstance(node, of)):
        for part in change(node):
            first, last = (
                starts[part.lineno - 1] + part.col_offset,
                starts[part.end_lineno - 1] + part.end_col_offset,
            )
            new = {ast.Assert: b"not (%s)"}.get(of, b"-(%s)") % raw[first:last]
            lines = range(node.lineno, node.end_lineno + 1)
            found.append((lines, (raw[:first] + new + raw[last:]).decode()))
    return found


def negated(code: str) -> list[tuple[range, str]]:
    """Each assert with what it says negated, each part of an `and` by itself."""
    return mutants(code, ast.Assert, lambda node: getattr(node.test, "values", [node.test]))


def flipped(code: str) -> list[tuple[range, str]]:
    """Each sum and difference with the sign of its right side turned round."""
    signed = lambda node: [node.right] if isinstance(node.op, ast.Add | ast.Sub) else []
    return mutants(code, ast.BinOp, signed)


def test_what_is_changed():
    code = "x = 1 + y\nassert 'é' and (x <\n  2), f'{x - 1}'\n"
    assert negated(code) == [
        (range(2, 4), code.replace("'é'", "not ('é')")),
        (range(2, 4), code.replace("x <\n  2", "not (x <\n  2)")),
    ]
    assert flipped(code)[0] == (range(1, 2), code.replace("1 + y", "1 + -(y)"))


def test_a_negated_assert_ends_the_run_of_its_page_at_its_line(own_cache, tmp_path):
    wanted = {}
    for block in (block for block in load(STYLE).blocks if "assert" in block.code and not block.exercise):
        for lines, code in negated(block.code):
            rows = load(STYLE).text.split("\n")
            rows[block.line : block.end - 1] = [block.indent + row for row in code.split("\n")[:-1]]
            page = tmp_path / f"m{len(wanted)}.md"
            page.write_text("\n".join(rows), encoding="utf-8")
            wanted[page] = [block.line + line for line in lines]
    results = runner.run([load(page) for page in wanted], quiet=True)
    said = [[(Path(f.file).name, f.line) for f in result.failures] for result in results]
    assert len(wanted) >= 3
    assert said == [[(page.name, lines[0])] for page, lines in wanted.items()]


def test_no_mutant_of_a_chapter_survives(tmp_path):
    total = 0
    for chapter in CHAPTERS:
        command = [sys.executable, "-W", "ignore", __file__, chapter]
        done = subprocess.run(
            command, cwd=tmp_path, env=sandbox.environment(tmp_path) | {"MPLBACKEND": "agg"},
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        count, survivors = json.loads(done.stdout.splitlines()[-1])
        print(f"{count} mutants of {chapter.name}")
        assert survivors == []
        total += count
    assert total >= 60


def forked(act) -> str:
    """What an act returns that leaves no trace in this process."""
    out, into = os.pipe()
    if not (child := os.fork()):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.write(into, act().encode()[:4000])
        os._exit(0)
    os.close(into)
    with open(out, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def play(code: str, space: dict) -> str:
    """What a block raised, told as the binder tells it of an exercise."""
    try:
        exec(compile(code, "page", "exec"), space)
    except Exception as error:
        trace, at = error.__traceback__, 0
        while trace:
            at = trace.tb_lineno if trace.tb_frame.f_code.co_filename == "page" else at
            trace = trace.tb_next
        return f"{type(error).__name__}: {error} (line {at})"
    return ""


def verdict(pieces: list[tuple[str, str, int]], exercise: exercises.Exercise) -> str:
    """The fault that the binder names where a solution of these pieces fails; "" if it passes."""
    return str(exercises.verdict(exercise, "solution", "page", *sandbox.run_program(pieces)) or "")


def main(page: str) -> None:
    """Print how many mutants of a page there are, and those that nothing told."""
    chapter, survivors, count = load(Path(page)), [], 0

    def judge(block, change, act, at_its_line=True) -> None:
        nonlocal count
        for lines, code in change(block.code):
            said, count = forked(partial(act, code)), count + 1
            if not said or at_its_line and not any(f"(line {block.line + line})" in said for line in lines):
                survivors.append(f"{page}:{block.line + lines[0]}  {said}")

    for program in chapter.programs():
        space = {"__name__": "__main__"}
        for block in program if not (program[0].exercise or program[0].mark) else ():
            placed = "\n" * block.line
            judge(block, negated, lambda code, before=placed, space=space: play(before + code, space))
            assert not play(placed + block.code, space), block.line
    for exercise in (exercise for exercise in exercises.groups(chapter) if "check" in exercise.parts):

        def put(role, code, exercise=exercise) -> str:
            codes = {part: block.code for part, block in exercise.parts.items()} | {role: code}
            pieces = [(codes[b.exercise[1]], "page", b.line + 1) for b in exercise.program("solution")]
            return verdict(pieces, exercise)

        judge(exercise.parts["check"], negated, partial(put, "check"))
        judge(exercise.parts["solution"], flipped, partial(put, "solution"), at_its_line=False)
    print(json.dumps([count, survivors]))


if __name__ == "__main__":
    main(sys.argv[1])
