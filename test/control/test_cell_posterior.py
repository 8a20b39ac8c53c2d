import numpy as np
import pytest

from aif_ros.control.cell_posterior import CellPosterior
from aif_ros.optics.lens_model import LensModel

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 90000.0, 3840)
WIDTH = 3840


def radius(position, peak):
    return abs(LENS.blur_radius(position, peak, WIDTH))


def mass(posterior, position):
    near = np.abs(posterior.positions - position) <= 3 * LENS.half_depth_of_focus(WIDTH)
    return posterior.probability[..., near].sum(axis=-1)


def mode(posterior):
    return posterior.positions[posterior.probability.argmax(axis=-1)]


def test_is_uniform_at_first():
    posterior = CellPosterior(LENS, (2, 3), WIDTH)
    np.testing.assert_allclose(posterior.probability, 1 / len(posterior.positions))
    assert posterior.positions[0] == 0.0
    assert posterior.positions[-1] == 1e-3


def test_one_measurement_leaves_both_sides_possible():
    posterior = CellPosterior(LENS, (), WIDTH)
    posterior.update(0.5e-3, radius(0.5e-3, 0.7e-3), 0.5)
    assert mass(posterior, 0.7e-3) == pytest.approx(mass(posterior, 0.3e-3), rel=0.02)
    assert mass(posterior, 0.7e-3) > 0.4


def test_second_measurement_resolves_the_side():
    posterior = CellPosterior(LENS, (), WIDTH)
    for position in (0.5e-3, 0.4e-3):
        posterior.update(position, radius(position, 0.7e-3), 0.5)
    assert mass(posterior, 0.7e-3) > 0.9
    assert mode(posterior) == pytest.approx(0.7e-3, abs=LENS.half_depth_of_focus(WIDTH))


def test_limits_resolve_the_side():
    posterior = CellPosterior(LENS, (), WIDTH)
    posterior.update(0.1e-3, radius(0.1e-3, 0.5e-3), 0.5)
    assert mass(posterior, 0.5e-3) > 0.85


def test_cells_are_independent_and_nan_changes_nothing():
    posterior = CellPosterior(LENS, (1, 3), WIDTH)
    peaks = np.array([[0.2e-3, 0.8e-3, np.nan]])
    for position in (0.5e-3, 0.45e-3):
        posterior.update(position, np.abs(position - peaks) * 90000.0, np.full((1, 3), 0.5))
    np.testing.assert_allclose(mode(posterior)[0, :2], peaks[0, :2], atol=2e-5)
    np.testing.assert_allclose(posterior.probability[0, 2], 1 / len(posterior.positions))


def test_one_outlier_does_not_prevail():
    posterior = CellPosterior(LENS, (), WIDTH)
    for position in (0.3e-3, 0.5e-3, 0.6e-3):
        posterior.update(position, radius(position, 0.7e-3), 0.5)
    posterior.update(0.65e-3, 40.0, 0.5)
    assert mass(posterior, 0.7e-3) > 0.8
