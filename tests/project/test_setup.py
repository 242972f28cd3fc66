"""The set-up that make composes, with uv and without, by stand-ins that write down how they are called."""

import os
import shutil
import subprocess

import pytest

from conftest import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="needs make")
# A stand-in for uv, Python or pip: it notes its name and arguments, and makes an environment where one is asked for.
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >> "$LOG"
case "$*" in
  *version_info*) exit "${OLD:-0}" ;;
  *"venv "*) for folder; do :; done; mkdir -p "$folder/bin"
    for name in python pip; do cp "$0" "$folder/bin/$name"; done ;;
esac
"""
ENGINE = "-e .[torch,book,site,test] -e src/bookbinder"


@pytest.fixture
def make(tmp_path):
    """A call of make with stand-ins for uv and Python: what it did, and what it said."""
    for name in ("uv", "python9"):
        (tmp_path / name).write_text(STAND_IN, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    log = tmp_path / "log"

    def call(*variables, **surroundings):
        log.write_text("", encoding="utf-8")
        env = {k: v for k, v in os.environ.items() if k not in ("UV", "MAKEFLAGS", "MAKELEVEL")} | surroundings
        where = [f"VENV={tmp_path / 'new'}", f"PYTHON={tmp_path / 'python9'}"]
        command = ["make", "sync", *where, *variables]
        done = subprocess.run(command, cwd=ROOT, env=env | {"LOG": str(log)}, capture_output=True, text=True)
        return log.read_text(encoding="utf-8").replace(f"{tmp_path}/", ""), done.stdout

    return call


def test_with_uv_pytorch_is_what_fits_the_machine(make, tmp_path):
    did, said = make(f"UV={tmp_path / 'uv'}", "PIP_ARGS=--offline")
    calls = [line for line in did.splitlines() if line.startswith("uv")]
    start = "uv pip install --python new/bin/python --torch-backend=auto --offline -c constraints.txt"
    assert calls == [
        "uv venv --quiet --seed --python python9 new",
        f"{start} hatchling editables",
        f"{start} --no-build-isolation {ENGINE}",
    ]
    assert "no uv" not in said and did.endswith("python -m bookbinder sync\n")
    did, said = make(f"UV={tmp_path / 'uv'}")
    assert did == "python -m bookbinder sync\n" and said == ""  # nothing is set up twice


def test_uv_brings_a_python_where_none_fits(make, tmp_path):
    did, _ = make(f"UV={tmp_path / 'uv'}", OLD="1")
    assert "uv venv --quiet --seed --python 3.13 new\n" in did


def test_without_uv_pip_does_it_and_make_says_so(make):
    did, said = make("PIP_ARGS=--pre", UV="")
    start = "pip install --quiet --disable-pip-version-check --pre -c constraints.txt"
    assert "python9 -m venv new\n" in did and "uv " not in did
    assert f"{start} hatchling editables\n" in did and f"{start} --no-build-isolation {ENGINE}\n" in did
    assert "no uv here, so pip installs" in said and "README.md" in said


def test_without_uv_an_old_python_is_refused(make):
    did, said = make(UV="", OLD="1")
    assert "below 3.11: install Python 3.11 or newer" in said and "pip" not in did
