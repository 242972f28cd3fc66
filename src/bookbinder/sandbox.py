"""What a chapter's code may do: set up inside the process that runs it (kernel and tests alike).

Imported by the kernel, so it imports nothing heavy: torch and matplotlib are loaded by chapters that use them.
"""

import ast
import copy
import io
import linecache
import os
import re
import sys
import tomllib
import traceback
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from types import CodeType, FunctionType

from bookbinder import workbook

# What a program inherits from the shell; the rest, secrets among it, stays outside.
_KEPT = re.compile(r"PATH|LD_LIBRARY_PATH|DYLD_\w+|VIRTUAL_ENV|SYSTEMROOT|TMPDIR|(CUDA|NVIDIA|COVERAGE)\w*")
_LOCAL = ("127.", "::1", "localhost", "0.0.0.0")
_CALLS = {"socket.connect": 1, "socket.sendto": 1, "socket.getaddrinfo": 0}  # and which argument has the host
_HERE = Path(__file__).parent


def environment(folder: Path) -> dict[str, str]:
    """Environment variables of a program: the same on every machine, and without the caller's secrets.

    Args:
        folder: Folder of the run; HOME and IPython's files are put there.
    """
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    cache = Path(os.environ.get("BOOK_CACHE", ".cache")).resolve() / "matplotlib"
    places = {
        "HOME": str(folder),
        "IPYTHONDIR": str(folder / ".ipython"),
        "PYTHONPATH": str(_HERE.parent),  # the packages beside this binder, whatever else is installed
        "MATPLOTLIBRC": str(_HERE / "matplotlibrc"),
        "MPLCONFIGDIR": str(cache),  # shared: building the font list anew takes seconds
    }
    return kept | places | tomllib.loads((_HERE / "environment.toml").read_text(encoding="utf-8"))


def strict_warnings() -> None:
    """Make deprecations of the chapter's own code errors, whichever library they come from."""
    ours = r"__main__|<string>|chainrule(\..*)?$"
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.filterwarnings("error", category=category, module=ours)
    from numpy.exceptions import VisibleDeprecationWarning  # a UserWarning: no module filter would find it

    warnings.filterwarnings("error", category=VisibleDeprecationWarning)


def _refuse_network(event: str, args: tuple) -> None:
    if event not in _CALLS:
        return
    host = args[_CALLS[event]]
    if event != "socket.getaddrinfo":
        host = host[0] if isinstance(host, tuple) else "localhost"  # a path is a local socket
    host = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if not host.startswith(_LOCAL):
        what = f"a chapter may not use the network, and this one asks for {host}: ship the data"
        raise PermissionError(what)


def enter() -> None:
    """Close the network, make deprecations errors, and show warnings without this machine's paths."""
    sys.addaudithook(_refuse_network)
    strict_warnings()
    warnings.formatwarning = lambda message, category, *rest: f"{category.__name__}: {message}\n"


def enter_kernel() -> None:
    """`enter`, read blocks as plain Python, and publish the open figures after each block."""
    from IPython import get_ipython

    from bookbinder import figures

    enter()
    shell = get_ipython()
    shell.run_line_magic("xmode", "Plain")  # the usual one reads every frame's source: seconds, deep down
    shell.set_custom_exc((BaseException,), _show_error)
    warnings.filterwarnings("ignore", message="To exit: use")  # said of a SystemExit that a block announces
    _plain_python(shell)
    shell.events.register("post_execute", figures.show)


def _plain_python(shell) -> None:
    """Take from a shell what a script has not: magics, prompts, waiting, what was shown before, names of IPython's."""
    reader = shell.input_transformer_manager
    reader.cleanup_transforms, reader.line_transforms, reader.token_transformers = [], [], []
    shell.autoawait = False
    shell.displayhook.update_user_ns = lambda result: (
        None
    )  # no _ and Out, which would also keep every value alive
    for name in ("In", "Out", "get_ipython", "exit", "quit", "open", "_", "__", "___", "_ih", "_oh", "_dh"):
        shell.user_ns.pop(name, None)


def _show_error(shell, kind: type, error: BaseException, trace, tb_offset: int | None = None) -> None:
    """Show an exception as an error; for groups, IPython would write to stderr and say nothing."""
    shell._get_exc_info((kind, error, trace))  # sets sys.last_type, which tells what was raised
    lines = shell.InteractiveTB.structured_traceback(kind, error, trace, tb_offset=tb_offset)
    shell._showtraceback(kind, error, lines)


def condition(expression: str) -> bool:
    """Value of a skipif condition, seeing what pytest lets it see: `sys` and `pytest`."""
    import pytest

    try:
        return bool(eval(expression, {"sys": sys, "pytest": pytest}))
    except pytest.skip.Exception:
        return True


def answers(expressions: list[str], names: dict) -> list[bool | str]:
    """What each expression is, True or False, or the exception that it raises; it sees copies of the names it reads.

    Args:
        expressions: Python expressions.
        names: Names of a program after a block.
    """
    return [_answer(expression, names) for expression in expressions]


def _answer(expression: str, names: dict) -> bool | str:
    space, seen = dict(names), {}
    for node in ast.walk(ast.parse(expression, mode="eval")):
        if isinstance(node, ast.Name) and node.id in names:
            with suppress(Exception):  # what cannot be copied is read as it is
                space[node.id] = copy.deepcopy(names[node.id], seen)
    quiet = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(quiet), redirect_stderr(quiet):
            warnings.simplefilter("ignore")
            value = eval(expression, space)
            if not (isinstance(value, bool) or "bool" in str(getattr(value, "dtype", ""))):
                raise TypeError(f"{value!r:.60} is neither True nor False")
            return bool(value)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]


def run_program(
    pieces: list[tuple[str, str, int]], names: Sequence[str] = (), above: dict | None = None
) -> tuple[str, int]:
    """What a program raised, as text ("" where it passed), and the number of the block that was run last.

    Args:
        pieces: Its blocks in order as (code, file, line of the block's first code line).
        names: What must be filled before the last block is run.
        above: Names of a lab at the place where the program stands; what it does to them leaves no trace there.
    """
    space, at = {"__name__": "__main__"} if above is None else _apart(above, pieces), -1
    _remember(pieces)
    try:
        for code, file, line in pieces:
            at += 1
            if at == len(pieces) - 1:
                workbook.require_filled(names, space)
            exec(compile("\n" * (line - 1) + code, file, "exec"), space)
    except BaseException as error:  # sys.exit is a failure of the program, not of the run
        if isinstance(error, KeyboardInterrupt):
            raise
        files = {file for _, file, _ in pieces}
        trace = traceback.extract_tb(error.__traceback__)
        lines = [frame.lineno for frame in trace if frame.filename in files]
        where = f" (line {lines[-1]})" if lines else ""
        return f"{type(error).__name__}: {error}"[:2000] + where * (type(error) is not workbook.NotYet), at
    return "", at


def _apart(names: dict, pieces: list[tuple[str, str, int]]) -> dict:
    """A copy of the names of a lab for a program of its own.

    Its functions see the names that the program binds, as they do where a reader fills the blank. Values that the
    program or one of these functions reads are copied; what cannot be copied is shared, and so are modules and classes.
    """
    space, seen = {"__name__": "__main__"}, {}
    own = {key: v for key, v in names.items() if not key.startswith("_")}
    functions = {key: v for key, v in own.items() if isinstance(v, FunctionType) and v.__globals__ is names}
    read = {
        node.id for code, *_ in pieces for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)
    }
    read |= {name for function in functions.values() for name in _names_in(function.__code__)}
    for key, value in own.items():
        space[key] = value
        if key in functions:
            space[key] = FunctionType(
                value.__code__, space, value.__name__, value.__defaults__, value.__closure__
            )
            space[key].__kwdefaults__ = value.__kwdefaults__
        elif (
            key in read and type(value).__module__.partition(".")[0] != "matplotlib"
        ):  # a copy would be drawn
            with suppress(Exception):
                space[key] = copy.deepcopy(value, seen)
    return space


def _names_in(code: CodeType) -> set[str]:
    """Names that a function, or one inside of it, may read from its module."""
    inside = [part for part in code.co_consts if isinstance(part, CodeType)]
    return {*code.co_names}.union(*map(_names_in, inside))


def _remember(pieces: list[tuple[str, str, int]]) -> None:
    """Let Python find the source of a program's functions, at the lines where its page has them."""
    files: dict[str, list[str]] = {}
    for code, file, line in pieces:
        rows = files.setdefault(file, [])
        rows += ["\n"] * (line - 1 - len(rows)) + code.splitlines(keepends=True)
    for file, rows in files.items():
        linecache.cache[file] = len(rows), None, rows, file
