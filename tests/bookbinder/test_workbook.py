"""What exercises need where a reader works: every blank is told by name, and each exercise has names of its own."""

import linecache
import textwrap
from types import SimpleNamespace

import numpy as np
import pytest

from bookbinder import workbook

COUNT = iter(range(1_000_000))


def left(code: str, *names: str, **space) -> str:
    """What is said of names after a cell has run; "" where all are filled."""
    file, code = f"<cell {next(COUNT)}>", textwrap.dedent(code)
    linecache.cache[file] = len(code), None, code.splitlines(keepends=True), file
    exec(compile(code, file, "exec"), space)
    try:
        workbook.require_filled(names, space)
    except workbook.NotYet as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("a = ...", "fill `a`"),
        ("a = 1, ...", "fill `a`"),
        ("a = [1, [2, {'k': ...}]]", "fill `a`"),
        ("a = {...}", "fill `a`"),
        ("a = np.array([[1, ...]])", "fill `a`"),
        ("a = 1", ""),
        ("a = None", ""),
        ("a = np.zeros((2, 3))[..., 0]", ""),
        ("a = [a]; a = []; a.append(a)", ""),
    ],
)
def test_a_value_is_blank_where_it_is_or_holds_dots(code, said):
    assert left(code, "a", np=np, a=0) == said


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f(x): ...", "fill the body of `f`"),
        ("def f(x): pass", "fill the body of `f`"),
        ('def f(x):\n    """What it is."""', "fill the body of `f`"),
        ('def f(x):\n    """What it is."""\n    ...  # your turn', "fill the body of `f`"),
        ("async def f(x): ...", "fill the body of `f`"),
        ("def f(x):\n    return ...", "fill the ... in `f`"),
        ("def f(x):\n    return x, [...]", "fill the ... in `f`"),
        ("def f(x):\n    y = ...\n    return y + g(...)", "fill the ... in `f`"),
        ("def f(x):\n    for k in x:\n        ...\n    return x", "fill the ... in `f`"),
        ("def f(x):\n    yield ...", "fill the ... in `f`"),
        ("def f(x, h=...):\n    return x", "fill the ... in `f`"),
        ("def f(x):\n    def g(y): ...\n    return g", "fill the body of `f.g`"),
        ("f = lambda x: ...", "fill the ... in `f`"),
        ("f = lambda x: x[..., 0]", ""),
        ("def f(x):\n    return x[..., None] + x[0, ...]", ""),
        ("def f(x: tuple[int, ...]) -> int:\n    return None", ""),
        ("def f(x):\n    def nothing(): pass\n    return nothing", ""),
        ("@wraps\ndef f(x): ...", "fill the body of `f`"),
        ("class f: ...", "fill the body of `f`"),
        ("class f:\n    rate = ...", "fill `f`"),
        ("class f:\n    rate = 1", ""),
        ("class f:\n    def g(self): ...\n    def h(self):\n        return 1", "fill the body of `f.g`"),
        ("class f:\n    @property\n    def g(self): ...", "fill the body of `f.g`"),
        ("class f:\n    class g:\n        def h(self):\n            return ...", "fill the ... in `f.g.h`"),
        ("class f:\n    def g(self):\n        return 1", ""),
    ],
)
def test_a_function_is_blank_where_its_code_is(code, said):
    from functools import wraps

    assert left(code, "f", wraps=lambda f: wraps(f)(lambda x: f(x))) == said


def test_every_blank_is_named_and_what_is_missing_too():
    code = "a, b = ..., 1\ndef c(): ...\nclass d:\n    def e(self): return ...\n"
    assert left(code, "a", "b", "c", "d", "e") == (
        "fill `a`, the body of `c` and the ... in `d.e`; `e` is missing"
    )
    assert left("x = 1", "a", "b") == "`a` is missing; `b` is missing"
    assert left("def f(x):\n    y = ...\n    return ...", "f") == "fill the ... in `f`", "told once"


def test_a_function_without_a_source_counts_as_filled():
    space = {}
    exec("def f(): ...", space)
    workbook.require_filled(["f"], space)
    workbook.require_filled(["len", "float"], {"len": len, "float": float})


class Shell:
    """As much of IPython's shell as is used: cells run in one namespace, with hooks around."""

    def __init__(self):
        self.user_ns, self.user_ns_hidden, self.hooks = {"In": [], "_": 0}, {"In": 0}, {}
        self.events = SimpleNamespace(register=self.hooks.__setitem__)
        workbook.keep_apart(self)

    def run(self, code: str):
        self.hooks["pre_run_cell"](SimpleNamespace(raw_cell=code))
        try:
            exec(code, self.user_ns)
        except Exception as error:
            return error
        finally:
            self.hooks["post_run_cell"](None)

    def names(self) -> dict:
        return {name: value for name, value in self.user_ns.items() if name[0] not in "_I"}


def test_an_exercise_has_names_of_its_own():
    shell = Shell()
    shell.run("x, train = 1, 'the page'")
    shell.run("# exercise: a setup\nscale = 10")
    shell.run("# exercise: a starter\nx = 2 * scale\ntrain = 'the exercise'")
    assert shell.names() == {"x": 1, "train": "the page"}
    check = "# exercise: a check\nassert (x, train, scale) == (20, 'the exercise', 10)\nx = got = 5"
    for _ in range(2):
        assert shell.run(check) is None, "a check may be run twice: what it binds is gone"
    shell.run("#@title Solution\n# exercise: a solution\nx = 3 * scale")
    assert shell.run(check) is None, "the check is of the starter"
    assert isinstance(shell.run("# exercise: b starter\nx"), NameError), (
        "nothing of the page or of another one"
    )
    assert shell.names() == {"x": 1, "train": "the page"}
    shell.run("x = x + 1\n# exercise: a starter")
    assert shell.names()["x"] == 2


def test_a_cell_that_is_run_again_replaces_what_it_had_bound():
    shell = Shell()
    shell.run("# exercise: a starter\nx = y = ...")
    shell.run("# exercise: a starter\ny = 1")
    assert isinstance(shell.run("# exercise: a check\nx"), NameError)
    shell.run("# exercise: a setup\ny = 7\nz = 8")
    assert shell.run("# exercise: a check\nassert (y, z) == (1, 8)") is None
    shell.run("# exercise: a starter\ny = z + 1")
    shell.run("# exercise: a setup\nz = 9")
    assert shell.run("# exercise: a check\nassert (y, z) == (9, 9)") is None, (
        "the set-up's names are the set-up's"
    )
    assert isinstance(shell.run("# exercise: a starter\n1 / 0"), ZeroDivisionError)
    assert shell.run("# exercise: a mine\nassert z == 9") is None, "a cell of the reader's own"
    assert shell.names() == {}
