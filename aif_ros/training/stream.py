"""The stream of training samples: made in worker processes, drawn at random from a pool.

What is made depends on seed and index only, and what is drawn on seed and step only: neither on the
number of worker processes nor on their speed, and a resumed training sees what an uninterrupted
one would have seen.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from aif_ros.simulation.photos import PhotosError
from aif_ros.training.processes import Processes
from aif_ros.training.recipe import Recipe

Sample = TypeVar("Sample")
_FIRST_BATCHES = 8
"""Batches that are made before the first step."""
_PREFETCHED = 16
"""Groups of samples that each worker makes ahead."""


class _Groups(Dataset[Any]):
    """Groups of samples by their index; data errors are returned, to be raised by the stream."""

    def __init__(self, make: Callable[[int], Sequence[Any]], processes: Processes) -> None:
        self._make = make
        self._rank, self._world = processes.rank, processes.world

    def __getitem__(self, index: int) -> Sequence[Any] | PhotosError:
        try:
            return self._make(index * self._world + self._rank)
        except PhotosError as error:
            return error


def _as_it_is(group: Any) -> Any:
    return group


def _one_thread(worker: int) -> None:
    # A worker is one process for one core: threads of the libraries would compete for it.
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


class Stream(Generic[Sample]):
    """Draws batches of samples.

    Args:
        make: makes the group of samples of an index; must be picklable.
        group: samples in each group.
        recipe: its `batch`, `pool`, `reuse` and `seed` count.
        draws: number of batches in all.
        first: draws that an earlier run has made.
        processes: among which the groups are shared out.
        workers: processes that make samples; 0: this one does.
    """

    def __init__(
        self,
        make: Callable[[int], Sequence[Sample]],
        group: int,
        recipe: Recipe,
        draws: int,
        first: int,
        processes: Processes,
        workers: int,
    ) -> None:
        self._recipe, self._group = recipe, group
        self._pool: deque[Sequence[Sample]] = deque(maxlen=max(recipe.pool // group, 1))
        # Resumed, the pool is filled with what it would hold.
        self._taken = max(self._needed(first) - max(recipe.pool // group, 1), 0)
        loader = DataLoader(
            _Groups(make, processes),
            batch_size=None,
            sampler=range(self._taken, self._needed(draws)),
            collate_fn=_as_it_is,
            num_workers=workers,
            prefetch_factor=_PREFETCHED if workers else None,
            worker_init_fn=_one_thread,
            # A plain fork would copy OpenCV's threads in a locked state.
            multiprocessing_context="forkserver" if workers else None,
        )
        self._groups: Iterator[Sequence[Sample] | PhotosError] = iter(loader)

    def _needed(self, draw: int) -> int:
        """Number of groups that are made before a draw."""
        recipe = self._recipe
        first = min(_FIRST_BATCHES * recipe.batch, recipe.pool)
        return -(-first // self._group) + int(draw * recipe.batch / (recipe.reuse * self._group))

    def draw(self, draw: int, random: np.random.Generator) -> list[Sample]:
        """Return the samples of one draw.

        Args:
            draw: its number; must ascend from the first.
            random: source of randomness, seeded for this draw.

        Raises:
            PhotosError: the data cannot be trained on.
        """
        while self._taken < self._needed(draw):
            group = next(self._groups)
            if isinstance(group, PhotosError):
                raise group
            self._pool.append(group)
            self._taken += 1
        groups = [
            self._pool[index] for index in random.integers(len(self._pool), size=self._recipe.batch)
        ]
        return [group[int(random.integers(len(group)))] for group in groups]
