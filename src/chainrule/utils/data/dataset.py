"""Data sets: what has a length, and an example for each index."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from chainrule.init import Generator, generator_or_shared


class Dataset:
    """What all data sets share: one defines `__getitem__(index)` and `__len__()`."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no __getitem__(self, index)")

    def __class_getitem__(cls, item: Any) -> Any:
        return cls

    def __add__(self, other: Any) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset):
    """Data set that is gone through only: it defines `__iter__()`."""

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__(self)")


class TensorDataset(Dataset):
    """Examples along axis 0 of several Tensors.

    Args:
        *tensors: of one length.

    Raises:
        ValueError: if lengths differ.
    """

    def __init__(self, *tensors: Any):
        if not tensors or any(len(t) != len(tensors[0]) for t in tensors):
            raise ValueError(f"TensorDataset: wanted Tensors of one length, got {[len(t) for t in tensors]}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Any, ...]:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset):
    """Those examples of a data set that have these indices.

    Args:
        dataset: the whole.
        indices: which of its examples.
    """

    def __init__(self, dataset: Any, indices: Sequence[int]):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """Data sets one after another.

    Args:
        datasets: the data sets.
    """

    def __init__(self, datasets: Sequence[Any]):
        self.datasets = list(datasets)
        self.ends = list(itertools.accumulate(map(len, self.datasets)))

    def __getitem__(self, index: int) -> Any:
        index = range(len(self))[index]
        which = bisect.bisect_right(self.ends, index)
        return self.datasets[which][index - (self.ends[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0


def random_split(dataset: Any, lengths: Sequence[float], generator: Generator | None = None) -> list[Subset]:
    """The examples of a data set, each in one of several parts at random.

    Args:
        dataset: the whole.
        lengths: how many examples each part gets, or which share of them.
        generator: source of the random order.

    Raises:
        ValueError: if lengths do not add up to that of the data set, or to 1.
    """
    n, counts = len(dataset), list(lengths)
    if abs(sum(counts) - 1) < 1e-9 and all(share <= 1 for share in counts) and n != 1:
        shares, counts = counts, [int(n * share) for share in counts]
        for i in range(n - int(sum(counts))):  # what rounding down has left goes to the first parts, one each
            counts[i % len(shares)] += 1
    if sum(counts) != n:
        raise ValueError(f"random_split: lengths {list(lengths)} do not add up to {n} examples")
    order = generator_or_shared(generator).permutation(n).tolist()
    ends = list(itertools.accumulate(int(count) for count in counts))
    return [Subset(dataset, order[a:b]) for a, b in zip([0, *ends], ends, strict=False)]
