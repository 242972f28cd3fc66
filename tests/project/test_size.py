"""The packages stay readable: code lines of a module and of a function, which no squeezing may buy.

A code line holds code: blank lines, comments and docstrings cost nothing. There is no limit on the whole.
"""

import ast
import io
import tokenize

import pytest

from conftest import ROOT

MODULE = 500
# A function of the engine is shown in a chapter, one of the binder is not.
FUNCTION = {"chainrule": 25, "bookbinder": 40}
FILES = {
    file.relative_to(ROOT / "src").as_posix(): file
    for package in FUNCTION
    for file in sorted((ROOT / "src" / package).rglob("*.py"))
}
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


@pytest.mark.parametrize("name", FILES)
def test_a_module_and_its_functions(name):
    text = FILES[name].read_text(encoding="utf-8")
    most = FUNCTION[name.partition("/")[0]]
    assert len(code_lines(text)) <= MODULE, f"{name}: split it by subject"
    assert {what: size for what, size in functions(text).items() if size > most} == {}
