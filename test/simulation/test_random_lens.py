"""Lenses drawn at random."""

import numpy as np
import pytest

from aif_ros.optics.psf import Aperture
from aif_ros.optics.pupil import GaussianSpread, MicroscopePupil, Pupil
from aif_ros.simulation.random_lens import (
    LENSES,
    MICROSCOPE_REACH,
    draw_aperture,
    draw_blur,
    draw_microscope,
    draw_pupil,
)

LARGEST = 60.0


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_apertures_are_mostly_disks_that_are_sharp(random):
    apertures = [draw_aperture(random) for _ in range(2000)]
    blades = np.array([each.blades for each in apertures])
    assert set(blades) == {0, 5, 6, 7, 8, 9}
    assert (blades > 0).mean() == pytest.approx(0.12, abs=0.03)
    softness = np.array([each.softness for each in apertures])
    assert softness.min() == 0.0
    assert (softness == 0).mean() == pytest.approx(0.5, abs=0.05)


def test_each_fault_of_a_lens_is_absent_in_some_and_within_its_range(random):
    pupils = [draw_pupil(random) for _ in range(500)]
    ranges = {
        "coma": (0, 1),
        "astigmatism": (0, 1.5),
        "falloff": (-2, 5),
        "obstruction": (0, 0.7),
        "vignetting": (0, 1),
    }
    for name, (low, high) in ranges.items():
        values = np.array([getattr(each, name) for each in pupils])
        assert 0.1 < (values != 0).mean() < 0.7, name
        assert low <= values.min() <= values.max() <= high, name


def test_objectives_sample_about_as_finely_as_they_resolve(random):
    for _ in range(200):
        pupil = draw_microscope(random)
        resolution = 0.55 / (2 * pupil.numerical_aperture)  # micrometres
        assert 0.9 <= pupil.pixel / resolution <= 1.8
        assert pupil.numerical_aperture < pupil.immersion_index


def test_the_kinds_have_their_shares():
    random = np.random.default_rng(1)
    kinds = [type(draw_blur(2.0, random, LARGEST)[0]) for _ in range(400)]
    shares = {kind: kinds.count(kind) / len(kinds) for kind in set(kinds)}
    assert shares[Aperture] == pytest.approx(LENSES.disks, abs=0.08)
    assert shares[GaussianSpread] == pytest.approx(LENSES.gaussian, abs=0.05)
    assert shares[MicroscopePupil] == pytest.approx(LENSES.microscopes, abs=0.05)
    assert set(shares) == {Aperture, GaussianSpread, MicroscopePupil, Pupil}


@pytest.mark.parametrize("radius", [0.5, 5.0, 50.0])
def test_the_lens_blurs_by_about_the_radius_and_says_by_how_much(random, radius):
    signs = set()
    for _ in range(60):
        spread, defocus, equivalent = draw_blur(radius, random, LARGEST)
        assert equivalent == pytest.approx(spread.blur_radius(defocus), rel=1e-6)
        if isinstance(spread, Aperture | GaussianSpread):
            assert equivalent == radius
        elif isinstance(spread, MicroscopePupil):
            assert abs(defocus) == min(radius, MICROSCOPE_REACH)
        else:
            # As much farther as the lens spreads less light, yet within the margin.
            wanted = radius * 30 / spread.blur_radius(30.0)
            assert abs(defocus) == pytest.approx(min(wanted, 1.2 * LARGEST))
        signs.add(np.sign(defocus))
    assert signs == {-1.0, 1.0}


def test_the_same_source_of_randomness_draws_the_same_lens():
    one, other = (draw_blur(7.0, np.random.default_rng(5), LARGEST) for _ in range(2))
    assert one == other
