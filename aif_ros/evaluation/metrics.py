"""How near an image comes to the truth."""

import math

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from aif_ros.images import Image, ImageError


def _check_alike(image: Image, truth: Image) -> None:
    if image.shape != truth.shape:
        raise ImageError(f"cannot compare an image of {image.shape} with one of {truth.shape}")


def psnr(image: Image, truth: Image) -> float:
    """Peak signal-to-noise ratio, dB: 10 log10(1 / mean squared error); inf for equal images.

    Args:
        image: (H, W) or (H, W, 3), float32 in [0, 1].
        truth: what it should be, same shape.

    Raises:
        ImageError: the shapes differ.
    """
    _check_alike(image, truth)
    error = float(np.mean(np.square(image - truth), dtype=np.float64))
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(image: Image, truth: Image) -> float:
    """Structural similarity, at most 1, with the settings of its authors.

    Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE
    TIP 2004: Gaussian window of sigma 1.5; mean over the channels.

    Args:
        image: (H, W) or (H, W, 3), float32 in [0, 1], at least 11 pixels each way.
        truth: what it should be, same shape.

    Raises:
        ImageError: the shapes differ.
    """
    _check_alike(image, truth)
    return float(
        structural_similarity(
            image,
            truth,
            data_range=1.0,
            channel_axis=-1 if image.ndim == 3 else None,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def area_under_curve(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how likely a positive scores higher than a negative.

    Args:
        score: (N,) the higher, the more likely positive.
        positive: (N,) the truth, with at least one of either kind.
    """
    higher = score[positive][:, None] > score[~positive][None]
    equal = score[positive][:, None] == score[~positive][None]
    return float(higher.mean() + 0.5 * equal.mean())
