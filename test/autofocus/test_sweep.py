"""The exhaustive sweep: where it looks."""

from dataclasses import replace

import numpy as np
import pytest
from pictures import defocused, texture

from aif_ros.autofocus.sweep import SweepSearch
from aif_ros.optics.lens_model import LensModel

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 10000.0, 640)
WIDTH = 640
PITCH = 2 * LENS.half_depth_of_focus(WIDTH)
SHARP = texture(96)


def positions(start, limits=LENS.limits, lens_model=LENS):
    """All positions but the first, which is where the lens is."""
    search, position, random = SweepSearch(lens_model), start, np.random.default_rng(0)
    search.begin(start, limits, WIDTH)
    seen = []
    while True:
        image = defocused(SHARP, abs(lens_model.blur_radius(position, 0.5e-3, WIDTH)))
        noise = random.normal(0, 1.5 / 255, image.shape).astype(np.float32)
        decision = search.update(np.clip(image + noise, 0, 1), position)
        if not decision.reason.startswith("searching"):
            return np.array(seen)
        position = decision.position
        seen.append(position)


@pytest.mark.parametrize("limits", [LENS.limits, (0.2e-3, 0.61e-3)])
def test_covers_its_range_evenly(limits):
    seen = positions(limits[0], limits)
    assert len(seen) == np.ceil((limits[1] - limits[0]) / PITCH - 1e-6)
    np.testing.assert_allclose(np.diff(seen), np.diff(seen)[0])
    assert np.diff(seen)[0] <= PITCH * 1.000001
    # The outermost are half a distance from the limits.
    assert seen[0] - limits[0] == pytest.approx(np.diff(seen)[0] / 2)
    assert limits[1] - seen[-1] == pytest.approx(np.diff(seen)[0] / 2)


def test_goes_from_the_nearer_end():
    assert (np.diff(positions(0.1e-3)) > 0).all()
    assert (np.diff(positions(0.9e-3)) < 0).all()


def test_a_range_within_the_depth_of_focus_is_one_position():
    assert positions(0.5e-3, (0.49e-3, 0.51e-3)) == pytest.approx([0.5e-3])


def test_positions_are_no_closer_than_motor_steps():
    coarse = replace(LENS, metres_per_step=2.5e-4)
    np.testing.assert_allclose(positions(0.0, lens_model=coarse), (np.arange(4) + 0.5) * 2.5e-4)
