"""PyTorch's other methods of a Tensor: each is a function of `chainrule`, or a line or two over other methods.

`chainrule.tensor` has the Tensor itself and the methods that the chapters use; it inherits these, so that a program
written for PyTorch runs with another import.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule
from chainrule.dtypes import CPU, wanted_dtype


def _function(name: str) -> Callable[..., Any]:
    """The function of that name in `chainrule` as a method."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return getattr(engine, name)(self, *args, **options)

    method.__name__, method.__doc__ = name, f"See `chainrule.{name}`."
    return method


def _functions(names: str) -> Any:
    return map(_function, names.split())


def _in_place(name: str) -> Callable[..., Any]:
    """The function of that name as the method that changes its Tensor, which PyTorch marks by a final `_`."""

    def method(self: Any, *args: Any, **options: Any) -> Any:
        return self._become(getattr(engine, name)(self, *args, **options))

    method.__name__, method.__doc__ = f"{name}_", f"See `chainrule.{name}`; here in place."
    return method


def _cast(dtype: str) -> Callable[..., Any]:
    method = lambda self: self.to(dtype)
    method.__name__, method.__doc__ = dtype, f"The same values as {dtype}."
    return method


engine: Any = chainrule  # whose functions are looked up when a method is called: they need the class below
_KINDS = {"float16": "Half", "float32": "Float", "float64": "Double", "int8": "Char", "int16": "Short"}
_KINDS |= {"int32": "Int", "int64": "Long", "uint8": "Byte", "bool": "Bool"}


class Methods:
    """What a Tensor can do beyond what `chainrule.tensor` says."""

    __slots__ = ()
    node: Any
    _frozen: Any

    # How large it is, of what kind, and where.

    device = property(lambda self: CPU, doc='Where it is: device("cpu"), always.')
    is_cuda = property(lambda self: False, doc="Whether it is on a GPU: False.")
    itemsize = property(lambda self: self._data.itemsize, doc="Bytes of an entry.")
    grad_fn = property(lambda self: None if self.is_leaf else self.node, doc="Its `Node`; None for a leaf.")
    mT = property(lambda self: self.transpose(-1, -2), doc="The last two axes exchanged.")

    def size(self: Any, dim: builtins.int | None = None) -> Any:
        """The **shape**, or the size of one axis."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self: Any) -> builtins.int:
        """Number of entries."""
        return self._data.size

    def dim(self: Any) -> builtins.int:
        """Number of axes."""
        return self._data.ndim

    def element_size(self: Any) -> builtins.int:
        """Bytes of an entry."""
        return self._data.itemsize

    def stride(self: Any, dim: builtins.int | None = None) -> Any:
        """How many entries lie in memory from one place to the next along each axis, or along one."""
        steps = tuple(n // self._data.itemsize for n in self._data.strides)
        return steps if dim is None else steps[dim]

    def is_floating_point(self: Any) -> builtins.bool:
        """Whether the entries are floats."""
        return self._data.dtype.kind == "f"

    def is_contiguous(self: Any) -> builtins.bool:
        """Whether the entries lie in memory one after another."""
        return self._data.flags.c_contiguous

    def __index__(self: Any) -> builtins.int:
        if self._data.dtype.kind not in "iub" or self._data.size != 1:
            raise TypeError(f"only a Tensor with one integer can be an index, this is {self!r}")
        return builtins.int(self._data.item())

    def __dlpack__(self: Any, **options: Any) -> Any:  # torch.tensor(t) and torch.from_dlpack(t) ask for it
        return self._data.__dlpack__(**options)

    def __dlpack_device__(self: Any) -> Any:
        return self._data.__dlpack_device__()

    nelement, ndimension = numel, dim

    # Other dtypes.

    def to(self: Any, *args: Any, dtype: Any = None, device: Any = None, non_blocking: builtins.bool = False,
           copy: builtins.bool = False) -> Any:  # fmt: skip
        """The same values as another dtype, part of the graph; this Tensor itself if nothing changes.

        Args:
            *args: a dtype, a device (the CPU), both, or a Tensor to be like.
            dtype: given by name.
            device: given by name.
            non_blocking: without meaning on the CPU.
            copy: a copy even if nothing changes.

        Raises:
            RuntimeError: for another device.
        """
        wanted = wanted_dtype(args, dtype, device)
        if wanted is None or wanted == self.dtype:
            return self.clone() if copy else self
        return engine.ops.cast(self, dtype=wanted)

    def cpu(self: Any) -> Any:
        """This Tensor."""
        return self

    def cuda(self: Any, device: Any = "cuda") -> Any:
        """Refused: there is the CPU only."""
        return self.to("cuda" if isinstance(device, builtins.int) else device)

    def type(self: Any, dtype: Any = None) -> Any:
        """The same values as another dtype; without one PyTorch's name of this kind of Tensor."""
        return f"torch.{_KINDS[self.dtype.name]}Tensor" if dtype is None else self.to(dtype)

    def type_as(self: Any, other: Any) -> Any:
        """The same values with the dtype of other."""
        return self.to(other.dtype)

    half, short, int, long, bool = map(_cast, ("float16", "int16", "int32", "int64", "bool"))

    # Other shapes.

    def view(self: Any, *shape: Any) -> Any:
        """The same entries in another **shape**, as `reshape`."""
        return self.reshape(*shape)

    def view_as(self: Any, other: Any) -> Any:
        """The same entries in the **shape** of other."""
        return self.reshape(other.shape)

    def expand(self: Any, *shape: Any) -> Any:
        """Stretched to a **shape**, given as numbers or as one tuple; -1 keeps the size of an axis."""
        return self.broadcast_to(shape[0] if len(shape) == 1 and np.ndim(shape[0]) else shape)

    def expand_as(self: Any, other: Any) -> Any:
        """Stretched to the **shape** of other."""
        return self.broadcast_to(other.shape)

    def contiguous(self: Any) -> Any:
        """This Tensor: where its entries lie makes no difference here."""
        return self

    def repeat(self: Any, *sizes: Any) -> Any:
        """The whole of it so many times along each axis."""
        return engine.tile(self, sizes[0] if len(sizes) == 1 and np.ndim(sizes[0]) else sizes)

    reshape_as = view_as

    # Functions as methods.

    add, sub, mul, div, neg, pow = _functions("add sub mul div neg pow")
    subtract, multiply, divide, negative = sub, mul, div, neg
    square, reciprocal, rsqrt, log2, log10, log1p = _functions("square reciprocal rsqrt log2 log10 log1p")
    expm1, sinh, cosh, tan, sign = _functions("expm1 sinh cosh tan sign")
    floor, ceil, round, remainder = _functions("floor ceil round remainder")
    clamp, clip, clamp_min, clamp_max = _functions("clamp clip clamp_min clamp_max")
    maximum, minimum = _functions("maximum minimum")
    max, min, amax, amin, argmax, argmin = _functions("max min amax amin argmax argmin")
    var, std, norm, prod, cumsum, all, any = _functions("var std norm prod cumsum all any")
    topk, sort, argsort, multinomial = _functions("topk sort argsort multinomial")
    bincount, nonzero, unique = _functions("bincount nonzero unique")
    dot, mm, bmm, mv, t, outer = _functions("dot mm bmm mv t outer")
    swapaxes, swapdims, movedim, narrow = _functions("swapaxes swapdims movedim narrow")
    flatten, ravel, chunk, flip, roll, diagonal = _functions("flatten ravel chunk flip roll diagonal")
    tril, triu, diag, repeat_interleave, tile = _functions("tril triu diag repeat_interleave tile")
    masked_fill, index_select, scatter = _functions("masked_fill index_select scatter")
    masked_select, take_along_dim = _functions("masked_select take_along_dim")
    eq, ne, lt, le, gt, ge = _functions("eq ne lt le gt ge")
    isnan, isinf, isfinite, equal, allclose = _functions("isnan isinf isfinite equal allclose")
    logical_and, logical_or, logical_not = _functions("logical_and logical_or logical_not")

    # Changes in place.

    add_, sub_, mul_, div_, pow_ = map(_in_place, ("add", "sub", "mul", "div", "pow"))
    exp_, sqrt_, neg_, abs_, relu_ = map(_in_place, ("exp", "sqrt", "neg", "abs", "relu"))
    sigmoid_, tanh_, clamp_, clip_ = map(_in_place, ("sigmoid", "tanh", "clamp", "clip"))
    masked_fill_, scatter_, round_ = map(_in_place, ("masked_fill", "scatter", "round"))

    def copy_(self: Any, src: Any) -> Any:
        """The entries of src, which broadcasts to this **shape**, written here."""
        self[...] = src
        return self

    def fill_(self: Any, value: Any) -> Any:
        """Every entry set to value."""
        return self.copy_(value)

    def zero_(self: Any) -> Any:
        """Every entry set to 0."""
        return self.copy_(0)

    def normal_(self: Any, mean: Any = 0.0, std: Any = 1.0, *, generator: Any = None) -> Any:
        """Every entry drawn from the normal distribution."""
        return self.copy_(engine.creation.drawn(generator).normal(mean, std, self.shape))

    def uniform_(self: Any, a: float = 0.0, b: float = 1.0, *, generator: Any = None) -> Any:
        """Every entry drawn uniformly from [a, b)."""
        return self.copy_(engine.creation.drawn(generator).uniform(a, b, self.shape))

    def bernoulli_(self: Any, p: float = 0.5, *, generator: Any = None) -> Any:
        """Every entry 1 with probability p, else 0."""
        return self.copy_(engine.creation.drawn(generator).random(self.shape) < p)

    def _replace(self: Any, array: Any) -> None:
        """Hold another array, of any **shape** and dtype; a leaf begins anew, without a gradient."""
        wanted = self.requires_grad
        self._data, self.node, self._frozen = array, None, None
        self.requires_grad = wanted

    def detach_(self: Any) -> Any:
        """This Tensor, taken out of the graph."""
        self.node = None
        return self

    # Others like it.

    def new_zeros(self: Any, *size: Any, dtype: Any = None, requires_grad: builtins.bool = False) -> Any:
        """Zeros of another **shape**, with this dtype."""
        return engine.zeros(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_ones(self: Any, *size: Any, dtype: Any = None, requires_grad: builtins.bool = False) -> Any:
        """Ones of another **shape**, with this dtype."""
        return engine.ones(*size, dtype=dtype or self.dtype, requires_grad=requires_grad)

    def new_tensor(self: Any, data: Any, dtype: Any = None, requires_grad: builtins.bool = False) -> Any:
        """Tensor of data with this dtype."""
        return engine.tensor(data, dtype=dtype or self.dtype, requires_grad=requires_grad)

    # Operators.

    def __rmod__(self: Any, x: Any) -> Any:
        return engine.remainder(x, self)
