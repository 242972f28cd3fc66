"""DataLoader: batches of the examples of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from chainrule.init import Generator
from chainrule.tensor import Tensor, wrap
from chainrule.utils.data.dataset import IterableDataset
from chainrule.utils.data.sampler import BatchSampler, RandomSampler, SequentialSampler


class DataLoader:
    """Batches of the examples of a data set, in a new order each time if they are shuffled.

    Args:
        dataset: what has a length and an example for each index, or an `IterableDataset`.
        batch_size: examples in a batch; None for single examples as they are.
        shuffle: take them in a random order.
        sampler: what gives the indices instead.
        batch_sampler: what gives lists of indices instead.
        num_workers: without meaning here: examples are made in this process.
        collate_fn: makes a batch from a list of examples; `default_collate` if None.
        pin_memory: without meaning here.
        drop_last: leave out the last batch if it is smaller.
        generator: source of the random order.
        **ignored: PyTorch's other options for its processes, without meaning here.

    Raises:
        ValueError: if batch_size is not positive, or there is both an order to shuffle and a sampler.
    """

    def __init__(self, dataset: Any, batch_size: int | None = 1, shuffle: bool | None = None, sampler: Any = None,
                 batch_sampler: Any = None, num_workers: int = 0, collate_fn: Callable[..., Any] | None = None,
                 pin_memory: bool = False, drop_last: bool = False, *, generator: Generator | None = None,
                 **ignored: Any):  # fmt: skip
        known = {"timeout", "worker_init_fn", "prefetch_factor", "persistent_workers", "pin_memory_device"}
        if unknown := ignored.keys() - known:
            raise TypeError(f"DataLoader: no argument is called {sorted(unknown)}")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"DataLoader: batch_size is at least 1, got {batch_size}")
        if shuffle and (sampler is not None or batch_sampler is not None):
            raise ValueError("DataLoader: shuffle or a sampler, not both")
        self.dataset, self.batch_size, self.drop_last = dataset, batch_size, drop_last
        self.collate_fn, self.generator = collate_fn or default_collate, generator
        order = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        self.sampler = order if sampler is None else sampler
        self.batch_sampler = batch_sampler
        if batch_sampler is None and batch_size is not None:
            self.batch_sampler = BatchSampler(self.sampler, batch_size, drop_last)

    def __iter__(self) -> Iterator[Any]:
        if isinstance(self.dataset, IterableDataset):
            for examples in BatchSampler(self.dataset, self.batch_size or 1, self.drop_last):  # type: ignore
                yield self.collate_fn(examples)
        elif self.batch_sampler is None:
            yield from (self.dataset[i] for i in self.sampler)
        else:
            for indices in self.batch_sampler:
                yield self.collate_fn([self.dataset[i] for i in indices])

    def __len__(self) -> int:
        return len(self.sampler if self.batch_sampler is None else self.batch_sampler)


def default_collate(batch: list[Any]) -> Any:
    """Examples as one batch: Tensors, arrays and numbers stacked, in tuples, lists and dicts as they stand there.

    Args:
        batch: the examples, all of one kind.

    Raises:
        TypeError: if they are of a kind that cannot be stacked.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return wrap(np.stack([x._data for x in batch]))
    if isinstance(first, np.ndarray | np.generic):
        return wrap(np.stack(batch))
    if isinstance(first, bool | int):
        return wrap(np.array(batch))
    if isinstance(first, float):
        return wrap(np.array(batch, np.float64))
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        return {key: default_collate([x[key] for x in batch]) for key in first}
    if isinstance(first, tuple | list):
        parts = [default_collate(list(column)) for column in zip(*batch, strict=True)]
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    raise TypeError(f"default_collate: cannot stack examples of {type(first).__name__}; pass a collate_fn")
