"""Blur estimation from a single image without learning, from ratios of gradients between scales.

A sharp edge loses most of its gradient by a little extra blur, a blurred one hardly any: the ratio
of the gradients gives the radius (Hu & de Haan, "Low cost robust blur estimator", ICIP 2006; Zhuo &
Sim, "Defocus map estimation from a single image", Pattern Recognition 44, 2011). Here the ratios
between successive levels of a Gaussian pyramid replace one fixed amount of re-blur, so that for
every radius one level is sensitive to it. The expected ratios of each radius and their variance are
measured on blurred dead-leaves images (Lee, Mumford & Huang, "Occlusion models for natural images",
IJCV 41, 2001): random occluding disks, which have the edges, textures and scale invariance of
natural images.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.defocus.sharpness import local_contrast
from aif_ros.optics.psf import Aperture
from aif_ros.types.image import DISPLAY_GAMMA, Image, ImageError, check_image, to_gray
from aif_ros.types.log_softmax import log_softmax

CELL = 32
"""Side of a cell of the map, pixels."""

_LEVELS = 5
"""Ratios of each cell: those of six scales, each twice as coarse as the one before."""
# Radii are discretised, and averaged, on the scale log(1 + r / knee): linear near focus,
# logarithmic far from it. The prior is uniform on it.
_KNEE = 2.0
_LOG_RADII = np.linspace(0, np.log1p(50 / _KNEE), 36)
_RADII = _KNEE * np.expm1(_LOG_RADII)


@dataclass(frozen=True)
class _Likelihood:
    """How far measured ratios lie from the expected ones; chosen on photographs of known blur.

    Attributes:
        scatter: factor on the deviations of dead leaves, by which the expected ratios are found:
            the textures of photographs are not scale invariant.
        model_error: standard deviation, logarithm of a ratio, of the expected ratios.
        evidence: exponent of the likelihood: the errors of the ratios of one cell are correlated.
        freedom: degrees of freedom of the deviations (Student's t).
        noise_error: relative error of the estimated energy of the noise.
    """

    scatter: float = 1.3
    model_error: float = 0.1
    evidence: float = 0.7
    freedom: float = 5.0
    noise_error: float = 0.2


@dataclass(frozen=True)
class _Usable:
    """Which cells give an estimate.

    Attributes:
        least_signal: least ratio of the gradients of a cell to those of the noise.
        least_noise: least standard deviation of the noise: rounding to 8 bits.
        saturated: value from which on a pixel counts as clipped.
        most_saturated: largest share of clipped pixels.
    """

    least_signal: float = 3.0
    least_noise: float = 0.3 / 255
    saturated: float = 253.5 / 255
    most_saturated: float = 0.5


_LIKELIHOOD = _Likelihood()
_USABLE = _Usable()


class GradientRatioEstimator:
    """Estimates blur from the ratios of gradient energies at six scales, on cells of 32 pixels.

    Valid up to a radius of about 25 px. Single cells scatter by some 30 %, as their uncertainty
    states.

    Args:
        depth_of_field_px: largest blur radius, pixels, that counts as in focus.
    """

    def __init__(self, depth_of_field_px: float = 1.0) -> None:
        self._depth_of_field = depth_of_field_px
        self._expected = _expected_ratios()

    def estimate(self, image: Image) -> DefocusMap:
        """Return the blur over `image`, (H, W) or (H, W, 3), float32 in [0, 1].

        Raises:
            ImageError: the image is unusable, or has a side shorter than a cell.
        """
        check_image(image)
        gray = to_gray(image)
        height, width = gray.shape
        if min(height, width) < CELL:
            raise ImageError(f"expected at least {CELL}x{CELL} pixels, got {width}x{height}")
        cells = (height // CELL, width // CELL)
        ratios = _measure(gray, cells, _noise(gray))
        probability = np.exp(log_softmax(self._log_likelihood(ratios)))
        middle = probability @ _LOG_RADII
        spread = np.sqrt(np.maximum(probability @ _LOG_RADII**2 - middle**2, 0))
        radius = _KNEE * np.expm1(middle)
        spread *= radius + _KNEE
        within = self._depth_of_field >= _RADII
        in_focus = probability[..., within].sum(axis=-1)
        saturated = (
            _pool((gray >= _USABLE.saturated).astype(np.float32), cells) > _USABLE.most_saturated
        )
        known = ratios.visible & ~saturated
        blur, uncertainty, sharp = (
            np.where(known, values, np.nan).astype(np.float32)
            for values in (radius, spread, in_focus)
        )
        contrast = local_contrast(gray, cells)
        return DefocusMap(blur, uncertainty, sharp, contrast, (width, height))

    def _log_likelihood(self, ratios: "_Ratios") -> NDArray[np.float64]:
        """(rows, columns, radii) log-likelihood of each radius, up to a constant."""
        variance = self._expected.variance + ratios.variance[..., None, :]
        deviation = ratios.value[..., None, :] - self._expected.mean
        freedom, evidence = _LIKELIHOOD.freedom, _LIKELIHOOD.evidence
        student = np.log1p(deviation**2 / (freedom * variance)) * (freedom + 1) / 2
        return np.asarray(-evidence * (student + 0.5 * np.log(variance)).sum(axis=-1))


@dataclass(frozen=True)
class _Ratios:
    """Measured in each cell: `value`, `variance` (rows, columns, ratios); `visible`."""

    value: NDArray[np.floating]
    variance: NDArray[np.floating]
    visible: NDArray[np.bool_]


@dataclass(frozen=True)
class _Expected:
    """Expected ratios of each radius: `mean` and `variance` (radii, ratios)."""

    mean: NDArray[np.floating]
    variance: NDArray[np.floating]


def _gradient_energies(gray: Image) -> list[NDArray[np.float32]]:
    """Squared gradients of successively smoother versions of `gray`, the finest first.

    The first two are of full size, by Roberts' and by Sobel's operator; each of the others, from
    the levels of a Gaussian pyramid, is half the size of the one before.
    """
    falling = gray[1:, 1:] - gray[:-1, :-1]
    rising = gray[1:, :-1] - gray[:-1, 1:]
    finest = falling * falling + rising * rising
    energies = [cv2.copyMakeBorder(finest, 0, 1, 0, 1, cv2.BORDER_REPLICATE)]
    for level in range(_LEVELS):
        if level:
            gray = cv2.pyrDown(gray)
        right = cv2.Sobel(gray, cv2.CV_32F, 1, 0, scale=0.125)
        below = cv2.Sobel(gray, cv2.CV_32F, 0, 1, scale=0.125)
        energies.append(right * right + below * below)
    return energies


@lru_cache(1)
def _noise_energies() -> list[float]:
    """Mean gradient energies of white noise of unit variance."""
    noise = np.random.default_rng(0).standard_normal((512, 512), np.float32)
    return [float(energy.mean()) for energy in _gradient_energies(noise)]


def _noise(gray: Image) -> float:
    """Standard deviation of the noise, from the smoothest parts of the image.

    Immerkaer, "Fast noise variance estimation", CVIU 64 (1996), applied to cells.
    """
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    rough = cv2.filter2D(gray, cv2.CV_32F, kernel)
    shape = (gray.shape[0] // 16, gray.shape[1] // 16)
    unclipped = _pool(((gray > 0.01) & (gray < 0.99)).astype(np.float32), shape) > 0.9
    energy = _pool(rough * rough, shape)
    if unclipped.any():
        energy = energy[unclipped]
    return max(float(np.sqrt(np.percentile(energy, 10))), _USABLE.least_noise)


def _measure(gray: Image, cells: tuple[int, int], noise: float) -> _Ratios:
    """Ratios of the gradient energies of neighbouring levels, weighted towards strong edges."""
    energies = _gradient_energies(gray)
    floor = [noise**2 * energy for energy in _noise_energies()]
    values, variances, signals = [], [], []
    for level, (fine, coarse) in enumerate(pairwise(energies)):
        fine = _resize(fine, coarse.shape)
        side = CELL / 2**level
        products = [(fine - floor[level]) * coarse, (coarse - floor[level + 1]) * coarse, coarse]
        products.append(coarse * coarse)
        if side < 6:  # too few pixels in a cell: average over its neighbours
            products = [cv2.blur(product, (5, 5)) for product in products]
        above, below, weight, squares = (_pool(product, cells) for product in products)
        count = np.maximum(weight**2 / np.maximum(squares, 1e-20), 1e-3) * max(side, 5) ** 2
        fine_energy = np.maximum(above / np.maximum(weight, 1e-12), 0.1 * floor[level])
        coarse_energy = np.maximum(below / np.maximum(weight, 1e-12), 0.1 * floor[level + 1])
        values.append(np.log(fine_energy / coarse_energy))
        variance = np.zeros(cells)
        for energy, share in ((fine_energy, floor[level]), (coarse_energy, floor[level + 1])):
            inverse = share / energy
            variance += inverse**2 * (_LIKELIHOOD.noise_error**2 + 1 / count) + 2 * inverse / count
        variances.append(variance)
        signals.append(coarse_energy / floor[level + 1])
    visible = np.max(signals, axis=0) > _USABLE.least_signal
    return _Ratios(np.stack(values, axis=-1), np.stack(variances, axis=-1), visible)


@lru_cache(1)
def _expected_ratios() -> _Expected:
    """Measure the ratios on blurred dead leaves."""
    side, aperture = 512, Aperture()
    cells = (side // CELL, side // CELL)
    spectrum = np.fft.rfft2(_dead_leaves(side) ** DISPLAY_GAMMA)
    means, variances = [], []
    for radius in _RADII:
        blurred = np.fft.irfft2(spectrum * aperture.transfer_function(radius, (side, side)))
        gray = np.clip(blurred, 0, 1).astype(np.float32) ** np.float32(1 / DISPLAY_GAMMA)
        values = _measure(gray, cells, 1e-6).value.reshape(-1, _LEVELS)
        middle = np.median(values, axis=0)
        means.append(middle)
        scatter = _LIKELIHOOD.scatter * 1.4826 * np.median(abs(values - middle), axis=0)
        variances.append(scatter**2 + _LIKELIHOOD.model_error**2)
    return _Expected(np.array(means), np.array(variances))


def _dead_leaves(side: int) -> NDArray[np.float32]:
    """Disks of random place and brightness, each occluding those below.

    Their radii are distributed as 1 / r^2: the ratios then are those of photographs within a few
    percent, while with the 1 / r^3 of strict scale invariance there would be too much detail.
    """
    random = np.random.default_rng(0)
    count, smallest, largest = 10000, 1.5, side / 3
    radii = 1 / (1 / smallest + random.random(count) * (1 / largest - 1 / smallest))
    places = random.uniform(0, side, (count, 2))
    brightness = random.integers(0, 256, count)
    image = np.full((side, side), 128, np.uint8)
    for (x, y), radius, value in zip(places, radii, brightness, strict=True):
        centre = (round(16 * x), round(16 * y))
        cv2.circle(image, centre, round(16 * radius), int(value), -1, cv2.LINE_AA, 4)
    return image.astype(np.float32) / np.float32(255)


def _resize(array: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    if array.shape == shape:
        return array
    return np.asarray(cv2.resize(array, shape[::-1], interpolation=cv2.INTER_AREA))


def _pool(array: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Mean over each cell of a grid of `shape`."""
    return np.asarray(cv2.resize(array, shape[::-1], interpolation=cv2.INTER_AREA))
