"""Results of runs on disk: found again by what went into them, and never trusted when damaged."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bookbinder.chapter import Chapter

KEEP_DAYS = 30
_HERE = Path(__file__).parent
# The binder's files that shape a result; a change in any of them makes every result stale.
_SHAPING = "runner.py kernel.py sandbox.py figures.py matplotlibrc exercises.py chapter.py cache.py".split()
_LIBRARIES = ("numpy", "torch", "matplotlib", "scipy", "scikit-learn", "ipykernel")


def folder() -> Path:
    """Folder of the cache: BOOK_CACHE, or .cache of the current folder."""
    return Path(os.environ.get("BOOK_CACHE", ".cache")) / "runs"


def digest(*parts: str | Path) -> str:
    """Hash of texts and of files (name and content), short enough for a file name."""
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            state.update(part.encode() + b"\0")
        elif part.is_file() and part.suffix != ".pyc":
            state.update(part.name.encode() + b"\0" + part.read_bytes())
    return state.hexdigest()[:32]


def surroundings() -> str:
    """Hash of all that shapes every run: packages, Python, libraries, kind of device, the binder."""
    files = [_HERE / name for name in _SHAPING] + sorted((_HERE.parent / "chainrule").rglob("*.*"))
    return _surroundings(tuple((file, file.stat().st_mtime_ns) for file in files))


@lru_cache(maxsize=4)
def _surroundings(files: tuple[tuple[Path, int], ...]) -> str:
    libraries = []
    for name in _LIBRARIES:
        try:
            libraries.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            libraries.append(f"{name} none")
    return digest(str(sys.version_info[:3]), device_class(), *libraries, *(file for file, _ in files))


def device_class() -> str:
    """Kind of device that torch would choose, told without importing torch: cuda, mps or cpu."""
    if Path("/dev/nvidia0").exists() and os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1"):
        return "cuda"
    return "mps" if sys.platform == "darwin" and os.uname().machine == "arm64" else "cpu"


def key(chapter: Chapter) -> str:
    """Hash of what a result depends on: the page's code and its surroundings. Prose and line numbers are not in it."""
    code = [
        (block.code, block.continues, repr(block.mark), block.exercise)
        for block in [*chapter.blocks, *chapter.answers]
    ]
    return digest(json.dumps([chapter.path, code]), surroundings())


def read(name: str) -> dict | None:
    """Result of that key, or None where there is none or it is damaged."""
    file = folder() / f"{name}.json"
    try:
        seal, _, body = file.read_text(encoding="utf-8").partition("\n")
        if seal != digest(body):
            return None
        os.utime(file)
        return json.loads(body)
    except (OSError, ValueError):
        return None


def write(name: str, result: dict) -> None:
    """Keep a result, whole or not at all: another build may read or write the same entry."""
    body = json.dumps(result, sort_keys=True)
    put(folder() / f"{name}.json", f"{digest(body)}\n{body}".encode())


def put(file: Path, data: bytes) -> None:
    """Write a file in one step, so that no reader sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".", suffix=".part") as folder:
        part = Path(folder, file.name)
        part.write_bytes(data)
        os.replace(part, file)


def evict_labs(home: Path) -> None:
    """Remove what labs put out under surroundings that no build has had for `KEEP_DAYS` days."""
    for entry in home.glob("*/*.json"):
        if entry.parent.stat().st_mtime < time.time() - KEEP_DAYS * 86_400:
            entry.unlink(missing_ok=True)


def evict() -> int:
    """Remove what a killed build left, and entries that no build has used for `KEEP_DAYS` days; the number of these."""
    old = time.time() - KEEP_DAYS * 86_400
    kept = [*folder().glob("*.json"), *(folder().parent / "notebooks").glob("*.ipynb")]
    stale = [file for file in kept if file.stat().st_mtime < old]
    for file in stale:
        file.unlink(missing_ok=True)
    for part in folder().glob(".*.part"):
        if part.stat().st_mtime < time.time() - 3_600:
            shutil.rmtree(part, ignore_errors=True)
    return len(stale)
