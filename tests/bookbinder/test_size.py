"""The binder stays small enough to be read: code lines of the whole, of a module, and of a function.

A code line holds code: blank lines, comments and docstrings cost nothing.
"""

import ast
import io
import tokenize

import pytest

from conftest import ROOT

FILES = {file.name: file for file in sorted((ROOT / "src/bookbinder").glob("*.py"))}
# What goes beyond binding, a module of its own each, with the code lines that it may have: what the prose says
# (evidence), and what the reader's script knows (reader).
EXTRAS = {"evidence.py": 90, "op.py": 45, "reader.py": 40}
TOTAL, MODULE, FUNCTION = 1_800, 350, 40
SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(text: str) -> set[int]:
    """Numbers of the lines that hold code."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    spans = [(token.start[0], token.end[0]) for token in tokens if token.type not in SILENT]
    found = {line for first, last in spans for line in range(first, last + 1)}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            found -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return found


def functions(text: str) -> dict[str, int]:
    """Code lines of each function, from its first decorator to its end, by name and line."""
    lines, found = code_lines(text), {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min(part.lineno for part in [node, *node.decorator_list])
            found[f"{node.name}, line {node.lineno}"] = len(lines & set(range(first, node.end_lineno + 1)))
    return found


def test_what_counts():
    text = '"""Doc\nstring."""\n\nX = """a\n\nb"""  # said\n\n\n@f\ndef g(x):\n    """Doc."""\n    # why\n    return\n'
    assert code_lines(text) == {4, 5, 6, 9, 10, 13}
    assert functions(text) == {"g, line 10": 3}


def test_the_whole():
    sizes = {name: len(code_lines(file.read_text(encoding="utf-8"))) for name, file in FILES.items()}
    binder = sum(size for name, size in sizes.items() if name not in EXTRAS)
    assert binder <= TOTAL, "simplify before adding: see CONTRIBUTING.md"
    assert {name: sizes[name] for name, most in EXTRAS.items() if sizes[name] > most} == {}


@pytest.mark.parametrize("name", FILES)
def test_a_module_and_its_functions(name):
    text = FILES[name].read_text(encoding="utf-8")
    assert len(code_lines(text)) <= MODULE
    assert {what: size for what, size in functions(text).items() if size > FUNCTION} == {}
