"""Starting values of parameters: schemes that keep the size of a signal from layer to layer.

Every function fills a Tensor in place and returns it; names and arguments are PyTorch's `torch.nn.init`. Random
numbers come from the NumPy `Generator` that is passed, or else from one that all layers share and that
`manual_seed` sets.
"""

import math

import numpy as np

from chainrule.autograd import note_change
from chainrule.tensor import Tensor

Generator = np.random.Generator
_shared = np.random.default_rng()


def manual_seed(seed: int) -> Generator:
    """Start the shared generator anew from a seed, so that a program draws the same numbers each time."""
    _shared.bit_generator.state = np.random.default_rng(seed).bit_generator.state
    return _shared


def generator_or_shared(generator: Generator | None) -> Generator:
    """The generator that was passed, or the shared one.

    Raises:
        TypeError: if it is no NumPy Generator (a seed is a number; `np.random.default_rng(seed)` a Generator).
    """
    if generator is None:
        return _shared
    if not isinstance(generator, Generator):
        raise TypeError(f"generator: wanted np.random.default_rng(seed), got {generator!r}")
    return generator


def _fill(tensor: Tensor, values: np.ndarray | float) -> Tensor:
    tensor.numpy()[...] = values
    note_change(tensor.numpy())
    return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Every entry set to val."""
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """Every entry set to 0."""
    return _fill(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """Every entry set to 1."""
    return _fill(tensor, 1.0)


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Entries drawn uniformly from [a, b)."""
    return _fill(tensor, generator_or_shared(generator).uniform(a, b, tensor.shape))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0,
            generator: Generator | None = None) -> Tensor:  # fmt: skip
    """Entries drawn from the normal distribution with this mean and standard deviation."""
    return _fill(tensor, generator_or_shared(generator).normal(mean, std, tensor.shape))


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Factor by which weights in front of a non-linearity must be larger to make up for what it takes away.

    Args:
        nonlinearity: "linear", "conv1d", "conv2d", "sigmoid", "tanh", "relu", "leaky_relu" or "selu".
        param: the negative slope of "leaky_relu"; 0.01 if None.

    Raises:
        ValueError: for another name.

    Source: He et al., Delving Deep into Rectifiers, 2015, section 2.2 (relu and leaky_relu); the other numbers
    are PyTorch's.
    """
    slope = 0.01 if param is None else param
    gains = dict.fromkeys(("linear", "conv1d", "conv2d", "sigmoid"), 1.0)
    gains |= {"relu": math.sqrt(2), "leaky_relu": math.sqrt(2 / (1 + slope**2)), "tanh": 5 / 3, "selu": 3 / 4}
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: wanted one of {', '.join(gains)}, got {nonlinearity!r}")
    return gains[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """How many inputs reach one output entry of a layer with this weight, and how many outputs one input.

    Args:
        tensor: weight of **shape** (out, in, *kernel).

    Raises:
        ValueError: if it has fewer than two axes.
    """
    if tensor.ndim < 2:
        raise ValueError(f"a fan needs a weight of shape (out, in, …), got shape {tensor.shape}")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Entries drawn uniformly, with variance gain² · 2 / (fan_in + fan_out).

    Source: Glorot and Bengio, Understanding the Difficulty of Training Deep Feedforward Neural Networks, 2010,
    equation (16).
    """
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Entries drawn from a normal distribution with variance gain² · 2 / (fan_in + fan_out)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode: wanted 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(fans(tensor)[mode == "fan_out"])


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                     generator: Generator | None = None) -> Tensor:  # fmt: skip
    """Entries drawn uniformly, with variance gain² / fan (He's initialisation).

    Args:
        tensor: weight of **shape** (out, in, *kernel).
        a: the negative slope, for "leaky_relu".
        mode: "fan_in" keeps the size of the signal forward, "fan_out" that of the gradient backward.
        nonlinearity: what follows the layer; see `calculate_gain`.
        generator: source of the random numbers.

    Raises:
        ValueError: for an unknown mode or nonlinearity, or a weight with fewer than two axes.

    Source: He et al., Delving Deep into Rectifiers, 2015, equations (10) and (14).
    """
    bound = math.sqrt(3) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: str = "fan_in", nonlinearity: str = "leaky_relu",
                    generator: Generator | None = None) -> Tensor:  # fmt: skip
    """Entries drawn from a normal distribution with variance gain² / fan; see `kaiming_uniform_`."""
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """A random matrix with orthonormal rows or columns (whichever are fewer), times gain.

    Args:
        tensor: **shape** (out, *rest), at least two axes; it is filled as a matrix of shape (out, product of rest).
        gain: factor on all entries.
        generator: source of the random numbers.

    Raises:
        ValueError: if it has fewer than two axes.

    Source: Saxe, McClelland and Ganguli, Exact Solutions to the Nonlinear Dynamics of Learning, 2014, section 3;
    the signs of R make Q uniform: Mezzadri, How to Generate Random Matrices from the Classical Compact Groups,
    2007, section 5.
    """
    if tensor.ndim < 2:
        raise ValueError(f"orthogonal_ needs at least two axes, got shape {tensor.shape}")
    rows, columns = len(tensor), tensor.numel() // max(len(tensor), 1)
    tall = generator_or_shared(generator).standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))
