"""The reference pages: every module has its place, every public name a docstring to show there."""

import ast
import re
from pathlib import Path

import pytest

import chainrule

ROOT = Path(__file__).parents[2]
SOURCE = Path(chainrule.__file__).parent
MODULES = sorted(path.relative_to(SOURCE).with_suffix("").as_posix() for path in SOURCE.rglob("*.py"))


def only_names_others(path: Path) -> bool:
    """Whether a module consists of imports, such as chainrule.nn.init."""
    body = ast.parse(path.read_text()).body[1:]
    return all(isinstance(node, ast.Import | ast.ImportFrom) for node in body)


def test_every_module_stands_on_one_page_of_the_reference():
    pages = (ROOT / "docs" / "reference" / "api").glob("*.md")
    shown = [name for page in pages for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)]
    dotted = {name: f"chainrule/{name}".removesuffix("/__init__").replace("/", ".") for name in MODULES}
    wanted = {dotted[name] for name in MODULES if not only_names_others(SOURCE / f"{name}.py")}
    assert wanted <= set(shown) <= set(dotted.values()) and len(shown) == len(set(shown))


@pytest.mark.parametrize("name", MODULES)
def test_public_functions_say_what_they_take_and_give(name):
    """A documented argument exists, and a function that documents one documents all."""
    tree = ast.parse((SOURCE / f"{name}.py").read_text())
    for node in ast.walk(tree):
        text = ast.get_docstring(node) or "" if isinstance(node, ast.FunctionDef) else ""
        section = re.search(r"^Args:\n((?: {4}.*\n?|\n)+)", text, re.MULTILINE)
        if section is None:
            continue
        told = re.findall(r"^ {4}\*{0,2}(\w+):", section[1], re.MULTILINE)
        arguments = node.args
        taken = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        options = arguments.kwarg is not None  # `fit` documents its options one by one
        missing = {*taken} - {"self", *told}
        unknown = set() if options else {*told} - {*taken, arguments.vararg and arguments.vararg.arg}
        assert not missing and not unknown, f"{name}.{node.name}: {missing} undocumented, {unknown} unknown"
