"""Environments of their own for tests: made once, again only when their pins change."""

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from conftest import ROOT

HERE = Path(__file__).parent


def environment(name: str, sees: list[Path] | None = None, torch: bool = False) -> Path:
    """The Python of an environment with what tests/deep/NAME.txt pins, and nothing else.

    Args:
        name: Of the environment and its pins.
        sees: Folders of packages that it shares, after its own; their .pth files count.
        torch: Whether it shares PyTorch and what that needs: one PyTorch on the disk is enough.
    """
    pins = HERE / f"{name}.txt"
    folder = ROOT / ".cache/envs" / name
    state = [
        pins.read_text(encoding="utf-8"),
        sys.version,
        sys.prefix,
        str(sees),
        Path(__file__).read_text("utf-8"),
    ]
    stamp = folder / f"made-{hashlib.sha256(''.join(state).encode()).hexdigest()[:16]}"
    python = folder / "bin/python"
    if stamp.exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([sys.executable, "-m", "venv", str(folder)], name)
    base = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    # Before what is shared can be seen: the pins are this environment's own. They are complete.
    _run([*base, *os.environ.get("PIP_ARGS", "").split(), "--no-deps", "-r", str(pins)], name)
    lines = [f"import site; site.addsitedir({str(path)!r})" for path in sees or []]
    if torch:
        share_torch(folder / "shared")
        lines.append(str(folder / "shared"))
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "shared.pth").write_text("\n".join(lines) + "\n", encoding="utf-8")
    stamp.touch()
    return python


def own_packages() -> list[Path]:
    """Where the packages of this Python lie."""
    return sorted({Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")})


def share_torch(folder: Path) -> None:
    """Links to PyTorch and all that it needs, as this environment has them."""
    folder.mkdir(parents=True)
    for name in _needs("torch"):
        distribution = importlib.metadata.distribution(name)
        tops = {Path(file).parts[0] for file in distribution.files or () if not str(file).startswith("..")}
        for top in tops - {"__pycache__"}:
            if not (folder / top).exists():
                (folder / top).symlink_to(distribution.locate_file(top))


def _needs(name: str, found: tuple[str, ...] = ()) -> tuple[str, ...]:
    """A package and what it needs here, extras aside."""
    if name in found:
        return found
    found += (name,)
    for line in importlib.metadata.requires(name) or ():
        other = re.match(r"[\w.-]+", line)[0].lower()
        try:
            importlib.metadata.distribution(other)
        except importlib.metadata.PackageNotFoundError:
            continue
        if "extra ==" not in line:
            found = _needs(other, found)
    return found


def _run(command: list[str], name: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if "ERROR" in line] or [done.stderr[-300:]]
        pytest.fail(f"the environment {name} cannot be made (is there a network?): {said[-1]}", pytrace=False)
