"""Functions that make a Tensor: PyTorch's names and arguments, NumPy's arrays and random numbers.

All take `dtype` (float32 where nothing else follows from the values), `device` (the CPU) and `requires_grad`; those
that draw take `generator`, without which they draw from the one that `manual_seed` sets. The numbers drawn are
NumPy's, not PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import init
from chainrule.dtypes import check_device, get_default_dtype
from chainrule.tensor import Tensor, as_plain, wrap

__all__ = """
    Generator manual_seed seed tensor as_tensor asarray from_numpy zeros ones empty full eye arange range linspace
    logspace meshgrid zeros_like ones_like empty_like full_like rand randn randint normal bernoulli multinomial randperm
    rand_like randn_like tril_indices triu_indices
    FloatTensor DoubleTensor LongTensor IntTensor BoolTensor ByteTensor
""".split()

manual_seed = init.manual_seed


class Generator(np.random.Generator):
    """Source of random numbers: NumPy's Generator, with PyTorch's method for its seed.

    Args:
        device: the CPU.
    """

    def __init__(self, device: Any = None):
        check_device(device)
        super().__init__(np.random.PCG64())

    def manual_seed(self, seed: int) -> Generator:
        """This generator, started anew from a seed."""
        self.bit_generator.state = np.random.PCG64(seed).state
        return self


def drawn(generator: Any) -> np.random.Generator:
    """The generator that was passed, or the shared one."""
    return init.generator_or_shared(generator)


def seed() -> int:
    """Start the shared generator anew from a seed that nobody chose, and return the seed."""
    chosen = int(np.random.SeedSequence().entropy) % 2**63  # type: ignore[arg-type]
    manual_seed(chosen)
    return chosen


def _made(array: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Tensor around a new array."""
    check_device(device)
    return wrap(np.asarray(array, dtype)).requires_grad_(requires_grad)


def _size(given: Any, size: Any = None) -> tuple[int, ...]:
    """A **shape** given as numbers, as one tuple, or by its name."""
    given = given if size is None else [size]
    numbers = given[0] if len(given) == 1 and not hasattr(given[0], "__index__") else given
    return tuple(int(n) for n in numbers)


# --- From data --------------------------------------------------------------------------------------------------


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Tensor with a copy of data: arrays keep their dtype, Python floats become float32.

    Args:
        data: a number, nested lists, an array or a Tensor of any **shape**.
        dtype: another dtype.
        device: the CPU.
        requires_grad: whether `backward` shall leave a gradient in `grad`.
    """
    check_device(device)
    return Tensor(_plain(data), dtype=dtype, requires_grad=requires_grad)


def _plain(data: Any) -> Any:
    """Nested lists with arrays in place of Tensors."""
    if isinstance(data, list | tuple) and any(isinstance(x, Tensor | list | tuple) for x in data):
        parts = [_plain(x) for x in data]
        return np.asarray(parts) if any(isinstance(x, np.ndarray) for x in parts) else parts
    return data._data if isinstance(data, Tensor) else data


class _Kind:
    """PyTorch's older name of the Tensors of one dtype: makes one of data, and stands for the dtype in `t.type()`."""

    def __init__(self, dtype: str):
        self.dtype = np.dtype(dtype)

    def __call__(self, data: Any) -> Tensor:
        return tensor(data, dtype=self.dtype)


FloatTensor, DoubleTensor, LongTensor = _Kind("float32"), _Kind("float64"), _Kind("int64")
IntTensor, BoolTensor, ByteTensor = _Kind("int32"), _Kind("bool"), _Kind("uint8")


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """Tensor that shares memory with an array."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: wanted a NumPy array, got {type(ndarray).__name__}; write tensor(data)")
    return wrap(ndarray)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Data as a Tensor, sharing memory where it can; a Tensor of that dtype as it is."""
    check_device(device)
    if isinstance(data, np.ndarray):
        data = wrap(data)
    return data.to(dtype) if isinstance(data, Tensor) else tensor(data, dtype=dtype)


asarray = as_tensor

# --- Constants --------------------------------------------------------------------------------------------------


def _constant(name: str, make: Callable[..., np.ndarray]) -> Callable[..., Tensor]:
    """Function of a size that fills an array."""

    def f(*shape: Any, size: Any = None, dtype: Any = None, device: Any = None,
          requires_grad: bool = False) -> Tensor:  # fmt: skip
        return _made(
            make(_size(shape, size), get_default_dtype() if dtype is None else dtype),
            None,
            device,
            requires_grad,
        )

    f.__name__, f.__doc__ = name, f"NumPy's `{name}` of a **shape**, given as numbers or as one tuple."
    return f


zeros, ones, empty = (
    _constant(*row) for row in [("zeros", np.zeros), ("ones", np.ones), ("empty", np.zeros)]
)
empty.__doc__ = "Zeros: what PyTorch leaves open is 0 here."


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
         requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Tensor of a **shape** with one value in every entry."""
    values = np.full(_size([size]), tensor(fill_value, dtype=dtype)._data)
    return _made(values, dtype, device, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None,
        requires_grad: bool = False) -> Tensor:  # fmt: skip
    """The identity matrix, **shape** (n, n) or (n, m)."""
    return _made(np.eye(n, m), dtype or get_default_dtype(), device, requires_grad)


def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None,
           requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Numbers from start up to end, without it, in steps: integers if all three are; one number is the end."""
    start, end = (0, start) if end is None else (start, end)
    numbers = [x.item() if isinstance(x, Tensor | np.generic) else x for x in (start, end, step)]
    kind = np.int64 if all(isinstance(x, int) for x in numbers) else get_default_dtype()
    return _made(np.arange(*numbers), kind if dtype is None else dtype, device, requires_grad)


def range(start: Any, end: Any, step: Any = 1, *, dtype: Any = None) -> Tensor:
    """Numbers from start up to end, with it, in steps: what `arange` has replaced in PyTorch, too."""
    return arange(start, end + step / 2, step, dtype=dtype or get_default_dtype())


def linspace(start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """So many numbers from start to end, with it, at equal distances."""
    return _made(
        np.linspace(float(start), float(end), steps), dtype or get_default_dtype(), device, requires_grad
    )


def logspace(start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: Any = None, device: Any = None,
             requires_grad: bool = False) -> Tensor:  # fmt: skip
    """So many numbers from base ** start to base ** end, at equal ratios."""
    values = np.logspace(float(start), float(end), steps, base=base)
    return _made(values, dtype or get_default_dtype(), device, requires_grad)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Coordinates of a grid: for each vector its entries, spread over the **shape** of the grid."""
    vectors = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], list | tuple) else tensors
    return tuple(map(wrap, np.meshgrid(*(as_plain(v) for v in vectors), indexing=indexing)))  # type: ignore


def tril_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """Rows and columns of the entries on and below a diagonal, **shape** (2, n)."""
    return wrap(np.stack(np.tril_indices(row, offset, col)))


def triu_indices(row: int, col: int, offset: int = 0) -> Tensor:
    """Rows and columns of the entries on and above a diagonal, **shape** (2, n)."""
    return wrap(np.stack(np.triu_indices(row, offset, col)))


# --- Random numbers ---------------------------------------------------------------------------------------------


def _random(name: str, draw: Callable[..., np.ndarray], what: str) -> Callable[..., Tensor]:
    """Function of a size that fills an array with random numbers."""

    def f(*shape: Any, size: Any = None, generator: Any = None, dtype: Any = None, device: Any = None,
          requires_grad: bool = False) -> Tensor:  # fmt: skip
        values = draw(drawn(generator), _size(shape, size))
        return _made(values, dtype or get_default_dtype(), device, requires_grad)

    f.__name__, f.__doc__ = name, f"{what}, of a **shape** given as numbers or as one tuple."
    return f


rand = _random("rand", lambda g, size: g.random(size), "Entries drawn uniformly from [0, 1)")
randn = _random(
    "randn", lambda g, size: g.standard_normal(size), "Entries from the standard normal distribution"
)


def randint(low: Any = 0, high: Any = None, size: Any = None, *, generator: Any = None, dtype: Any = None,
            device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Integers from low up to high, without it; one number is the high.

    Args:
        low: the smallest.
        high: one more than the largest.
        size: the **shape**.
        generator: source of the random numbers.
        dtype: int64 if None.
        device: the CPU.
        requires_grad: for a float dtype only.
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    values = drawn(generator).integers(int(low), int(high), _size([size]))
    return _made(values, dtype or np.int64, device, requires_grad)


def randperm(n: int, *, generator: Any = None, dtype: Any = None, device: Any = None) -> Tensor:
    """The numbers 0 … n - 1 in a random order."""
    return _made(drawn(generator).permutation(int(n)), dtype or np.int64, device)


def normal(mean: Any, std: Any = 1.0, size: Any = None, *, generator: Any = None, dtype: Any = None,
           device: Any = None, requires_grad: bool = False) -> Tensor:  # fmt: skip
    """Entries drawn from normal distributions.

    Args:
        mean: a number, or a Tensor of means.
        std: a number, or a Tensor of standard deviations.
        size: the **shape**; that of mean and std together if None.
        generator: source of the random numbers.
        dtype: float32 if None, or that of the Tensors.
        device: the CPU.
        requires_grad: whether `backward` shall leave a gradient in `grad`.
    """
    given = [x for x in (mean, std) if isinstance(x, Tensor)]
    shape = np.broadcast_shapes(*(x.shape for x in given)) if size is None else _size([size])
    values = drawn(generator).standard_normal(shape) * as_plain(std) + as_plain(mean)
    kind = np.result_type(*(x.dtype for x in given), get_default_dtype()) if given else get_default_dtype()
    return _made(values, kind if dtype is None else dtype, device, requires_grad)


def bernoulli(input: Any, *, generator: Any = None) -> Tensor:
    """Entries 1 with the probabilities in input, else 0, with its dtype."""
    p = as_plain(input)
    return _made(drawn(generator).random(p.shape) < p, p.dtype)


def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Tensor:
    """Indices drawn with probabilities proportional to input.

    Args:
        input: weights of **shape** (C,) or (B, C), at least 0.
        num_samples: how many to draw, for each row.
        replacement: whether an index can be drawn again.
        generator: source of the random numbers.

    Returns:
        Integers of **shape** (num_samples,) or (B, num_samples).

    Raises:
        ValueError: if a weight is negative or not finite, all of a row are 0, or fewer are above 0 than to draw.
    """
    weights = as_plain(input).astype(np.float64)
    rows, random = np.atleast_2d(weights), drawn(generator)
    enough = ((rows > 0).sum(-1) >= (1 if replacement else num_samples)).all()
    if weights.ndim not in (1, 2) or not np.isfinite(rows).all() or (rows < 0).any() or not enough:
        raise ValueError(f"multinomial: cannot draw {num_samples} of weights {weights}")
    if replacement:
        steps = np.cumsum(rows, -1)
        u = random.random((len(rows), num_samples)) * steps[:, -1:]
        out = np.stack([np.searchsorted(s, v, "right") for s, v in zip(steps, u, strict=True)])
    else:  # the largest of log-weights with Gumbel noise are drawn one after another, without being put back
        with np.errstate(divide="ignore"):
            keys = np.log(rows) + random.gumbel(size=rows.shape)
        out = np.argsort(-keys, -1, kind="stable")[:, :num_samples]
    return wrap(out if weights.ndim == 2 else out[0])


# --- Like another -----------------------------------------------------------------------------------------------


def _like(name: str, make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Function that makes a Tensor of the shape and dtype of another."""

    def f(
        input: Any, *args: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Tensor:
        kind = as_plain(input).dtype if dtype is None else dtype
        return make(np.shape(input), *args, dtype=kind, device=device, requires_grad=requires_grad)

    f.__name__, f.__doc__ = (
        name,
        f"See `{name.removesuffix('_like')}`; **shape** and dtype are those of input.",
    )
    return f


zeros_like, ones_like, empty_like, full_like, rand_like, randn_like = (
    _like(f"{f.__name__}_like", f) for f in (zeros, ones, empty, full, rand, randn)
)
