"""Source of the package in the blocks that name it."""

import pytest

from bookbinder import sync
from bookbinder.chapter import parse

MODULE = '''"""A module."""

import math
from functools import wraps

FACTOR = 2


def helper(x):
    """Twice x."""
    return FACTOR * x


@wraps(helper)
def root(x, scale=1):
    """Root of x.

    Args:
        x: a number.
    """

    def inner(y):
        """Inner words."""
        return helper(y)

    return math.sqrt(inner(x)) * scale


class Box:
    """A box."""

    def get(self):
        """What is in it."""
        return FACTOR
'''
SHOWN = """@wraps(helper)
def root(x, scale=1):
    def inner(y):
        return helper(y)

    return math.sqrt(inner(x)) * scale
"""


@pytest.fixture
def src(tmp_path):
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "mod.py").write_text(MODULE)
    return tmp_path


def page(code, above="", name="pack.mod.root", indent=""):
    rows = [f"<!-- source: {name} -->", *([above] if above else []), "```python", *code.splitlines(), "```"]
    text = "---\ntitle: T\ndescription: D.\n---\n\n```python\nx = 1\n```\n\nText.\n\n"
    box = "!!! note\n\n" if indent else ""
    return parse(text + box + "\n".join(indent + row if row else "" for row in rows) + "\n\nEnd.\n")


def test_source_is_shown_without_docstrings_and_with_its_decorator(src):
    assert sync.source_of("pack.mod.root", src, imports=False) == SHOWN


def test_a_program_of_its_own_gets_the_imports_it_needs(src):
    shown = sync.source_of("pack.mod.root", src, imports=True)
    assert shown.startswith(
        "import math\nfrom functools import wraps\nfrom pack.mod import helper\n\n\n@wraps"
    )


def test_a_method_is_dedented(src):
    assert sync.source_of("pack.mod.Box.get", src, imports=False) == "def get(self):\n    return FACTOR\n"


@pytest.mark.parametrize("name", ["pack.mod.gone", "pack.gone.root", "root"])
def test_an_unknown_name_is_a_fault_at_its_block(src, name):
    chapter = page("pass", name=name)
    (fault,) = sync.faults(chapter, src)
    assert fault.line == chapter.blocks[1].line


def test_drift_is_told_and_mended(src):
    chapter = page("def root(x):\n    return x", above="<!--pytest-codeblocks:cont-->")
    (fault,) = sync.faults(chapter, src)
    assert "differs from pack.mod.root" in fault.message and fault.line == chapter.blocks[1].line
    mended = parse(sync.write(chapter, src))
    assert sync.faults(mended, src) == [] and mended.blocks[1].code == SHOWN
    assert mended.text.endswith("\n\nEnd.\n") and mended.blocks[0].code == "x = 1\n"


def test_a_block_in_a_box_keeps_its_indentation(src):
    mended = parse(sync.write(page("pass", indent="    "), src))
    assert mended.faults == [] and sync.faults(mended, src) == []


def test_several_objects_stand_one_below_the_other(src):
    mended = parse(sync.write(page("pass", name="pack.mod.helper, pack.mod.Box.get"), src))
    assert "def helper" in mended.blocks[1].code and "\n\n\ndef get" in mended.blocks[1].code
