"""Classical fusion: each pixel from the frame with the highest smoothed Laplacian energy.

The energy is measured in several octaves: of the image and of levels of half the size each, with
Gaussian windows twice as wide each. The finer octaves follow the borders of things. There the
absolute Laplacian is averaged, then squared (Nayar & Nakagawa, "Shape from Focus", PAMI 1994, sum
absolute values, too): in an average of squares a strong edge wins over faint detail around it, and
near things get wider rings that are out of focus. In flat parts the finer octaves hold hardly more
than noise, which is stronger in frames where they are blurred and therefore brighter: there the
coarsest octave decides, which holds least noise, reaches farthest, and averages squares, so that
few edges count for much. A flat part comes from the frame in which the edges around it are sharp.

Wide windows reach over thin things, too: a wire before a panel gets gaps where edges of the panel
are near. In levels of half the size, fourth powers of the Laplacian are therefore added, averaged
over a narrow window: they count where a thing of strong contrast is sharp, and nowhere else.
"""

import math
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, blend
from aif_ros.fusion.motion.fused_warping import replace_mismatches
from aif_ros.fusion.tiles import Merge
from aif_ros.types.image import Image, to_gray

# Far below what any sensor's noise has.
_LEAST_ENERGY = np.float32(1e-12)


# Number of octaves: the widest window is 8 times as wide as the narrowest.
_OCTAVES = 4
# Margin of tiles, in standard deviations of the widest window: 2 % of it lie beyond, which changes
# no pixel of a macro stack by more than 0.4 levels of 255.
_REACH = 2.0
# Weight of an octave over that of the next finer one; white noise loses variance by 0.25 when an
# image is averaged to half its size. More makes wider rings around near things, less lets noise
# decide in flat parts: beside 17 times its contrast, detail is lost over 10.0, 11.5 and 13.7 px at
# 0.2, 0.22 and 0.25 (14.2 px where all octaves average squares); wide dark bars get fog of 0.035,
# 0.014 and 0.002 (`test_fuser.py`).
_OCTAVE_WEIGHT = np.float32(0.22)
# Weight of the squared mean of squared Laplacians in the level of half the size, over its energy,
# and standard deviation of their window in its pixels. More weight or a narrower window leaves
# fewer gaps in wires, and more rings of blurred edges: large lettering on plain ground loses 0.02,
# 0.3 and 0.7 dB at a weight of 2, at 10, and at 10 over 0.7 pixels.
_THIN_WEIGHT, _THIN_SIGMA = np.float32(2.0), 1.0
# Tiles see no farther than this, pixels.
_LARGEST_MARGIN = 640


def laplacian_energy(image: Image, sigma: float) -> NDArray[np.float32]:
    """Squared Laplacian of the luma, (H, W) float32, averaged over a Gaussian window.

    Args:
        image: (H, W) or (H, W, 3), float32 in [0, 1].
        sigma: standard deviation of the window, pixels.
    """
    laplacian = cv2.Laplacian(to_gray(image), cv2.CV_32F, ksize=3)
    return _averaged(laplacian * laplacian, sigma)


def _energy(gray: Image, sigma: float, octaves: int = _OCTAVES) -> NDArray[np.float32]:
    """Weighted sum of the energies of an image (H, W) and its smaller levels, (H, W).

    The window is of `sigma` pixels in each of them.
    """
    if octaves == 1 or min(gray.shape) == 1:
        return laplacian_energy(gray, sigma)
    laplacian = cv2.Laplacian(gray, cv2.CV_32F, ksize=3)
    absolute = _averaged(np.abs(laplacian), sigma)
    energy = absolute * absolute
    if octaves == _OCTAVES - 1:
        energy += _THIN_WEIGHT * np.square(cv2.GaussianBlur(laplacian**2, (0, 0), _THIN_SIGMA))
    coarser = _energy(np.asarray(cv2.pyrDown(gray), np.float32), sigma, octaves - 1)
    energy += _OCTAVE_WEIGHT * cv2.pyrUp(coarser, dstsize=gray.shape[::-1])
    return energy


def _averaged(energy: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    # A wide window is as good on a smaller level, and many times faster.
    factor = 2 ** int(math.log2(max(1.0, sigma / 4)))
    height, width = (-(-side // factor) for side in energy.shape)
    smaller = cv2.resize(energy, (width, height), interpolation=cv2.INTER_AREA)
    averaged = cv2.GaussianBlur(smaller, (0, 0), sigma / factor)
    return np.asarray(cv2.resize(averaged, energy.shape[::-1]).astype(np.float32, copy=False))


class LaplacianFusion:
    """Keeps for each pixel the sharpest frame so far, with soft seams.

    Args:
        smoothing: standard deviation of the window the energy is averaged over, in the finest
            octave, as a share of the image's diagonal.
        contrast: how decided the choice is: a frame of r times the energy gets r ** contrast
            times the weight.

    Example:
        >>> texture = np.random.default_rng(0).random((64, 64), np.float32)
        >>> blurred = cv2.GaussianBlur(texture, (0, 0), 3.0)
        >>> left = np.where(np.arange(64) < 32, texture, blurred)  # in focus on the left
        >>> right = np.where(np.arange(64) < 32, blurred, texture)
        >>> fusion = LaplacianFusion()
        >>> fused = fusion.merge(right, 0.2e-3, fusion.merge(left, 0.1e-3, None))
        >>> bool(np.abs(fused.image - texture)[:, 8:24].max() < 0.01)
        True
        >>> fused.source_position[32, [16, 48]]
        array([0.0001, 0.0002], dtype=float32)
    """

    def __init__(self, smoothing: float = 0.003, contrast: float = 6.0) -> None:
        self._smoothing = smoothing
        self._contrast = contrast

    def merge(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """Return J(t); see `FusionMethod`."""
        return self._merge(self._sigma(image.shape), image, position, fused)

    def for_tiles(self, fused: Fused) -> tuple[Merge, int]:
        """Return what merges a tile, and the margin of tiles; see `TileableMethod`."""
        sigma = self._sigma(fused.image.shape)
        margin = 16 * math.ceil(_REACH * 2 ** (_OCTAVES - 1) * sigma / 16)
        return partial(self._merge, sigma), min(margin, _LARGEST_MARGIN)

    def _sigma(self, shape: tuple[int, ...]) -> float:
        return max(1.0, self._smoothing * math.hypot(*shape[:2]))

    def _merge(self, sigma: float, image: Image, position: float, fused: Fused | None) -> Fused:
        energy = _energy(to_gray(image), sigma)
        if fused is None:
            return Fused(image, energy, np.full(energy.shape, position, np.float32), 1)
        fused = replace_mismatches(fused, image)
        ratio = energy / np.maximum(fused.sharpness, _LEAST_ENERGY)
        weight = np.divide(1.0, 1.0 + np.maximum(ratio, 1e-6) ** -self._contrast, dtype=np.float32)
        return Fused(
            blend(fused.image, image, weight),
            np.maximum(energy, fused.sharpness),
            np.where(weight > 0.5, np.float32(position), fused.source_position),
            fused.frames + 1,
        )
