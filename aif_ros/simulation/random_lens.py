"""Lenses drawn at random, to blur training patches with: disks, polygons, aberrated, Gaussian."""

from dataclasses import dataclass

import numpy as np

from aif_ros.optics.psf import Aperture
from aif_ros.optics.pupil import GaussianSpread, MicroscopePupil, PointSpread, Pupil


@dataclass(frozen=True)
class LensMixture:
    """Shares of the kinds of point-spread functions, chosen by hand.

    Attributes:
        disks: ideal disks or polygons.
        gaussian: Gaussian ones.
        microscopes: those limited by diffraction; the rest are aberrated lenses.
    """

    disks: float = 0.5
    gaussian: float = 0.07
    microscopes: float = 0.06


LENSES = LensMixture()
MICROSCOPE_REACH = 24.0
"""Largest geometric blur radius by diffraction, pixels: the transforms grow with it."""


def draw_aperture(random: np.random.Generator) -> Aperture:
    """Mostly a disk, at times a polygon; mostly as sharp as a lens can be."""
    return Aperture(
        blades=int(random.integers(5, 10)) if random.random() < 0.12 else 0,
        rotation=random.uniform(0, 2 * np.pi),
        softness=max(0.0, random.normal(0, 0.25)),
    )


def draw_pupil(random: np.random.Generator) -> Pupil:
    """A lens with some of the faults that lenses have."""

    def some(probability: float, low: float, high: float) -> float:
        return float(random.uniform(low, high)) if random.random() < probability else 0.0

    return Pupil(
        softness=max(0.0, random.normal(0, 0.25)),
        spherical=float(random.normal(0, 2)) if random.random() < 0.6 else 0.0,
        coma=some(0.25, 0, 1),
        astigmatism=some(0.25, 0, 1.5),
        falloff=some(0.5, 0, 5) or some(0.2, -2, 0),
        obstruction=some(0.15, 0.2, 0.7),
        vignetting=some(0.2, 0.2, 1.0),
        angle=random.uniform(0, 2 * np.pi),
    )


def draw_microscope(random: np.random.Generator) -> MicroscopePupil:
    """An objective whose camera samples it about as finely as its resolution asks for."""
    aperture = random.uniform(0.1, 0.9)
    oil = random.random() < 0.3
    return MicroscopePupil(
        numerical_aperture=aperture,
        pixel=0.55 / (2 * aperture) * random.uniform(0.9, 1.8),
        immersion_index=1.518 if oil else 1.0,
        depth=random.uniform(0, 15) if aperture > 0.4 and random.random() < 0.5 else 0.0,
        obstruction=random.uniform(0.2, 0.5) if random.random() < 0.1 else 0.0,
    )


def draw_blur(
    radius: float, random: np.random.Generator, largest: float
) -> tuple[PointSpread, float, float]:
    """Draw a lens that blurs by about `radius` pixels.

    Args:
        radius: blur radius, pixels.
        random: source of randomness.
        largest: radius that the largest blur has, pixels.

    Returns:
        The lens, its signed defocus in pixels, and the equivalent blur radius there, at most
        `largest` or so.
    """
    kind = random.random()
    sign = 1.0 if random.random() < 0.5 else -1.0
    if kind < LENSES.disks:
        return draw_aperture(random), sign * radius, radius
    if kind < LENSES.disks + LENSES.gaussian:
        return GaussianSpread(max(0.0, random.normal(0, 0.25))), radius, radius
    if kind < LENSES.disks + LENSES.gaussian + LENSES.microscopes:
        spread: PointSpread = draw_microscope(random)
        defocus = sign * min(radius, MICROSCOPE_REACH)
        return spread, defocus, spread.blur_radius(defocus)
    spread = draw_pupil(random)
    # Weak rims spread less: go farther, as long as the light stays within the margin.
    unit = spread.blur_radius(30.0) / 30
    defocus = sign * min(radius / unit, 1.2 * largest)
    return spread, defocus, spread.blur_radius(defocus)
