"""What is released: the wheel and the sdist of a clean checkout hold chainrule, and the wheel needs NumPy alone."""

import importlib.metadata
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from conftest import ROOT

pytestmark = pytest.mark.deep
TRAIN = """
import importlib.util
import sys

import numpy as np

import chainrule
from chainrule import data, losses, nn, optim

assert not [m for m in ("torch", "matplotlib", "scipy", "bookbinder") if importlib.util.find_spec(m)]
assert chainrule.__file__.startswith(sys.prefix), chainrule.__file__
(x, y), _ = data.fashion_mnist()
assert len(data.names()) > 100 and data.alice().startswith("CHAPTER I")
model = nn.Sequential(nn.Linear(x[0].size, 10, generator=np.random.default_rng(0)))
optimizer = optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    loss = losses.cross_entropy(model(x[:100].reshape(100, -1)), y[:100])
    print(loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def run(*command, **options) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def unpacked(archive: tarfile.TarFile, folder: Path) -> Path:
    with archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    """The last commit in a folder of its own: nothing that lies about unversioned can help."""
    packed = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True, check=True).stdout
    return unpacked(tarfile.open(fileobj=io.BytesIO(packed)), tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def built(checkout) -> dict[str, Path]:
    """The sdist and the wheel, by suffix."""
    run(sys.executable, "-m", "hatchling", "build", cwd=checkout)
    return {file.suffix: file for file in (checkout / "dist").iterdir()}


@pytest.fixture(scope="module")
def package(checkout) -> set[str]:
    """Files of the package in the checkout."""
    files = {file for file in (checkout / "src/chainrule").rglob("*") if file.is_file()}
    return {file.relative_to(checkout / "src").as_posix() for file in files}


def names(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_holds_chainrule_its_data_and_its_licence_alone(built, package):
    inside = names(built[".whl"])
    shipped = {
        f"chainrule/datasets/{name}"
        for name in (
            "fashion_mnist.npz",
            "first_names.txt",
            "alice.txt.gz",
            "shakespeare.txt.gz",
            "shakespeare_gpt.npz",
        )
    }
    assert shipped <= package
    about = {name for name in inside if ".dist-info/" in name}
    assert inside - about == package
    assert {name.partition("/")[2] for name in about} == {"METADATA", "WHEEL", "RECORD", "licenses/LICENSE"}


def test_the_sdist_makes_the_same_wheel(built, package, tmp_path):
    (source,) = unpacked(tarfile.open(built[".gz"]), tmp_path / "sdist").iterdir()
    assert {"README.md", "LICENSE", "DATA.md", "pyproject.toml"} <= {file.name for file in source.iterdir()}
    assert not (source / "src/bookbinder").exists() and not (source / "docs").exists()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", cwd=source)
    (again,) = (source / "dist").glob("*.whl")
    assert again.read_bytes() == built[".whl"].read_bytes()


def test_the_wheel_installs_beside_numpy_alone_and_trains(built, tmp_path):
    """The environment's NumPy is lent by links, so that nothing is downloaded; pip looks whether it is enough."""
    run(sys.executable, "-m", "venv", "--without-pip", tmp_path / "fresh")
    python = tmp_path / "fresh/bin/python"
    (packages,) = (tmp_path / "fresh").glob("lib/python*/site-packages")
    lent = importlib.metadata.distribution("numpy")
    for top in {file.parts[0] for file in lent.files} - {".."}:
        (packages / top).symlink_to(Path(lent.locate_file(top)).resolve())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python]
    run(*pip, "install", "--no-index", built[".whl"])
    run(*pip, "check")
    first, second, third = map(float, run(python, "-I", "-c", TRAIN, cwd=tmp_path).split())
    assert first > second > third
