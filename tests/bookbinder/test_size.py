"""The binder stays small enough to be read: code lines of the whole, of a module, and of a function.

A code line holds code: blank lines, comments and docstrings cost nothing.
"""

import ast
import io
import tokenize

import pytest

from conftest import ROOT

FILES = {file.name: file for file in sorted((ROOT / "src/bookbinder").glob("*.py"))}
APART = {
    "labs.py",
    "mathfont.py",
}  # what labs are shown with, and the font's generator: neither binds a chapter
EXTRAS = {"evidence.py", "reader.py"}  # beyond binding: what the prose says, and what the reader's script knows
TOTAL, TOTAL_APART, TOTAL_EXTRAS, MODULE, FUNCTION = 1_950, 190, 120, 350, 40
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


def total(names) -> int:
    return sum(len(code_lines(FILES[name].read_text(encoding="utf-8"))) for name in names)


def test_what_counts():
    text = '"""Doc\nstring."""\n\nX = """a\n\nb"""  # said\n\n\n@f\ndef g(x):\n    """Doc."""\n    # why\n    return\n'
    assert code_lines(text) == {4, 5, 6, 9, 10, 13}
    assert functions(text) == {"g, line 10": 3}


def test_the_whole():
    assert total(FILES.keys() - APART - EXTRAS) <= TOTAL, "simplify before adding: see CONTRIBUTING.md"
    assert total(APART) <= TOTAL_APART
    assert total(EXTRAS) <= TOTAL_EXTRAS


@pytest.mark.parametrize("name", FILES)
def test_a_module_and_its_functions(name):
    text = FILES[name].read_text(encoding="utf-8")
    assert len(code_lines(text)) <= MODULE
    assert {what: size for what, size in functions(text).items() if size > FUNCTION} == {}
