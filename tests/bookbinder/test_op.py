"""The recipe for an op, followed to the letter in a copy of the engine."""

import os
import shutil
import subprocess
import sys

import pytest

from bookbinder import op
from conftest import ROOT


@pytest.fixture
def engine(tmp_path):
    ignored = shutil.ignore_patterns("__pycache__", "datasets")
    shutil.copytree(ROOT / "src/chainrule", tmp_path / "src/chainrule", ignore=ignored)
    shutil.copytree(ROOT / "tests/chainrule", tmp_path / "tests/chainrule", ignore=ignored)
    return tmp_path


def outcome(engine, name):
    env = {**os.environ, "PYTHONPATH": str(engine / "src")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "-k",
        name,
    ]
    done = subprocess.run(
        [*command, "tests/chainrule/test_ops.py"], cwd=engine, env=env, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def test_scaffold_fill_pass(engine):
    said = op.new("log1p", engine)
    places = [line.split("  ")[0] for line in said.split("\n")[:4]]
    ops, cases = engine / op.OPS, engine / op.CASES
    for place, wanted in zip(places[:2], ("def log1p(x):", "# log1p: rows"), strict=True):
        file, line = place.split(":")
        assert (engine / file).read_text().split("\n")[int(line) - 1].startswith(wanted)
    status, told = outcome(engine, "log1p")
    assert (
        status == 1
        and "log1p: write its value and, for each input, the rule of its gradient in ops.py" in told
    )
    text = ops.read_text()
    start = text.index('    raise NotImplementedError("log1p')
    end = text.index("\n", text.index("    return out, lambda g: g  # the value"))
    filled = "    return np.log1p(np.abs(x)), lambda g: g * np.sign(x) / (1 + np.abs(x))"
    ops.write_text(text[:start] + filled + text[end:])
    cases.write_text(
        cases.read_text().replace('getattr(torch, "log1p", None)', "lambda x: torch.log1p(x.abs())")
    )
    assert outcome(engine, "log1p")[0] == 0
    ops.write_text(ops.read_text().replace("g * np.sign(x) / (1", "-g * np.sign(x) / (1"))
    assert outcome(engine, "log1p")[0] == 1, "a wrong sign is found"


@pytest.mark.parametrize(
    ("arguments", "said"), [([], "make op NAME=log1p\n"), (["add"], "add: give a new op a name of its own")]
)
def test_from_a_shell_it_says_what_it_wants(engine, arguments, said):
    command = [sys.executable, "-m", "bookbinder.op", *arguments]
    done = subprocess.run(command, cwd=engine, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith(said) and "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["add", "conv2d", "mse_loss", "Bad", "two words", ""])
def test_a_name_that_cannot_be(engine, name):
    with pytest.raises(ValueError, match="a name of its own"):
        op.new(name, engine)
