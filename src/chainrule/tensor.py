"""Tensor: an array that remembers how it was computed.

A `Tensor` is two things: `data`, a NumPy array, and `node`, its place in the graph of the computation
(`None` if no gradient is wanted). Every operator below hands its work to a function of `chainrule.ops`;
`backward` hands it to `chainrule.autograd`. Names and argument order are PyTorch's.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.dtypes import get_default_dtype
from chainrule.methods import Methods


def as_array(data: Any, dtype: Any = None) -> np.ndarray:
    """Copy of data as an array, typed as PyTorch would type it.

    Args:
        data: a number, nested lists, an array or a Tensor, of any **shape**.
        dtype: the wanted dtype. Without it arrays and NumPy scalars keep theirs, Python floats become
            float32, and integers and booleans stay what they are.

    Returns:
        A new array; what is written into it does not reach `data`.

    Raises:
        TypeError: if data is not made of numbers.
        ValueError: if nested lists differ in length.
    """
    keeps = dtype is not None or hasattr(data, "dtype")
    array = np.array(data._data if isinstance(data, Tensor) else data, dtype=dtype)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a Tensor holds real numbers; {type(data).__name__} gave dtype {array.dtype}")
    return array.astype(get_default_dtype(), copy=False) if array.dtype == np.float64 and not keeps else array


def as_plain(data: Any) -> np.ndarray:
    """Array of what is given, not a copy; of a Tensor in the graph, too, for what is only looked at."""
    return np.asarray(data._data if isinstance(data, Tensor) else data)


def _real(data: Any, dtype: Any) -> np.ndarray:
    """Copy of data as an array of that dtype; a TypeError if it is not made of real numbers."""
    array = as_plain(data)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"a Tensor holds real numbers; {type(data).__name__} gave dtype {array.dtype}")
    return array.astype(dtype)


def wrap(array: Any, node: autograd.Node | None = None) -> Tensor:
    """Tensor around an array as it is: no copy, no check."""
    if type(array) is Tensor:
        raise TypeError("a rule returns a Tensor as its value; let it return the array, value.numpy()")
    tensor = Tensor.__new__(Tensor)
    tensor._data = array if type(array) is np.ndarray else np.asarray(array)
    tensor.node = node
    tensor._view = None
    return tensor


def _without_gradient(function: Callable[..., Any]) -> Callable[..., Any]:
    """Operator method that computes an array function and leaves no trace in the graph."""

    def method(self: Tensor, *others: Any, **options: Any) -> Tensor:
        arrays = [x._data if isinstance(x, Tensor) else autograd._operand(x) for x in others]
        out = wrap(function(self._data, *arrays, **options))
        if out._data.dtype == np.float64 and not autograd._wants_float64([self._data, *arrays], {}):
            out._data = out._data.astype(get_default_dtype(), copy=False)
        return out

    return method


def _method(name: str) -> Callable[..., Any]:
    """The op of that name as a method."""

    def method(self: Tensor, *args: Any, **options: Any) -> Tensor:
        return getattr(ops, name)(self, *args, **options)

    method.__name__ = name
    method.__doc__ = f"See `chainrule.ops.{name}`."
    return method


def _swapped(name: str) -> Callable[..., Any]:
    """The op of that name as the method of its second input: what 2 - t calls."""
    return lambda self, x: getattr(ops, name)(x, self)


def _in_place(name: str) -> Callable[..., Any]:
    """The op of that name as the operator that changes its first input."""

    def method(self: Tensor, y: Any) -> Tensor:
        x = self
        if name in ("mul", "div") and isinstance(y, Tensor) and y is not self and y.requires_grad:
            x = wrap(self._data.copy(), self.node if self.requires_grad else None)  # y's gradient needs it
        return self._become(getattr(ops, name)(x, y))

    return method


# NumPy's name of an operation -> the Tensor's method for it as the second input
_SWAPPED = {
    "add": "__radd__", "subtract": "__rsub__", "multiply": "__rmul__", "divide": "__rtruediv__",
    "power": "__rpow__", "matmul": "__rmatmul__", "floor_divide": "__rfloordiv__", "remainder": "__rmod__",
    "equal": "__eq__", "not_equal": "__ne__", "less": "__gt__", "less_equal": "__ge__", "greater": "__lt__",
    "greater_equal": "__le__", "bitwise_and": "__and__", "bitwise_or": "__or__", "bitwise_xor": "__xor__",
}  # fmt: skip


def _on_arrays(function: Callable[..., Any], name: str, inputs: Any, options: Any) -> Any:
    """What a function of NumPy makes of the arrays in Tensors, unless a gradient would be lost on the way."""
    found: list[Tensor] = []

    def bare(x: Any) -> Any:
        if isinstance(x, list | tuple):
            return type(x)(map(bare, x))
        found.extend([x] if isinstance(x, Tensor) else [])
        return x._data if isinstance(x, Tensor) else x

    out = function(*bare(tuple(inputs)), **{key: bare(x) for key, x in options.items()})
    recorded = autograd.is_grad_enabled() and any(x.requires_grad for x in found)
    if recorded and _has_slope(out) and not name.endswith("_like"):
        raise TypeError(_lost(f"np.{name}", name))
    return out


def _has_slope(out: Any) -> bool:
    """Whether a gradient could go through what NumPy gave: numbers do, counts and comparisons do not."""
    if isinstance(out, list | tuple):
        return any(map(_has_slope, out))
    return out is None or np.asarray(out).dtype.kind in "fc"


def _lost(what: str, name: str = "") -> str:
    """What to write instead of a function of NumPy."""
    ours = {"absolute": "abs", "amax": "max", "amin": "min", "dot": "matmul", "divide": "div"}.get(name, name)
    remedy = (
        f"write chainrule.{ours}, or" if ours in ops.__all__ else "compute it from chainrule's functions, or"
    )
    return f"{what} would lose the gradient of a Tensor: {remedy} pass t.detach() if none is wanted"


class Tensor(Methods):
    """Array with a memory: its value, and the graph behind it.

    Args:
        data: a number, nested lists, an array or a Tensor of any **shape**; always copied. Arrays keep their
            dtype, Python floats become float32, integers stay integers.
        dtype: another dtype for the values.
        requires_grad: whether `backward` shall leave a gradient in `grad`.

    Raises:
        TypeError: if data is not made of real numbers, or if integers are asked for a gradient.
    """

    __slots__ = ("_data", "node", "_view", "_frozen", "__weakref__")
    __hash__ = object.__hash__  # == compares entry by entry, so a Tensor is known by its identity

    def __init__(self, data: Any, *, dtype: Any = None, requires_grad: bool = False):
        self._data = as_array(data, dtype)
        self.node: autograd.Node | None = None
        self._view: Any = None  # whose memory this shows, and how: see autograd.mark_view
        self.requires_grad = requires_grad

    # What it holds.

    @property
    def data(self) -> Tensor:
        """The same values, sharing memory, outside the graph, as PyTorch has it; the array itself is `numpy()`.

        `backward` sees a change of it in place, and an assignment.
        """
        return wrap(self._data)

    @data.setter
    def data(self, value: Any) -> None:
        same = isinstance(value, np.ndarray) and value.dtype == self.dtype
        array = value if same else _real(value, self.dtype)
        if array.shape != self.shape:
            raise ValueError(f"data keeps its shape: wanted {self.shape}, got {array.shape}")
        autograd.note_change(self._data)
        self._data = array

    @property
    def grad(self) -> Tensor | None:
        """Gradient that `backward` left here, of the same **shape** and dtype; None before.

        On leaves; elsewhere only after `retain_grad()`.
        """
        node = self._keeper() if self.node is None else self.node
        return None if node is None else node.grad

    @grad.setter
    def grad(self, value: Any) -> None:
        node = self._keeper()
        if node is None or not (self.is_leaf or node.retains):
            raise RuntimeError(f"only a leaf with requires_grad=True holds a gradient; this is {self!r}")
        if value is not None and np.shape(value) != self.shape:
            raise ValueError(f"a gradient has its tensor's shape: wanted {self.shape}, got {np.shape(value)}")
        node.grad = value if value is None or isinstance(value, Tensor) else wrap(_real(value, self.dtype))

    def _keeper(self) -> autograd.Node | None:
        """The node that keeps the gradient: that in the graph, or of a frozen leaf the one it had there."""
        return getattr(self, "_frozen", None) if self.node is None else self.node

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` sends a gradient here, or through here.

        A leaf that is set to False and back to True has its old gradient, and its place in graphs made before.
        """
        if self._view:
            autograd.catch_up(self)
        return self.node is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if not self.is_leaf:
            raise RuntimeError("requires_grad can be set on leaves only; use .detach() for a copy without it")
        if wanted and self.dtype.kind != "f":
            remedy = "write 1.0 instead of 1, or pass dtype"
            raise TypeError(f"a gradient needs a float dtype, this tensor holds {self.dtype}: {remedy}")
        if wanted and self.node is None:
            node = self._keeper() or autograd.Node("leaf", [], [], self._data)
            self.node, self._frozen, node.vjps = node, None, []
        elif not wanted and self.node is not None:
            self.node.vjps, self._frozen, self.node = None, self.node, None

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """This tensor, with requires_grad set."""
        self.requires_grad = requires_grad
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by hand, not by an op that is part of the graph."""
        return self.node is None or self.node.op == "leaf"

    shape = property(lambda self: self._data.shape, doc="Number of entries along each axis.")
    ndim = property(lambda self: self._data.ndim, doc="Number of axes.")
    dtype = property(lambda self: self._data.dtype, doc="NumPy dtype of the entries.")

    def numpy(self) -> np.ndarray:
        """The NumPy array itself, not a copy (PyTorch wants `.detach()` before this)."""
        return self._data

    def item(self) -> Any:
        """The only entry as a Python number; ValueError if there is not exactly one."""
        if self._data.size != 1:
            raise ValueError(f"item() wants a tensor with one entry; this one has shape {self.shape}")
        return self._data.item()

    def tolist(self) -> Any:
        """The entries as nested Python lists."""
        return self._data.tolist()

    def detach(self) -> Tensor:
        """The same values, sharing memory, outside the graph."""
        return wrap(self._data)

    def __getstate__(self) -> Any:
        """What a copy or a file holds: the values, and of a leaf the gradient."""
        if not self.is_leaf:
            raise RuntimeError(
                f"only a leaf can be copied or saved, this is {self!r}: use t.detach() or t.clone()"
            )
        state: Any = super().__getstate__()  # a pair: what stands in __dict__, and in __slots__
        return state[0], state[1] | {"_view": None}

    def __deepcopy__(self, memo: Any) -> Tensor:
        """A copy of values and gradient; the copy of a result stays in its graph, as `clone` does."""
        if not self.is_leaf:
            return self.clone()
        memo[id(self)] = copied = type(self).__new__(type(self))
        plain, slots = copy.deepcopy(self.__getstate__(), memo)
        for name, value in (slots | (plain or {})).items():
            setattr(copied, name, value)
        return copied

    def clone(self) -> Tensor:
        """A copy that is part of the graph."""
        return self + 0 if self.requires_grad else wrap(self._data.copy())

    def float(self) -> Tensor:
        """The same values as float32."""
        return self.to(np.float32)

    def double(self) -> Tensor:
        """The same values as float64."""
        return self.to(np.float64)

    # Gradients.

    def backward(self, gradient: Any = None, retain_graph: bool = False) -> None:
        """Add the gradient of this tensor to `grad` of every leaf that it was computed from.

        Args:
            gradient: the gradient of some scalar with respect to this tensor, of this tensor's **shape**;
                1 if this is itself a scalar.
            retain_graph: keep what the graph stores, so that backward can run again.

        Raises:
            RuntimeError: if no leaf behind it wants a gradient; if it is no scalar and gradient is missing; if
                backward ran here before; if a value that the graph needs was changed in place.
            ValueError: if the gradient has another shape.
        """
        if not self.requires_grad or self.node is None:
            raise RuntimeError("this needs no gradient: no requires_grad=True behind it, or under no_grad()")
        if gradient is None and self._data.size != 1:
            remedy = "reduce it, as in loss.sum() or loss.mean(), or pass the gradient with respect to it"
            raise RuntimeError(f"backward starts from a scalar, this tensor has shape {self.shape}: {remedy}")
        g = np.ones(self.shape, self.dtype) if gradient is None else _real(gradient, self.dtype)
        if g.shape != self.shape:
            raise ValueError(f"backward(gradient): wanted shape {self.shape}, got {g.shape}")
        autograd.backward(self.node, g, retain_graph)

    def retain_grad(self) -> None:
        """Have `backward` leave a gradient in `grad` although this is no leaf; on a leaf nothing changes.

        Raises:
            RuntimeError: if it needs no gradient.
        """
        if self.node is None:
            raise RuntimeError(
                "retain_grad: this needs no gradient: no requires_grad=True behind it, or no_grad()"
            )
        self.node.retains = not self.is_leaf

    @property
    def retains_grad(self) -> bool:
        """Whether this is no leaf and keeps its gradient all the same, after `retain_grad()`."""
        return self.node is not None and self.node.retains

    def zero_grad(self) -> None:
        """Forget the gradient."""
        node = self._keeper() if self.node is None else self.node
        if node is not None:
            node.grad = None

    # Operators.

    __add__, __sub__, __mul__, __truediv__ = map(_method, ("add", "sub", "mul", "div"))
    __radd__, __rsub__, __rmul__, __rtruediv__ = map(_swapped, ("add", "sub", "mul", "div"))
    __pow__, __matmul__, __neg__, __abs__ = map(_method, ("pow", "matmul", "neg", "abs"))
    __rpow__, __rmatmul__ = map(_swapped, ("pow", "matmul"))
    __pos__ = clone
    __iadd__, __isub__, __imul__, __itruediv__ = map(_in_place, ("add", "sub", "mul", "div"))

    def __mod__(self, y: Any) -> Tensor:
        return self - (self // y) * y  # the quotient is a step function: constant wherever it has a slope

    def __getitem__(self, index: Any) -> Tensor:
        return ops.getitem(self, index)

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("a tensor without axes has no entries to go through")
        return iter(ops.unbind(self))

    __eq__, __ne__ = map(_without_gradient, (np.equal, np.not_equal))  # type: ignore[assignment]
    __lt__, __le__ = map(_without_gradient, (np.less, np.less_equal))
    __gt__, __ge__ = map(_without_gradient, (np.greater, np.greater_equal))
    __and__, __or__, __xor__ = map(_without_gradient, (np.bitwise_and, np.bitwise_or, np.bitwise_xor))
    __floordiv__, __invert__ = map(_without_gradient, (np.floor_divide, np.invert))
    __rfloordiv__ = _without_gradient(lambda y, x: np.floor_divide(x, y))

    def __bool__(self) -> bool:
        if self._data.size != 1:
            remedy = "write t.numpy().any() or t.numpy().all(), or take one entry"
            raise ValueError(f"a tensor of shape {self.shape} is neither true nor false: {remedy}")
        return bool(self.item())

    def __float__(self) -> Any:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __format__(self, spec: str) -> str:
        return format(self.item() if spec else str(self), spec)

    def __repr__(self) -> str:
        body = np.array2string(self._data, precision=4, separator=", ", prefix="Tensor(")
        notes = [body] if self._data.size else [body, f"shape={self.shape}"]
        notes += [] if self.dtype in (np.float32, np.int64, np.bool_) else [f"dtype={self.dtype}"]
        notes += [] if self.node is None else ["requires_grad=True" if self.is_leaf else f"op={self.node.op}"]
        return f"Tensor({', '.join(notes)})"

    # What NumPy asks for.

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """What np.asarray(tensor) gives; a TypeError if a gradient would be lost."""
        if self.requires_grad and autograd.is_grad_enabled():
            raise TypeError(_lost("a function of NumPy"))
        return np.array(self._data, dtype=dtype, copy=copy)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """What array + tensor and np.exp(tensor) give."""
        mine = _SWAPPED.get(ufunc.__name__, "")
        if method == "__call__" and not options and not isinstance(inputs[0], Tensor) and hasattr(self, mine):
            return getattr(self, mine)(inputs[0])
        return _on_arrays(getattr(ufunc, method), ufunc.__name__, inputs, options)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        """What np.concatenate([tensor, tensor]) gives."""
        return _on_arrays(function, function.__name__, inputs, options)

    # Functions as methods.

    exp, log, sqrt, sin, cos, tanh = map(_method, ("exp", "log", "sqrt", "sin", "cos", "tanh"))
    abs, relu, sigmoid, matmul = map(_method, ("abs", "relu", "sigmoid", "matmul"))
    sum, mean = map(_method, ("sum", "mean"))
    softmax, log_softmax, logsumexp = map(_method, ("softmax", "log_softmax", "logsumexp"))
    transpose, broadcast_to, gather, split = map(_method, ("transpose", "broadcast_to", "gather", "split"))
    unbind = _method("unbind")

    def reshape(self, *shape: Any) -> Tensor:
        """The same entries in another **shape**, given as numbers or as one tuple; one of them may be -1."""
        return ops.reshape(self, shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape)

    def permute(self, *dims: Any) -> Tensor:
        """The axes in another order, given as numbers or as one tuple."""
        return ops.permute(self, dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)

    def unsqueeze(self, dim: int) -> Tensor:
        """With a new axis of size 1 at dim."""
        return self.reshape(np.expand_dims(self._data, dim).shape)

    def squeeze(self, dim: int | tuple[int, ...] | None = None) -> Tensor:
        """Without the axis or axes dim that have size 1; without all such axes if dim is None."""
        try:
            axes = range(self.ndim) if dim is None else normalize_axis_tuple(dim, self.ndim, "squeeze")
        except ValueError as error:
            raise ValueError(str(error)) from None
        return self.reshape([n for axis, n in enumerate(self.shape) if n != 1 or axis not in axes])

    T = property(lambda self: ops.permute(self, range(self.ndim)[::-1]), doc="The axes in reverse order.")

    # Changes in place.

    def _become(self, out: Tensor) -> Tensor:
        """Take over the value of `out` in place, and its place in the graph; a view hands both on to its base."""
        recorded = out.node is not None
        if recorded and self.node is not None and self.is_leaf:
            remedy = "write t = t + v, or change it under no_grad()"
            raise RuntimeError(f"a leaf that requires a gradient cannot be changed in place: {remedy}")
        if out.shape != self.shape:
            wanted = f"a change in place keeps the shape {self.shape}, this makes it {out.shape}"
            raise ValueError(f"{wanted}: write t = t + v")
        if recorded and self._view:
            base, again, _ = self._view
            base = again(base) if base is None else base  # a view made under no_grad(): that raises an error
            base._become(autograd.written(base, out, again=again))
            autograd.catch_up(self)
            return self
        np.copyto(self._data, out._data, casting="same_kind")
        autograd.note_change(self._data, recorded)
        if recorded:
            autograd.move(self, out.node)
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        self._become(ops.setitem(self, value, index))


from chainrule import autograd, ops  # noqa: E402  (last: both need the class above)
