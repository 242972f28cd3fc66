"""What is PyTorch's alone: questions after a GPU are answered with no, all else is refused with what to write.

`from chainrule import cuda` (or backends, accelerator, onnx, …) gives one of the names below.
"""

from __future__ import annotations

from typing import Any, NoReturn

#: What is refused by name, and what to write.
REMEDIES = {
    "onnx": "export with torch.onnx, from chainrule.torch.to_torch(model)",
    "jit": "leave it out: nothing is compiled here",
    "compile": "leave it out: nothing is compiled here, and the numbers are the same",
    "autocast": "leave it out, or compute in the PyTorch tab",
    "amp": "leave it out, or compute in the PyTorch tab",
    "distributed": "train in the PyTorch tab",
    "hub": "make the model of layers of chainrule.nn",
    "set_default_device": "leave it out: there is the CPU only",
    "complex64": "keep real and imaginary parts as two Tensors",
    "complex128": "keep real and imaginary parts as two Tensors",
    "bfloat16": "use float32: NumPy has no bfloat16",
    "profiler": "use cProfile, as the speed pages do",
    "sparse": "use dense Tensors",
    "distributions": "draw with chainrule.normal, multinomial or bernoulli, or with NumPy",
    "vmap": "write the loop, or let broadcasting do it",
    "func": "call backward, or chainrule.dual for forward mode",
    "fft": "use np.fft on arrays, outside the graph",
}


#: The same of `chainrule.nn`.
LAYERS = dict.fromkeys(
    ("Transformer", "TransformerEncoder", "TransformerEncoderLayer", "TransformerDecoder", "TransformerDecoderLayer"),
    "build it of MultiheadAttention, LayerNorm, Linear and Residual",
)  # fmt: skip
LAYERS |= dict.fromkeys(("LSTMCell", "GRUCell", "RNNCell"), "use the whole layer on a sequence of length 1")
LAYERS |= dict.fromkeys(
    ("DataParallel", "parallel"), "leave it out: there is one CPU, and the model is as it is"
)
LAYERS |= dict.fromkeys(("ConvTranspose2d", "Conv3d", "Upsample", "GroupNorm"), "train it in the PyTorch tab")


def refuse(name: str, where: str = "chainrule") -> NoReturn:
    """Raise the AttributeError for a name that is not there; one that is PyTorch's alone is told what to write."""
    remedy = (REMEDIES if where == "chainrule" else LAYERS).get(name)
    if remedy is None:
        raise AttributeError(f"module {where!r} has no attribute {name!r}")
    raise AttributeError(f"{where} has no {name!r}, which is PyTorch's alone: {remedy}")


class _Absent:
    """A part of PyTorch that looks for hardware: there is none, and what would use it is refused."""

    def __init__(self, name: str, **known: Any):
        self._name = name
        vars(self).update(known)

    def is_available(self) -> bool:
        """False."""
        return False

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        remedy = f"ask {self._name}.is_available() first, or import torch, as the PyTorch tab does"
        raise AttributeError(
            f"{self._name}.{name} needs what chainrule does not use, the CPU alone: {remedy}"
        )


def _nothing(*args: Any, **options: Any) -> None:
    """Do nothing, as PyTorch does where there is no GPU."""


_gpu = {"device_count": lambda: 0, "manual_seed": _nothing, "manual_seed_all": _nothing}
cuda = _Absent("cuda", empty_cache=_nothing, **_gpu)
mps = _Absent("mps", empty_cache=_nothing, **_gpu)
xpu = _Absent("xpu", empty_cache=_nothing, **_gpu)
accelerator = _Absent("accelerator", device_count=lambda: 0)
backends = _Absent(
    "backends", **{name: _Absent(f"backends.{name}") for name in ("cuda", "mps", "cudnn", "mkldnn")}
)
