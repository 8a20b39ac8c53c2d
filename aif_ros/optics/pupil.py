"""Point-spread functions of real lenses and microscopes, from the light in their exit pupil.

`Aperture` (in `psf`) is the ideal: a uniformly lit disk or polygon. Real lenses deviate from it.
`Pupil` follows rays from the exit pupil to the sensor, with Seidel's third-order aberrations
(Born & Wolf, "Principles of Optics", section 5.3) and any illumination of the pupil.
`MicroscopePupil` adds diffraction: its point-spread function is ``|FFT(pupil)|^2``.

Blur radius of a point-spread function that is no disk: the radius of the disk whose transfer
function falls to 0.8 at the same frequency, averaged over all directions (`equivalent_radius`).
For small blur that is the disk of equal second moment; unlike the second moment it stays finite
for diffraction, and faint halos count by the light in them. The Gaussian of standard deviation s
has the radius 1.97 s.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Samples = NDArray[np.float32]

_LEVEL = 0.8
"""Level of the transfer function at which blur radii are compared; see the module."""
_DISK_FREQUENCY = 0.2085
"""Radius times frequency where the transfer function of a disk, 2 J1(x) / x, is `_LEVEL`."""
_GAUSSIAN_RADIUS = 1.974
"""Equivalent radius of the Gaussian of standard deviation 1, whose transfer function falls to
`_LEVEL` at sqrt(-log(0.8) / (2 pi^2)) = 0.1063 cycles."""
_SMALL = 1.0
"""Rms width, pixels, below which a point-spread function is replaced by its Gaussian: the grid of
pixels is too coarse to hold its shape."""
_DIRECTIONS = 6
"""Directions, over half a turn, over which transfer functions are averaged."""


class PointSpread(Protocol):
    """Image of a point out of focus. `Aperture`, `Pupil`, `MicroscopePupil`."""

    def transfer_function(
        self, defocus: float, shape: tuple[int, int]
    ) -> NDArray[np.float32] | NDArray[np.complex64]:
        """Optical transfer function, to multiply `scipy.fft.rfft2` with.

        Args:
            defocus: radius of the geometric blur circle, pixels; its sign is the side of focus.
            shape: (H, W) of the image.

        Returns:
            (H, W // 2 + 1), 1 at frequency 0.
        """
        ...

    def blur_radius(self, defocus: float) -> float:
        """Equivalent blur radius, pixels, at `defocus` pixels; see the module."""
        ...


@dataclass(frozen=True)
class GaussianSpread:
    """Gaussian blur: the sum of many small aberrations and scattering.

    Attributes:
        softness: standard deviation of diffraction and anti-aliasing filter, pixels.
    """

    softness: float = 0.0

    def transfer_function(self, defocus: float, shape: tuple[int, int]) -> NDArray[np.float32]:
        """See `PointSpread`; `defocus` is the equivalent blur radius."""
        squared = _frequencies(shape)[1]
        variance = (defocus / _GAUSSIAN_RADIUS) ** 2 + self.softness**2
        return np.asarray(np.exp(np.float32(-2 * np.pi**2 * variance) * squared), np.float32)

    def blur_radius(self, defocus: float) -> float:
        """Equivalent blur radius, pixels, without `softness`."""
        return abs(defocus)


@dataclass(frozen=True)
class Pupil:
    """Exit pupil of a photographic lens, and its aberrations, in geometric optics.

    A ray through the pupil at (u, v), ``|(u, v)| <= 1``, meets the sensor at `defocus` (u, v) plus
    its aberrations, measured from the best focus (least second moment).

    Attributes:
        softness: standard deviation of diffraction and anti-aliasing filter, pixels.
        spherical: spherical aberration of the marginal ray, pixels: the blur differs before and
            behind focus.
        coma: tangential coma divided by 3, pixels.
        astigmatism: half the difference of the blur along and across `angle`, pixels.
        falloff: k in the illumination exp(-k rho^2): 0 is uniform, 3 a soft (apodised) rim;
            negative: a bright rim.
        obstruction: radius of the central obstruction, 0 to 0.9 of the pupil (mirror lenses).
        vignetting: offset, of pupil radii, 0 to 1.2, of a second disk that clips the pupil
            (cat's eye).
        angle: direction of coma, astigmatism and vignetting, radians.
    """

    softness: float = 0.0
    spherical: float = 0.0
    coma: float = 0.0
    astigmatism: float = 0.0
    falloff: float = 0.0
    obstruction: float = 0.0
    vignetting: float = 0.0
    angle: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.obstruction <= 0.9:
            raise ValueError(f"obstruction must be 0 to 0.9 of the pupil, got {self.obstruction}")
        if not 0 <= self.vignetting <= 1.2:
            raise ValueError(f"vignetting must be 0 to 1.2 pupil radii, got {self.vignetting}")
        if self.softness < 0:
            raise ValueError(f"softness must be a number of pixels >= 0, got {self.softness}")

    def transfer_function(self, defocus: float, shape: tuple[int, int]) -> NDArray[np.complex64]:
        """See `PointSpread`."""
        x, y, weight = self._spots(defocus)
        tent, squared = _frequencies(shape)
        xx, xy, yy = weight @ (x * x), weight @ (x * y), weight @ (y * y)
        if xx + yy < _SMALL**2:
            vertical = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
            horizontal = np.fft.rfftfreq(shape[1]).astype(np.float32)[None]
            exponent = xx * horizontal**2 + 2 * xy * horizontal * vertical + yy * vertical**2
            transfer = np.exp(np.float32(-2 * np.pi**2) * exponent)
        else:
            # Sharing each ray among four pixels is a convolution with a tent.
            transfer = fft.rfft2(_splat(x, y, weight, shape)) * tent
        if self.softness:
            transfer = transfer * np.exp(np.float32(-2 * (np.pi * self.softness) ** 2) * squared)
        return np.asarray(transfer, np.complex64)

    def blur_radius(self, defocus: float) -> float:
        """Equivalent blur radius, pixels, without `softness`; see the module."""
        x, y, weight = self._spots(defocus, most=36)
        return equivalent_radius(x, y, weight)

    def _spots(self, defocus: float, most: int = 768) -> tuple[Samples, Samples, Samples]:
        """Where the rays meet the sensor, pixels from their centroid, and their share of light."""
        size = abs(defocus) + abs(self.spherical) + 3 * abs(self.coma) + abs(self.astigmatism)
        # Half a pixel apart, or as fine as it must be to show the shape of the pupil. The grid of
        # rays repeats the spectrum at 2 cycles per pixel, where the tent of `_splat` is 0.
        u, v, squared = _grid(int(np.clip(np.ceil(4 * size / 12) * 12, 24, most)))
        weight = np.exp(-np.float32(self.falloff) * squared)
        if self.obstruction:
            weight = weight * (squared >= self.obstruction**2)
        if self.vignetting:
            weight = weight * ((u - np.float32(self.vignetting)) ** 2 + v**2 <= 1)
        weight = weight / weight.sum()
        radial = np.float32(defocus) + np.float32(self.spherical) * (squared - np.float32(2 / 3))
        along = u * (radial + np.float32(self.astigmatism))
        across = v * (radial - np.float32(self.astigmatism))
        if self.coma:
            along = along + np.float32(self.coma) * (3 * u**2 + v**2)
            across = across + np.float32(2 * self.coma) * u * v
        along, across = along - weight @ along, across - weight @ across
        cosine, sine = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
        return cosine * along - sine * across, sine * along + cosine * across, weight


@dataclass(frozen=True)
class MicroscopePupil:
    """Pupil of a microscope objective by scalar diffraction, with Gibson and Lanni's aberration.

    The optical path difference is theirs ("Experimental test of an analytical model of aberration
    in an oil-immersion objective lens", JOSA A 8, 1991) with cover glass and immersion layer as
    designed: a point at `depth` in a medium of another index shows spherical aberration.
    Written out here because the maintained library for it (psfmodels) has no wheels for all
    Python versions that this package supports.

    Attributes:
        numerical_aperture: of the objective, below both indices.
        wavelength: micrometres.
        pixel: side of a camera pixel in the sample, micrometres.
        immersion_index: refractive index of the immersion layer.
        sample_index: refractive index of the sample.
        depth: of the point below the cover glass, micrometres.
        obstruction: radius of the central obstruction of the pupil, 0 to 0.9 (phase rings,
            reflecting objectives).
    """

    numerical_aperture: float = 0.5
    wavelength: float = 0.55
    pixel: float = 0.3
    immersion_index: float = 1.0
    sample_index: float = 1.33
    depth: float = 0.0
    obstruction: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.numerical_aperture < min(self.immersion_index, self.sample_index):
            raise ValueError(
                f"numerical_aperture must lie between 0 and the smaller refractive index, got "
                f"{self.numerical_aperture}"
            )

    def transfer_function(self, defocus: float, shape: tuple[int, int]) -> NDArray[np.complex64]:
        """See `PointSpread`; `defocus` is the radius of the geometric cone of light."""
        kernel = self.kernel(defocus)
        half = kernel.shape[0] // 2
        image = np.zeros(shape, np.float32)
        rows, columns = (np.arange(-half, half) % side for side in shape)
        np.add.at(image, (rows[:, None], columns[None]), kernel)
        return np.asarray(fft.rfft2(image), np.complex64)

    def blur_radius(self, defocus: float) -> float:
        """Equivalent blur radius, pixels; see the module. It is not 0 in focus."""
        kernel = np.maximum(self.kernel(defocus), 0)
        half = kernel.shape[0] // 2
        y, x = np.nonzero(kernel > 1e-3 * kernel.max())
        weight = kernel[y, x]
        return equivalent_radius(
            (x - half).astype(np.float32), (y - half).astype(np.float32), weight / weight.sum()
        )

    def kernel(self, defocus: float) -> NDArray[np.float32]:
        """Point-spread function at `defocus` pixels, (2 n, 2 n) about element (n, n), sums to 1."""
        aperture = self.numerical_aperture
        # Intensities have twice the bandwidth of amplitudes: sample them finely enough.
        finer = int(np.ceil(self.pixel * 4 * aperture / self.wavelength))
        reach = 1.5 * abs(defocus) + 6 + 2 * self.wavelength / (aperture * self.pixel)
        side = int(fft.next_fast_len(2 * int(np.ceil(reach * finer / 2)) * 2))
        side += side % 2
        frequency = np.fft.fftfreq(side, self.pixel / finer)
        squared = (frequency[:, None] ** 2 + frequency[None] ** 2) * (
            self.wavelength / aperture
        ) ** 2
        inside = (squared <= 1) & (squared >= self.obstruction**2)
        sine = squared[inside] * aperture**2
        immersion = np.sqrt(self.immersion_index**2 - sine)
        sample = np.sqrt(self.sample_index**2 - sine)
        slope = aperture / np.sqrt(self.immersion_index**2 - aperture**2)
        path = immersion * (defocus * self.pixel / slope)
        # In units of length: n_s t sqrt(1 - s^2 / n_s^2) and its share by the immersion layer.
        path = path + self.depth * (sample - immersion * self.immersion_index / self.sample_index)
        # What amounts to defocus is taken out: `defocus` counts from best focus.
        path = path - self._refocus(sine, immersion, sample)
        pupil = np.zeros(squared.shape, np.complex64)
        pupil[inside] = np.exp(np.complex64(2j * np.pi / self.wavelength) * path)
        spectrum = fft.fft2(np.abs(fft.ifft2(pupil)) ** 2)
        pixels = max(2 * (side // finer // 2), 2)
        keep = np.r_[0 : pixels // 2, side - pixels // 2 : side]
        kernel = np.real(fft.ifft2(spectrum[keep[:, None], keep[None]]))
        kernel = np.fft.fftshift(kernel).astype(np.float32)
        return np.asarray(kernel / kernel.sum(), np.float32)

    def _refocus(
        self,
        sine: NDArray[np.float64],
        immersion: NDArray[np.float64],
        sample: NDArray[np.float64],
    ) -> NDArray[np.float64] | float:
        """The part of the aberration that a move of the stage takes away, micrometres."""
        if not self.depth:
            return 0.0
        aberration = self.depth * (sample - immersion * self.immersion_index / self.sample_index)
        columns = np.stack([np.ones_like(sine), immersion], axis=1)
        solution = np.linalg.lstsq(columns, aberration, rcond=None)[0]
        return np.asarray(columns @ solution)


def equivalent_radius(x: Samples, y: Samples, weight: Samples) -> float:
    """Blur radius, pixels, of light at points (N,) `x`, `y` with weights that sum to 1.

    The radius of the disk whose transfer function falls to 0.8 at the same frequency.
    """
    spread = float(np.sqrt(2 * (weight @ (x * x + y * y))))
    if spread < 1e-3:
        return spread
    # In units of the frequency that belongs to the disk of equal second moment.
    ladder = np.geomspace(0.75, 8.0, 12)
    angles = np.arange(_DIRECTIONS) * (np.pi / _DIRECTIONS)
    along = np.cos(angles)[:, None] * x + np.sin(angles)[:, None] * y
    phase = along.astype(np.float32) * np.float32(2 * np.pi * _DISK_FREQUENCY / spread)
    values = []
    for factor in ladder:
        turned = phase * np.float32(factor)
        values.append(float(np.hypot(np.cos(turned) @ weight, np.sin(turned) @ weight).mean()))
        if values[-1] < _LEVEL:
            break
    if len(values) == 1 or values[-1] >= _LEVEL:
        return spread / float(ladder[len(values) - 1])
    share = (values[-2] - _LEVEL) / (values[-2] - values[-1])
    index = len(values) - 2
    return spread / float(ladder[index] + share * (ladder[index + 1] - ladder[index]))


@lru_cache(maxsize=32)
def _grid(count: int) -> tuple[Samples, Samples, Samples]:
    """Points (N,) of a `count` x `count` grid within the unit disk: u, v, u^2 + v^2."""
    axis = ((np.arange(count) + 0.5) * (2 / count) - 1).astype(np.float32)
    u, v = np.meshgrid(axis, axis)
    inside = u**2 + v**2 <= 1
    u, v = u[inside], v[inside]
    return u, v, u**2 + v**2


@lru_cache(maxsize=8)
def _frequencies(shape: tuple[int, int]) -> tuple[Samples, Samples]:
    """1 over the transfer function of a tent, and squared frequencies, of `rfft2` of an image."""
    vertical = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    horizontal = np.fft.rfftfreq(shape[1]).astype(np.float32)[None]
    return (np.sinc(horizontal) * np.sinc(vertical)) ** -2, vertical**2 + horizontal**2


def _splat(x: Samples, y: Samples, weight: Samples, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Image (H, W) of points about pixel (0, 0), cyclic, each shared by the four nearest pixels."""
    half = int(np.ceil(max(np.abs(x).max(), np.abs(y).max()))) + 1
    side = 2 * half + 1
    left, top = np.floor(x), np.floor(y)
    right_share, lower_share = x - left, y - top
    place = (top.astype(np.int32) + half) * side + left.astype(np.int32) + half
    upper, lower = weight * (1 - lower_share), weight * lower_share
    kernel = np.zeros(side * side)
    for offset, share in (
        (0, upper * (1 - right_share)),
        (1, upper * right_share),
        (side, lower * (1 - right_share)),
        (side + 1, lower * right_share),
    ):
        kernel += np.bincount(place + offset, share, kernel.size)
    image = np.zeros(shape, np.float32)
    rows, columns = (np.arange(-half, half + 1) % length for length in shape)
    if side <= min(shape):
        image[rows[:, None], columns[None]] = kernel.reshape(side, side)
    else:
        np.add.at(image, (rows[:, None], columns[None]), kernel.reshape(side, side))
    return image
