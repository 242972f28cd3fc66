"""Samplers: the order in which the examples of a data set are taken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from chainrule.init import Generator, generator_or_shared


class Sampler:
    """What all samplers share: one defines `__iter__()`, which gives indices."""

    def __init__(self, data_source: Any = None):
        self.data_source = data_source

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError(f"{type(self).__name__} defines no __iter__(self)")


class SequentialSampler(Sampler):
    """Indices 0, 1, 2, … of a data set."""

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler):
    """Indices of a data set in a random order.

    Args:
        data_source: the data set.
        replacement: draw each index anew, so that one may come twice.
        num_samples: how many to draw; as many as there are if None.
        generator: source of the random numbers.
    """

    def __init__(self, data_source: Any, replacement: bool = False, num_samples: int | None = None,
                 generator: Generator | None = None):  # fmt: skip
        super().__init__(data_source)
        self.replacement, self.num_samples, self.generator = replacement, num_samples, generator

    def __iter__(self) -> Iterator[int]:
        random, n, left = generator_or_shared(self.generator), len(self.data_source), len(self)
        while left > 0:  # in portions: there may be more to draw than fit into memory
            drawn = random.integers(0, n, 1024) if self.replacement else random.permutation(n)
            yield from drawn[:left].tolist()
            left -= len(drawn)

    def __len__(self) -> int:
        return len(self.data_source) if self.num_samples is None else self.num_samples


class BatchSampler(Sampler):
    """Lists of the indices of another sampler.

    Args:
        sampler: what gives the indices.
        batch_size: how many in a list.
        drop_last: leave out the last list if it is shorter.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool = False):
        self.sampler, self.batch_size, self.drop_last = sampler, batch_size, drop_last

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for index in self.sampler:
            batch.append(index)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)  # type: ignore[arg-type]
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)
