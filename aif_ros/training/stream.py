"""The stream of training samples: made in worker processes, drawn at random from a pool.

What is made depends on seed and index only, and what is drawn on seed and step only: neither on the
number of worker processes nor on their speed, and a resumed training sees what an uninterrupted
one would have seen.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from aif_ros.simulation.photos import PhotosError
from aif_ros.training.processes import Processes
from aif_ros.training.recipe import SampleRecipe

_FIRST_BATCHES = 8
"""Batches that are made before the first step."""
_PREFETCHED = 16
"""Groups of samples that each worker makes ahead."""


class SampleSource(NamedTuple):
    """Source of one kind of samples.

    Attributes:
        name: of the kind.
        make: makes the group of samples of an index; picklable, for it runs in other processes.
        group: samples in each group.
    """

    name: str
    make: Callable[[int], Sequence[Any]]
    group: int


class _Groups(Dataset[Any]):
    """Groups of samples by source and index; data errors are returned, for the stream to raise."""

    def __init__(self, sources: Sequence[SampleSource], processes: Processes) -> None:
        self._sources = sources
        self._rank, self._world = processes.rank, processes.world

    def __getitem__(self, place: tuple[int, int]) -> tuple[int, Sequence[Any] | PhotosError]:
        source, index = place
        try:
            return source, self._sources[source].make(index * self._world + self._rank)
        except PhotosError as error:
            return source, error


def _as_it_is(group: Any) -> Any:
    return group


def _one_thread(worker: int) -> None:
    # A worker is one process for one core: threads of the libraries would compete for it.
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


class Stream:
    """Draws the samples of each step, from the sources in turn.

    Args:
        sources: of samples.
        recipe: its `steps`, `batch`, `pool` and `reuse` count; each source has a pool of its own.
        first: steps that an earlier run has made.
        processes: among which the groups are shared out.
        workers: processes that make samples; 0: this one does.
    """

    def __init__(
        self,
        sources: Sequence[SampleSource],
        recipe: SampleRecipe,
        first: int,
        processes: Processes,
        workers: int,
    ) -> None:
        self._recipe, self._sources, self._first = recipe, sources, first
        self._pools: list[deque[Sequence[Any]]] = [
            deque(maxlen=self._capacity(source)) for source in sources
        ]
        self._taken = self._dropped()
        loader = DataLoader(
            _Groups(sources, processes),
            batch_size=None,
            sampler=list(self._order()),
            collate_fn=_as_it_is,
            num_workers=workers,
            prefetch_factor=_PREFETCHED if workers else None,
            worker_init_fn=_one_thread,
            # A plain fork would copy OpenCV's threads in a locked state.
            multiprocessing_context="forkserver" if workers else None,
        )
        self._groups: Iterator[tuple[int, Sequence[Any] | PhotosError]] = iter(loader)

    def draw(self, step: int, random: np.random.Generator) -> list[Any]:
        """Return the samples of one step.

        Args:
            step: must ascend by one from the first.
            random: source of randomness, seeded for this step.

        Raises:
            PhotosError: the data cannot be trained on.
        """
        turn, which = divmod(step, len(self._sources))
        while self._taken[which] < self._needed(which, turn):
            source, group = next(self._groups)
            if isinstance(group, PhotosError):
                raise group
            self._pools[source].append(group)
            self._taken[source] += 1
        pool = self._pools[which]
        groups = [pool[index] for index in random.integers(len(pool), size=self._recipe.batch)]
        return [group[int(random.integers(len(group)))] for group in groups]

    def _capacity(self, source: SampleSource) -> int:
        """Number of groups in a source's pool."""
        return max(self._recipe.pool // source.group, 1)

    def _needed(self, which: int, turn: int) -> int:
        """Number of groups of a source that are made before one of its turns."""
        recipe, group = self._recipe, self._sources[which].group
        first = -(-min(_FIRST_BATCHES * recipe.batch, recipe.pool) // group)
        return first + int(turn * recipe.batch / (recipe.reuse * group))

    def _dropped(self) -> list[int]:
        """Number of groups of each source that its pool no longer holds at the first step."""
        count = len(self._sources)
        turns = [(self._first - which + count - 1) // count for which in range(count)]
        return [
            max(self._needed(which, turn) - self._capacity(source), 0)
            for which, (source, turn) in enumerate(zip(self._sources, turns, strict=True))
        ]

    def _order(self) -> Iterator[tuple[int, int]]:
        """Source and index of all groups in the order in which the steps need them."""
        made = self._dropped()
        for step in range(self._first, self._recipe.steps):
            turn, which = divmod(step, len(self._sources))
            needed = self._needed(which, turn)
            for index in range(made[which], needed):
                yield which, index
            made[which] = max(made[which], needed)
