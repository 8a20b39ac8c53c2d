"""Point-spread functions of disk and polygon apertures, with a small Gaussian softness.

In geometrical optics a point out of focus is imaged as a uniformly lit, scaled-down image of
the aperture: a disk when it is wide open, a regular polygon when its blades are closed. What the
lens does even in focus (diffraction, aberrations, the anti-aliasing filter) is modelled by a
Gaussian of a fraction of a pixel.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

# The transform of a disk is looked up in a table over 2 pi times radius times frequency, of this
# step and end: the nearest entry errs by less than 1e-3, and the end is reached at a radius of
# 90 px; the transform is below 3e-4 there.
_TABLE_STEP = 0.005
_TABLE_END = 400.0
# Below this many pixels of radius a defocused point stays within its pixel.
_NEGLIGIBLE_RADIUS = 1e-3
_SMALL_SINC = 1e-3
"""Below it, sin(pi x) / (pi x) is 1 to 2e-6, and in float32 less exact than that."""


# Coefficients of the approximations 9.4.4 (x <= 3) and 9.4.6 (beyond) of J1 in Abramowitz and
# Stegun, "Handbook of Mathematical Functions" (1964); powers rise. Their errors are below 1.3e-8 x
# and 9e-8. SciPy has the function, but its import costs a node half a second of its start.
_NEAR = (0.5, -0.56249985, 0.21093573, -0.03954289, 0.00443319, -0.00031761, 0.00001109)
_AMPLITUDE = (
    *(0.79788456, 0.00000156, 0.01659667, 0.00017105),
    *(-0.00249511, 0.00113653, -0.00020033),
)
_PHASE = (
    *(-2.35619449, 0.12499612, 0.00005650, -0.00637879),
    *(0.00074348, 0.00079824, -0.00029166),
)


def _airy(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """2 J1(x) / x, the Fourier transform of a disk of unit area, 1 at x = 0; x >= 0."""
    far = np.maximum(x, 3.0)
    phase = far + polyval(3.0 / far, _PHASE)
    beyond = 2.0 * far**-1.5 * polyval(3.0 / far, _AMPLITUDE) * np.cos(phase)
    return np.where(x <= 3.0, 2.0 * polyval((x / 3.0) ** 2, _NEAR), beyond)


# The Bessel function costs more than the FFTs beside it; a table of it does not.
_AIRY_TABLE = _airy(np.arange(0, _TABLE_END, _TABLE_STEP)).astype(np.float32)


def _phasor(half_turns: NDArray[np.floating]) -> NDArray[np.complex64]:
    return np.asarray(np.exp(1j * np.pi * half_turns).astype(np.complex64))


@dataclass(frozen=True)
class Aperture:
    """The shape of an aperture, and the softness of the lens behind it.

    Attributes:
        blades: corners of the polygon, or 0 for a round aperture.
        rotation: angle of one corner, radians.
        softness: standard deviation of the lens's own blur, pixels.
    """

    blades: int = 0
    rotation: float = 0.0
    softness: float = 0.0

    def __post_init__(self) -> None:
        if self.blades != 0 and self.blades < 3:
            raise ValueError(f"an aperture has 0 (round) or at least 3 blades, got {self.blades}")
        if self.softness < 0:
            raise ValueError(f"softness must be a number of pixels >= 0, got {self.softness}")

    def transfer_function(self, radius: float, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Optical transfer function at blur `radius`, to multiply `scipy.fft.rfft2` with.

        Args:
            radius: blur radius, pixels; that of the disk of equal area for a polygon. Below 0, on
                the other side of focus, the image of the aperture is turned by half a turn.
            shape: (H, W) of the image.

        Returns:
            (H, W // 2 + 1) float32, or complex64 for polygons with an odd number of blades;
            1 at frequency 0.
        """
        vertical = np.fft.fftfreq(shape[0]).astype(np.float32)[:, None]
        horizontal = np.fft.rfftfreq(shape[1]).astype(np.float32)[None]
        squared = vertical**2 + horizontal**2
        turned, radius = radius < 0, abs(radius)
        if radius < _NEGLIGIBLE_RADIUS:
            transfer = np.ones(squared.shape, np.float32)
        elif self.blades:
            transfer = self._polygon_transfer(radius, horizontal, vertical)
            transfer = transfer.conj() if turned else transfer
        else:
            index = np.sqrt(squared) * np.float32(2 * np.pi * radius / _TABLE_STEP) + 0.5
            transfer = _AIRY_TABLE.take(index.astype(np.int32), mode="clip")
        if self.softness:
            transfer = transfer * np.exp(np.float32(-2 * np.pi**2 * self.softness**2) * squared)
        return transfer

    def blur_radius(self, defocus: float) -> float:
        """Blur radius, pixels, at `defocus` pixels: the same but for the sign."""
        return abs(defocus)

    def kernel(self, radius: float) -> NDArray[np.float32]:
        """Point-spread function at blur `radius`, pixels: (2 n + 1, 2 n + 1), sums to 1.

        Each pixel holds the share of the aperture's image that falls on it, so that it is exact
        at fractions of a pixel too. Its transfer function is that of `transfer_function` apart
        from the averaging over the pixel.

        Example:
            >>> Aperture().kernel(0.0)  # in focus: a point
            array([[1.]], dtype=float32)
            >>> kernel = Aperture(blades=6).kernel(4.0)
            >>> kernel.shape, round(float(kernel.sum()), 3)
            ((11, 11), 1.0)
        """
        corner_radius = self._corner_radius(radius) if self.blades else radius
        half = int(np.ceil(corner_radius + 3 * self.softness)) if radius or self.softness else 0
        # Fine enough that the rounded rim is below a percent of the area.
        samples = int(np.clip(np.ceil(64 / (radius + 1)), 4, 32))
        size = (2 * half + 1) * samples
        axis = (np.arange(size, dtype=np.float32) + 0.5) / samples - (half + 0.5)
        inside: NDArray[np.bool_]
        if radius < 1 / samples:
            # The nearest samples lie 0.71 / samples from the centre: a rim must not pass within.
            inside = np.zeros((size, size), np.bool_)
            inside[size // 2 - 1 : size // 2 + 1, size // 2 - 1 : size // 2 + 1] = True
        elif self.blades:
            normals = self.rotation + (np.arange(self.blades) + 0.5) * (2 * np.pi / self.blades)
            apothem = corner_radius * np.cos(np.pi / self.blades)
            x, y = np.cos(normals), np.sin(normals)
            farthest = np.max(
                [axis[None] * a + axis[:, None] * b for a, b in zip(x, y, strict=True)], 0
            )
            inside = farthest <= apothem
        else:
            inside = axis[None] ** 2 + axis[:, None] ** 2 <= radius**2
        cells = inside.reshape(2 * half + 1, samples, 2 * half + 1, samples)
        kernel = cells.sum(axis=(1, 3), dtype=np.float32)
        if self.softness:
            pixels = np.arange(-half, half + 1)
            gauss = np.exp(-0.5 * (pixels[:, None] - pixels[None]) ** 2 / self.softness**2)
            gauss /= gauss.sum(axis=0, keepdims=True)
            kernel = (gauss @ kernel @ gauss.T).astype(np.float32)
        return np.asarray(kernel / kernel.sum())

    def _corner_radius(self, radius: float) -> float:
        """Distance of the corners from the centre of the polygon of area pi radius^2."""
        angle = 2 * np.pi / self.blades
        return radius * float(np.sqrt(angle / np.sin(angle)))

    def _polygon_transfer(
        self, radius: float, u: NDArray[np.float32], v: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Fourier transform of the polygon, an integral over its edges by Green's theorem.

        Lee & Mittra, "Fourier transform of a polygonal shape function and its application in
        electromagnetics", IEEE Trans. Antennas Propag. 31 (1983).
        """
        angles = self.rotation + np.arange(self.blades + 1) * (2 * np.pi / self.blades)
        corners = self._corner_radius(radius) * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        squared = u**2 + v**2
        total = np.zeros(squared.shape, np.complex64)
        for (x0, y0), (x1, y1) in pairwise(corners):
            edge_x, edge_y = x1 - x0, y1 - y0
            outward = u * edge_y - v * edge_x
            # A phasor of a sum is the product of two vectors: no exponential for each frequency.
            turns = _phasor(u * edge_x) * _phasor(v * edge_y)
            along = u * edge_x + v * edge_y
            small = np.abs(along) < _SMALL_SINC
            along = np.where(small, 1, turns.imag / np.where(small, 1, np.pi * along))
            phase = _phasor(u * -(x0 + x1)) * _phasor(v * -(y0 + y1))
            total += outward * along * phase
        with np.errstate(divide="ignore", invalid="ignore"):
            transfer = 1j * total / (2 * np.pi * squared * np.pi * radius**2)
        transfer[squared == 0] = 1
        # The transform of a shape with point symmetry is real.
        return (
            transfer.astype(np.complex64) if self.blades % 2 else transfer.real.astype(np.float32)
        )
