"""The package from outside: what importing it costs, and how much there is to read."""

import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import chainrule

SOURCE = Path(chainrule.__file__).parent


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()


def test_import_needs_numpy_only():
    code = "import sys; {}; print(*{{m.split('.')[0] for m in sys.modules}})"
    extra = set(run(code.format("import chainrule"))) - set(run(code.format("import numpy")))
    assert extra <= {"chainrule"} | set(sys.stdlib_module_names)
    heavy = {"torch", "matplotlib", "scipy", "sklearn", "inspect", "dataclasses", "typing_extensions"}
    assert not extra & heavy


def test_submodules_come_when_asked_for():
    assert run("import chainrule; print(chainrule.functional.linear.__name__)") == ["linear"]
    assert chainrule.manual_seed is chainrule.init.manual_seed
    with pytest.raises(AttributeError, match="module 'chainrule' has no attribute 'nothing'"):
        chainrule.nothing  # noqa: B018


def code_lines(path):
    """Numbers of the lines that are neither blank, comment nor docstring, and the syntax tree."""
    text = path.read_text()
    tree = ast.parse(text)
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING):
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node) is not None
        ):
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return lines, tree


def test_it_can_be_read_in_an_evening():
    count = {path.name: len(code_lines(path)[0]) for path in SOURCE.glob("*.py")}
    assert count["tensor.py"] + count["autograd.py"] <= 350
    assert count["ops.py"] <= 900
    assert count["scalar.py"] <= 80
    assert sum(count.values()) <= 2500, "simplify before adding: see CONTRIBUTING.md"


@pytest.mark.parametrize("name", "tensor autograd ops functional scalar dual checks torch".split())
def test_functions_are_short_enough_for_a_chapter(name):
    lines, tree = code_lines(SOURCE / f"{name}.py")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            assert len([i for i in lines if first <= i <= node.end_lineno]) <= 25, f"{name}.{node.name}"
