"""Python for the page: the files that run blocks in a browser.

The core is Pyodide's, from the npm registry; a book that is built without npm has no Run buttons. Everything is
served from the site itself, from a folder with the core's version in its name.
"""

import base64
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from functools import cache as once
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from bookbinder import cache
from bookbinder.page import table

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
VENDOR = ROOT / "vendor" / "pyodide"
_DATA = table("runtime")
# In the place of scikit-learn.
_SKLEARN = '''"""The data sets of scikit-learn that go along, without scikit-learn."""

import json
from pathlib import Path

import numpy as np


class Bunch(dict):
    def __getattr__(self, name):
        return self[name]


def _load(name, return_X_y=False):
    file = Path(__file__).with_name(name)
    found = Bunch(np.load(file.with_suffix(".npz")), **json.loads(file.with_suffix(".json").read_text()))
    return (found.data, found.target) if return_X_y else found


'''


def fetch() -> Path | None:
    """The core's package in the cache, fetched if it is not there; None where npm cannot be had.

    Raises:
        RuntimeError: if the package is not the one that is pinned.
    """
    package = cache.folder(f"pyodide-{_DATA['version']}.tgz")
    if not package.is_file():
        npm = shutil.which("npm")
        with tempfile.TemporaryDirectory() as folder:
            call = [str(npm), "pack", "--silent", f"pyodide@{_DATA['version']}"]
            done = npm and subprocess.run(call, cwd=folder, capture_output=True, text=True)
            if not done or done.returncode:
                return None
            cache.put(package, next(Path(folder).glob("*.tgz")).read_bytes())
    digest = base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode()
    if f"sha512-{digest}" != _DATA["integrity"]:
        package.unlink()
        raise RuntimeError(
            f"{package} was not the package that runtime.toml pins; it is removed: build again"
        )
    return package


@once
def folder() -> str:
    """Name of the folder in the site; "" where the core cannot be had, which is said once."""
    if os.environ.get("BOOK_RUN") == "no" or fetch() is None:
        print("bookbinder: npm did not give Pyodide, so blocks get no Run button", file=sys.stderr)
        return ""
    return f"python-{_DATA['version']}"


def write(site: Path) -> None:
    """Put the core, the wheels and the book's own files into a built site; nothing where there is no core."""
    if not folder():
        return
    to = site / folder()
    with tarfile.open(fetch()) as package:
        read = lambda name: package.extractfile(f"package/{name}").read()
        files = {name: read(name) for name in _DATA["core"]}
        lock = json.loads(read("pyodide-lock.json"))
    lock["packages"] = _needed(lock["packages"])
    for about in lock["packages"].values():
        files[about["file_name"]] = _vendored(about)
    files["pyodide-lock.json"] = json.dumps(lock, separators=(",", ":")).encode()
    files["book.zip"], files["data.zip"] = _book(), _data()
    sizes = {name: len(content) for name, content in files.items()}
    files["sizes.json"] = json.dumps(sizes).encode()
    for name, content in files.items():
        if not (to / name).is_file() or (to / name).read_bytes() != content:
            cache.put(to / name, content)


def _needed(known: dict[str, dict]) -> dict[str, dict]:
    """The packages that are asked for and all that they need, as the core's list has them."""
    todo, found = list(_DATA["packages"]), {}
    while todo:
        name = todo.pop()
        if name not in found:
            needs = [need for need in known[name]["depends"] if need not in _DATA["without"]]
            found[name] = {**known[name], "depends": needs}
            todo += needs
    return dict(sorted(found.items()))


def _vendored(about: dict) -> bytes:
    """A wheel that lies in the repository, if it is the one in the core's list."""
    content = (VENDOR / about["file_name"]).read_bytes()
    if hashlib.sha256(content).hexdigest() != about["sha256"]:
        raise RuntimeError(f"{about['file_name']} in vendor/pyodide is not the one in Pyodide's list")
    return content


def _packed(files: dict[str, bytes]) -> bytes:
    """A zip file: the same files make the same bytes."""
    out = io.BytesIO()
    with ZipFile(out, "w") as packed:
        for name in sorted(files):
            packed.writestr(ZipInfo(name), files[name], ZIP_DEFLATED)
    return out.getvalue()


def _book() -> bytes:
    """What runs a block: chainrule without its data, and what is needed of the binder."""
    package = ROOT / "src" / "chainrule"
    modules = [file for file in package.rglob("*") if file.suffix in (".py", ".typed")]
    files = {f"chainrule/{file.relative_to(package).as_posix()}": file.read_bytes() for file in modules}
    return _packed(files | {f"bookbinder/{name}": (HERE / name).read_bytes() for name in _DATA["binder"]})


def _data() -> bytes:
    """The data of chainrule, and arrays of scikit-learn with a stand-in that gives them out."""
    import numpy as np
    from sklearn import datasets

    shipped = ROOT / "src" / "chainrule" / "datasets"
    files = {f"chainrule/datasets/{file.name}": file.read_bytes() for file in shipped.iterdir()}
    text = _SKLEARN
    for name in _DATA["sets"]:
        bunch, out = getattr(datasets, f"load_{name}")(), {}
        for key in ("data", "target", "images"):
            if key in bunch:
                saved = io.BytesIO()
                np.save(saved, bunch[key])
                out[f"{key}.npy"] = saved.getvalue()
        words = {
            key: [str(word) for word in bunch[key]]
            for key in ("feature_names", "target_names")
            if key in bunch
        }
        files |= {f"sklearn/{name}.npz": _packed(out), f"sklearn/{name}.json": json.dumps(words).encode()}
        text += f"def load_{name}(**options):\n    return _load({name!r}, **options)\n\n\n"
    files |= {"sklearn/__init__.py": b"", "sklearn/datasets.py": (text.rstrip() + "\n").encode()}
    return _packed(files)
