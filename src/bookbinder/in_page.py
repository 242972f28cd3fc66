"""Runs the blocks and the exercises of a page inside the browser; docs/assets/js/python.mjs calls it.

It is the same work as in the build: `sandbox.run_program` puts an answer to its check, `figures.draw` draws.
"""

import ast
import builtins
import json
import linecache
import os
import sys
import tomllib
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bookbinder import figures, sandbox

_HERE = Path(__file__).parent
_MISSING = tomllib.loads((_HERE / "runtime.toml").read_text(encoding="utf-8"))["missing"]
_BUILTINS = dict(vars(builtins))
_ABSENT = " (it does not run in a browser: open the page in Colab, or do without it)"
_now: dict = {"page": "", "done": [], "space": {}}  # the program of which blocks have been run, and its names


def enter() -> None:
    """Set up what every program finds: environment, the look of figures, plain warnings."""
    os.environ.update(tomllib.loads((_HERE / "environment.toml").read_text(encoding="utf-8")))
    os.environ.update(MPLBACKEND="agg", MATPLOTLIBRC=str(_HERE / "matplotlibrc"))
    warnings.formatwarning = lambda message, category, *rest: f"{category.__name__}: {message}\n"


def run(page: str, pieces: list[tuple[int, str, bool]], tell: Callable[[int, int], object]) -> str:
    """What the last of some blocks puts out besides text, as JSON: `result`, `error`, `figures`.

    Blocks that were run before and have not changed are not run again; where one would have to run before others that
    have run, and where the last one has, all begin anew: so the numbers are those of the page.

    Args:
        page: Address of the page.
        pieces: The blocks of a program, each its number, its code, and whether it is run; of one that is not needed, or
            that needs what does not run in a browser, only the imports are carried out.
        tell: Called before each block that is run, with its number and how many follow it.
    """
    wanted = [(number, code) for number, code, whole in pieces if whole]
    if _now["page"] != page or not _goes_on(wanted):
        _now.update(page=page, done=[], space={"__name__": "__main__"})
    for _, code, whole in pieces:
        if not whole:
            exec(compile(_imports(code), "<imports>", "exec"), _now["space"])
    left = [piece for piece in wanted if piece not in _now["done"]]
    for at, piece in enumerate(left, 1):
        tell(piece[0], len(left) - at)
        said = _run_block(*piece, _now["space"], last=at == len(left))
        if said["error"]:
            _now.update(page="")  # what comes next begins anew
            break
        _now["done"].append(piece)
    return json.dumps(said)


def _goes_on(wanted: list[tuple[int, str]]) -> bool:
    """Whether blocks can be run after those that have been."""
    ran = [number for number, _ in _now["done"]]
    left = [number for number, code in wanted if (number, code) not in _now["done"]]
    return wanted[-1] not in _now["done"] and all(number > max(ran, default=-1) for number in left)


def check(
    page: str,
    above: list[tuple[int, str, bool]],
    pieces: list[str],
    names: list[str],
    tell: Callable[[int, int], object],
) -> str:
    """Verdict on an answer, as JSON: `verdict` is right, not yet, not right or error; `said` tells more.

    Of an error above the exercise there is a `trace`, too.

    Args:
        page: Address of the page.
        above: Blocks of a lab that come before the exercise; none on other pages.
        pieces: Code of the set-up ("" if there is none), of the answer and of the check.
        names: What the answer must fill.
        tell: As for `run`.
    """
    if above:
        said = json.loads(run(page, above, tell))
        if said["error"]:
            above_it = f"above this exercise: {said['error']}"
            return json.dumps({"verdict": "error", "said": above_it, "trace": said["trace"]})
    tell(-1, 0)
    files = "<set-up>", "<your answer>", "<check>"
    given = [(code, file, 1) for code, file in zip(pieces, files, strict=True) if code]
    with _undone():
        error, at = sandbox.run_program(given, names, _now["space"] if above else None)
    kind, _, said = error.partition(": ")
    where = given[at][1] if error else ""
    if not error:
        verdict = {"verdict": "right", "said": ""}
    elif kind == "NotYet":
        verdict = {"verdict": "not yet", "said": said}
    elif kind == "AssertionError" and where == "<check>":
        verdict = {"verdict": "not right", "said": said.rpartition(" (line ")[0] or said}
    else:
        said = error.replace("(line ", f"({where[1:-1]}, line ")
        verdict = {"verdict": "error", "said": said + _ABSENT * (kind == "ModuleNotFoundError")}
    return json.dumps(verdict)


def _run_block(number: int, code: str, space: dict, last: bool) -> dict:
    """What one block puts out; figures are drawn for the last block only."""
    file, said = f"<block {number + 1}>", {"result": None, "error": "", "trace": "", "figures": []}
    linecache.cache[file] = len(code), None, code.splitlines(keepends=True), file
    with _undone():
        try:
            tree = ast.parse(code, file)
            tree.body = [part for row in tree.body for part in _tried(row)]
            tail = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, file, "exec"), space)
            value = eval(compile(ast.Expression(tail.value), file, "eval"), space) if tail else None
            said["result"] = None if value is None else repr(value)
            said["figures"] = _drawn() if last else []
        except BaseException as error:
            said["error"] = f"{type(error).__name__}: {error}".rstrip(": ")
            said["trace"] = _trace(error)
    return said


def _imports(code: str) -> ast.Module:
    """The imports of a block, of names that are not there yet."""
    rows = [row for row in ast.parse(code).body if isinstance(row, ast.Import | ast.ImportFrom)]
    parts = [part for row in rows for part in _tried(row, always=True)]
    return ast.Module(parts, [])


def _tried(row: ast.stmt, always: bool = False) -> list[ast.stmt]:
    """A statement as it is run: an import of what does not run in a browser is tried, for its block may not use it.

    With `always` every import is, and of names that are not there yet alone.
    """
    if not isinstance(row, ast.Import | ast.ImportFrom):
        return [row]
    parts = []
    for alias in row.names:
        one = type(row)(**{**{key: getattr(row, key, None) for key in row._fields}, "names": [alias]})
        name = (alias.asname or alias.name).partition(".")[0]
        module = (
            f"{getattr(row, 'module', '')}.{alias.name}".lstrip(".")
            .removeprefix("chainrule.")
            .partition(".")[0]
        )
        if always or module in _MISSING:
            wrapped = ast.parse(
                f"if {name!r} not in globals():\n    try:\n        1\n    except ImportError:\n        pass"
            )
            wrapped.body[0].body[0].body = [one]
            one = wrapped.body[0]
        parts.append(ast.fix_missing_locations(ast.copy_location(one, row)))
    return parts


def _trace(error: BaseException) -> str:
    """Where an error arose, from the block on: the frames of this file and of Python's parser say nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    own = next((n for n, frame in enumerate(frames) if frame.filename.startswith("<")), len(frames))
    rows = [*traceback.format_list(frames[own:]), *traceback.format_exception_only(error)]
    return "".join(rows).rstrip()


@contextmanager
def _undone() -> Iterator[None]:
    """Give back afterwards what a program may take away: builtins, the streams, and the canvas."""
    kept = sys.stdout, sys.stderr, sys.displayhook
    try:
        yield
    finally:
        vars(builtins).update(_BUILTINS)
        sys.stdout, sys.stderr, sys.displayhook = kept
        sys.stdout.flush()
        if pyplot := sys.modules.get("matplotlib.pyplot"):
            pyplot.close("all")


def _drawn() -> list[dict]:
    """Every open figure in both inks."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    with warnings.catch_warnings(action="ignore"):
        return [figures.draw(pyplot.figure(number)) for number in pyplot.get_fignums()] if pyplot else []
