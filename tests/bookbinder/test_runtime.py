"""The files that run blocks in a browser."""

import hashlib
import json
import subprocess
import sys
import zipfile

import pytest

from bookbinder import runtime


def test_without_npm_there_is_no_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path))
    monkeypatch.setattr(runtime.shutil, "which", lambda name: None)
    runtime.folder.cache_clear()
    try:
        assert runtime.folder() == ""
        assert "blocks get no Run button" in capsys.readouterr().err
        runtime.write(tmp_path / "site")
        assert not (tmp_path / "site").exists()
    finally:
        runtime.folder.cache_clear()


def test_a_package_that_is_not_the_pinned_one_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("BOOK_CACHE", str(tmp_path))
    package = tmp_path / f"pyodide-{runtime._DATA['version']}.tgz"
    package.write_bytes(b"something else")
    with pytest.raises(RuntimeError, match="was not the package that runtime.toml pins"):
        runtime.fetch()
    assert not package.exists()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if not runtime.folder():
        pytest.skip("npm is missing: sudo apt install npm")
    to = tmp_path_factory.mktemp("site")
    runtime.write(to)
    return to / runtime.folder()


def test_each_wheel_is_the_one_that_pyodide_lists(site):
    lock = json.loads((site / "pyodide-lock.json").read_text())["packages"]
    assert {"numpy", "matplotlib", "pillow"} <= lock.keys() and "fonttools" not in lock
    for about in lock.values():
        assert hashlib.sha256((site / about["file_name"]).read_bytes()).hexdigest() == about["sha256"]
        assert set(about["depends"]) <= lock.keys()
    assert {about["file_name"] for about in lock.values()} == {file.name for file in runtime.VENDOR.iterdir()}


def test_every_file_is_told_with_its_size(site):
    sizes = json.loads((site / "sizes.json").read_text())
    assert sizes == {file.name: file.stat().st_size for file in site.iterdir() if file.name != "sizes.json"}
    assert sum(sizes.values()) < 32e6


def test_data_go_in_a_file_of_their_own(site):
    book, data = (set(zipfile.ZipFile(site / f"{name}.zip").namelist()) for name in ("book", "data"))
    assert {"chainrule/ops.py", "bookbinder/in_page.py", "bookbinder/matplotlibrc"} <= book
    assert {"chainrule/datasets/alice.txt.gz", "sklearn/datasets.py", "sklearn/digits.npz"} <= data
    assert not book & data and (site / "book.zip").stat().st_size < 400_000


def test_the_stand_in_for_scikit_learn_gives_what_that_gives(site, tmp_path):
    zipfile.ZipFile(site / "data.zip").extractall(tmp_path)
    code = """
import sys; sys.path.insert(0, sys.argv[1])
from sklearn import datasets
import json
for name in ("digits", "iris", "breast_cancer", "diabetes"):
    all_of_it = getattr(datasets, f"load_{name}")()
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    print(json.dumps([x.sum(), y.sum().item(), str(x.dtype), str(y.dtype), list(map(str, all_of_it.feature_names))]))
"""
    said = [subprocess.run([sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True).stdout
            for folder in (tmp_path, tmp_path / "nowhere")]  # fmt: skip
    assert said[0] == said[1] and said[0].count("\n") == 4


def test_the_same_files_make_the_same_bytes(site, tmp_path):
    runtime.write(tmp_path)
    for file in site.iterdir():
        assert (tmp_path / site.name / file.name).read_bytes() == file.read_bytes(), file.name
