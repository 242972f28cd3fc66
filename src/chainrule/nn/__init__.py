"""Layers: objects that hold parameters and compute a Tensor from a Tensor.

Names, arguments, starting values and the names in `state_dict` are PyTorch's. Every layer with parameters also
takes `dtype` (float32 if None) and, where it draws them, `generator`, the NumPy Generator of its starting values.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule import ops
from chainrule.autograd import note_change
from chainrule.dtypes import check_device, get_default_dtype, wanted_dtype
from chainrule.functional import attention_weights, check_mask, dropout
from chainrule.init import Generator, normal_, uniform_, xavier_uniform_
from chainrule.tensor import Tensor, as_plain, wrap


class Parameter(Tensor):
    """Tensor that a module learns: it wants a gradient, and `parameters()` finds it."""

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, *, dtype: Any = None):
        super().__init__(data, dtype=dtype, requires_grad=requires_grad)


class Buffer(Tensor):
    """Tensor that a module keeps and saves but does not learn, such as a running mean."""

    __slots__ = ()


class Module:
    """What all layers and models share.

    A module defines `forward`. Parameters, buffers and modules are what it holds as attributes, in the order in
    which they were assigned. A list of modules does not count: `ModuleList` does.

    Attributes:
        training: whether it behaves as in training (dropout, batch norm); see `train` and `eval`.
    """

    training = True
    unsaved: set[str] = set()  # names of buffers that are not saved

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__} defines no forward(self, x)")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """What `forward` gives."""
        return self.forward(*inputs, **options)

    # What it holds.

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Modules directly inside this one, with their names."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """Modules directly inside this one."""
        return (child for _, child in self.named_children())

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module and all inside it, at any depth, with their full names."""
        yield prefix, self
        for name, child in self.named_children():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def modules(self) -> Iterator[Module]:
        """This module and all inside it."""
        return (module for _, module in self.named_modules())

    def _named(self, kind: Any) -> Iterator[tuple[str, Tensor]]:
        for prefix, module in self.named_modules():
            for name, value in vars(module).items():
                if isinstance(value, kind):
                    yield (f"{prefix}.{name}" if prefix else name), value

    def add_module(self, name: str, module: Module | None) -> None:
        """Hold a module under that name."""
        setattr(self, name, module)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Hold a parameter under that name."""
        setattr(self, name, param)

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Hold a Tensor under that name, which is saved (if persistent) but not learned; it shares memory."""
        buffer = tensor
        if tensor is not None:
            buffer = Buffer(0)
            buffer._data = tensor._data
        setattr(self, name, buffer)
        if not persistent:
            self.unsaved = {*self.unsaved, name}

    def named_parameters(self, prefix: str = "", recurse: bool = True) -> Iterator[tuple[str, Tensor]]:
        """Parameters at any depth with their full names; one that stands in two places comes once."""
        mine = [(name, p) for name, p in self._named(Parameter) if recurse or "." not in name]
        first = {id(p): name for name, p in reversed(mine)}
        start = f"{prefix}." if prefix else ""
        return ((start + name, p) for name, p in mine if name == first[id(p)])

    def parameters(self, recurse: bool = True) -> Iterator[Tensor]:
        """Parameters at any depth (or of this module alone), each once: what an optimiser wants."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    @property
    def _parameters(self) -> dict[str, Tensor]:
        """Parameters of this module alone, by name: programs look them up under PyTorch's private name."""
        return dict(self.named_parameters(recurse=False))

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """Buffers at any depth with their full names."""
        return self._named(Buffer)

    def buffers(self) -> Iterator[Tensor]:
        """Buffers at any depth."""
        return (buffer for _, buffer in self.named_buffers())

    # What can be set.

    def apply(self, fn: Callable[[Module], Any]) -> Module:
        """This module, after fn was called with all inside it, and with itself last."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> Module:
        """This module, with it and all inside it set to training (or, with False, to use)."""
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Module:
        """This module, with it and all inside it set to use: no dropout, running statistics in batch norm."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """This module, with all its parameters frozen (False) or free."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set those that there are to 0."""
        for p in self.parameters():
            if set_to_none or p.grad is None:
                p.zero_grad()
            else:
                p.grad.zero_()

    def to(self, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False) -> Module:
        """This module, with parameters and buffers as another float dtype; an optimiser is made after this.

        Args:
            *args: a float dtype, a device (the CPU), or both.
            dtype: given by name.
            device: given by name.
            non_blocking: without meaning on the CPU.

        Raises:
            RuntimeError: for another device.
            TypeError: if the dtype is no float dtype.
        """
        dtype = wanted_dtype(args, dtype, device)
        if dtype is not None and dtype.kind != "f":
            raise TypeError(f"a module is of a float dtype, not of {dtype}")
        for _, tensor in self._named(Parameter | Buffer) if dtype else ():
            if tensor.dtype.kind == "f" and tensor.dtype != dtype:
                grad = tensor.grad
                tensor._replace(tensor._data.astype(dtype))
                if tensor.requires_grad and grad is not None:
                    tensor.grad = grad.to(dtype)
        return self

    def float(self) -> Module:
        """This module in float32."""
        return self.to(np.float32)

    def double(self) -> Module:
        """This module in float64."""
        return self.to(np.float64)

    def cpu(self) -> Module:
        """This module."""
        return self

    def cuda(self, device: Any = "cuda") -> Module:
        """Refused: there is the CPU only."""
        return self.to("cuda" if isinstance(device, int) else device)

    def state_dict(self) -> dict[str, Tensor]:
        """All parameters and buffers by name, sharing memory with them; `copy.deepcopy` keeps today's values."""
        unsaved = {f"{at}.{name}" if at else name for at, m in self.named_modules() for name in m.unsaved}
        named = self._named(Parameter | Buffer)
        return {name: tensor.detach() for name, tensor in named if name not in unsaved}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> None:
        """Write saved values into parameters and buffers, in place.

        Args:
            state_dict: arrays by name, as `state_dict` gives them or `np.load` reads them.
            strict: refuse names that are missing or unknown.

        Raises:
            RuntimeError: if names or shapes do not match; lists all that do not, and changes nothing.
            TypeError: if state_dict holds no arrays by name, or one without numbers.
        """
        if not hasattr(state_dict, "keys"):
            wanted = "wanted arrays by name, as np.load(path) reads them"
            raise TypeError(f"load_state_dict: {wanted}, got {type(state_dict).__name__} {state_dict!r:.60}")
        saved_here = self.state_dict()
        mine = {name: tensor for name, tensor in self._named(Parameter | Buffer) if name in saved_here}
        faults = [f"missing: {name}" for name in mine if strict and name not in state_dict]
        faults += [f"unknown: {name}" for name in state_dict if strict and name not in mine]
        both = {name: as_plain(state_dict[name]) for name in mine if name in state_dict}
        if wrong := [name for name, x in both.items() if x.dtype.kind not in "fiub"]:
            raise TypeError(f"load_state_dict: {wrong[0]} holds no numbers, got dtype {both[wrong[0]].dtype}")
        lazy = {
            name for name, tensor in mine.items() if tensor.numel() == 0
        }  # takes the shape of what is loaded
        wrong = [name for name, x in both.items() if x.shape != mine[name].shape and name not in lazy]
        other = [(name, both[name].shape, mine[name].shape) for name in wrong]
        faults += [f"{name}: saved with shape {saved}, here {here}" for name, saved, here in other]
        if faults:
            raise RuntimeError(f"load_state_dict: does not fit {type(self).__name__}: {'; '.join(faults)}")
        for name, x in both.items():
            if name in lazy:
                mine[name]._replace(np.empty(x.shape, mine[name].dtype))
            mine[name].numpy()[...] = x
            note_change(mine[name].numpy())

    # How it is shown.

    def options(self) -> dict[str, Any]:
        """The arguments that make this module again, by name, as far as it keeps them as attributes."""
        names = [name for name in inspect.signature(type(self).__init__).parameters if name in vars(self)]
        values = {name: vars(self)[name] for name in names if name != "generator"}
        bias = values.get("bias")  # kept as the bias itself, or None
        return values | ({"bias": bias is not None and bias is not False} if "bias" in values else {})

    def extra_repr(self) -> str:
        """What `repr` shows between the brackets: the arguments that are not at their defaults."""
        known = inspect.signature(type(self).__init__).parameters
        plain = ((k, v) for k, v in self.options().items() if not isinstance(v, Module))
        return ", ".join(f"{k}={v!r}" for k, v in plain if v != known[k].default)

    def __repr__(self) -> str:
        """The tree of modules, each with its number of parameters."""
        count = sum(p.numel() for p in self.parameters())
        head, note = f"{type(self).__name__}({self.extra_repr()}", f"  # {count:,}" if count else ""
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        return "\n  ".join([head + note, *lines]) + "\n)" if lines else f"{head}){note}"


class Sequential(Module):
    """Layers one after another.

    Args:
        *layers: modules, or one dict of modules by name.

    Raises:
        TypeError: if something given is no Module.
    """

    def __init__(self, *layers: Any):
        named = layers[0] if len(layers) == 1 and isinstance(layers[0], dict) else dict(enumerate(layers))
        for name, layer in named.items():
            if not isinstance(layer, Module):
                raise TypeError(f"Sequential wants modules; argument {name} is {type(layer).__name__}")
            setattr(self, str(name), layer)

    def append(self, module: Module) -> Sequential:
        """This model, with one more layer at the end."""
        setattr(self, str(len(self)), module)
        return self

    def forward(self, x: Any) -> Any:
        """What the last layer gives."""
        for layer in self:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __iter__(self) -> Iterator[Module]:
        return (layer for _, layer in self.named_children())

    def __getitem__(self, index: Any) -> Any:
        layers = list(self)[index]
        return Sequential(*layers) if isinstance(index, slice) else layers


class Residual(Module):
    """Sum of what came in and what a module makes of it: shortcut(x) + module(x).

    Args:
        module: keeps the **shape**, or is given a shortcut that changes it alike.
        shortcut: module for the other path; None to pass x on as it is.

    Source: He et al., Deep Residual Learning for Image Recognition, 2016, equations (1) and (2).
    """

    def __init__(self, module: Module, shortcut: Module | None = None):
        self.module, self.shortcut = module, shortcut

    def forward(self, x: Any) -> Tensor:
        """Sum of both paths."""
        return self.module(x) + (x if self.shortcut is None else self.shortcut(x))


# --- Layers without parameters ----------------------------------------------------------------------------------


class _Op(Module):
    """Layer that hands its input to the op of that name, with those of its attributes that are options of it."""

    op: str
    names: tuple[str, ...] = ()
    inplace = False  # whether the result takes the place of the input

    def forward(self, x: Any) -> Tensor:
        """What the op gives."""
        out = getattr(ops, self.op)(x, **{name: getattr(self, name) for name in self.names})
        return x._become(out) if self.inplace else out


class Identity(Module):
    """What came in."""

    def forward(self, x: Any) -> Any:
        """The input x itself."""
        return x


class ReLU(_Op):
    """Rectifier, entry by entry: the larger of x and 0; see `chainrule.ops.relu`."""

    op = "relu"

    def __init__(self, inplace: bool = False):
        self.inplace = inplace


class LeakyReLU(_Op):
    """Rectifier with the slope negative_slope below 0; see `chainrule.ops.leaky_relu`."""

    op, names = "leaky_relu", ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False):
        self.negative_slope, self.inplace = negative_slope, inplace


class GELU(_Op):
    """Input x times the probability that a standard normal number is below it; see `chainrule.ops.gelu`."""

    op, names = "gelu", ("approximate",)

    def __init__(self, approximate: str = "none"):
        self.approximate = approximate


class Softplus(_Op):
    """Smooth rectifier: the logarithm of 1 + exp(beta x), over beta; see `chainrule.ops.softplus`."""

    op, names = "softplus", ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0):
        self.beta, self.threshold = beta, threshold


class Sigmoid(_Op):
    """Logistic function 1 / (1 + exp(-x)), entry by entry; see `chainrule.ops.sigmoid`."""

    op = "sigmoid"


class Tanh(_Op):
    """Hyperbolic tangent, entry by entry; see `chainrule.ops.tanh`."""

    op = "tanh"


class Softmax(_Op):
    """Probabilities from scores: positive numbers that add up to 1 along dim; see `chainrule.ops.softmax`."""

    op, names = "softmax", ("dim",)

    def __init__(self, dim: int | None = None):
        self.dim = dim

    def forward(self, x: Any) -> Tensor:
        """Probabilities along dim; see `chainrule.functional.softmax` for what None means."""
        return getattr(functional, self.op)(x, self.dim)


class Flatten(Module):
    """The axes from start_dim to end_dim as one."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Any) -> Tensor:
        """The same entries, **shape** (*before, product, *after)."""
        first, last = self.start_dim % x.ndim, self.end_dim % x.ndim
        size = math.prod(x.shape[first : last + 1])
        return ops.reshape(x, (*x.shape[:first], size, *x.shape[last + 1 :]))


class Dropout(Module):
    """In training each entry is set to 0 with probability p and divided by 1 - p if it stays; else nothing.

    Raises:
        ValueError: if p is not in [0, 1].

    Source: Srivastava et al., Dropout: A Simple Way to Prevent Neural Networks from Overfitting, 2014, section 4,
    scaled in training rather than in use.
    """

    drop = staticmethod(dropout)

    def __init__(self, p: float = 0.5, inplace: bool = False, *, generator: Generator | None = None):
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is a probability in [0, 1], got {p}")
        self.p, self.inplace, self.generator = p, inplace, generator

    def forward(self, x: Any) -> Any:
        """Input x with some entries dropped in training."""
        return self.drop(x, self.p, self.training, self.inplace, generator=self.generator)


class MaxPool1d(_Op):
    """Largest entry of each window of a sequence (B, C, L); see `chainrule.ops.max_pool1d`."""

    op, names = "max_pool1d", ("kernel_size", "stride", "padding", "dilation", "ceil_mode")

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, *,
                 ceil_mode: bool = False):  # fmt: skip
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation, self.ceil_mode = padding, dilation, ceil_mode


class MaxPool2d(MaxPool1d):
    """Largest entry of each window of an image (B, C, H, W); see `chainrule.ops.max_pool2d`."""

    op = "max_pool2d"


class AvgPool1d(_Op):
    """Mean of each window of a sequence (B, C, L); see `chainrule.ops.avg_pool1d`."""

    op, names = "avg_pool1d", ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad")

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True):  # fmt: skip
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.ceil_mode, self.count_include_pad = padding, ceil_mode, count_include_pad


class AvgPool2d(AvgPool1d):
    """Mean of each window of an image (B, C, H, W); see `chainrule.ops.avg_pool2d`."""

    op, names = "avg_pool2d", (*AvgPool1d.names, "divisor_override")  # type: ignore[assignment]

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True, divisor_override: int | None = None):  # fmt: skip
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad)
        self.divisor_override = divisor_override


# --- Layers with parameters -------------------------------------------------------------------------------------


def _drawn(scheme: Any, shape: Any, *args: Any, dtype: Any = None, generator: Generator | None = None,
           device: Any = None, **unknown: Any) -> Any:  # fmt: skip
    """Parameter with starting values from a function of `chainrule.init`."""
    if unknown:
        raise TypeError(f"a layer of chainrule has no argument {', '.join(unknown)}: leave it out")
    check_device(device)
    return scheme(Parameter(np.empty(shape, dtype or get_default_dtype())), *args, generator=generator)


def _check_sizes(layer: Module, least: int = 0, **sizes: Any) -> None:
    """Raise a ValueError unless all sizes that a layer is made with are whole numbers from least on."""
    least = 0 if "waiting" in vars(layer) else least  # a lazy layer has no size yet
    for name, size in sizes.items():
        if not isinstance(size, int | np.integer) or size < least:
            raise ValueError(
                f"{type(layer).__name__}: {name} is a whole number from {least} on, got {size!r:.60}"
            )


class Linear(Module):
    """Affine map x @ weight.T + bias.

    Args:
        in_features: size of the last axis of the input.
        out_features: size of the last axis of the output.
        bias: whether there is one.
        device: the CPU.
        dtype: of the parameters, which start uniform in ±1 / sqrt(in_features).
        generator: source of their starting values.

    Attributes:
        weight: **shape** (out_features, in_features).
        bias: **shape** (out_features,), or None.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, device: Any = None,
                 dtype: Any = None, *, generator: Generator | None = None):  # fmt: skip
        _check_sizes(self, in_features=in_features, out_features=out_features)
        factory = {"device": device, "dtype": dtype, "generator": generator}
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(max(in_features, 1))
        self.weight = _drawn(uniform_, (out_features, in_features), -bound, bound, **factory)
        self.bias = _drawn(uniform_, out_features, -bound, bound, **factory) if bias else None

    def forward(self, x: Any) -> Tensor:
        """**shape** (..., in_features) to (..., out_features)."""
        return ops.linear(x, self.weight, self.bias)


class _Conv(Module):
    """Shared by the convolutions."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
                 padding: Any = 0, dilation: Any = 1, groups: int = 1, bias: bool = True, **factory: Any):  # fmt: skip
        _check_sizes(self, 1, in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"channels {in_channels}, {out_channels} must be multiples of groups={groups}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        size = (out_channels, in_channels // groups, *np.broadcast_to(kernel_size, self.axes).tolist())  # type: ignore
        bound = 1 / math.sqrt(max(math.prod(size[1:]), 1))
        self.weight = _drawn(uniform_, size, -bound, bound, **factory)
        self.bias = _drawn(uniform_, out_channels, -bound, bound, **factory) if bias else None

    def forward(self, x: Any) -> Tensor:
        """**shape** (B, in_channels, *size) to (B, out_channels, *size of the result)."""
        options = {k: getattr(self, k) for k in ("stride", "padding", "dilation", "groups")}
        return getattr(ops, self.op)(x, self.weight, self.bias, **options)  # type: ignore[attr-defined]


class Conv1d(_Conv):
    """Cross-correlation of sequences (B, C, L) with learned filters; see `chainrule.ops.conv1d`.

    Attributes:
        weight: **shape** (out_channels, in_channels / groups, kernel_size).
        bias: **shape** (out_channels,), or None.
    """

    op, axes = "conv1d", 1


class Conv2d(_Conv):
    """Cross-correlation of images (B, C, H, W) with learned filters; see `chainrule.ops.conv2d`.

    Attributes:
        weight: **shape** (out_channels, in_channels / groups, kernel height, kernel width).
        bias: **shape** (out_channels,), or None.
    """

    op, axes = "conv2d", 2


class BatchNorm1d(Module):
    """Each feature with mean 0 and variance 1 over the batch, then scaled and shifted; see `ops.batch_norm`.

    Args:
        num_features: size of axis 1.
        eps: added to the variance.
        momentum: how far the running statistics move at each step of training; None for the mean over all steps.
        affine: whether there are a weight and a bias.
        track_running_stats: whether there are running statistics; without them the batch's own are always used.
        dtype: of parameters and buffers.
        device: the CPU.

    Attributes:
        weight: **shape** (num_features,), at first 1; None unless affine.
        bias: **shape** (num_features,), at first 0; None unless affine.
        running_mean: buffer, **shape** (num_features,): what is used after eval(); None unless track_running_stats.
        running_var: buffer, **shape** (num_features,), or None.
        num_batches_tracked: buffer, number of training steps, or None.
    """

    axes: tuple[int, ...] = (2, 3)

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True,
                 track_running_stats: bool = True, *, dtype: Any = None, device: Any = None):  # fmt: skip
        _check_sizes(self, num_features=num_features)
        check_device(device)
        self.num_features, self.eps, self.momentum, self.affine = num_features, eps, momentum, affine
        self.track_running_stats = track_running_stats
        zeros, ones = (f(num_features, dtype or get_default_dtype()) for f in (np.zeros, np.ones))
        self.weight, self.bias = [Parameter(x) if affine else None for x in (ones, zeros)]
        tracked = [Buffer(x) if track_running_stats else None for x in (zeros, ones, 0)]
        self.running_mean, self.running_var, self.num_batches_tracked = tracked

    def forward(self, x: Any) -> Tensor:
        """The same **shape**: (B, C), (B, C, L) for 1d, (B, C, H, W) for 2d."""
        if x.ndim not in self.axes or x.shape[1] != self.num_features:
            wanted = f"{self.num_features} features on axis 1 of {' or '.join(map(str, self.axes))} axes"
            raise ValueError(f"{type(self).__name__}: wanted {wanted}, got shape {x.shape}")
        momentum, steps = self.momentum, self.num_batches_tracked
        if self.training and steps is not None:
            steps._data += 1
            momentum = 1 / steps.item() if momentum is None else momentum
        statistics = (self.running_mean, self.running_var, self.weight, self.bias)
        return ops.batch_norm(x, *statistics, training=self.training, momentum=momentum, eps=self.eps)


class BatchNorm2d(BatchNorm1d):
    """Each channel of images (B, C, H, W) with mean 0 and variance 1 over the batch; see `BatchNorm1d`."""

    axes = (4,)


class LayerNorm(Module):
    """Last axes of each example with mean 0 and variance 1, then scaled and shifted; see `ops.layer_norm`.

    Args:
        normalized_shape: the last axes, as a number or a tuple.
        eps: added to the variance.
        elementwise_affine: whether there is a weight.
        bias: whether there is a bias as well.
        dtype: of the parameters.
        device: the CPU.

    Attributes:
        weight: **shape** normalized_shape, at first 1, or None.
        bias: **shape** normalized_shape, at first 0, or None.
    """

    def __init__(self, normalized_shape: Any, eps: float = 1e-5, elementwise_affine: bool = True,
                 bias: bool = True, *, dtype: Any = None, device: Any = None):  # fmt: skip
        check_device(device)
        self.normalized_shape = tuple(np.ravel(normalized_shape).tolist())
        self.eps, self.elementwise_affine = eps, elementwise_affine
        dtype = dtype or get_default_dtype()
        self.weight = Parameter(np.ones(self.normalized_shape, dtype)) if elementwise_affine else None
        self.bias = Parameter(np.zeros(self.normalized_shape, dtype)) if elementwise_affine and bias else None

    def forward(self, x: Any) -> Tensor:
        """The same **shape**, (..., *normalized_shape)."""
        return ops.layer_norm(x, self.normalized_shape, self.weight, self.bias, eps=self.eps)


class Embedding(Module):
    """Table of vectors, looked up by number.

    Args:
        num_embeddings: number of vectors.
        embedding_dim: size of each.
        padding_idx: number of the vector that stands for no entry: it starts at 0 and gets no gradient, so that it
            stays there. None for no such vector; a negative number counts from the end.
        **factory: dtype and generator of the weight.

    Attributes:
        weight: **shape** (num_embeddings, embedding_dim), at first normal with variance 1.

    Raises:
        IndexError: if there is no vector with the number padding_idx.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None,
                 **factory: Any):  # fmt: skip
        _check_sizes(self, num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.weight = _drawn(normal_, (num_embeddings, embedding_dim), **factory)
        if padding_idx is not None:
            self.weight.numpy()[padding_idx] = 0
            self.padding_idx = padding_idx % num_embeddings

    def forward(self, index: Any) -> Tensor:
        """Integers of any **shape** to vectors: (*shape, embedding_dim)."""
        return ops.embedding(index, self.weight, self.padding_idx)


# --- Sequences --------------------------------------------------------------------------------------------------


class _Recurrent(Module):
    """Shared by the recurrent layers; each defines `cell` or `run`, and how many numbers a hidden unit is made from."""

    gates, states = 1, 1

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
                 batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
                 **factory: Any):  # fmt: skip
        _check_sizes(self, 1, input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, dropout
        self.bidirectional, self.generator = bidirectional, factory.get("generator")
        self.ways = ("", "_reverse") if bidirectional else ("",)  # what names end in, of each direction
        rows, bound = self.gates * hidden_size, 1 / math.sqrt(hidden_size)
        for layer, way in itertools.product(range(num_layers), self.ways):
            columns = input_size if layer == 0 else hidden_size * len(self.ways)
            shapes: dict[str, Any] = {"weight_ih": (rows, columns), "weight_hh": (rows, hidden_size)}
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
            for name, shape in shapes.items():
                setattr(self, f"{name}_l{layer}{way}", _drawn(uniform_, shape, -bound, bound, **factory))

    @property
    def _flat_weights_names(self) -> list[str]:
        """Names of all weights and biases, as PyTorch calls the list."""
        return list(self._parameters)

    def weights(self, layer: int, way: str) -> list[Any]:
        """Both weights and both biases, or None for these, of one layer in one direction."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        return [getattr(self, f"{name}_l{layer}{way}", None) for name in names]

    def cell(self, x: Tensor, h: Tensor, state: Any) -> Any:
        """New state of one layer.

        Args:
            x: input @ weight_ih.T + bias_ih, **shape** (B, gates * H).
            h: state[0] @ weight_hh.T + bias_hh, of that **shape**, too.
            state: the old state, each part of **shape** (B, H).
        """
        raise NotImplementedError("a recurrent layer defines cell(x, h, state)")

    def run(self, x: Tensor, state: Any, layer: int, way: str) -> Any:
        """Outputs of one layer in one direction, **shape** (T, B, H), and its last state."""
        w_ih, w_hh, b_ih, b_hh = self.weights(layer, way)
        outputs, step = [], -1 if way else 1
        for z in ops.unbind(ops.linear(x, w_ih, b_ih))[
            ::step
        ]:  # the inputs' part for all times in one product
            state = self.cell(z, ops.linear(state[0], w_hh, b_hh), state)
            outputs.append(state[0])
        return ops.stack(outputs[::step]), state

    def forward(self, x: Any, state: Any = None) -> Any:
        """Outputs at every time, and the last state.

        Args:
            x: **shape** (T, B, input_size), or (B, T, input_size) with batch_first; or one sequence without B.
            state: h, or for LSTM the pair (h, c), each of **shape** (num_layers, B, hidden_size); twice as many if
                bidirectional, for each layer that of the way there and that of the way back; None for 0.

        Returns:
            Outputs of the last layer, **shape** (T, B, hidden_size) or with B first, and the state as above. If
            bidirectional, the outputs of the way back stand behind those of the way there: 2 hidden_size.

        Raises:
            ValueError: if x or the state has another shape.
        """
        x = x if isinstance(x, Tensor) else Tensor(x)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size or 0 in x.shape:
            wanted = f"({'B, T' if self.batch_first else 'T, B'}, {self.input_size})"
            raise ValueError(f"{type(self).__name__}: wanted x of shape {wanted}, got {x.shape}")
        turned = self.batch_first and x.ndim == 3
        x = x.transpose(0, 1) if turned else x
        zeros = wrap(np.zeros((self.num_layers * len(self.ways), *x.shape[1:-1], self.hidden_size), x.dtype))
        given = [zeros] * self.states if state is None else [state] if self.states == 1 else list(state)
        if (got := [np.shape(part) for part in given]) != (shapes := [zeros.shape] * self.states):
            raise ValueError(f"{type(self).__name__}: wanted a state of shapes {shapes}, got {got}")
        starts, ends = zip(*given, strict=True), list[Any]()
        for layer in range(self.num_layers):
            x = dropout(x, self.dropout, layer > 0 and self.training, generator=self.generator)
            outputs, last = zip(*(self.run(x, next(starts), layer, way) for way in self.ways), strict=True)
            x = ops.cat(outputs, -1) if len(outputs) > 1 else outputs[0]
            ends += last
        states = tuple(ops.stack(parts) for parts in zip(*ends, strict=True))
        return (x.transpose(0, 1) if turned else x), (states if self.states > 1 else states[0])


class RNN(_Recurrent):
    """Recurrent layer: h = tanh(x @ weight_ih.T + bias_ih + h @ weight_hh.T + bias_hh) at every time.

    Args:
        input_size: size of each input.
        hidden_size: size H of the state h.
        num_layers: layers on top of each other.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: whether inputs and outputs are (B, T, ...) rather than (T, B, ...).
        dropout: probability, for the inputs of all layers but the first.
        bidirectional: whether each layer also reads the sequence backwards, with parameters of its own.
        **factory: dtype and generator of the parameters, which start uniform in ±1 / sqrt(H).

    Attributes:
        weight_ih_l0: **shape** (H, input_size); weight_hh_l0 (H, H), bias_ih_l0 and bias_hh_l0 (H,), and so on; of
            the way back weight_ih_l0_reverse and so on.

    Raises:
        ValueError: for another nonlinearity.

    Source: Elman, Finding Structure in Time, Cognitive Science 14 (1990), figure 2.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
                 bias: bool = True, batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
                 **factory: Any):  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity is 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity
        options = (num_layers, bias, batch_first, dropout, bidirectional)
        super().__init__(input_size, hidden_size, *options, **factory)

    def cell(self, x: Tensor, h: Tensor, state: Any) -> Any:
        """New state (h,)."""
        return (ops.tanh(x + h) if self.nonlinearity == "tanh" else ops.relu(x + h),)


class LSTM(_Recurrent):
    """Recurrent layer with a memory c, and gates that say what is written, kept and shown.

    Args and Attributes as `RNN`, but for the nonlinearity; the weights have 4 H rows: input gate, forget gate,
    candidate, output gate.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory, 1997, with the forget gate of Gers, Schmidhuber
    and Cummins, Learning to Forget, 2000, section 3.
    """

    gates, states = 4, 2

    def run(self, x: Tensor, state: Any, layer: int, way: str) -> Any:
        """Outputs of one layer in one direction, **shape** (T, B, H), and its last state (h, c)."""
        w_ih, w_hh, b_ih, b_hh = self.weights(layer, way)
        gates = ops.linear(x, w_ih, b_ih + b_hh if self.bias else None)
        out = ops.lstm(gates[::-1] if way else gates, *state, w_hh)
        return (out[-2::-1] if way else out[:-1]), (out[-2], out[-1])


class GRU(_Recurrent):
    """Recurrent layer whose gates say how much of h is looked at, and how much of it stays.

    Args and Attributes as `RNN`, but for the nonlinearity; the weights have 3 H rows: reset gate, update gate,
    candidate. As in PyTorch the reset gate weighs h @ weight_hh.T + bias_hh rather than h itself.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder–Decoder for Statistical Machine
    Translation, 2014, section 2.3.
    """

    gates = 3

    def cell(self, x: Tensor, h: Tensor, state: Any) -> Any:
        """New state (h,)."""
        x_reset, x_keep, x_new = ops.split(x, self.hidden_size, -1)
        h_reset, h_keep, h_new = ops.split(h, self.hidden_size, -1)
        keep = ops.sigmoid(x_keep + h_keep)
        new = ops.tanh(x_new + ops.sigmoid(x_reset + h_reset) * h_new)
        return (keep * state[0] + (1 - keep) * new,)


class MultiheadAttention(Module):
    """Attention: each place of a sequence takes a weighted mean of values, in several heads at once.

    Args:
        embed_dim: size E of each vector, in and out.
        num_heads: number of heads; each works on E / num_heads of the numbers.
        dropout: probability with which a weight is dropped in training.
        bias: whether there are biases.
        kdim: size of each key; E if None.
        vdim: size of each value; E if None.
        batch_first: whether inputs and outputs are (B, T, E) rather than (T, B, E).
        **factory: dtype and generator of the parameters.

    Attributes:
        in_proj_weight: **shape** (3 E, E), for queries, keys and values. None if these differ in size; then there
            are q_proj_weight (E, E), k_proj_weight (E, kdim) and v_proj_weight (E, vdim).
        in_proj_bias: **shape** (3 E,), or None.
        out_proj: Linear(E, E).

    Raises:
        ValueError: if E is no multiple of num_heads.

    Source: Vaswani et al., Attention Is All You Need, 2017, sections 3.2.1 and 3.2.2.
    """

    def __init__(self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True, *,
                 kdim: int | None = None, vdim: int | None = None, batch_first: bool = False,
                 **factory: Any):  # fmt: skip
        _check_sizes(self, 1, embed_dim=embed_dim, num_heads=num_heads)
        if embed_dim % num_heads:
            raise ValueError(f"embed_dim {embed_dim} is no multiple of num_heads {num_heads}")
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.bias, self.batch_first, self.generator = bias, batch_first, factory.get("generator")
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        alike, whole = self.kdim == self.vdim == embed_dim, (3 * embed_dim, embed_dim)
        self.in_proj_weight = _drawn(xavier_uniform_, whole, **factory) if alike else None
        for name, size in [] if alike else [("q", embed_dim), ("k", self.kdim), ("v", self.vdim)]:
            setattr(self, f"{name}_proj_weight", _drawn(xavier_uniform_, (embed_dim, size), **factory))
        self.in_proj_bias = _drawn(uniform_, 3 * embed_dim, 0, 0, **factory) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, **factory)
        self.out_proj.bias = _drawn(uniform_, embed_dim, 0, 0, **factory) if bias else None

    def forward(self, query: Any, key: Any, value: Any, key_padding_mask: Any = None,
                need_weights: bool = True, attn_mask: Any = None, average_attn_weights: bool = True,
                is_causal: bool = False) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        """What each place of query takes from value, by how its query agrees with the keys.

        Args:
            query: **shape** (L, B, E), or (B, L, E) with batch_first; or one sequence without B, as all the others.
            key: **shape** (S, B, kdim), or (B, S, kdim).
            value: **shape** (S, B, vdim), or (B, S, vdim).
            key_padding_mask: **shape** (B, S); True where a key is padding, that nobody may look at.
            need_weights: return the weights too.
            attn_mask: **shape** (L, S), (B, L, S) or (B * num_heads, L, S); True where looking is forbidden, or
                numbers that are added to the scores.
            average_attn_weights: return the mean of the heads' weights rather than each.
            is_causal: forbid looking at later places; PyTorch wants attn_mask as well, here it is not needed.

        Returns:
            The output, of the **shape** of query, and the weights, **shape** (B, L, S) or (B, num_heads, L, S).

        Raises:
            ValueError: if an input has another size on the last axis, or not two or three axes as the others.
        """
        heads, turned = [], not self.batch_first and np.ndim(query) == 3
        own = [getattr(self, f"{name}_proj_weight", None) for name in "qkv"]
        weights = own if self.in_proj_weight is None else ops.split(self.in_proj_weight, self.embed_dim)
        biases = [None] * 3 if self.in_proj_bias is None else ops.split(self.in_proj_bias, self.embed_dim)
        for x, weight, bias in zip((query, key, value), weights, biases, strict=True):
            x = x if isinstance(x, Tensor) else Tensor(x)
            if not 2 <= x.ndim == np.ndim(query) <= 3 or x.shape[-1] != weight.shape[1]:
                wanted = f"three inputs of 2 axes or of 3, this one with {weight.shape[1]} on the last"
                raise ValueError(f"MultiheadAttention: wanted {wanted}, got shape {x.shape}")
            z = ops.linear(x.transpose(0, 1) if turned else x, weight, bias)
            heads.append(z.reshape(*z.shape[:-1], self.num_heads, -1).transpose(-3, -2))
        q, k, v = heads
        scores = ops.matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(-2, -1))
        masks = self._masks(scores.shape, key_padding_mask, attn_mask, is_causal)
        for mask in masks:
            scores = scores + mask.to(q.dtype)
        weights = attention_weights(scores) if masks else ops.softmax(scores, -1)
        weights = dropout(weights, self.dropout, self.training, generator=self.generator)
        out = ops.matmul(weights, v).transpose(-3, -2)
        out = self.out_proj(out.reshape(*out.shape[:-2], self.embed_dim))
        shown = weights.mean(dim=-3) if average_attn_weights else weights
        return (out.transpose(0, 1) if turned else out), (shown if need_weights else None)

    def _masks(self, shape: tuple[int, ...], padding: Any, mask: Any, causal: bool) -> list[Tensor]:
        """What to add to scores of this shape (B, num_heads, L, S), for each mask given."""
        masks = [Tensor(np.triu(np.ones(shape[-2:], bool), 1))] if causal else []
        if padding is not None:
            if (got := np.shape(padding)) != (wanted := (*shape[:-3], shape[-1])):
                raise ValueError(
                    f"key_padding_mask: wanted shape {wanted}, (B, S) whatever batch_first, got {got}"
                )
            padding = check_mask("key_padding_mask", padding, shape[:-3] + shape[-1:])
            masks.append(padding.reshape(*shape[:-3], 1, 1, shape[-1]))
        if mask is not None:
            mask = mask if isinstance(mask, Tensor) else Tensor(mask)
            each = math.prod(shape[:-3]) * shape[-3], math.prod(shape[:-3])  # one a head, or one a sequence
            if mask.ndim == 3 and mask.shape[0] in each:
                mask = mask.reshape(*shape[:-3], -1, *mask.shape[1:])
            masks.append(check_mask("attn_mask", mask, shape))
        return [ops.where(m, -math.inf, np.zeros((), np.float32)) if m.dtype == bool else m for m in masks]


MultiHeadAttention = MultiheadAttention

# What stands in modules of its own, as in PyTorch.

from chainrule.nn import functional, init, parameter, utils  # noqa: E402, F401
from chainrule.nn.containers import ModuleDict, ModuleList, ParameterList  # noqa: E402, F401
from chainrule.nn.layers import *  # noqa: E402, F403
from chainrule.nn.losses import *  # noqa: E402, F403


def __getattr__(name: str) -> Any:
    """Raise the error for a name that is PyTorch's alone, which says what to write."""
    from chainrule.elsewhere import refuse

    refuse(name, "chainrule.nn")
