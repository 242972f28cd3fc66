"""Results of runs on disk: found again by what went into them, and never trusted when damaged."""

import hashlib
import json
import os
import shutil
import sys
import time
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bookbinder.chapter import Chapter

KEEP_DAYS = 30
_HERE = Path(__file__).parent
# The binder's files that shape a result; a change in any of them makes every result stale.
_SHAPING = (
    "runner kernel sandbox environment figures frames predict matplotlibrc exercises workbook chapter cache"
).split()
_LIBRARIES = ("numpy", "torch", "matplotlib", "scipy", "scikit-learn", "ipykernel")
_KINDS = ("runs", "figures", "notebooks")


def folder(kind: str = "runs") -> Path:
    """Folder for one kind of things that are kept, in BOOK_CACHE or .cache of the current folder."""
    return Path(os.environ.get("BOOK_CACHE", ".cache"), kind)


def digest(*parts: str | bytes | Path) -> str:
    """Hash of texts and of files (name and content), short enough for a file name."""
    state = hashlib.sha256()
    for part in parts:
        if isinstance(part, bytes):
            state.update(part)
        elif isinstance(part, str):
            state.update(part.encode() + b"\0")
        elif part.is_file() and part.suffix != ".pyc":
            state.update(part.name.encode() + b"\0" + part.read_bytes())
    return state.hexdigest()[:32]


def surroundings() -> str:
    """Hash of all that shapes every run: packages, Python, libraries, kind of device, the binder."""
    libraries = []
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            libraries.append(f"{name} {version(name)}")
    files = [file for name in _SHAPING for file in sorted(_HERE.glob(f"{name}*"))]
    files += sorted((_HERE.parent / "chainrule").rglob("*.*"))
    return digest(str(sys.version_info[:3]), device_class(), *libraries, *files)


def device_class() -> str:
    """Kind of device that torch would choose, told without importing torch: cuda, mps or cpu."""
    if Path("/dev/nvidia0").exists() and os.environ.get("CUDA_VISIBLE_DEVICES", "all") not in ("", "-1"):
        return "cuda"
    return "mps" if sys.platform == "darwin" and os.uname().machine == "arm64" else "cpu"


def key(chapter: Chapter, around: str = "") -> str:
    """Hash of what a result depends on: the page's code and its surroundings. Prose and line numbers are not in it.

    Args:
        chapter: The page.
        around: What `surroundings` told, where many keys are asked for at once.
    """
    blocks = [*chapter.blocks, *chapter.answers]
    asked = lambda block: [(c.expression, c.right) for c in block.predicts.choices] if block.predicts else []
    said = lambda block: (
        *(block.continues, repr(block.mark), block.exercise, block.words, block.knobs, block.joins),
        asked(block),
    )
    code = [(block.code, *said(block)) for block in blocks]
    page = Path(chapter.path).with_suffix("").as_posix()  # a lab is the same page as .py and as .md
    return digest(json.dumps([page, code]), around or surroundings())


def read(name: str) -> dict | None:
    """Result of that key, or None where there is none, or it or a figure of it is damaged."""
    file = folder() / f"{name}.json"
    try:
        seal, _, body = file.read_text(encoding="utf-8").partition("\n")
        if seal != digest(body):
            return None
        result = json.loads(body)
        figures = [folder("figures") / name for name in result["figures"]]
        if not all(digest(figure.read_bytes()) == figure.stem for figure in figures):
            return None
        for used in [file, *figures]:
            os.utime(used)
        return result
    except (OSError, ValueError):
        return None


def write(name: str, result: dict) -> None:
    """Keep a result, whole or not at all: another build may read or write the same entry."""
    body = json.dumps(result, sort_keys=True)
    put(folder() / f"{name}.json", f"{digest(body)}\n{body}".encode())


def write_figure(content: bytes, suffix: str) -> str:
    """Name, by its content, under which the file of a figure is kept."""
    name = f"{digest(content)}.{suffix}"
    put(folder("figures") / name, content)
    return name


def put(file: Path, data: bytes) -> None:
    """Write a file in one step, so that no reader sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    part.write_bytes(data)
    os.replace(part, file)


def evict() -> None:
    """Remove what a killed build left, and what none has used for `KEEP_DAYS` days."""
    found = [(entry, entry.name.startswith(".")) for kind in _KINDS for entry in folder(kind).glob("*")]
    for entry, part in found:
        with suppress(OSError):  # another build may have removed it
            if entry.stat().st_mtime < time.time() - (3_600 if part else KEEP_DAYS * 86_400):
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
