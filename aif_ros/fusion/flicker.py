"""Bands of brightness by a rolling shutter under a lamp that flickers.

Each row is exposed a little later than the one above it, so that the lamp's period shows along the
rows: its first harmonic is fitted to the ratio of the light of two frames of the same scene.
Defocus carries light across edges, too, but not periodically over the whole height.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

ROWS, COLUMNS = 96, 8
"""Cells over which light is averaged: fine along the rows, coarse across."""


@dataclass(frozen=True)
class Limits:
    """When a difference of light counts as bands; chosen on rendered stacks.

    Attributes:
        fewest, most: periods in the height of the image. Mains lamps flicker at 100 or 120 Hz, and
            rolling shutters take 5 to 50 ms for a frame: half a period to six.
        steps: trial frequencies for each period.
        amplitude: least amplitude of the log gain of encoded values.
        explained: least share of the variance along the rows that the harmonic explains.
        usable: least share of the rows that can be compared.
        blur: standard deviation, share of the height, of blur by which the frames may differ: it
            changes a pattern of the scene that has this period, by this much ...
        scene: ... and that change must be smaller than the amplitude by this factor.
    """

    fewest: float = 0.5
    most: float = 8.0
    steps: int = 8
    amplitude: float = 0.008
    explained: float = 0.7
    usable: float = 0.6
    blur: float = 0.03
    scene: float = 2.0


LIMITS = Limits()


@dataclass(frozen=True)
class Bands:
    """Gain along the rows of a frame, relative to others.

    The log gain of encoded values at the height v, 0 at the top edge and 1 at the bottom edge, is
    cosine * cos(2 pi frequency v) + sine * sin(2 pi frequency v).
    """

    frequency: float
    cosine: float
    sine: float

    @property
    def amplitude(self) -> float:
        """Amplitude of the log gain."""
        return float(np.hypot(self.cosine, self.sine))

    def factors(self, heights: NDArray[np.floating]) -> NDArray[np.float32]:
        """Gains of encoded values (n,) at the heights (n,), shares of the frame's height."""
        phase = 2 * np.pi * self.frequency * heights
        return np.asarray(
            np.exp(self.cosine * np.cos(phase) + self.sine * np.sin(phase)), np.float32
        )

    def times(self, share: float) -> "Bands":
        """Return a share of them."""
        return Bands(self.frequency, share * self.cosine, share * self.sine)


def find_bands(rows: NDArray[np.floating], reference: NDArray[np.floating]) -> Bands | None:
    """Find bands in a frame that a reference of the same scene does not have.

    Args:
        rows: (ROWS, COLUMNS) averages of the encoded values of the frame; NaN where unknown.
        reference: the same of the reference.

    Returns:
        The harmonic of the frequency that explains most of the ratio along the rows; None where
        none explains enough, or where blur of the scene may be its cause.
    """
    ratio = np.log(rows / reference)
    known = np.isfinite(ratio).any(axis=1)
    if known.mean() < LIMITS.usable:
        return None
    profile = np.nanmedian(ratio[known], axis=1)
    best: tuple[float, Bands] | None = None
    for frequency, basis in _harmonics():
        coefficients, *_ = np.linalg.lstsq(basis[known], profile, rcond=None)
        left = float(np.square(profile - basis[known] @ coefficients).sum())
        if best is None or left < best[0]:
            best = left, Bands(frequency, float(coefficients[1]), float(coefficients[2]))
    assert best is not None
    left, bands = best
    explained = 1 - left / max(float(np.square(profile - profile.mean()).sum()), 1e-12)
    if explained < LIMITS.explained or bands.amplitude < LIMITS.amplitude:
        return None
    basis = dict(_harmonics())[bands.frequency][known]
    scene = np.log(np.nanmedian(reference[known], axis=1))
    own, *_ = np.linalg.lstsq(basis, scene, rcond=None)
    change = 1 - np.exp(-2 * (np.pi * LIMITS.blur * bands.frequency) ** 2)
    return bands if bands.amplitude >= LIMITS.scene * change * np.hypot(*own[1:]) else None


@lru_cache(maxsize=1)
def _harmonics() -> list[tuple[float, NDArray[np.float64]]]:
    """Trial frequencies, periods in the height, and their (ROWS, 3) functions of the height."""
    heights = (np.arange(ROWS) + 0.5) / ROWS
    count = round((LIMITS.most - LIMITS.fewest) * LIMITS.steps) + 1
    return [
        (
            float(frequency),
            np.stack(
                [
                    np.ones(ROWS),
                    np.cos(2 * np.pi * frequency * heights),
                    np.sin(2 * np.pi * frequency * heights),
                ],
                axis=1,
            ),
        )
        for frequency in np.linspace(LIMITS.fewest, LIMITS.most, count)
    ]
