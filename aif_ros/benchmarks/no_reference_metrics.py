"""Metrics of a fused image without ground truth."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.simulation.metrics import check_same_shape
from aif_ros.types.image import Image, to_gray, to_uint8


def edge_preservation(fused: Image, sources: Sequence[Image]) -> float:
    """Q^AB/F: how much of the sources' edges the fused image has, 0 to 1.

    C. Xydeas, V. Petrovic, "Objective image fusion performance measure", Electronics Letters 2000,
    with its constants; for more than two sources the sums go over all of them.

    Args:
        fused: (H, W) or (H, W, 3), float32 in [0, 1].
        sources: what it was fused from, same shape.

    Raises:
        ImageError: the shapes differ.
    """
    strength, angle = _edges(fused)
    kept, total = 0.0, 0.0
    for source in sources:
        check_same_shape(source, fused)
        own_strength, own_angle = _edges(source)
        weaker, stronger = np.minimum(strength, own_strength), np.maximum(strength, own_strength)
        ratio = np.divide(weaker, stronger, out=np.zeros_like(weaker), where=stronger > 0)
        alike = 1 - np.abs(own_angle - angle) / (np.pi / 2)
        in_strength = 0.9994 / (1 + np.exp(-15 * (ratio - 0.5)))
        in_angle = 0.9879 / (1 + np.exp(-22 * (alike - 0.8)))
        kept += float((in_strength * in_angle * own_strength).sum())
        total += float(own_strength.sum())
    return kept / total if total else 1.0


def _edges(image: Image) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Strength and orientation, radians, of the edges by Sobel's operator."""
    gray = 255 * to_gray(image).astype(np.float64)
    right, down = cv2.Sobel(gray, cv2.CV_64F, 1, 0), cv2.Sobel(gray, cv2.CV_64F, 0, 1)
    angle = np.arctan(np.divide(down, right, out=np.full_like(down, np.inf), where=right != 0))
    return np.hypot(right, down), angle


def mutual_information(fused: Image, sources: Sequence[Image]) -> float:
    """Q_MI: mutual information of the fused image with its sources, 0 to 2 for two of them.

    M. Hossny et al., "Comments on 'Information measure for performance of image fusion'",
    Electronics Letters 2008: 2 [I(A, F) / (H(A) + H(F)) + I(B, F) / (H(B) + H(F))], in 256 levels
    of grey; for N sources their mean in the place of half the sum.

    Args:
        fused: (H, W) or (H, W, 3), float32 in [0, 1].
        sources: what it was fused from, same shape.

    Raises:
        ImageError: the shapes differ.
    """
    levels = to_uint8(to_gray(fused)).ravel()
    shares = []
    for source in sources:
        check_same_shape(source, fused)
        own = to_uint8(to_gray(source)).ravel()
        joint = np.bincount(own.astype(np.intp) * 256 + levels, minlength=256 * 256)
        table = joint.reshape(256, 256) / len(levels)
        alone = _entropy(table.sum(axis=0)) + _entropy(table.sum(axis=1))
        # Two flat images determine each other.
        shares.append((alone - _entropy(table)) / alone if alone else 0.5)
    return 4 * float(np.mean(shares))


def _entropy(probability: NDArray[np.float64]) -> float:
    some = probability[probability > 0]
    return float(-(some * np.log2(some)).sum())
