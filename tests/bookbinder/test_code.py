"""What a block's code says before it runs: no plain Python, names of a notebook, results that change with every run."""

import ast

import pytest

from bookbinder import chapter, code
from bookbinder.page import FAULTS

HEAD = "---\ntitle: T\ndescription: D.\n---\n# T\n\n"  # a block's first line is line 8
CONT, SKIP = "<!--pytest-codeblocks:cont-->\n", '<!--pytest.mark.skip(reason="slow")-->\n'
ONLY = "is there in a notebook only, and a block must also run as a script"
SEED = "results that change with every run: "


def block(source: str, above: str = "") -> str:
    return f"{above}```python\n{source}\n```\n\n"


def faults(body: str) -> list[tuple[int, str]]:
    page = chapter.parse(HEAD + body, "docs/start/page.md")
    return [(fault.line, fault.message) for fault in [*page.faults, *code.faults(page)]]


# Line of the block, what is said, and what is advised.
NO_PYTHON = {
    "%time x": (1, "invalid syntax", "magics"),
    "%%timeit\n1 + 1": (1, "invalid syntax", "magics"),
    "x = %time": (1, "invalid syntax", "magics"),
    "1\n!ls": (2, "invalid syntax", "```console"),
    "x = !ls": (1, "invalid syntax", "```console"),
    "?len": (1, "invalid syntax", "help by ?"),
    "x = 1\nx??": (2, "invalid syntax", "help by ?"),
    ">>> 1 + 1\n2": (1, "invalid syntax", "leave prompts"),
    "x = 1\n... 2": (2, "invalid syntax", "leave prompts"),
    "In [1]: x y": (1, "invalid syntax", "leave prompts"),
    "/print 1": (1, "invalid syntax", "calls without parentheses"),
    ",print a": (1, "invalid syntax", "calls without parentheses"),
    "import asyncio\nawait asyncio.sleep(0)": (2, "'await' outside function", "only a notebook waits"),
    "async for x in []:\n    pass": (1, "'async for' outside async function", "only a notebook waits"),
    "async with x:\n    pass": (1, "'async with' outside async function", "only a notebook waits"),
    "return 1": (1, "'return' outside function", "fix the block"),
    "type X = int": (1, "", "fix the block"),
    "def f[T](x: T): pass": (1, "", "fix the block"),
    "try:\n    pass\nexcept A, B:\n    pass": (3, "", "fix the block"),
    "x = “a”": (1, "invalid character '“'", "straight quotation marks"),
    "x\N{ZERO WIDTH SPACE} = 1": (1, "invalid non-printable character U+200B", "fix"),
    "print('\\d')": (1, "invalid escape sequence", "two backslashes"),
    "assert (1, 'x')": (1, "assertion is always true", "fix"),
    "f(1\n": (1, "'(' was never closed", "fix"),
    "  x = 1": (1, "unexpected indent", "fix"),
}


@pytest.mark.parametrize("source", NO_PYTHON)
def test_a_block_is_plain_python(source):
    line, said, advice = NO_PYTHON[source]
    for above in ("", SKIP, "<!--pytest.mark.xfail(raises=SyntaxError)-->\n"):
        page = chapter.parse(HEAD + block(source, above))
        (fault,) = code.faults(page)
        assert (fault.line, fault.message.startswith("this is no Python that 3.11 reads: ")) == (
            7 + line + bool(above),
            True,
        )
        assert said in fault.message and advice in fault.advice


def test_what_is_no_python_in_a_wrong_answer_is_told_at_its_line():
    ((line, said),) = faults("<!-- exercise: a wrong\nx = 1\ny = = 2\n-->\n")
    assert line == 9 and "no Python" in said


OTHER = {
    "if 1:\n\tpass": (9, "a tab in a block: the page would show spaces"),
    "from __future__ import annotations": (8, FAULTS["code"]["future"][0]),
    "if __name__ == '__main__':\n    pass": (8, 'a block never runs under __name__ == "__main__" in the tests'),
    "exit": (8, "exit ends the process, which no block may"),
    "x = 1\nquit()": (9, "quit ends the process, which no block may"),
    "import IPython.display as d": (8, f"IPython.display {ONLY}"),
    "from ipywidgets import interact": (8, f"ipywidgets {ONLY}"),
}  # fmt: skip
OTHER |= {
    use: (8, f"{name} {ONLY}")
    for use, name in {
        "display(1)": "display", "get_ipython()": "get_ipython", "print(_)": "_", "print(_1)": "_1", "Out[1]": "Out",
        "print(_i)": "_i", "def f():\n    pass; In": "In",
    }.items()
}  # fmt: skip
OTHER["def f():\n    pass; In"] = (9, OTHER["def f():\n    pass; In"][1])


@pytest.mark.parametrize("source", OTHER)
def test_what_a_script_has_not_is_a_fault(source):
    assert faults(block(source)) == [OTHER[source]]


UNSEEDED = {
    "random.random": ["import random\nrandom.random()", "from random import random as r\nr()"],
    "random.shuffle": ["import random as r\nr.shuffle([1])"],
    "random.Random": ["import random\nrandom.Random()"],
    "random.seed": ["import random\nrandom.seed()"],
    "numpy.random.normal": [
        "import numpy as np\nnp.random.normal()",
        "from numpy import random\nrandom.normal(size=3)",
        "import numpy as np; np.random.default_rng(0)\nnp.random.normal()",
    ],
    "numpy.random.default_rng": [
        "import numpy as np\nnp.random.default_rng().normal()",
        "import numpy as np\nnp.random.default_rng(seed=None)",
        "from numpy.random import default_rng\ndefault_rng(None)",
    ],
    "numpy.random.PCG64": ["import numpy as np\nnp.random.Generator(np.random.PCG64())"],
    "torch.rand": ["import torch\ntorch.rand(2)", "import torch\ntorch.rand(2, generator=None)"],
    "normal_": ["import torch\ntorch.empty(2).normal_()"],
    "torch.nn.Linear": ["from torch import nn\nprint(nn.Linear(2, 3))"],
    "torch.nn.functional.dropout": ["import torch, torch.nn.functional as F\nF.dropout(torch.ones(2))"],
    "chainrule.nn.Linear": ["from chainrule import nn\nnn.Linear(2, 3)"],
    "sklearn.model_selection.train_test_split": [
        "from sklearn.model_selection import train_test_split as s\ns([1])"
    ],
    "sklearn.datasets.make_moons": ["from sklearn import datasets\ndatasets.make_moons(9)"],
    "scipy.stats.norm.rvs": ["from scipy import stats\nstats.norm.rvs(3)"],
}
CHANGING = [
    *(
        (f"{name} draws from a generator without a seed", s)
        for name, sources in UNSEEDED.items()
        for s in sources
    ),
    ("time.time tells the time", "import time\ntime.time()"),
    ("time.perf_counter tells the time", "from time import perf_counter as now\nnow()"),
    ("datetime.datetime.now tells the time", "import datetime as dt\ndt.datetime.now()"),
    ("datetime.date.today tells the time", "from datetime import date\ndate.today()"),
    ("timeit.timeit tells the time", "import timeit\ntimeit.timeit('1')"),
    ("uuid.uuid4 is another one each time", "import uuid\nuuid.uuid4()"),
    ("os.getpid is another one each time", "import os\nos.getpid()"),
    ("os.urandom is another one each time", "import os\nos.urandom(3)"),
    ("secrets.token_hex is another one each time", "import secrets\nsecrets.token_hex()"),
    ("id() is where the object lies in memory", "x = []\nprint(id(x))"),
    ("id() is where the object lies in memory", "x = []\nf'{id(x)}'"),
]


@pytest.mark.parametrize(("said", "source"), CHANGING)
def test_results_that_change_with_every_run_are_told(said, source):
    assert faults(block(source)) == [(9, SEED + said)]
    assert [line for line, _ in faults(block(source, SKIP))] == []


def test_a_seed_holds_for_its_own_program_and_from_its_line_on():
    draw = "print(np.random.rand())"
    start, late = "import numpy as np\nnp.random.seed(0)\n", "import numpy as np\n"
    assert faults(block(start + draw)) == []
    assert faults(block(start) + CONT + block(draw)) == []
    assert faults(block(f"{late}def f():\n    {draw}\nnp.random.seed(0)\nf()")) == []
    assert [line for line, _ in faults(block(f"{late}{draw}\nnp.random.seed(0)"))] == [9]
    assert [line for line, _ in faults(block(start) + "Text.\n\n" + block(late + draw))] == [17]


GOOD = [
    "_ = 1\nfor _ in range(2):\n    print(_)",
    "x = '''\n%time\n!ls\n>>> a\n'''",
    "try:\n    raise ValueError\nexcept* ValueError:\n    pass",
    "def exit():\n    pass\nexit()",
    "from math import *\nprint(pi)",
    "class A:\n    x = 1\n    def f(self):\n        return __class__, self.x\n[i for i in 'a'], (lambda a: a)(A)",
    "match [1]:\n    case [a, *b]:\n        print(a, b)\nif n := 2:\n    print(n)",
    "import random\nrandom.Random(0).random()",
    "import random\nrandom.seed(0)\nrandom.random()",
    "import numpy as np\nnp.random.default_rng(0).normal()",
    "import torch\ntorch.manual_seed(0)\ntorch.rand(2)",
    "import torch\ntorch.rand(2, generator=torch.Generator().manual_seed(0))",
    "from torch import nn\nlayer = nn.Linear(2, 3)\nnn.init.zeros_(layer.weight)",
    "import numpy as np\nfrom chainrule.nn import Linear\nLinear(2, 3, generator=np.random.default_rng(0))",
    "from sklearn.datasets import make_moons, load_iris\nload_iris(), make_moons(9, random_state=0)",
    "import time\ntime.sleep(0)",
    "import datetime\ndatetime.date(2020, 1, 1)",
    "x = []\nassert id(x) in {id(x)}",
    "def time():\n    return 1\ntime()",
    "x = " + " + ".join(["1"] * 900),
    "_ = compile('1 + 1', 'page', 'exec')",
]


@pytest.mark.parametrize("source", GOOD)
def test_no_false_alarm(source):
    assert faults(block(source)) == []


def test_a_name_of_another_program_is_told():
    """The kernel knows it; the tests, and a reader who copies the program, do not."""
    first, then = block("import numpy as np\nx = 1") + "Text.\n\n", "def f():\n    return np.pi\nprint(f())"
    said = "np is not defined in this program, which begins on line 14"
    assert faults(first + block(then)) == [(16, said)]
    assert faults(first + CONT + block(then)) == []
    assert faults(first + block("print(np.pi)", "<!--pytest.mark.xfail(raises=NameError)-->\n")) == []
    assert faults(first + block(then, SKIP)) == []


def test_marks_name_what_the_tests_know():
    raises, skipif = "<!--pytest.mark.xfail(raises={})-->\n", "<!--pytest.mark.skipif({}, reason='a')-->\n"
    said = "np.linalg.LinAlgError is no built-in exception that a mark can announce"
    assert faults(block("x = 1", raises.format("np.linalg.LinAlgError"))) == [(7, said)]
    assert "ValueEror is no" in faults(block("x = 1", raises.format("ValueEror")))[0][1]
    assert "KeyboardInterrupt is no" in faults(block("x = 1", raises.format("KeyboardInterrupt")))[0][1]
    for good in ("ValueError", "ExceptionGroup", "(ValueError, TypeError)"):
        assert faults(block("x = 1", raises.format(good))) == []
    said = "a condition sees sys and pytest only, not torch"
    assert faults(block("x = 1", skipif.format("torch.cuda.is_available()"))) == [(7, said)]
    assert faults(block("x = 1", skipif.format("not pytest.importorskip('torch') and sys.argv"))) == []


def test_every_name_of_the_table_is_one():
    """A pattern that names nothing would find nothing."""
    for draw in code._VOLATILE["draws"]:
        assert draw["seeds"] and draw["calls"] and draw["instead"]
        ast.parse(" + ".join(name.strip("?*.").replace("*", "x") for name in draw["calls"]))
