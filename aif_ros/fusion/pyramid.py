"""Classical fusion by Laplacian pyramids: of each band of detail, the stronger of two images.

P. Burt, R. Kolczynski, "Enhanced image capture through fusion", ICCV 1993: each pixel of each band
comes from the image whose band has more energy around it; what no band holds is averaged.
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, blend
from aif_ros.fusion.motion.fused_warping import replace_mismatches
from aif_ros.types.image import Image, to_gray

# Standard deviation, pixels of each band, of the window that energies are averaged over.
_SIGMA = 1.5
# The coarsest level is no smaller than this on its shorter side, pixels.
_COARSEST = 16
# Rows that are merged at a time; even.
_ROWS = 512
# Far below the energy that any sensor's noise has.
_LEAST = np.float32(1e-12)


class PyramidFusion:
    """Keeps, band by band, the strongest detail so far."""

    def merge(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """Return J(t); see `FusionMethod`."""
        if fused is None:
            energy = next(_energies(image))
            return Fused(image, energy, np.full(energy.shape, position, np.float32), 1)
        return self._merge(image, position, fused, np.empty_like(image))

    def merge_overwriting(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """Return J(t) in the memory of `image`; see `OverwritingMethod`."""
        if fused is None:
            return self.merge(image, position, None)
        return self._merge(image, position, fused, image)

    def _merge(self, image: Image, position: float, fused: Fused, out: Image) -> Fused:
        fused = replace_mismatches(fused, image)
        choice = _choice(image, fused.image)
        merged = _merged(image, fused.image, choice, 0, out)
        return Fused(
            np.clip(merged, 0.0, 1.0, out=merged),
            np.maximum(choice.finest, fused.sharpness, out=choice.finest),
            np.where(choice.better[0], np.float32(position), fused.source_position),
            fused.frames + 1,
        )


class _Choice(NamedTuple):
    """What is taken from a new image.

    Attributes:
        better: for each band, the finest first, where the new image has more energy.
        share: weight of the new image on the coarsest level: what energies the bands above it
            have there.
        finest: energy of the finest band of the new image.
    """

    better: list[NDArray[np.bool_]]
    share: NDArray[np.float32]
    finest: NDArray[np.float32]


def _choice(new: Image, old: Image) -> _Choice:
    """Compare the bands of two images by their luma."""
    scale = 2 ** _bands(new.shape)
    size = (-(-new.shape[1] // scale), -(-new.shape[0] // scale))
    totals = np.full((2, *size[::-1]), _LEAST)
    finest: NDArray[np.float32] | None = None
    better = []
    for energies in zip(_energies(new), _energies(old), strict=True):
        finest = energies[0] if finest is None else finest
        better.append(energies[0] > energies[1])
        for total, energy in zip(totals, energies, strict=True):
            total += cv2.resize(energy, size, interpolation=cv2.INTER_AREA)
    assert finest is not None
    return _Choice(better, totals[0] / totals.sum(axis=0), finest)


def _merged(new: Image, old: Image, choice: _Choice, level: int, out: Image) -> Image:
    """Merge two images, given on a level of their pyramids, from that level on.

    The result is written to `out`, which may be `new`, except on the coarsest level.
    """
    if level == len(choice.better):
        return blend(old, new, choice.share)
    smaller_new, smaller_old = cv2.pyrDown(new), cv2.pyrDown(old)
    coarser = _merged(smaller_new, smaller_old, choice, level + 1, np.empty_like(smaller_new))
    # Whole bands of large images would take as much memory as the images, each.
    for start in range(0, len(new), _ROWS):
        rows = slice(start, min(start + _ROWS, len(new)))
        better = choice.better[level][rows]
        band = old[rows] - _enlarged(smaller_old, new.shape, rows)
        np.copyto(
            band,
            new[rows] - _enlarged(smaller_new, new.shape, rows),
            where=better if new.ndim == 2 else better[..., None],
        )
        np.add(band, _enlarged(coarser, new.shape, rows), out=out[rows])
    return out


def _bands(shape: tuple[int, ...]) -> int:
    """Number of bands of detail, one at least."""
    shorter, count = (min(shape[:2]) + 1) // 2, 1
    while shorter >= 2 * _COARSEST:
        shorter, count = (shorter + 1) // 2, count + 1
    return count


def _energies(image: Image) -> Iterator[NDArray[np.float32]]:
    """Energy of each band of detail of the luma, the finest first."""
    gray = to_gray(image)
    for _ in range(_bands(image.shape)):
        smaller = cv2.pyrDown(gray)
        band = _enlarged(smaller, gray.shape, slice(0, len(gray)))
        np.subtract(gray, band, out=band)
        # Nothing of the size of the image is kept until the next band.
        gray = smaller
        band *= band
        yield cv2.GaussianBlur(band, (0, 0), _SIGMA, dst=band).astype(np.float32, copy=False)


def _enlarged(smaller: Image, shape: tuple[int, ...], rows: slice) -> Image:
    """Rows of an image enlarged to a shape; starts are even."""
    height, width = shape[:2]
    # A row is made of three of the smaller image.
    first, last = max(0, rows.start // 2 - 2), min(len(smaller), rows.stop // 2 + 2)
    count = height - 2 * first if last == len(smaller) else 2 * (last - first)
    part = cv2.pyrUp(smaller[first:last], dstsize=(width, count))
    found = part[rows.start - 2 * first : rows.stop - 2 * first]
    return np.asarray(found.astype(np.float32, copy=False))
