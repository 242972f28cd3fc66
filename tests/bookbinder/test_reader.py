"""What the page's script is told of the code."""

import html
import json
import re
from zipfile import ZipFile

from bookbinder import reader
from bookbinder.chapter import parse
from conftest import ROOT

PAGE = """---
title: T
description: D.
---
# T

```python
a = 1
```

Then.

<!--pytest-codeblocks:cont-->
```python
b = a
```

Anew.

```python
c = 1
```

!!! exercise "1 · Try"
    <!-- exercise: try setup -->
    ```python
    import math
    ```

    <!-- exercise: try starter -->
    ```python
    x = ...
    ```

    <!-- exercise: try check -->
    ```python
    assert x == math.pi
    ```

    ??? success "Solution"
        <!-- exercise: try solution -->
        ```python
        x = math.pi
        ```

        Since.

And on.

```python
d = 1
```

More.

<!--pytest-codeblocks:cont-->
```python
e = d
```
"""


def test_a_block_is_copied_with_its_program_so_far_and_a_solution_with_its_check():
    chapter = parse(PAGE)
    assert not chapter.faults
    assert reader.chains(chapter) == [[0], [0, 1], [2], [3], [3, 4], [3, 4, 5], [3, 6, 5], [7], [7, 8]]


def test_the_attributes_say_it_to_a_script():
    said = reader.attributes(parse(PAGE), "../../")
    chains = html.unescape(re.search('data-chains="([^"]*)"', said)[1])
    assert json.loads(chains) == reader.chains(parse(PAGE))
    assert re.search(r'data-wheel="\.\./\.\./dist/chainrule-[\d.]+-py3-none-any\.whl"', said)
    assert reader.attributes(parse(PAGE.split("```")[0]), "./") == ""


def test_all_notebooks_come_in_one_file_of_the_same_bytes(tmp_path):
    (tmp_path / "notebooks" / "part").mkdir(parents=True)
    for name in ("b", "a"):
        (tmp_path / "notebooks" / "part" / f"{name}.ipynb").write_text(name)
    reader.bundle(tmp_path)
    first = (tmp_path / "notebooks.zip").read_bytes()
    reader.bundle(tmp_path)
    assert (tmp_path / "notebooks.zip").read_bytes() == first
    with ZipFile(tmp_path / "notebooks.zip") as bundle:
        assert bundle.namelist() == ["notebooks/part/a.ipynb", "notebooks/part/b.ipynb"]


def test_the_page_that_offers_the_wheel_names_the_one_that_the_build_makes():
    name = reader.wheel("").removeprefix("dist/")
    text = (ROOT / "docs/start/where-to-run.md").read_text(encoding="utf-8")
    assert reader.WHEEL in text.split("\n")
    assert {*re.findall(r"chainrule-\S+\.whl", text)} == {name}
