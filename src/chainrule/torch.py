"""The same in PyTorch: which device there is, and what this machine has. PyTorch is imported when it is needed."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np


def device(name: str | None = None) -> Any:
    """The torch.device to compute on: the one named, or the best there is (cuda, then mps, then cpu).

    Args:
        name: "cuda", "cuda:1", "mps", "cpu", …; None to choose.

    Returns:
        A torch.device.

    Raises:
        ValueError: if PyTorch knows no such device, or this machine has none.
    """
    import torch

    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name is None:
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if there[kind]))
    try:
        wanted = torch.device(name)
    except RuntimeError:
        raise ValueError(f"no device is called {name!r}; wanted 'cuda', 'mps' or 'cpu'") from None
    if not there.get(wanted.type, True):
        raise ValueError(
            f"this machine has no {wanted.type!r} device; device() chooses among those there are"
        )
    return wanted


def report() -> str:
    """Versions of Python, NumPy and PyTorch and the device that `device` chooses, one a line."""
    lines = [f"Python {platform.python_version()}", f"NumPy {np.__version__}"]
    try:
        import torch
    except ImportError:
        return "\n".join([*lines, "PyTorch: not installed"])
    kind = device().type
    name = torch.cuda.get_device_name() if kind == "cuda" else platform.machine()
    return "\n".join([*lines, f"PyTorch {torch.__version__}", f"device: {kind} ({name})"])
