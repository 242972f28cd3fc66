"""Which blocks run in a browser, and what they need above them."""

import pytest

from bookbinder import in_browser
from bookbinder.chapter import load, parse
from conftest import ROOT

PAGE = """---
title: T
description: D.
---
# T

```python
import numpy as np
```

Then.

<!--pytest-codeblocks:cont-->
```python
{second}
```

Then.

<!--pytest-codeblocks:cont-->
```python
x = 1
```

!!! exercise "1 · Try"
    <!-- exercise: try starter -->
    ```python
    x = ...
    ```

    <!-- exercise: try check -->
    ```python
    {check}
    assert x == 1
    ```

    ??? success "Solution"
        <!-- exercise: try solution -->
        ```python
        x = 1
        ```

        Since.

    <!-- exercise: try wrong: two
    x = 2
    -->
"""


def chapter(second="x = 0", check="pass"):
    return parse(PAGE.format(second=second, check=check), "docs/x.md")


def bars(**parts):
    return {
        at: said if isinstance(said, str) else "" for at, said in in_browser.bars(chapter(**parts)).items()
    }


def test_blocks_and_the_starter_have_a_bar_and_other_parts_none():
    assert bars() == {0: "", 1: "", 2: "", 3: ""}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import torch", "PyTorch"),
        ("from torch.nn import functional", "PyTorch"),
        ("import chainrule.torch as ct", "PyTorch"),
        ("from chainrule import nn, torch", "PyTorch"),
        ("import chainrule as cr; cr.torch.device()", "PyTorch"),
        ("from scipy import stats", "SciPy"),
        ("from sklearn.datasets import load_digits, load_iris", ""),
        ("from sklearn.datasets import load_digits, load_wine", "scikit-learn"),
        ("import threading", "threads"),
        ("x = 1  # too deep for a browser", "a deep stack"),
        ("from chainrule import nn, plot, data; import matplotlib.pyplot as plt, json, math", ""),
    ],
)
def test_what_a_block_needs_is_told_by_what_it_imports(line, said):
    assert bars(second=line) == {0: "", 1: said, 2: "", 3: ""}


@pytest.mark.parametrize(
    ("above", "code", "said"),
    [
        ("import torch\ny = torch.ones(2)", "print(y)", "PyTorch"),
        ("import torch\ny = 2", "print(y)", ""),
        ("import torch\ny = 2", "print(torch)", "PyTorch"),
        ("import torch\ndef f():\n    return torch.ones(1)", "f()", "PyTorch"),
        ("import torch\ne = torch.ones(2)", "[e for e in range(2)]", ""),
        ("import torch\ne = torch.ones(2)", "f = lambda e: e", ""),
        ("import torch\ne = torch.ones(2)", "for e in range(2):\n    print(e)", ""),
        ("import torch\ny = torch.ones(2)", "def f(a):\n    return a + y", "PyTorch"),
        ("import torch\nx = 1", "def f(y):\n    x = y\n    return x", ""),
        ("import torch\nx = 1", "x = 2\nprint(x)", ""),
        ("import torch\nx = torch.ones(1)", "print(x)\nx = 2", "PyTorch"),
        ("import torch, numpy as np", "np.ones(2)", ""),
        ("from chainrule import torch as ct, nn", "nn.Linear(1, 1)", ""),
        ("from chainrule import torch as ct, nn", "ct.device()", "PyTorch"),
    ],
)
def test_a_block_lacks_what_those_lack_whose_names_it_reads(above, code, said):
    assert in_browser.lacks([above, code]) == said
    assert in_browser.lacks([above, code, "z = 1"]) == ""


def test_a_block_that_does_not_run_is_not_run_for_another():
    page = chapter(second="import torch\nx = np.ones(1)")
    assert in_browser.bars(page)[2] == [] and in_browser.bars(chapter(second="x = 0\nx += 1"))[2] == []


def test_an_exercise_needs_what_its_check_needs():
    assert bars(check="import torch")[3] == "PyTorch"


def test_the_page_is_told_the_parts_and_the_blanks_of_an_exercise():
    assert in_browser.exercises_of(chapter()) == {3: ["try", -1, 4, -1, ["x"]]}


def test_a_block_that_is_shown_only_has_no_bar():
    page = parse(
        '---\ntitle: T\ndescription: D.\n---\n# T\n\n<!--pytest.mark.skip(reason="no")-->\n```python\nx\n```\n'
    )
    assert in_browser.bars(page) == {}


@pytest.mark.parametrize(
    ("codes", "wanted"),
    [
        (["a = 1", "b = 2", "print(b)"], [1, 2]),
        (["a = 1", "b = a", "print(b)"], [0, 1, 2]),
        (["import numpy as np", "a = np.ones(2)", "np.zeros(2)"], [2]),
        (["def f():\n    return g()", "def g():\n    return 1", "f()"], [0, 1, 2]),
        (["rng = 3", "x = draw(rng)", "y = draw(rng)"], [0, 1, 2]),
        (["a = []", "a.append(1)", "print(a)"], [0, 1, 2]),
        (["a = 1", "a = 2", "print(a)"], [1, 2]),
        (["a = [1]", "a = a + [2]", "print(a)"], [0, 1, 2]),
        (["def f():\n    return a", "a = 1", "a = 2", "f()"], [0, 1, 2, 3]),
        (["def f(x):\n    return x", "y = f(1)", "f(2)"], [0, 2]),
        (["init.manual_seed(0)", "y = 1", "model()"], [0, 2]),
    ],
)
def test_what_a_block_needs_above_it(codes, wanted):
    assert in_browser.needed(codes) == wanted


def lab(name):
    """Bars of a lab's blanks by the name of the exercise."""
    page = load(ROOT / "docs" / "labs" / f"{name}.py")
    found = in_browser.bars(page).items()
    return {page.blocks[at].exercise[0]: said for at, said in found if page.blocks[at].exercise}


def test_an_answer_that_builds_on_one_that_no_browser_checks_is_not_checked_either():
    assert all(isinstance(said, str) for said in lab("open-the-box").values())
    assert lab("own-engine")["array-join"] == "PyTorch"


def test_before_an_answer_runs_what_its_solution_needs():
    found = lab("own-engine")
    assert len(found["backward"]) > len(found["order"]) > 0
