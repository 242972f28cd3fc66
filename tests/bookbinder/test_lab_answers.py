"""Labs with blanks: each empty blank says so, each answer passes its check, a plausible wrong answer does not.

An answer stands in a closed box in the text below its blank; the wrong ones are changes of it, written here.
"""

import ast
import re
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from conftest import ROOT

# Blank → pairs: a part of the answer, and what a student might write there.
WRONG = {
    "own-engine": {
        "add": [
            ("lambda g: g * y.data", "lambda g: g * x.data"),
            ("[(x, lambda g: g), (y, lambda g: g)]", "[(x, lambda g: g), (y, lambda g: -g)]"),
        ],
        "tanh": [("1 - out**2", "1 - x.data**2"), ("g * (1 - out**2)", "1 - out**2")],
        "order": [("stack.append((value, True))", "found.append(value)"), ("seen.add(value)", "pass")],
        "backward": [
            ("flow.get(parent, 0.0) + pull(g)", "pull(g)"),
            ("value.grad + g", "g"),
            ("reversed(order(root))", "order(root)"),
        ],
        "unbroadcast": [
            ("if length == 1:\n            g = g.sum(axis=axis, keepdims=True)", "pass"),
            ("g = g.sum(axis=0)", "g = g.sum(axis=-1)"),
        ],
        "add (arrays)": [
            ("unbroadcast(g * x.data, y.data.shape)", "g * x.data"),
            ("(y, lambda g: unbroadcast(g, y.data.shape))", "(y, lambda g: g)"),
        ],
        "matmul": [("g @ y.data.T", "g @ y.data"), ("x.data.T @ g", "(g.T @ x.data)")],
        "total": [
            ("g * mask)", "g * x.data)"),
            ("g * np.ones_like(x.data)", "g"),
            ("mask = x.data > 0", "mask = np.sign(x.data)"),
            ("lambda g: g * mask", "lambda g: g * (g > 0)"),
        ],
        "log_softmax": [
            ("p * g.sum(axis=1, keepdims=True)", "p * g"),
            ("x.data - x.data.max(axis=1, keepdims=True)", "x.data"),
        ],
    },
}


def cells(lab: str) -> list[tuple[str, str]]:
    """(kind, text) of each cell; the text of prose without its comment signs."""
    text = (ROOT / f"docs/labs/{lab}.py").read_text(encoding="utf-8")
    pieces = re.split(r"^# %%(.*)\n", text, flags=re.M)[1:]
    out = []
    for kind, body in zip(pieces[::2], pieces[1::2], strict=True):
        prose = "markdown" in kind
        out.append(("prose", re.sub(r"^# ?", "", body, flags=re.M)) if prose else ("code", body))
    return out


def answer_in(prose: str) -> str:
    """The code in the box of the answer."""
    boxes = re.findall(r"^\?{3} success \"Answer\"\n((?: {4}.*\n|\n)+)", prose, re.M)
    assert len(boxes) == 1, "wanted one answer below a blank"
    (code,) = re.findall(r"^```py\n(.*?)^```$", textwrap.dedent(boxes[0]), re.S | re.M)
    return code


def filled(cell: str, answer: str) -> str:
    """A cell with the functions of the answer in the place of its own."""
    places = {f.name: f for f in ast.parse(cell).body if isinstance(f, ast.FunctionDef)}
    lines, new = cell.splitlines(), {f.name: ast.unparse(f) for f in ast.parse(answer).body}
    for name in sorted(new, key=lambda name: -places[name].lineno):
        where = slice(places[name].lineno - 1, places[name].end_lineno)
        assert "# your turn" in lines[where.stop - 1], f"{name} is no blank"
        lines[where] = new[name].splitlines()
    text = "\n".join(lines)
    assert "# your turn" not in text, "the answer leaves a blank"
    return text


def run(code: str, space: dict) -> None:
    exec(compile(code, "<lab>", "exec"), space)
    plt.close("all")


def blanks(lab: str) -> dict[int, tuple[str, str]]:
    """Number of a blank's cell → (name, answer)."""
    found, all_cells = {}, cells(lab)
    for k, (kind, text) in enumerate(all_cells):
        if kind == "code" and "# your turn" in text:
            name = re.search(r"^def (\w+)\(", text, re.M)[1]
            name += " (arrays)" * (name in (n for n, _ in found.values()))
            found[k] = name, answer_in(all_cells[k + 1][1])
    return found


@pytest.mark.parametrize("lab", WRONG)
def test_run_all_reaches_the_end_and_each_blank_says_not_yet(lab, capsys):
    space: dict = {"__name__": "__main__"}
    for kind, text in cells(lab):
        if kind == "code":
            run(text, space)
    said = capsys.readouterr().out
    assert len(re.findall("^not yet: .*is still empty$", said, re.M)) == len(WRONG[lab])
    assert said.count("not yet") == said.count("stands in") + said.count("stand in") == len(WRONG[lab])
    assert "right: the check passes" not in said
    assert said.endswith(f"0 of {len(WRONG[lab])} blanks are yours\n")


@pytest.mark.parametrize("lab", WRONG)
def test_each_answer_passes_and_a_wrong_one_fails(lab, capsys):
    space: dict = {"__name__": "__main__"}
    at = blanks(lab)
    assert [name for name, _ in at.values()] == list(WRONG[lab])
    for k, (kind, text) in enumerate(cells(lab)):
        if kind == "prose":
            continue
        if k not in at:
            run(text, space)
            continue
        name, answer = at[k]
        for part, instead in WRONG[lab][name]:
            assert answer.count(part) == 1, f"{name}: {part}"
            capsys.readouterr()
            run(filled(text, answer.replace(part, instead)), space)
            said = capsys.readouterr().out
            assert said.startswith("not yet: ") and "empty" not in said, f"{name}: {instead}: {said}"
        run(filled(text, answer), space)
        assert capsys.readouterr().out == "right: the check passes\n", name
    said, count = capsys.readouterr().out, len(WRONG[lab])
    assert "not yet" not in said and said.endswith(f"{count} of {count} blanks are yours\n")


def test_every_lab_with_closed_answers_is_tested_here():
    boxes = {
        file.stem
        for file in Path(ROOT / "docs/labs").glob("*.py")
        if '??? success "Answer"' in file.read_text("utf-8")
    }
    assert boxes == set(WRONG)
