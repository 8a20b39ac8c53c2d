"""How far the sharpest slice of each pixel is known: by detail beside noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.laplacian import laplacian_energy
from aif_ros.types.image import Image


@dataclass(frozen=True)
class DetailSettings:
    """What counts as detail, and what as noise; chosen by hand.

    Attributes:
        sigma: standard deviation of the windows that energy is measured over, pixels: that of noise
            varies by a fifth in them.
        flat_share: share of the image, the flattest, that is taken for noise.
        noise: energies up to this multiple of it may be noise.
        detail: energies from this multiple on are detail.
        least_energy: that of rounding to 8 bits.
    """

    sigma: float = 4.0
    flat_share: float = 0.02
    noise: float = 2.0
    detail: float = 4.0
    least_energy: float = 1e-4


_SETTINGS = DetailSettings()


def confidence(image: Image) -> NDArray[np.float32]:
    """Return how far the sharpest slice of each pixel can be known.

    Args:
        image: (H, W) or (H, W, 3), fused.

    Returns:
        (H, W) float32, 0 where the image has hardly more detail than its flattest part.
    """
    energy = laplacian_energy(image, _SETTINGS.sigma)
    flattest = float(np.quantile(energy[::4, ::4], _SETTINGS.flat_share))
    ratio = energy / (flattest + _SETTINGS.least_energy)
    span = _SETTINGS.detail - _SETTINGS.noise
    return np.asarray(np.clip((ratio - _SETTINGS.noise) / span, 0, 1, dtype=np.float32))
