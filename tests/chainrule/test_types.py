"""The types that the package declares hold, and reach whoever uses it."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy")
ROOT = Path(__file__).parents[2]
USE = """
from chainrule import Tensor, nn, no_grad
from chainrule.training import fit

layer = nn.Linear(2, 3)
with no_grad():
    shape: tuple[int, ...] = Tensor([1.0, 2.0]).shape
state: dict = layer.state_dict()
"""


def mypy(*arguments):
    command = [sys.executable, "-m", "mypy", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "src" / "chainrule" / "py.typed").is_file()


@pytest.mark.deep
def test_the_package_type_checks():
    done = mypy("src/chainrule")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.deep
def test_a_wrong_use_is_found(tmp_path):
    file = tmp_path / "use.py"
    file.write_text(USE)
    right = mypy("--follow-imports=silent", str(file))
    assert right.returncode == 0, right.stdout
    file.write_text(USE + 'nn.Linear("2", 3)\nlayer.state_dict(4)\nlayer.nothing\n')
    wrong = mypy("--follow-imports=silent", str(file)).stdout
    assert wrong.count("error:") == 3 and "[arg-type]" in wrong and "[attr-defined]" in wrong, wrong
