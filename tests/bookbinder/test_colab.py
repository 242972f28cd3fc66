"""Published notebooks, top to bottom, with the versions that Colab last shipped and the site's own wheel."""

import functools
import http.server
import os
import subprocess
import threading
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from bookbinder import notebook
from conftest import ROOT
from deep.environments import environment
from sampling import place, sample

pytestmark = pytest.mark.deep
SITE = ROOT / "site"
NOTEBOOKS = sorted(SITE.glob("notebooks/**/*.ipynb"))
VERSIONS = {
    "numpy": "2.1.3",
    "matplotlib": "3.10.0",
    "sklearn": "1.6.1",
    "IPython": "7.34.0",
    "ipykernel": "6.17.1",
}
TIMEOUT = 300  # seconds a cell


@pytest.fixture(scope="module")
def python() -> Path:
    assert NOTEBOOKS, "there are no notebooks: make site"
    return environment("colab", torch=True)


@pytest.fixture(scope="module")
def published():
    """Address of the site, served as a stranger gets it."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=SITE))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def clean(folder: Path) -> dict[str, str]:
    """Environment variables of someone who knows nothing of the book; what pip installs goes into `folder`."""
    (folder / "installed").mkdir(parents=True)
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LD_LIBRARY_PATH")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    target = str(folder / "installed")
    pip = {"PIP_TARGET": target, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_PROXY": "127.0.0.1"}
    own = {
        "HOME": str(folder),
        "PYTHONPATH": target,
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    return kept | threads | pip | own


def run(nb: nbformat.NotebookNode, python: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of this Python's kernel."""
    client = NotebookClient(
        nb,
        timeout=TIMEOUT,
        kernel_name="python3",
        resources={"metadata": {"path": folder}},
        iopub_timeout=60,
        raise_on_iopub_timeout=True,  # a busy machine is late with outputs, and none may be lost
    )
    client.create_kernel_manager()
    client.km.kernel_spec.argv[:] = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client.execute(env=clean(folder))
    return nb


def again(nb: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    """The cells before the exercises once more: a reader goes back and turns a knob."""
    ids = [cell.id for cell in nb.cells]
    until = ids.index("workbook") if "workbook" in ids else len(ids)
    return [nbformat.v4.new_code_cell(c.source) for c in nb.cells[:until] if c.cell_type == "code"]


def test_the_environment_is_colabs(python, tmp_path):
    lines = "; ".join(f"import {name}; print({name}.__version__)" for name in VERSIONS)
    lines += "; import torch; print(torch.__version__.partition('+')[0])"
    done = subprocess.run([python, "-c", lines], env=clean(tmp_path), capture_output=True, text=True)
    assert done.stdout.split() == [*VERSIONS.values(), "2.13.0"], done.stderr
    for name in ("chainrule", "bookbinder"):
        done = subprocess.run(
            [python, "-c", f"import {name}"], env=clean(tmp_path / name), capture_output=True
        )
        assert done.returncode, f"{name} is there before a notebook has fetched it"


def page_of(file: Path) -> str:
    """The place of the page that a notebook is made from."""
    return place(file.relative_to(SITE / "notebooks").with_suffix("").as_posix())


@pytest.mark.parametrize("file", sample(NOTEBOOKS, 4, page_of), ids=page_of)
def test_the_notebook_runs_top_to_bottom(python, published, tmp_path, file):
    nb = nbformat.read(file, as_version=4)
    nbformat.validate(nb)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
        if cell.id == "setup":  # as it is where the site's address is known
            wheel = next(SITE.glob("dist/chainrule-*.whl")).name
            cell.source = notebook.setup_cells(["import chainrule"], published, wheel)[0].source
    fetches = any(cell.id == "setup" for cell in nb.cells)
    nb.cells += again(nb)
    run(nb, python, tmp_path)
    code = [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert (tmp_path / "installed/chainrule/__init__.py").exists() == fetches
    said = [out.text for cell in code for out in cell.outputs if out.output_type == "stream"]
    checks = sum("print('not yet:'" in cell.source for cell in code)
    assert sum(text.count("not yet: fill") for text in said) >= checks, (
        "an unfilled exercise names its blanks"
    )


def test_a_notebook_that_fails_is_seen(python, tmp_path):
    cell = nbformat.v4.new_code_cell("raise ValueError('seen')")
    with pytest.raises(CellExecutionError, match="seen"):
        run(nbformat.v4.new_notebook(cells=[cell]), python, tmp_path)
