"""Classical fusion by Laplacian pyramids: of each band of detail, the stronger of two images.

P. Burt, R. Kolczynski, "Enhanced image capture through fusion", ICCV 1993: each pixel of each band
comes from the image whose band has more energy around it; what no band holds is averaged.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, blend
from aif_ros.fusion.motion.warping import replace_mismatches
from aif_ros.types.image import Image, to_gray

# Standard deviation, pixels of each band, of the window that energies are averaged over.
_SIGMA = 1.5
# The coarsest level is no smaller than this on its shorter side, pixels.
_COARSEST = 16
# Far below the energy that any sensor's noise has.
_LEAST = np.float32(1e-12)


class PyramidFusion:
    """Keeps, band by band, the strongest detail so far."""

    def merge(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """Return J(t); see `FusionMethod`.

        The luma chooses the bands, then each channel is merged by itself: the bands of all channels
        of two large pictures would take several times their memory.
        """
        if fused is None:
            energy = next(_energies(to_gray(image)))
            return Fused(image, energy, np.full(energy.shape, position, np.float32), 1)
        fused = replace_mismatches(fused, image)
        choice = _choice(to_gray(image), to_gray(fused.image))
        merged = np.empty_like(image)
        for channel in _channels(image):
            new, old = (np.ascontiguousarray(each[channel]) for each in (image, fused.image))
            np.clip(_merged(new, old, choice), 0.0, 1.0, out=merged[channel])
        return Fused(
            merged,
            np.maximum(choice.finest, fused.sharpness),
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
    """Compare the bands of two images by their luma, (H, W) each."""
    scale = 2 ** _bands(new.shape)
    size = (-(-new.shape[1] // scale), -(-new.shape[0] // scale))
    totals = np.full((2, *size[::-1]), _LEAST)
    finest, better = np.zeros(new.shape, np.float32), []
    for level, energies in enumerate(zip(_energies(new), _energies(old), strict=True)):
        if level == 0:
            finest = energies[0]
        better.append(energies[0] > energies[1])
        for total, energy in zip(totals, energies, strict=True):
            total += cv2.resize(energy, size, interpolation=cv2.INTER_AREA)
    return _Choice(better, totals[0] / totals.sum(axis=0), finest)


def _merged(new: Image, old: Image, choice: _Choice, level: int = 0) -> Image:
    """Merge the levels from one on of one channel, (h, w) each."""
    if level == len(choice.better):
        return blend(old, new, choice.share)
    smaller_new, smaller_old = cv2.pyrDown(new), cv2.pyrDown(old)
    merged = _enlarged(_merged(smaller_new, smaller_old, choice, level + 1), new)
    band = old - _enlarged(smaller_old, old)
    np.copyto(band, new - _enlarged(smaller_new, new), where=choice.better[level])
    merged += band
    return merged


def _channels(image: Image) -> list[tuple[Any, ...]]:
    """Index of each channel."""
    return [(...,)] if image.ndim == 2 else [(..., index) for index in range(image.shape[2])]


def _bands(shape: tuple[int, ...]) -> int:
    """Number of bands of detail, one at least."""
    shorter, count = (min(shape) + 1) // 2, 1
    while shorter >= 2 * _COARSEST:
        shorter, count = (shorter + 1) // 2, count + 1
    return count


def _energies(gray: Image) -> Iterator[NDArray[np.float32]]:
    """Energy of each band of detail, the finest first."""
    for _ in range(_bands(gray.shape)):
        smaller = cv2.pyrDown(gray)
        yield _energy(gray - _enlarged(smaller, gray))
        gray = smaller


def _enlarged(smaller: Image, like: Image) -> Image:
    return np.asarray(cv2.pyrUp(smaller, dstsize=like.shape[1::-1]).astype(np.float32, copy=False))


def _energy(band: Image) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(band * band, (0, 0), _SIGMA).astype(np.float32, copy=False))
