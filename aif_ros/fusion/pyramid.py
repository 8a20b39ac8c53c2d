"""Classical fusion by Laplacian pyramids: of each band of detail, the stronger of two images.

P. Burt, R. Kolczynski, "Enhanced image capture through fusion", ICCV 1993: each pixel of each band
comes from the image whose band has more energy around it; what no band holds is averaged.
"""

from collections.abc import Sequence

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
        """Return J(t); see `FusionMethod`."""
        bands = _pyramid(image)
        energy = _energy(bands[0])
        if fused is None:
            return Fused(image, energy, np.full(energy.shape, position, np.float32), 1)
        fused = replace_mismatches(fused, image)
        before = _pyramid(fused.image)
        chosen = _energy(bands[0]) > _energy(before[0])
        result = blend(before[-1], bands[-1], _coarsest_weight(bands, before))
        for new, old in zip(bands[-2::-1], before[-2::-1], strict=True):
            better = _energy(new) > _energy(old)
            result = _enlarged(result, new)
            result += np.where(better if new.ndim == 2 else better[..., None], new, old)
        return Fused(
            np.clip(result, 0.0, 1.0),
            np.maximum(energy, fused.sharpness),
            np.where(chosen, np.float32(position), fused.source_position),
            fused.frames + 1,
        )


def _coarsest_weight(new: Sequence[Image], old: Sequence[Image]) -> NDArray[np.float32]:
    """Share of the new coarsest level: what energies the bands above it have there."""
    size = new[-1].shape[1::-1]
    energies = [
        sum(cv2.resize(_energy(band), size, interpolation=cv2.INTER_AREA) for band in bands[:-1])
        for bands in (new, old)
    ]
    share = (energies[0] + _LEAST) / (energies[0] + energies[1] + 2 * _LEAST)
    return np.broadcast_to(np.float32(share), new[-1].shape[:2])


def _pyramid(image: Image) -> list[Image]:
    """Bands of detail, the finest first, and the coarsest level last."""
    bands = []
    while min(image.shape[:2]) >= 2 * _COARSEST:
        smaller = cv2.pyrDown(image)
        bands.append(image - _enlarged(smaller, image))
        image = smaller
    return [*bands, image]


def _enlarged(smaller: Image, like: Image) -> Image:
    return np.asarray(cv2.pyrUp(smaller, dstsize=like.shape[1::-1]).astype(np.float32, copy=False))


def _energy(band: Image) -> NDArray[np.float32]:
    gray = to_gray(band)
    return np.asarray(cv2.GaussianBlur(gray * gray, (0, 0), _SIGMA).astype(np.float32, copy=False))
