"""Random statistics of the scenes of the focus-control task: detail, and errors of the readings."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]


def draw_detail(random: np.random.Generator, number: int, cells: int) -> Array:
    """(number, cells) detail, as unevenly distributed as in photographs and rendered rooms."""
    mean = 0.012 * np.exp(random.normal(0, 0.9, (number, 1)))
    spread = random.uniform(0.5, 2.0, (number, 1))
    detail = np.exp(spread * random.standard_normal((number, cells)))
    return np.asarray(mean * detail / detail.mean(axis=1, keepdims=True))


def draw_distortions(random: np.random.Generator, number: int) -> Array:
    """(number, 3) distortions of the readings of each scene; most scenes have none.

    Column 0: factor on the blur radius (a lens calibrated wrongly); column 1: largest radius that
    is read, pixels; column 2: largest radius that can be read, pixels, beyond which the answer is
    unknown. They cover scenes that the estimator was never measured on.
    """
    distortion = np.full((number, 3), np.inf)
    rare = random.random(number) < 0.1
    distortion[:, 0] = np.exp(random.normal(0, 0.08, number))
    distortion[rare, 0] = random.uniform(0.55, 1.6, rare.sum())
    for column in (1, 2):
        rare = random.random(number) < 0.08
        distortion[rare, column] = random.uniform(4, 12, rare.sum())
    return distortion


def draw_misreadings(random: np.random.Generator, number: int, cells: int) -> Array:
    """(number, cells) blur radius that some cells always seem to have, pixels; NaN for the others.

    Grain looks sharp, and soft shading blurred, at any lens position. In renderings of indoor
    scenes up to a quarter of all readings are far off.
    """
    share = np.where(random.random(number) < 0.4, random.uniform(0, 0.3, number), 0)
    misread = random.random((number, cells)) < share[:, None]
    return np.where(misread, random.uniform(0.5, 15, (number, cells)), np.nan)
