"""Bands of brightness by a rolling shutter under a lamp that flickers.

Each row is exposed a little later than the one above it, so that the lamp's period shows along the
rows: its first harmonic is fitted to the ratio of the light of two frames of the same scene.
Defocus carries light across edges, too, but not periodically over the whole height, nor alike in
all columns.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.median import median_of_known

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
        columns: largest median deviation of single columns, share of the amplitude: 0.05 to 0.28
            with bands, 0.6 to 0.9 of what defocus makes of a garage with a motorcycle.
    """

    fewest: float = 0.5
    most: float = 8.0
    steps: int = 8
    amplitude: float = 0.008
    explained: float = 0.7
    usable: float = 0.6
    blur: float = 0.03
    scene: float = 2.0
    columns: float = 0.25


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
        none explains enough, or where blur of the scene may be its cause: also where the columns
        do not have it alike.
    """
    ratio = np.log(rows / reference)
    known = np.isfinite(ratio).any(axis=1)
    if known.mean() < LIMITS.usable:
        return None
    profile = median_of_known(ratio[known].T)
    scene = np.log(median_of_known(reference[known].T))
    frequencies, functions = _harmonics()
    basis = functions[:, known]
    # Least squares for all frequencies at once.
    projected = basis.transpose(0, 2, 1) @ np.stack([profile, scene], axis=1)
    coefficients = np.linalg.solve(basis.transpose(0, 2, 1) @ basis, projected)
    left = np.square(profile[:, None] - basis @ coefficients[:, :, :1]).sum(axis=(1, 2))
    best = int(left.argmin())
    (_, cosine, sine), (_, *own) = coefficients[best].T.tolist()
    bands = Bands(float(frequencies[best]), cosine, sine)
    explained = 1 - left[best] / max(float(np.square(profile - profile.mean()).sum()), 1e-12)
    if explained < LIMITS.explained or bands.amplitude < LIMITS.amplitude:
        return None
    change = 1 - np.exp(-2 * (np.pi * LIMITS.blur * bands.frequency) ** 2)
    if bands.amplitude < LIMITS.scene * change * np.hypot(*own):
        return None
    return bands if _alike_in_columns(bands, ratio, functions[best]) else None


def _alike_in_columns(
    bands: Bands, ratio: NDArray[np.floating], functions: NDArray[np.float64]
) -> bool:
    """Whether most columns of the log ratio, NaN where unknown, have the bands alike."""
    deviations = []
    for column in ratio.T:
        known = np.isfinite(column)
        if known.mean() < LIMITS.usable:
            continue
        _, cosine, sine = np.linalg.lstsq(functions[known], column[known], rcond=None)[0]
        deviations.append(np.hypot(cosine - bands.cosine, sine - bands.sine))
    return bool(deviations) and np.median(deviations) <= LIMITS.columns * bands.amplitude


@lru_cache(maxsize=1)
def _harmonics() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Trial frequencies (n,), periods in the height, and their (n, ROWS, 3) functions of it."""
    count = round((LIMITS.most - LIMITS.fewest) * LIMITS.steps) + 1
    frequencies = np.linspace(LIMITS.fewest, LIMITS.most, count)
    phases = 2 * np.pi * frequencies[:, None] * (np.arange(ROWS) + 0.5) / ROWS
    functions = np.stack([np.ones_like(phases), np.cos(phases), np.sin(phases)], axis=2)
    return frequencies, functions
