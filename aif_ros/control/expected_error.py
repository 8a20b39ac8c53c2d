"""How wrong a picture is where it is blurred.

What shows much detail loses much: the same blur costs a bookshelf a hundred times what it costs a
wall.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Fitted to pictures of ten RGB-D scenes rendered at nine lens positions each.
_HALF_LOST_PX = 7.2
_DETAIL, _STEEPNESS = 0.75, 1.58
_CONTRAST_HALVED_PX = 10.0
# What is left where all was in focus, after full sweeps of the same scenes.
_NOISE = 2e-5
_SHARP_LOSS = 0.015


def detail(contrast: ArrayLike, blur_radius: ArrayLike) -> NDArray[np.floating]:
    """Return how wrong parts of a picture were, if blurred beyond all detail.

    Args:
        contrast: as `DefocusMap` tells it.
        blur_radius: with which that contrast is seen, pixels.

    Returns:
        Mean squared error of grey levels from 0 to 1.
    """
    return np.asarray(_DETAIL * np.power(contrast, _STEEPNESS) * _hidden(blur_radius))


def contrast_of(detail: ArrayLike, blur_radius: ArrayLike) -> NDArray[np.floating]:
    """Return the contrast that so much detail is seen with: the inverse of `detail`."""
    share = np.asarray(detail) / (_DETAIL * _hidden(blur_radius))
    return np.asarray(np.power(share, 1 / _STEEPNESS))


def blur_loss(blur_radius: ArrayLike) -> NDArray[np.floating]:
    """Return the share, 0 to 1, of its detail that a part of a picture loses by blur, pixels."""
    square = np.square(np.minimum(blur_radius, 1e3))
    return np.asarray(square / (square + _HALF_LOST_PX**2))


def fused_error(detail: ArrayLike, lost: ArrayLike) -> NDArray[np.floating]:
    """Return the mean squared error of a fused picture of which that much detail is lost.

    Args:
        detail: mean over the picture, as `detail` tells it.
        lost: mean over the picture of `detail` times `blur_loss`.
    """
    return np.asarray(_NOISE + _SHARP_LOSS * np.asarray(detail) + np.asarray(lost))


def decibels(error: ArrayLike) -> NDArray[np.floating]:
    """Return the PSNR, dB, of pictures of that mean squared error."""
    return np.asarray(-10 * np.log10(error))


def _hidden(blur_radius: ArrayLike) -> NDArray[np.floating]:
    """How many times as much detail there is as what blur of that radius, pixels, lets one see."""
    return np.asarray(1 + np.square(np.asarray(blur_radius) / _CONTRAST_HALVED_PX))
