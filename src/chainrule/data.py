"""Data sets that need no download, a split into train and test, and batches.

Data sets come as NumPy arrays: inputs float32, labels int64. Those that are generated take a NumPy `Generator`,
so that a seed gives the same set each time. Origins and licences of what is shipped stand in DATA.md.
"""

import gzip
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import numpy as np

from chainrule.arrays import check_range
from chainrule.init import Generator, generator_or_shared
from chainrule.tensor import Tensor, wrap

Pair = tuple[np.ndarray, np.ndarray]
_SHIPPED = resources.files("chainrule") / "datasets"


def _shuffled(x: np.ndarray, y: np.ndarray, rng: Generator) -> Pair:
    order = rng.permutation(len(y))
    return x[order].astype(np.float32), y[order].astype(np.int64)


# --- Generated --------------------------------------------------------------------------------------------------


def two_clouds(n: int = 200, distance: float = 3.0, generator: Generator | None = None) -> Pair:
    """Points of two round Gaussian clouds in the plane.

    Args:
        n: number of points; half of them, rounded down, are of class 1.
        distance: between the centres, in standard deviations of a cloud.
        generator: source of the random numbers.

    Returns:
        Points of **shape** (n, 2), labels 0 and 1 of **shape** (n,).
    """
    rng = generator_or_shared(generator)
    y = np.arange(n) % 2
    side = (y[:, None] - 0.5) * distance / np.sqrt(2)
    return _shuffled(rng.standard_normal((n, 2)) + side, y, rng)


def moons(n: int = 200, noise: float = 0.1, generator: Generator | None = None) -> Pair:
    """Points along two half circles, each reaching into the other.

    Args:
        n: number of points; half of them, rounded down, are of class 1.
        noise: standard deviation of what is added to each coordinate; the radius is 1.
        generator: source of the random numbers.

    Returns:
        Points of **shape** (n, 2), labels 0 and 1 of **shape** (n,).
    """
    rng = generator_or_shared(generator)
    y = np.arange(n) % 2
    angle = rng.uniform(0, np.pi, n)
    x = np.stack([np.cos(angle), np.sin(angle)], 1)
    x[y == 1] = np.array([1.0, 0.5]) - x[y == 1]
    return _shuffled(x + rng.normal(0, noise, (n, 2)), y, rng)


def spirals(n: int = 300, classes: int = 3, turns: float = 0.7, noise: float = 0.05,
            generator: Generator | None = None) -> Pair:  # fmt: skip
    """Points along arms that wind around the origin, one arm per class.

    Args:
        n: number of points.
        classes: number of arms.
        turns: how often each goes around.
        noise: standard deviation of what is added to each coordinate; the arms end at radius 1.
        generator: source of the random numbers.

    Returns:
        Points of **shape** (n, 2), labels 0 … classes - 1 of **shape** (n,).
    """
    rng = generator_or_shared(generator)
    y = np.arange(n) % classes
    radius = np.sqrt(rng.uniform(0.01, 1, n))
    angle = 2 * np.pi * (turns * radius + y / classes)
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return _shuffled(x + rng.normal(0, noise, (n, 2)), y, rng)


def xor(n: int = 200, noise: float = 0.2, generator: Generator | None = None) -> Pair:
    """Points around the corners (±1, ±1); class 1 where exactly one coordinate is positive.

    Args:
        n: number of points, spread evenly over the corners; 4 with noise 0 gives the truth table.
        noise: standard deviation around a corner.
        generator: source of the random numbers.

    Returns:
        Points of **shape** (n, 2), labels 0 and 1 of **shape** (n,).
    """
    rng = generator_or_shared(generator)
    corner = np.arange(n) % 4
    bits = np.stack([corner // 2, corner % 2], 1)
    return _shuffled(2.0 * bits - 1 + rng.normal(0, noise, (n, 2)), bits.sum(1) % 2, rng)


def polynomial(n: int = 40, coefficients: Any = (0.0, -1.0, 0.0, 1.0), noise: float = 0.1,
               low: float = -1.5, high: float = 1.5, generator: Generator | None = None) -> Pair:  # fmt: skip
    """Noisy values of a polynomial at random places.

    Args:
        n: number of points.
        coefficients: of 1, x, x², and so on.
        noise: standard deviation of what is added to the values.
        low: left end of the places.
        high: right end of the places.
        generator: source of the random numbers.

    Returns:
        Places in rising order and values, both of **shape** (n, 1).
    """
    rng = generator_or_shared(generator)
    x = np.sort(rng.uniform(low, high, n))[:, None]
    y = np.polynomial.polynomial.polyval(x, np.asarray(coefficients)) + rng.normal(0, noise, (n, 1))
    return x.astype(np.float32), y.astype(np.float32)


def mnist1d(n: int = 5000, test_size: float = 0.2, generator: Generator | None = None) -> tuple[Pair, Pair]:
    """MNIST-1D: ten digits as curves of 40 numbers, stretched, moved, bent and noisy.

    Made anew, by the published recipe but from other random numbers: the accuracies of the paper hold, its
    examples are others.

    Args:
        n: number of examples, train and test together.
        test_size: the part of them that is for the test.
        generator: source of the random numbers.

    Returns:
        (x, y) to train and (x, y) to test: curves of **shape** (B, 40), labels 0 … 9 of **shape** (B,).

    Source: Greydanus and Kobak, Scaling Down Deep Learning with MNIST-1D, 2024 (arXiv:2011.14439), section 2,
    with the constants of the code published with it.
    """
    rng = generator_or_shared(generator)
    # Heights of a pen that draws each digit from left to right, (10, 12), as published with MNIST-1D.
    heights = np.loadtxt((_SHIPPED / "mnist1d.txt").read_text(encoding="ascii").splitlines())
    heights = (heights - heights.mean(1, keepdims=True)) / heights.std(1, keepdims=True)
    y = np.arange(n) % 10
    curves = np.pad((heights - heights[:, :1]) / 6 + 1e-8, [(0, 0), (0, 61)])[y]
    ends = 11 + rng.integers(36, 61, (n, 1))  # the stroke is 12 numbers long, and 36 to 60 zeros follow
    curves = _read(curves, np.linspace(0, 1, 72) * ends) * (1 + 0.4 * (rng.random((n, 1)) - 0.5))
    curves = np.take_along_axis(curves, (np.arange(72) - rng.integers(48, size=(n, 1))) % 72, 1)
    curves = np.where(curves == 0, _smooth(rng.normal(0, 0.25, (n, 72))), curves)  # waves off the stroke
    curves += rng.normal(0, 0.02, (n, 72)) - 0.75 * (rng.random((n, 1)) - 0.5) * np.linspace(-0.5, 0.5, 72)
    x = _read(curves, np.broadcast_to(np.linspace(0, 71, 40), (n, 40)))
    x, y = _shuffled((x - x.mean()) / x.std(), y, rng)
    cut = n - round(n * test_size)
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


def _read(curves: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Each curve read at its places, along straight lines between its entries."""
    entries = np.arange(curves.shape[1])
    return np.array([np.interp(places, entries, curve) for curve, places in zip(curves, at, strict=True)])


def _smooth(x: np.ndarray) -> np.ndarray:
    """Running mean along axis 1 with Gaussian weights of standard deviation 2; the ends are mirrored."""
    weights = np.exp(-(np.arange(-8, 9) ** 2) / 8)
    padded = np.pad(x, [(0, 0), (8, 8)], "symmetric")
    return np.lib.stride_tricks.sliding_window_view(padded, 17, 1) @ (weights / weights.sum())


# --- Bundled with scikit-learn, or shipped ----------------------------------------------------------------------


def _bundled(name: str, numbers: bool = False) -> Pair:
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return x.astype(np.float32), y.astype(np.float32)[:, None] if numbers else y.astype(np.int64)


def digits() -> Pair:
    """1,797 handwritten digits: grey values 0 … 1 of **shape** (1797, 64) for 8 × 8, labels of **shape** (1797,)."""
    x, y = _bundled("digits")
    return x / np.float32(16), y


def iris() -> Pair:
    """150 flowers of three species: lengths in cm, **shape** (150, 4), labels 0 … 2 of **shape** (150,)."""
    return _bundled("iris")


def breast_cancer() -> Pair:
    """569 tumours: measures of **shape** (569, 30), labels of **shape** (569,): 0 malignant, 1 benign."""
    return _bundled("breast_cancer")


def diabetes() -> Pair:
    """442 patients: ten scaled measures, **shape** (442, 10), and the disease's progress, **shape** (442, 1)."""
    return _bundled("diabetes", numbers=True)


def names() -> list[str]:
    """The 5,163 first names of the 1990 census of the United States, in small letters and alphabetical order."""
    return (_SHIPPED / "first_names.txt").read_text(encoding="ascii").split()


def alice() -> str:
    """The text of *Alice's Adventures in Wonderland* by Lewis Carroll, from "CHAPTER I" to "THE END".

    148,303 characters of plain ASCII, in lines of at most 72 that end in a newline.
    """
    return gzip.decompress((_SHIPPED / "alice.txt.gz").read_bytes()).decode("ascii")


def shakespeare() -> str:
    """The first million letters of Shakespeare's plays as A. Karpathy put them together, "tiny Shakespeare".

    1,115,394 characters of plain ASCII in 40,000 lines, from *Coriolanus* on; a speech is a name, a colon, its lines.

    Source: A. Karpathy, char-rnn, 2015 (github.com/karpathy/char-rnn, data/tinyshakespeare).
    """
    return gzip.decompress((_SHIPPED / "shakespeare.txt.gz").read_bytes()).decode("ascii")


def shakespeare_gpt() -> tuple[Any, list[tuple[int, int]], dict[str, Any]]:
    """A small GPT that was trained on nine tenths of `shakespeare()`, in tokens of one or more bytes.

    Returns:
        The `chainrule.models.GPT`, in float32; the pairs of tokens that are merged, in their order: the first gives
        token 256, for 0 … 255 are the bytes; and the record of the run: settings, device, losses, hashes.

    Source: `python -m bench gpt --record` in this book's repository; DATA.md says more.
    """
    from chainrule.models import GPT

    with (_SHIPPED / "shakespeare_gpt.npz").open("rb") as file, np.load(file) as saved:
        record = json.loads(str(saved["record"]))
        merges = [(a, b) for a, b in saved["merges"].tolist()]
        weights = {name.removeprefix("weight."): saved[name] for name in saved if name.startswith("weight.")}
    s = record["settings"]
    model = GPT(s["vocab"], s["context"], s["embed_dim"], s["heads"], s["layers"], np.random.default_rng(0))
    model.float().load_state_dict(weights)
    return model, merges, record


FASHION = tuple("T-shirt,trouser,pullover,dress,coat,sandal,shirt,sneaker,bag,ankle boot".split(","))


def fashion_mnist() -> tuple[Pair, Pair]:
    """Fashion-MNIST, cut: the first 6,000 images to train and the first 1,000 to test, 28 × 28.

    Returns:
        (x, y) to train and (x, y) to test: grey values 0 … 1 of **shape** (B, 1, 28, 28), labels of **shape** (B,),
        whose names are in `FASHION`.

    Source: Xiao, Rasul and Vollgraf, Fashion-MNIST, 2017 (arXiv:1708.07747).
    """
    with (_SHIPPED / "fashion_mnist.npz").open("rb") as file, np.load(file) as saved:
        parts = [(saved[f"x_{part}"], saved[f"y_{part}"]) for part in ("train", "test")]
    train, test = ((x[:, None].astype(np.float32) / 255, y.astype(np.int64)) for x, y in parts)
    return train, test


# --- To train on ------------------------------------------------------------------------------------------------


def train_test_split(*arrays: Any, test_size: float = 0.25, generator: Generator | None = None) -> list[Any]:
    """Arrays shuffled alike and cut in two.

    Args:
        *arrays: arrays of one length.
        test_size: the part that is for the test, in (0, 1).
        generator: source of the random order.

    Returns:
        For each array its part to train and its part to test: x_train, x_test, y_train, y_test, as scikit-learn.

    Raises:
        ValueError: if lengths differ, or test_size leaves one side empty.
    """
    data = _one_length("train_test_split", arrays)
    n = len(data[0])
    held = round(n * test_size)
    if not 0 < held < n:
        raise ValueError(f"train_test_split: test_size={test_size} of {n} examples leaves one side empty")
    order = generator_or_shared(generator).permutation(n)
    return [part for a in data for part in (a[order[held:]], a[order[:held]])]


def _one_length(name: str, arrays: Any) -> list[np.ndarray]:
    data = [a.numpy() if isinstance(a, Tensor) else np.asarray(a) for a in arrays]
    if not data or any(a.ndim == 0 or len(a) != len(data[0]) for a in data):
        raise ValueError(f"{name}: wanted arrays of one length, got shapes {[a.shape for a in data]}")
    return data


def mislabel(
    y: Any, share: float, generator: Generator | None = None, classes: int | None = None
) -> np.ndarray:
    """Labels of which a share is wrong: exactly round(share * N) are changed, each to another class at random.

    Args:
        y: labels of **shape** (N,), integers 0 … classes - 1.
        share: the part to change, in [0, 1].
        generator: source of the random numbers.
        classes: how many classes there are; the largest label + 1 if None.

    Returns:
        A new array of the **shape** and dtype of y.

    Raises:
        ValueError: if share is not in [0, 1], y has not one axis, a label is out of range, or there is no other class.
        TypeError: if labels are not integers.
    """
    (labels,) = _one_length("mislabel", [y])
    if labels.dtype.kind not in "iu":
        raise TypeError(f"mislabel: labels are integers, got {labels.dtype}")
    if labels.ndim != 1 or not 0 <= share <= 1:
        raise ValueError(
            f"mislabel: wanted labels (N,) and a share in [0, 1], got {labels.shape} and {share}"
        )
    count = round(share * len(labels))
    classes = max(labels.tolist(), default=0) + 1 if classes is None else classes
    check_range("mislabel: label", labels, classes, ValueError)
    rng, out = generator_or_shared(generator), labels.copy()
    if count == 0:
        return out
    if classes < 2:
        raise ValueError(f"mislabel: wanted at least 2 classes to change labels, got {classes}")
    changed = rng.permutation(len(labels))[:count]
    out[changed] = (labels[changed] + rng.integers(1, classes, count)) % classes
    return out


class batches:
    """Arrays cut into batches, in a new random order each time it is gone through.

    Args:
        *arrays: arrays or Tensors of one length n, such as inputs and labels.
        batch_size: examples in a batch.
        shuffle: take them in a random order.
        drop_last: leave out the last batch if it is smaller than the others.
        generator: source of the order.

    Yields:
        A Tensor per array, with batch_size examples each.

    Raises:
        ValueError: if lengths differ, there are no examples, or batch_size is not positive.
    """

    def __init__(self, *arrays: Any, batch_size: int = 32, shuffle: bool = True, drop_last: bool = False,
                 generator: Generator | None = None):  # fmt: skip
        self.arrays = _one_length("batches", arrays)
        self.n = len(self.arrays[0])
        if self.n == 0 or batch_size < 1:
            raise ValueError(f"batches: wanted at least one example a batch, got {self.n} by {batch_size}")
        self.batch_size, self.shuffle, self.drop_last = batch_size, shuffle, drop_last
        self.generator = generator_or_shared(generator)

    def __len__(self) -> int:
        return self.n // self.batch_size if self.drop_last else -(-self.n // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        order = self.generator.permutation(self.n) if self.shuffle else np.arange(self.n)
        for i in range(len(self)):
            chosen = order[i * self.batch_size : (i + 1) * self.batch_size]
            yield tuple(wrap(a[chosen]) for a in self.arrays)
