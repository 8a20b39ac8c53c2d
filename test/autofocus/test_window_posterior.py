import numpy as np
import pytest

from aif_ros.autofocus.window_posterior import WindowPosterior
from aif_ros.defocus.patch_blur import PatchBlur

GAIN, REACH = 90000.0, 1 / 90000
RADII = 4 * np.expm1(np.linspace(0, np.log1p(66 / 4), 64)).astype(np.float32)
EVEN = np.full(64, 1 / 64, np.float32)
UNSEEN = PatchBlur(np.nan, np.nan, np.nan, RADII, EVEN)


def read(radius, in_focus=0.02):
    away = (np.log1p(RADII / 4) - np.log1p(radius / 4)) / 0.05
    shares = np.exp(-0.5 * away**2)
    return PatchBlur(radius, 0.3, in_focus, RADII, (shares / shares.sum()).astype(np.float32))


def posterior(**options):
    return WindowPosterior((0.0, 1e-3), GAIN, REACH, **options)


def mass(of, position, reach=3e-5):
    return of.probability[np.abs(of.positions - position) <= reach].sum()


def test_is_uniform_at_first():
    assert posterior().probability == pytest.approx(1 / len(posterior().positions))


def test_one_look_leaves_both_sides_open_and_a_second_decides():
    known = posterior()
    known.update(0.5e-3, read(18.0), [1e-4])
    assert mass(known, 0.3e-3) == pytest.approx(mass(known, 0.7e-3), rel=0.1)
    assert mass(known, 0.3e-3) > 0.35
    known.update(0.4e-3, read(27.0), [1e-4, 5e-5])
    assert mass(known, 0.7e-3) > 0.9


def test_where_it_is_expected_counts():
    known = posterior(expected=(0.3e-3, 2e-5))
    known.update(0.5e-3, read(18.0), [1e-4])
    assert mass(known, 0.3e-3) > 10 * mass(known, 0.7e-3)


def test_contrast_alone_resolves_the_side():
    known = posterior()
    known.update(0.5e-3, UNSEEN, [1e-4])
    known.update(0.6e-3, UNSEEN, [1e-4, 2e-4])
    above = known.positions > 0.55e-3
    assert known.probability[above].sum() > 0.8


def test_a_texture_with_equal_readings_everywhere_changes_little():
    """As where the blur is beyond the range of the estimator: focus may be anywhere far away."""
    known = WindowPosterior((0.0, 3e-3), GAIN, REACH)
    for count, position in enumerate((1.9e-3, 2.1e-3, 2.3e-3, 2.5e-3), 1):
        known.update(position, read(22.7), [1.7e-5] * count)
    assert known.probability[known.positions < 1.4e-3].sum() > 0.3


def test_mass_within():
    known = posterior()
    known.update(0.5e-3, read(0.2, in_focus=0.99), [1e-2])
    within = known.mass_within(REACH)
    assert within.shape == known.positions.shape
    assert within.max() > 0.7
    assert known.positions[within.argmax()] == pytest.approx(0.5e-3, abs=REACH)
    assert known.mass_within(1.0) == pytest.approx(1.0)


def test_the_next_look_is_from_somewhere_else():
    known = posterior()
    known.update(0.5e-3, read(18.0), [1e-4])
    positions = np.array([0.5e-3])
    target = known.most_informative(positions, REACH)
    assert abs(target - 0.5e-3) > REACH
    # At the very middle of two sides both would give the same blur.
    assert known.most_informative(positions, 2e-3) is None
