"""How close an image comes to the truth, and a score to its labels."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu
from skimage.metrics import mean_squared_error, structural_similarity

from aif_ros.types.image import Image, ImageError


def check_same_shape(image: Image, truth: Image) -> None:
    """Check that two images can be compared pixel by pixel.

    Args:
        image: (H, W) or (H, W, 3).
        truth: what it is compared with.

    Raises:
        ImageError: the shapes differ.
    """
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
    check_same_shape(image, truth)
    error = float(mean_squared_error(image, truth))
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
    check_same_shape(image, truth)
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
    """Area under the ROC curve: the probability that a positive scores higher than a negative.

    Computed from the Mann-Whitney U statistic.

    Args:
        score: (N,) the higher, the more likely positive.
        positive: (N,) bool, the truth, with at least one of either kind.
    """
    above, below = score[positive], score[~positive]
    statistic = mannwhitneyu(above, below).statistic
    return float(statistic / (above.size * below.size))
