"""How wrong a picture is where it is blurred."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Fitted to pictures of five RGB-D scenes rendered at eight lens positions each.
_SHARP = 2.2e-4
_BLURRED = 1.33e-2
_HALF_BLURRED_PX = 6.9

SMALLEST_ERROR = _SHARP


def expected_error(blur_radius: ArrayLike) -> NDArray[np.floating]:
    """Return the mean squared error to expect of pixels of that blur radius, pixels.

    Grey levels are from 0 to 1. Saturates: a picture can be no more wrong than a flat grey.
    """
    square = np.square(np.minimum(blur_radius, 1e3))
    return np.asarray(_SHARP + _BLURRED * square / (square + _HALF_BLURRED_PX**2))


def decibels(error: ArrayLike) -> NDArray[np.floating]:
    """Return the PSNR, dB, of pictures of that mean squared error."""
    return np.asarray(-10 * np.log10(error))
