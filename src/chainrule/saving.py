"""`save` and `load` without pickle: what is saved can be read by `np.load`, and reading it runs no code.

A file is an .npz: every array under the names that lead to it, joined by "/", and under "structure", as JSON, what
stands around the arrays.
"""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from chainrule.tensor import Tensor, wrap

_PLAIN = (bool, int, float, str, type(None))


def save(obj: Any, f: Any) -> None:
    """Write Tensors, arrays, numbers and texts, in dicts and lists as they stand, to a file.

    Args:
        obj: what to save, such as `model.state_dict()`, or a dict of that, the optimiser's and a number.
        f: path of the file, or a file open for writing bytes.

    Raises:
        TypeError: for other objects: of a model, save its state_dict().
    """
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps(_taken_apart(obj, "", arrays))
    buffer = io.BytesIO()
    np.savez(buffer, **{"structure": np.asarray(text)} | {f"/{k}": v for k, v in arrays.items()})  # type: ignore
    with contextlib.nullcontext(f) if hasattr(f, "write") else open(f, "wb") as file:
        file.write(buffer.getvalue())


def load(f: Any, map_location: Any = None, *, weights_only: bool = True) -> Any:
    """What `save` wrote: Tensors, arrays, numbers and texts in dicts and lists.

    Args:
        f: path of the file, or a file open for reading bytes.
        map_location: without meaning here: there is the CPU only.
        weights_only: without meaning here: nothing else is ever in a file.

    Raises:
        ValueError: if the file was not written by `save`.
    """
    try:
        with np.load(f, allow_pickle=False) as saved:
            return _put_together(json.loads(saved["structure"].item()), saved)
    except (KeyError, TypeError, AttributeError, ValueError, zipfile.BadZipFile) as error:
        remedy = "PyTorch's own files are read by torch.load, arrays by np.load"
        raise ValueError(f"load: {f} was not written by chainrule.save ({error}); {remedy}") from None


def _taken_apart(obj: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """What JSON can say of an object, whose arrays are added to `arrays`."""
    if isinstance(obj, np.generic):
        obj = obj.item()
    if isinstance(obj, _PLAIN):
        return obj
    if isinstance(obj, Tensor | np.ndarray):
        name = path if path not in arrays else f"{path}#{len(arrays)}"
        arrays[name] = obj.numpy() if isinstance(obj, Tensor) else obj
        return {"tensor" if isinstance(obj, Tensor) else "array": name}
    below = lambda key: f"{path}/{key}" if path else str(key)
    if isinstance(obj, list | tuple):
        return {type(obj).__name__: [_taken_apart(x, below(i), arrays) for i, x in enumerate(obj)]}
    if isinstance(obj, Mapping):
        return {
            "dict": [[_taken_apart(k, "", {}), _taken_apart(v, below(k), arrays)] for k, v in obj.items()]
        }
    remedy = "save model.state_dict() and load it into a new model" if hasattr(obj, "state_dict") else (
        "save Tensors, arrays, numbers and texts, in dicts and lists"
    )  # fmt: skip
    raise TypeError(
        f"save: a {type(obj).__name__} would need pickle, which runs code when it is read: {remedy}"
    )


def _put_together(said: Any, saved: Any) -> Any:
    if not isinstance(said, dict):
        return said
    ((kind, what),) = said.items()
    if kind in ("tensor", "array"):
        array = saved[f"/{what}"]
        return wrap(array) if kind == "tensor" else array
    if kind == "dict":
        return {_put_together(k, saved): _put_together(v, saved) for k, v in what}
    parts = [_put_together(x, saved) for x in what]
    return tuple(parts) if kind == "tuple" else parts
