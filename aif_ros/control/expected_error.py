"""Expected error of an image that is blurred in parts.

Parts with much detail lose much by blur: the same radius costs a bookshelf a hundred times what it
costs a wall. The agents for moving scenes weight the parts of the scene by it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class ErrorModel:
    """Fitted to images of ten RGB-D scenes rendered at nine lens positions each.

    Attributes:
        half_lost_px: blur radius that costs half of the detail, pixels.
        detail: mean squared error at contrast 1, grey levels from 0 to 1.
        steepness: exponent of the contrast.
        contrast_halved_px: blur radius that halves the squared contrast, pixels.
        noise: mean squared error of an image that is in focus everywhere, after a full sweep.
        sharp_loss: share of the detail that is lost even then.
    """

    half_lost_px: float = 7.2
    detail: float = 0.75
    steepness: float = 1.58
    contrast_halved_px: float = 10.0
    noise: float = 2e-5
    sharp_loss: float = 0.015


_MODEL = ErrorModel()


def detail_error(contrast: ArrayLike, blur_radius: ArrayLike) -> NDArray[np.floating]:
    """Return the mean squared error of a part of an image if blurred beyond all detail.

    Args:
        contrast: as in `DefocusMap`.
        blur_radius: with which that contrast was measured, pixels.

    Returns:
        Mean squared error of grey levels from 0 to 1.
    """
    contrast_error = _MODEL.detail * np.power(contrast, _MODEL.steepness)
    return np.asarray(contrast_error * _hidden(blur_radius))


def contrast_of(detail: ArrayLike, blur_radius: ArrayLike) -> NDArray[np.floating]:
    """Return the contrast that so much detail is measured with: the inverse of `detail_error`.

    Args:
        detail: standard deviation of grey levels in focus, of full scale.
        blur_radius: pixels; broadcast with `detail`.
    """
    share = np.asarray(detail) / (_MODEL.detail * _hidden(blur_radius))
    return np.asarray(np.power(share, 1 / _MODEL.steepness))


def detail_loss(blur_radius: ArrayLike) -> NDArray[np.floating]:
    """Return the share, 0 to 1, of its detail that a part of an image loses by blur, pixels."""
    square = np.square(np.minimum(blur_radius, 1e3))
    return np.asarray(square / (square + _MODEL.half_lost_px**2))


def fused_error(detail: ArrayLike, lost: ArrayLike) -> NDArray[np.floating]:
    """Return the mean squared error of a fused image of which that much detail is lost.

    Args:
        detail: mean over the image of `detail_error`.
        lost: mean over the image of `detail_error` times `detail_loss`.
    """
    return np.asarray(_MODEL.noise + _MODEL.sharp_loss * np.asarray(detail) + np.asarray(lost))


def decibels(error: ArrayLike) -> NDArray[np.floating]:
    """Return the PSNR, dB, of images of that mean squared error."""
    return np.asarray(-10 * np.log10(error))


def _hidden(blur_radius: ArrayLike) -> NDArray[np.floating]:
    """How many times as much detail there is as blur of that radius, pixels, leaves visible."""
    return np.asarray(1 + np.square(np.asarray(blur_radius) / _MODEL.contrast_halved_px))
