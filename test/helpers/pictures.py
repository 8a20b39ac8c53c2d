"""Pictures of known blur."""

import cv2
import numpy as np
from scipy import fft

from aif_ros.optics.psf import Aperture


def texture(side: int = 256, seed: int = 0) -> np.ndarray:
    """A sharp picture of overlapping rectangles, (side, side) float32 in [0, 1]."""
    random = np.random.default_rng(seed)
    picture = np.full((side, side), 128, np.uint8)
    for size in np.sort(1 / random.uniform(1 / 120, 1 / 5, 500))[::-1]:
        centre = random.uniform(0, side, 2).tolist()
        box = cv2.boxPoints((centre, (float(size), float(size)), random.uniform(0, 90)))
        cv2.fillPoly(picture, [np.round(box).astype(int)], int(random.integers(20, 236)))
    return picture.astype(np.float32) / 255


def defocused(sharp: np.ndarray, radius: float, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """The picture out of focus by a disk of `radius` pixels, with noise, rounded to 8 bits."""
    spectrum = fft.rfft2(sharp.astype(np.float32) ** 2.4)
    blurred = fft.irfft2(spectrum * Aperture().transfer_function(radius, sharp.shape), sharp.shape)
    encoded = np.clip(blurred, 0, 1) ** (1 / 2.4)
    encoded = encoded + np.random.default_rng(seed).normal(0, noise, sharp.shape)
    return np.round(np.clip(encoded, 0, 1) * 255).astype(np.float32) / 255
