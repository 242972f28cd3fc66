"""The package from outside: what importing it costs."""

import subprocess
import sys

import pytest

import chainrule


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()


def test_import_needs_numpy_only():
    code = "import sys; {}; print(*{{m.split('.')[0] for m in sys.modules}})"
    extra = set(run(code.format("import chainrule"))) - set(run(code.format("import numpy.random")))
    assert extra <= {"chainrule"} | set(sys.stdlib_module_names)
    heavy = {"torch", "matplotlib", "scipy", "sklearn", "inspect", "dataclasses", "typing_extensions"}
    assert not extra & heavy


def test_submodules_come_when_asked_for():
    assert run("import chainrule; print(chainrule.functional.linear.__name__)") == ["linear"]
    assert chainrule.manual_seed is chainrule.init.manual_seed
    with pytest.raises(AttributeError, match="module 'chainrule' has no attribute 'nothing'"):
        chainrule.nothing  # noqa: B018
