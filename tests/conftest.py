"""What every test shares: the places, and one thread a process, so that tests side by side do not fight."""

import os
import signal
from pathlib import Path

import pytest

from minutes import Minutes

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("MPLBACKEND", "agg")
# A shell that puts a job into the background makes it deaf to Ctrl-C, and its children with it: the tests that send
# one to a child would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parents[1]


def pytest_configure(config):
    workers = getattr(config.option, "numprocesses", None) or 1
    config.pluginmanager.register(Minutes(int(workers)), "minutes")


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> Path:
    """A cache for this test alone; only matplotlib's list of fonts, which takes seconds, is the shared one."""
    shared = Path(os.environ.get("BOOK_CACHE", ROOT / ".cache")).resolve() / "matplotlib"
    shared.mkdir(parents=True, exist_ok=True)
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "matplotlib").symlink_to(shared)
    monkeypatch.setenv("BOOK_CACHE", str(folder))
    return folder
