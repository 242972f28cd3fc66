"""A new op for the engine, from a shell: its function and its test rows, which fail until they are filled."""

import re
import sys
from pathlib import Path

OPS, CASES = Path("src/chainrule/ops.py"), Path("tests/chainrule/cases.py")
PARTS = [OPS, *(OPS.with_name(f"{part}.py") for part in ("windows", "fused"))]  # where ops are
FUNCTION = '''

@primitive
def {name}(x):
    """Say what is computed, entry by entry.

    Source: paper, section, equation.
    """
    raise NotImplementedError("{name}: write its value and, for each input, the rule of its gradient in ops.py")
    return out, lambda g: g  # the value, and g times the slope of the value by x
'''
ROWS = """
# {name}: rows for every kind of input that it takes (no dimension, empty, size 1, broadcast, ties, zeros).
# A shape is filled with normal numbers; some(*shape) is positive, for an op that is not defined everywhere.
THEIRS["{name}"] = getattr(torch, "{name}", None)  # what PyTorch calls it
for shape in [(), (1,), (0,), (3, 4), (2, 1, 3)]:
    row("{name}", shape)
"""
TO_FILL = """{ops}:{line}  the value and its rules, and what they do in the docstring
{cases}:{row}  its rows, and what PyTorch calls it
src/chainrule/torch.py  its name in the table of counterparts
docs/reference/parity.md  a line op(…, "ops.{name}", …) beside its likes
then: make test-engine ARGS="-k {name}", make check FILE=docs/reference/parity.md; if a chapter shows it, make sync"""


def new(name: str, root: Path = Path()) -> str:
    """What is left to fill after an op of that name was put into the engine and its tests.

    Args:
        name: A name that Python and PyTorch would use, such as log1p.
        root: The checkout.

    Raises:
        ValueError: if it is no such name, or an op has it.
    """
    ops, cases = (root / OPS).read_text(encoding="utf-8"), (root / CASES).read_text(encoding="utf-8")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in _taken(root):
        raise ValueError(f"{name}: give a new op a name of its own in small letters, such as log1p")
    listed, private = ops.index('\n""".split()'), ops.index("\n\ndef _check_index(")
    text = FUNCTION.format(name=name)
    new_ops = f"{ops[:listed]}\n    {name}{ops[listed:private]}{text}{ops[private:]}"
    (root / OPS).write_text(new_ops, encoding="utf-8")
    (root / CASES).write_text(cases + ROWS.format(name=name), encoding="utf-8")
    line = new_ops[: new_ops.index(f"\ndef {name}(")].count("\n") + 2
    return TO_FILL.format(name=name, ops=OPS, cases=CASES, line=line, row=cases.count("\n") + 2)


def _taken(root: Path) -> list[str]:
    """Names of the functions that there are."""
    return re.findall(
        r"^def (\w+)", "".join((root / part).read_text(encoding="utf-8") for part in PARTS), re.M
    )


if __name__ == "__main__":
    try:
        print(new(*sys.argv[1:]))
    except (TypeError, ValueError) as error:
        sys.exit(str(error) if isinstance(error, ValueError) else "make op NAME=log1p")
