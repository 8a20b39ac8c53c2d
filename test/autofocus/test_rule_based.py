"""Hill climbing: direction and length of its steps."""

import numpy as np
import pytest
from pictures import defocused, texture

from aif_ros.autofocus.rule_based import RuleBasedSearch
from aif_ros.optics.lens_model import LensModel

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 90000.0, 3840)
WIDTH = 3840
HALF = LENS.half_depth_of_focus(WIDTH)
SHARP = texture(160)


def positions(start, peak, steps=(18.0, 6.0, 2.0), limits=LENS.limits):
    """Positions that a search looks at, in their order, until it verifies the peak."""
    search, position, random = RuleBasedSearch(LENS, steps), start, np.random.default_rng(0)
    search.begin(start, limits, WIDTH)
    seen = []
    while True:
        seen.append(position)
        image = defocused(SHARP, abs(LENS.blur_radius(position, peak, WIDTH)))
        noise = random.normal(0, 1.5 / 255, image.shape).astype(np.float32)
        decision = search.update(np.clip(image + noise, 0, 1), position)
        if not decision.reason.startswith("searching"):
            return np.array(seen)
        position = decision.position


@pytest.mark.parametrize("start, sign", [(0.1e-3, 1), (0.9e-3, -1)])
def test_begins_with_coarse_steps_towards_the_farther_limit(start, sign):
    seen = positions(start, 0.5e-3)
    assert seen[1] - seen[0] == pytest.approx(sign * 18 * HALF)


def test_turns_round_with_smaller_steps_beyond_the_peak():
    seen = positions(0.1e-3, 0.5e-3)
    moves = np.abs(np.diff(seen)) / HALF
    assert moves[0] == pytest.approx(18)
    assert seen.max() > 0.5e-3
    assert abs(seen[-1] - 0.5e-3) <= 4 * HALF
    best = seen[np.abs(seen - 0.5e-3).argmin()]
    assert np.abs(seen - best)[seen != best].min() <= 2.2 * HALF


def test_a_start_that_climbs_the_wrong_way_turns_at_once():
    seen = positions(0.4e-3, 0.3e-3)
    assert seen[1] > seen[0] > seen[2]


@pytest.mark.parametrize("peak", [0.4e-3, 0.6e-3])
def test_stays_within_its_range(peak):
    limits = (0.42e-3, 0.58e-3)
    seen = positions(0.5e-3, peak, limits=limits)
    assert len(seen) <= 12
    assert limits[0] <= seen.min()
    assert seen.max() <= limits[1]
    assert min(np.abs(seen - limits[0]).min(), np.abs(seen - limits[1]).min()) <= 0.2 * HALF


def test_steps_are_no_shorter_than_those_of_the_motor():
    seen = positions(0.4e-3, 0.5e-3, steps=(18.0, 0.01))
    moves = np.abs(np.diff(np.sort(seen)))
    assert moves[moves > 0].min() >= 0.99 * LENS.metres_per_step
