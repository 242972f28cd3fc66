"""The exported notebook: every construct of a page, the outputs of its run, and Run all to the end."""

import asyncio
import re
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import v4

from bookbinder import cache, chapter, course, notebook, runner, workbook

HEAD = "---\ntitle: T\ndescription: What it is.\n---\n# T\n\n"
SITE = {
    "site_url": "https://x.org/book",
    "page_url": "learning/page/",
    "wheel": "chainrule-1-py3-none-any.whl",
}


def export(body: str, data=None, head: str = HEAD, path: str = "docs/learning/page.md", **site):
    page = chapter.parse(head + body, path)
    if "/learning/" not in path or head != HEAD:
        assert page.faults == []
    nb = notebook.export(page, data, **site)
    nbformat.validate(nb)
    return nb


def cells(body: str, **options) -> list[tuple[str, str]]:
    """(kind, source) of the cells below the title."""
    return [(cell.cell_type, cell.source) for cell in export(body, **options).cells[1:]]


def text(body: str, **options) -> str:
    ((kind, source),) = cells(body, **options)
    assert kind == "markdown"
    return source


def ran(source: str, capsys, **names) -> str:
    """What a cell prints."""
    exec(source, {"__name__": "__main__"} | names)
    return capsys.readouterr().out


def test_title_cell_and_metadata():
    front = (
        "---\ntitle: T\ndescription: What it is.\nobjectives:\n  - see $x$\n  - b\n  - c\n"
        "needs: [learning/first-steps.md, A planned one]\ngpu: true\n---\n\n# The *title* { #top }\n\n"
    )
    nb = export("Text.", head=front, **SITE)
    assert nb.cells[0].source == (
        "# The *title*\n\n*What it is.*\n\nAfter this page you can\n\n- see $x$\n- b\n- c\n\n"
        "About 1 minute. Needs: First steps, A planned one.\n\n"
        "[This page in the book](https://x.org/book/learning/page/)"
    )
    assert nb.cells[0].id == "title" and nb.cells[1].source == "Text."
    assert (nb.nbformat, nb.nbformat_minor) == (4, 5)
    assert nb.metadata.kernelspec.name == "python3"
    assert nb.metadata.accelerator == "GPU" and nb.metadata.colab.gpuType == "T4"


def test_page_without_a_gpu_or_a_heading():
    page = chapter.parse("Text.", "README.md", front_matter=False)
    nb = notebook.export(page, None)
    assert "accelerator" not in nb.metadata and "gpuType" not in nb.metadata.colab
    assert [cell.source for cell in nb.cells] == ["# Notebook", "Text."]


def test_a_comment_in_code_is_no_heading():
    page = chapter.parse("Text.\n\n```python\n# x\nx = 1\n```\n", "README.md", front_matter=False)
    assert [cell.source for cell in notebook.export(page, None).cells] == [
        "# Notebook",
        "Text.",
        "# x\nx = 1",
    ]


def test_text_is_cut_at_headings_and_code():
    body = "One.\n\n## A\n\nTwo.\n\n```python\nx = 1\n```\n\nThree.\n\n### B\n"
    nb = export(body)
    assert [cell.source for cell in nb.cells[1:]] == ["One.", "## A\n\nTwo.", "x = 1", "Three.", "### B"]
    assert [cell.id for cell in nb.cells] == ["title", "line-7", "line-9", "line-13", "line-17", "line-19"]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("so $a_1$ and \\(b\\) cost \\$5", "so $a_1$ and $b$ cost \\$5"),
        ("`$\\eqref{x}$` stays", "`$\\eqref{x}$` stays"),
        ("$$\nx % why\n+ y\n$$", "$$ x + y $$"),
        ("\\[\nx\n\\]", "$$ x $$"),
        ("> $$\n> x\n> $$", "> $$ x $$"),
        ("\\begin{align*}\nx &= 1\n\\end{align*}", "$$ \\begin{align*} x &= 1 \\end{align*} $$"),
        ("$50 \\%$ of it", "$50 \\%$ of it"),
    ],
)
def test_maths_is_in_dollars(source, wanted):
    assert text(source) == wanted


def test_equations_are_numbered_as_on_the_page():
    body = r"""
See $\eqref{eq:last}$, $a \eqref{eq:b}$.

$$
\begin{equation}
a
\label{eq:a}
\end{equation}
$$

$$
\begin{align}
x &= \begin{pmatrix} 1 \\ 2 \end{pmatrix} \\
y &= 1 \label{eq:b} \\
z &= 2 \notag
\end{align}
$$

$$
\begin{equation}
w \tag{W}\label{eq:w}
\end{equation}
$$

!!! note

    $$
    \begin{equation}
    v \label{eq:last}
    \end{equation}
    $$

by $\eqref{eq:w}$
"""
    out = re.sub(" +", " ", text(body))
    assert "See (4), $a (3)$." in out
    assert "$$ a \\tag{1} $$" in out
    assert (
        "x &= \\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix} \\tag{2}\\\\ y &= 1 \\tag{3}\\\\ z &= 2 \\notag" in out
    )
    assert "\\begin{align*}" in out and "\\end{align*}" in out
    assert "$$ w \\tag{W} $$" in out and "> $$ v \\tag{4} $$" in out and out.endswith("by (W)")
    assert "label" not in out and "eqref" not in out and "{equation}" not in out


LINKS = [
    ("[a](../networks/engine.md#x)", "[a](https://x.org/book/networks/engine/#x)", "a"),
    ("[a](../index.md)", "[a](https://x.org/book/)", "a"),
    ("[a](other.md)", "[a](https://x.org/book/learning/other/)", "a"),
    ("[a](../start/index.md)", "[a](https://x.org/book/start/)", "a"),
    ("[a](#here)", "[a](https://x.org/book/learning/page/#here)", "a"),
    ("[a](https://a.b/c.md)", "[a](https://a.b/c.md)", "[a](https://a.b/c.md)"),
    ("[`f(x)`](other.md){ .md-button }", "[`f(x)`](https://x.org/book/learning/other/)", "`f(x)`"),
    ('![a *b*](../assets/x.svg "T"){ width="3" }', "![a *b*](https://x.org/book/assets/x.svg)", "*a *b**"),
    (
        "[![a](x.png)](other.md)",
        "[![a](https://x.org/book/learning/x.png)](https://x.org/book/learning/other/)",
        "*a*",
    ),
    ("`[a](b.md)`", "`[a](b.md)`", "`[a](b.md)`"),
    ('<img src="x.png">', '<img src="https://x.org/book/learning/x.png">', '<img src="x.png">'),
]


@pytest.mark.parametrize(("source", "whole", "plain"), LINKS)
def test_links_are_whole_or_plain(source, whole, plain):
    assert text(source, **SITE) == whole
    assert text(source) == plain


def test_links_by_name_are_written_out():
    text = "See [the *page*][p], [here][] and `[p][p]`.\n\n## Next\n\n[Again][P], [none][q].\n\n"
    text += "[p]: ../a/b.md#c\n[here]: x.md 'T'\n"
    cells = [cell.source for cell in export(text, site_url="https://s.t", page_url="learning/y/").cells]
    assert "[the *page*](https://s.t/a/b/#c), [here](https://s.t/learning/x/) and `[p][p]`." in cells[1]
    assert "[Again](https://s.t/a/b/#c), [none][q]." in cells[2] and "]:" not in "".join(cells)


def test_what_follows_a_solution_is_a_cell_of_its_own():
    box = '!!! exercise "1"\n    Task.\n\n    ??? success "Solution"\n'
    box += "        ```python\n        x\n        ```\n\n        Why.\n\n"
    cells = [cell.source for cell in export(box + box.replace('"1"', '"2"')).cells[1:]]
    assert [("Why." in cell, "Task." in cell) for cell in cells if "Why." in cell or "Task." in cell] == [
        (False, True), (True, False), (False, True), (True, False)
    ]  # fmt: skip


def test_links_of_an_index_page_start_from_its_folder():
    options = {"path": "docs/start/index.md", "site_url": "https://x.org/", "page_url": "start/"}
    assert text("[a](where-to-run.md)", **options) == "[a](https://x.org/start/where-to-run/)"
    options = {"path": "docs/index.md", "site_url": "https://x.org/book/", "page_url": ""}
    assert text("[a](start/index.md)", **options) == "[a](https://x.org/book/start/)"


def test_material_is_turned_into_plain_markdown():
    body = (
        "Text of the DAG.[^1]\n{ .lead #a key=val }\n\n<!-- a comment -->\n\n*[DAG]: directed acyclic graph\n\n"
        "Term\n:   Meaning\n\n[^1]: The note.\n\n    Its second paragraph.\n\n```text\n[^1] {.a} $x$ <!-- b -->\n```\n"
    )
    out = text(body)
    assert "Text of the DAG.<sup>1</sup>\n" in out and "\n- Meaning\n" in out
    assert "\n<sup>1</sup> The note.\n\nIts second paragraph.\n" in out
    assert "```text\n[^1] {.a} $x$ <!-- b -->\n```" in out
    for gone in ("lead", "a comment", "acyclic"):
        assert gone not in out
    assert text("$f_{x=1}$ and `{ .a }` and {x}") == "$f_{x=1}$ and `{ .a }` and {x}"


def test_boxes_are_quotes_with_a_title():
    body = '!!! note "Why *so*"\n    One.\n\n    - Two.\n\n!!! warning\n    Three.\n\n!!! tip ""\n    Four.\n\nEnd.'
    assert text(body) == (
        "> **Why *so***\n>\n> One.\n>\n> - Two.\n\n> **Warning**\n>\n> Three.\n\n> Four.\n\nEnd."
    )


def test_closed_boxes_stay_closed():
    assert text('??? note "More `x`"\n    Text $a$.\n\nEnd.') == (
        "<details><summary>More x</summary>\n\nText $a$.\n\n</details>\n\nEnd."
    )
    assert text('???+ note "Open"\n    Text.') == "> **Open**\n>\n> Text."


def test_tabs_are_headed_sections():
    tabs = '## A\n\n=== "NumPy"\n    One.\n\n    ```python\n    x = 1\n    ```\n\n=== "PyTorch"\n\n    Two.\n\nEnd.'
    assert cells(tabs) == [
        ("markdown", "## A"),
        ("markdown", "### NumPy\n\nOne."),
        ("code", "x = 1"),
        ("markdown", "### PyTorch\n\nTwo.\n\nEnd."),
    ]


def test_code_in_containers_is_at_its_place():
    body = (
        '!!! note "N"\n    One.\n\n    ```python\n    if 1:\n        x = 1\n    ```\n\n    Two.\n\n'
        "1. Item\n\n    ```python\n    y = 1\n    ```\n\n    goes on\n\n2. Next\n\n"
        '??? note "Closed"\n    ```python\n    z = 1\n    ```\n'
    )
    nb = export(body)
    assert [(cell.cell_type, cell.source) for cell in nb.cells[1:]] == [
        ("markdown", "> **N**\n>\n> One."),
        ("code", "if 1:\n    x = 1"),
        ("markdown", "> Two."),
        ("markdown", "1. Item"),
        ("code", "y = 1"),
        ("markdown", "goes on\n\n2. Next"),
        ("code", "#@title Closed\nz = 1"),
    ]
    assert nb.cells[-1].metadata == {"cellView": "form", "jupyter": {"source_hidden": True}}
    assert all(cell.metadata == {} for cell in nb.cells[:-1])


def test_shown_only_blocks_are_text():
    mark = '<!--pytest.mark.skip(reason="takes an hour")-->'
    assert text(f"Look:\n\n{mark}\n```python\ntrain()\n```\n") == (
        "Look:\n\n````python\ntrain()\n````\n\n*Shown, not run here: takes an hour*"
    )


def test_skipif_runs_unless_the_condition_holds(capsys, monkeypatch):
    """And pytest is not asked: a reader may not have it."""
    mark = '<!--pytest.mark.skipif({}, reason="needs a \'GPU\'")-->\n```python\nif 1:\n    print("""a\nb""")\n```\n'
    monkeypatch.setitem(sys.modules, "pytest", None)
    monkeypatch.setitem(sys.modules, "gone", None)
    for condition, said in [
        ('not pytest.importorskip("sys").version', "a\nb\n"),
        ('pytest.importorskip("os.path").sep', "left out here: needs a 'GPU'\n"),
        ('pytest.importorskip("gone").x', "left out here: needs a 'GPU'\n"),
        ("sys.version_info < (3, 0)", "a\nb\n"),
    ]:
        ((_, source),) = cells(mark.format(condition))
        assert ran(source, capsys) == said


def test_xfail_prints_what_is_raised_and_refuses_to_pass(capsys):
    mark = "<!--pytest.mark.xfail(raises=(ValueError, KeyError))-->\n```python\n{}\n```\n"
    ((_, source),) = cells(mark.format("text = '''\nx'''\nraise ValueError(text)"))
    assert ran(source, capsys) == "ValueError: \nx\n"
    ((_, source),) = cells(mark.format("x = 1"))
    with pytest.raises(AssertionError, match=r"was to raise \(ValueError, KeyError\)"):
        exec(source, {})
    ((_, source),) = cells(mark.format("1 / 0"))
    with pytest.raises(ZeroDivisionError):
        exec(source, {})


EXERCISE = """\
!!! exercise "1 · Double"
    The task.

    <!-- exercise: a setup -->
    ```python
    import math
    ```

    <!-- exercise: a starter -->
    ```python
    x = ...  # your turn
    ```

    <!-- exercise: a check -->
    ```python
    assert x != 3
    assert math.sqrt(x) == 2, "wanted 4"
    ```

    ??? tip "Hint"
        Think.

    ??? success "Solution"
        <!-- exercise: a solution -->
        ```python
        x = 4
        ```

        Why.

    <!-- exercise: a wrong
    x = 16  # SECRET
    -->
"""


def test_exercise(capsys):
    nb = export(EXERCISE)
    kinds = [(cell.cell_type, cell.source.split("\n")[0]) for cell in nb.cells[1:]]
    assert kinds == [
        ("markdown", "> **1 · Double**"),
        ("code", nb.cells[2].source.split("\n")[0]),
        ("code", "# exercise: a setup"),
        ("code", "# exercise: a starter"),
        ("code", "# exercise: a check"),
        ("markdown", "> <details><summary>Hint</summary>"),
    ]
    assert "SECRET" not in nbformat.writes(nb) and "a wrong" not in nbformat.writes(nb)
    helper, check, texts = nb.cells[2], nb.cells[5].source, nb.cells[6].source
    assert helper.id == "workbook" and helper.metadata.jupyter.source_hidden
    assert nb.cells[4].source == "# exercise: a starter\nx = ...  # your turn"
    assert texts.count("<summary>") == 2 and "> ```python\n> x = 4\n> ```\n>\n> Why." in texts, (
        "a text to read"
    )
    import math

    with_helper = {"_workbook": workbook, "math": math}
    assert ran(check, capsys, **with_helper, x=...) == "not yet: fill `x`\n"
    assert ran(check, capsys, **with_helper, x=9) == "not right: wanted 4\n"
    assert ran(check, capsys, **with_helper, x=3) == "not right: AssertionError()\n"
    assert ran(check, capsys, **with_helper) == "not yet: `x` is missing\n"
    assert ran(check, capsys, **with_helper, x=4) == "right: the check passes\n"


def test_an_exercise_in_words_is_a_text():
    box = '!!! exercise "1"\n    Why?\n\n    <!-- exercise: a words -->\n\n'
    assert text(box + '    ??? success "Solution"\n        So.\n') == (
        "> **1**\n>\n> Why?\n\n> <details><summary>Solution</summary>\n>\n> So.\n>\n> </details>"
    )


def test_a_name_of_pythons_is_given_back_where_no_block_needs_it():
    block = "```python\n{}\n```\n\nText.\n\n"
    bound, cont = block.format("def sum(x): ..."), "<!--pytest-codeblocks:cont-->\n"
    told = [source for kind, source in cells(bound + cont + block.format("x.sum()")) if kind == "code"]
    assert told == ["def sum(x): ...\n\ndel sum  # the cells above need Python's own", "x.sum()"]
    told = [source for kind, source in cells(bound + cont + block.format("sum(2)")) if kind == "code"]
    assert told == ["def sum(x): ...", "sum(2)"]
    last = cont + block.format("x.sum()") + cont + block.format("def f():\n    return sum(2)")
    assert cells(bound + last)[0] == ("code", "def sum(x): ..."), (
        "a function that is called later needs it, too"
    )


def test_a_second_run_of_each_cell_before_the_exercises():
    """What an exercise binds is not there any more, its check may be pressed again, and its cells in any order."""
    page = "```python\nx = 1\n```\n\n<!--pytest-codeblocks:cont-->\n```python\nassert x == 1\nprint(math)\n```\n\n"
    nb = export(page.replace("x = 1\n", "x = math = 1\n", 1) + EXERCISE)
    codes = {cell.source.split("\n")[0]: cell for cell in nb.cells if cell.cell_type == "code"}
    main, start, check = codes["assert x == 1"], codes["# exercise: a starter"], codes["# exercise: a check"]
    filled, wrong = (v4.new_code_cell(start.source.replace("...", value)) for value in ("4", "[5]"))
    again = [main, check, filled, main, check, check, wrong, check, codes["# exercise: a setup"], check, main]
    helper = next(cell for cell in nb.cells if cell.id == "workbook")
    nb.cells += [v4.new_code_cell(cell.source) for cell in [helper, *again]]
    NotebookClient(nb, timeout=60, iopub_timeout=60, kernel_name="python3").execute()
    said = [[out.text for out in cell.outputs] for cell in nb.cells[-len(again) :]]
    yet, right, wrong_ = ["not yet: fill `x`\n"], ["right: the check passes\n"], said[7]
    assert said == [["1\n"], yet, [], ["1\n"], right, right, [], wrong_, [], wrong_, ["1\n"]]
    assert wrong_[0].startswith("not right: must be real number")


def test_setup_cell_installs_the_wheel_where_chainrule_is_missing(monkeypatch):
    nb = export("```python\nimport numpy as np\nfrom chainrule import ops\n```\n", **SITE)
    assert [cell.id for cell in nb.cells] == ["title", "setup", "line-7"]
    calls = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: calls.append((command, check)))
    exec(nb.cells[1].source, {})
    assert calls == []
    monkeypatch.setitem(sys.modules, "chainrule", None)
    exec(nb.cells[1].source, {})
    ((command, check),) = calls
    assert command[:4] == [sys.executable, "-m", "pip", "install"] and "--no-deps" in command and check
    assert command[-1] == "https://x.org/book/dist/chainrule-1-py3-none-any.whl"


def test_setup_cell_without_a_site_and_without_need():
    nb = export("```python\nimport chainrule.ops\n```\n")
    assert "\n" not in nb.cells[1].source and "pip install" in nb.cells[1].source
    exec(nb.cells[1].source, {})
    nb = export("The package `chainrule`.\n\n```python\nx = 'import chainrule'\n```\n", **SITE)
    assert [cell.id for cell in nb.cells] == ["title", "line-7", "line-9"]


def test_outputs(tmp_path, own_cache):
    figure = {"kind": "figure", "alt": "A <b>", "desc": "x axis: t", "width": 9, "height": 9}
    drawn = [(b"<svg><title>A</title><desc>d</desc><path/></svg>", "svg"), (b"RIF", "webp")]
    svg, webp = (figure | {"format": f[1], "files": [cache.write_figure(*f)]} for f in drawn)
    outputs = [
        {"kind": "stdout", "text": "a\n"},
        {"kind": "stderr", "text": "w\n"},
        {"kind": "result", "text": "3"},
        {"kind": "html", "text": "<table><td>1</td> <td>2</td></table>"},
        svg,
        webp,
        {"kind": "error", "text": "ValueError: no"},
    ]
    data = {"blocks": [{"state": "run", "outputs": outputs}, {"state": "skipped", "outputs": []}]}
    skip = '<!--pytest.mark.skipif(1, reason="a")-->\n'
    nb = export(f"```python\nx\n```\n\nText.\n\n{skip}```python\ny\n```\n", data)
    first, second = nb.cells[1], nb.cells[3]
    assert (first.execution_count, second.execution_count, second.outputs) == (1, None, [])
    kinds = [(out.output_type, out.get("name")) for out in first.outputs]
    assert kinds == [
        ("stream", "stdout"), ("stream", "stderr"), ("execute_result", None), ("execute_result", None),
        ("display_data", None), ("display_data", None), ("stream", "stdout"),
    ]  # fmt: skip
    texts = [out.get("text") or out.data["text/plain"] for out in first.outputs]
    assert texts == ["a\n", "w\n", "3", "1 2", "A <b>. x axis: t", "A <b>. x axis: t", "ValueError: no\n"]
    drawn = first.outputs[4].data["image/svg+xml"]
    assert (
        drawn
        == '<svg><title>A</title><desc>d</desc><rect width="100%" height="100%" fill="#ffffff"/><path/></svg>'
    )
    assert "background: #ffffff" in first.outputs[5].data["text/html"]
    notebook.write(nb, tmp_path / "a" / "b.ipynb")
    again = tmp_path / "a" / "c.ipynb"
    notebook.write(export(f"```python\nx\n```\n\nText.\n\n{skip}```python\ny\n```\n", data), again)
    assert again.read_bytes() == (tmp_path / "a" / "b.ipynb").read_bytes()
    nbformat.validate(nbformat.read(again, as_version=4))


def test_write_refuses_what_is_no_notebook(tmp_path):
    nb = export("Text.")
    nb.cells[1]["cell_type"] = "poem"
    with pytest.raises(nbformat.ValidationError):
        notebook.write(nb, tmp_path / "x.ipynb")
    assert not (tmp_path / "x.ipynb").exists()


PAGE = """\
A page that runs.

```python
import matplotlib.pyplot as plt
import numpy as np

_ = plt.plot([1, 2])
_ = plt.title("A line")
print("drawn")
```

It goes on.

<!--pytest-codeblocks:cont-->
```python
np.arange(3)
```

<!--pytest.mark.xfail(raises=ZeroDivisionError)-->
```python
1 / 0
```

=== "Without"
    <!--pytest.mark.skipif(not pytest.importorskip("no_such_module"), reason="needs a module")-->
    ```python
    raise SystemExit
    ```

"""


def test_run_all_reaches_the_end():
    """A page through the kernel, its notebook through another: both put out the same, exercises unfilled."""
    page = chapter.parse(HEAD + PAGE + EXERCISE, "docs/start/page.md")
    result = asyncio.run(runner.run_chapter(page))
    assert [str(failure) for failure in result.failures] == []
    nb = notebook.export(page, result.data, **SITE)
    stored = {cell.id: cell.outputs for cell in nb.cells if cell.cell_type == "code"}
    NotebookClient(nb, timeout=60, iopub_timeout=60, kernel_name="python3").execute()
    outputs = {cell.id: cell.outputs for cell in nb.cells if cell.cell_type == "code"}
    plain = lambda outs: [out.get("text") or out.data["text/plain"] for out in outs]
    (drawing, going_on, raising, *rest) = outputs
    assert plain(stored[drawing]) == ["drawn\n", "A line"]
    assert stored[drawing][1].data["image/svg+xml"].count('fill="#ffffff"/>') == 1
    assert plain(outputs[drawing])[0] == "drawn\n"
    assert plain(stored[going_on]) == plain(outputs[going_on]) == ["array([0, 1, 2])"]
    assert plain(stored[raising]) == plain(outputs[raising]) == ["ZeroDivisionError: division by zero\n"]
    said = SimpleNamespace(
        **dict(zip(("left_out", "helper", "setup", "starter", "check"), rest, strict=True))
    )
    assert (
        plain(outputs[said.left_out]) == ["left out here: needs a module\n"] and stored[said.left_out] == []
    )
    assert plain(outputs[said.check]) == ["not yet: fill `x`\n"]


def test_numbers_of_chapters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = '"learning/page.md", "learning/b.md", { planned = "To come", page = "learning/c.md" }'
    (tmp_path / "course.toml").write_text(f'[[part]]\nfolder = "learning"\nchapters = [{rows}]\n')
    (tmp_path / "docs/learning").mkdir(parents=True)
    (tmp_path / "docs/learning/b.md").write_text(HEAD.replace("T\n", "Second\n"))
    front = HEAD.replace("---\n#", "objectives: [a, b, c]\nneeds: [learning/b.md, learning/c.md]\n---\n#")
    body = "[Chapter](b.md), [chapter](c.md), [the next](b.md)."
    nb = export(body, head=front, listed=course.of(tmp_path / "docs"), **SITE)
    there = "https://x.org/book/learning/b/"
    assert nb.cells[0].source.startswith("# 1 T\n")
    assert f"Needs: [2 Second]({there}), 3 To come." in nb.cells[0].source
    assert nb.cells[1].source == f"[Chapter 2]({there}), chapter 3, [the next]({there})."
    plain = export(body, head=front, listed=course.of(tmp_path / "docs"))
    assert "Needs: 2 Second, 3 To come." in plain.cells[0].source
    assert plain.cells[1].source == "Chapter 2, chapter 3, the next."
