"""Reading the slices of a stack one after the other, once for each pass over it."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from aif_ros.devices.image_files.samples import MaskedImage
from aif_ros.devices.image_files.slice_series import Slices

Track = Callable[[Iterable[MaskedImage], str], Iterable[MaskedImage]]
"""Passes images on and shows the progress of what is done with them."""


def _untracked(images: Iterable[MaskedImage], doing: str) -> Iterable[MaskedImage]:
    return images


@dataclass(frozen=True)
class SliceReader:
    """Reads each slice while the one before is worked on.

    Attributes:
        slices: in focus order.
        reduction: 1, 2 or 4: the slices are made smaller by it.
        track: shows the progress.
    """

    slices: Slices
    reduction: int = 1
    track: Track = _untracked

    def __len__(self) -> int:
        return len(self.slices)

    @property
    def size(self) -> tuple[float, float]:
        """(width, height) of the slices as they are read, pixels."""
        return self.slices.shape[1] / self.reduction, self.slices.shape[0] / self.reduction

    def without(self, indices: list[int]) -> "SliceReader":
        """Return the reader of the other slices."""
        return replace(self, slices=self.slices.without(indices))

    def read(self, doing: str, *, mono: bool = False) -> Iterable[MaskedImage]:
        """Read all slices in order.

        Args:
            doing: what is done with them, for the progress.
            mono: whether luma is enough.
        """
        return self.track(self._read(mono), doing)

    def _read(self, mono: bool) -> Iterator[MaskedImage]:
        with ThreadPoolExecutor(1) as thread:

            def read(index: int) -> MaskedImage:
                return self.slices.read(index, mono=mono, reduction=self.reduction)

            coming = thread.submit(read, 0)
            for index in range(len(self)):
                image = coming.result()
                if index + 1 < len(self):
                    coming = thread.submit(read, index + 1)
                yield image
