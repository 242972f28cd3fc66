"""Indices as PyTorch reads them: a number among slices and arrays of indices takes its axis away first.

NumPy counts a number as one more array of indices: of `x[0, :, [1, 2]]` it puts the axis of the array in front, and
PyTorch leaves it where it was.
"""

from typing import Any

import numpy as np


def plain(index: Any) -> Any:
    """The index with arrays in place of Tensors and lists, and Python numbers in place of single integers."""
    if isinstance(index, tuple):
        return tuple(map(plain, index))
    array = getattr(index, "_data", index)
    if isinstance(array, list | range):
        array = np.asarray(array, np.intp) if len(array) == 0 else np.asarray(array)
    if isinstance(array, np.ndarray | np.integer) and array.ndim == 0 and array.dtype.kind in "iu":
        return int(array)
    return array


def in_two_steps(index: Any) -> tuple[Any, Any]:
    """Indices `first` and `then` such that `x[first][then]` is what PyTorch calls `x[index]`; `x[first]` is a view.

    `first` is None where NumPy and PyTorch agree, so that `x[then]` is enough.
    """
    index = plain(index)
    if not isinstance(index, tuple):
        return None, index
    arrays = sum(isinstance(i, np.ndarray) for i in index)
    if not arrays or not any(type(i) is int for i in index):
        return None, index
    first: list[Any] = []
    for i in index:
        if type(i) is int or i is Ellipsis:
            first.append(i)
        elif i is not None:
            axes = i.ndim if isinstance(i, np.ndarray) and i.dtype == bool else 1
            first += [slice(None)] * axes
    return tuple(first), tuple(i for i in index if type(i) is not int)
