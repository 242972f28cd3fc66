"""Results of runs on disk: found again by what went into them, and never trusted when damaged."""

import hashlib
import json
import os
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
_SHAPING = ("runner.py", "sandbox.py", "figures.py", "matplotlibrc", "exercises.py", "chapter.py", "cache.py")
_LIBRARIES = ("numpy", "torch", "matplotlib", "scipy", "scikit-learn", "ipykernel")


def folder() -> Path:
    """Folder of the cache: BOOK_CACHE, or .cache of the current folder."""
    return Path(os.environ.get("BOOK_CACHE", ".cache")) / "runs"


@lru_cache
def _surroundings() -> str:
    """Hash of all that shapes every run: packages, Python, libraries, kind of device, the binder."""
    files = [_HERE / name for name in _SHAPING] + sorted((_HERE.parent / "chainrule").rglob("*.*"))
    state = hashlib.sha256(f"{sys.version_info[:3]} {device_class()}".encode())
    for name in _LIBRARIES:
        try:
            state.update(f"{name} {version(name)};".encode())
        except PackageNotFoundError:
            state.update(f"{name} none;".encode())
    for file in files:
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".pyc":
            state.update(file.name.encode() + file.read_bytes())
    return state.hexdigest()


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
    return hashlib.sha256(json.dumps([chapter.path, code, _surroundings()]).encode()).hexdigest()[:32]


def read(name: str) -> dict | None:
    """Result of that key, or None where there is none or it is damaged."""
    file = folder() / f"{name}.json"
    try:
        seal, _, body = file.read_text(encoding="utf-8").partition("\n")
        if seal != hashlib.sha256(body.encode()).hexdigest():
            return None
        os.utime(file)
        return json.loads(body)
    except (OSError, ValueError):
        return None


def write(name: str, result: dict) -> None:
    """Keep a result, whole or not at all: another build may read or write the same entry."""
    body = json.dumps(result, sort_keys=True)
    put(folder() / f"{name}.json", f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}".encode())


def put(file: Path, data: bytes) -> None:
    """Write a file in one step, so that no reader sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def evict() -> int:
    """Remove entries that no build has used for `KEEP_DAYS` days, and what a killed build left; their number."""
    old = time.time() - KEEP_DAYS * 86_400
    stale = [file for file in folder().glob("*.json") if file.stat().st_mtime < old]
    stale += [file for file in folder().glob(".*.part") if file.stat().st_mtime < time.time() - 3_600]
    for file in stale:
        file.unlink(missing_ok=True)
    return len(stale)
