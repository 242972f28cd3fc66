"""PyTorch's names of dtypes, and its `device`: here there is the CPU only.

A dtype is NumPy's own, so that `x.dtype == torch.float32` holds under both imports.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = """
    float16 half float32 float float64 double int8 int16 short int32 int int64 long uint8 bool device
    get_default_dtype set_default_dtype finfo iinfo set_printoptions
""".split()

float16 = half = np.dtype("float16")
float32 = float = np.dtype("float32")
float64 = double = np.dtype("float64")
int8, uint8 = np.dtype("int8"), np.dtype("uint8")
int16 = short = np.dtype("int16")
int32 = int = np.dtype("int32")
int64 = long = np.dtype("int64")
bool = np.dtype("bool")

_ELSEWHERE = ("cuda", "mps", "xpu", "meta", "hip", "mkldnn", "vulkan", "xla", "hpu", "mtia")


finfo, iinfo = np.finfo, np.iinfo
_default = float32


def get_default_dtype() -> np.dtype:
    """The dtype that Python floats become, and that functions of a size fill in: float32 at first."""
    return _default


def set_default_dtype(d: Any) -> None:
    """Have Python floats, new Tensors and new parameters be of that float dtype from now on.

    Raises:
        TypeError: if it is no float dtype.
    """
    global _default
    if np.dtype(d).kind != "f":
        raise TypeError(f"set_default_dtype: wanted a float dtype, got {np.dtype(d)}")
    _default = np.dtype(d)


def set_printoptions(precision: Any = None, threshold: Any = None, edgeitems: Any = None, linewidth: Any = None,
                     profile: Any = None, sci_mode: Any = None) -> None:  # fmt: skip
    """NumPy's `set_printoptions`, by which Tensors are shown too, but for precision: they show four digits."""
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    np.set_printoptions(**{name: value for name, value in given.items() if value is not None})


class device:
    """Where a Tensor is: "cpu", always.

    Args:
        type: "cpu", "cpu:0", or a device.

    Raises:
        RuntimeError: for a GPU, or anything else.
    """

    type, index = "cpu", None

    def __init__(self, type: Any = "cpu"):
        if str(type).partition(":")[0] != "cpu":
            remedy = "import torch, as the PyTorch tab does, or write device('cpu')"
            raise RuntimeError(f"chainrule computes on the CPU, not on {str(type)!r}; for that one {remedy}")

    def __eq__(self, other: Any) -> Any:
        return isinstance(other, device)

    def __hash__(self) -> Any:
        return hash("cpu")

    def __str__(self) -> str:
        return "cpu"

    def __repr__(self) -> str:
        return "device(type='cpu')"


CPU = device()


def check_device(where: Any) -> None:
    """Raise RuntimeError if this is neither None nor the CPU."""
    if where is not None:
        device(where)


def wanted_dtype(args: tuple[Any, ...], dtype: Any = None, device: Any = None) -> Any:
    """The dtype that a call of `to` asks for, None if it names a device only.

    Args:
        args: what was given by position: a dtype, a device, both, or a Tensor to be like.
        dtype: given by name.
        device: given by name.

    Raises:
        RuntimeError: if a device is not the CPU.
        TypeError: if something is neither.
    """
    check_device(device)
    for arg in args:
        if hasattr(arg, "_data"):
            dtype = arg.dtype
        elif isinstance(arg, str) and arg.partition(":")[0] in ("cpu", *_ELSEWHERE):
            check_device(arg)
        elif arg is not None and not isinstance(arg, type(CPU)):
            dtype = np.dtype(arg)
    return dtype if dtype is None else np.dtype(dtype)
