"""What a capture covers, and the positions captured so far."""

import numpy as np
import pytest
from world import GAIN, LENS, REACH, SIZE

from aif_ros.control.coverage import (
    KEPT_SHARPNESS,
    Coverage,
    covering,
    relative_sharpness,
    remaining_defocus,
)
from aif_ros.control.sweep import sweep_positions
from aif_ros.defocus.defocus_map import DefocusMap

TRAVEL = np.linspace(*LENS.limits, 301)
SWEEP = np.asarray(sweep_positions(LENS, SIZE[0]))


def test_sharpness_falls_with_blur_to_little():
    values = relative_sharpness(np.linspace(0, 80, 200))
    assert (np.diff(values) <= 0).all()
    assert values[0] == 1.0
    assert 0 < values[-1] < 0.05


class TestCovering:
    def test_a_full_sweep_covers_everything(self):
        assert covering(LENS, SIZE[0], TRAVEL, SWEEP).any(axis=1).all()

    def test_a_capture_in_focus_covers(self):
        assert covering(LENS, SIZE[0], TRAVEL, TRAVEL).diagonal().all()

    def test_two_depths_of_focus_away_nothing_is_covered(self):
        focus = np.linspace(0.3e-3, 1.2e-3, 50)
        assert (
            not covering(LENS, SIZE[0], focus, focus[:, None].ravel() + 4 * REACH).diagonal().any()
        )

    def test_what_a_sweep_leaves_blurred_may_be_as_blurred(self):
        """Between two positions of the sweep, a capture at either is enough."""
        between = (SWEEP[3] + SWEEP[4]) / 2
        row = covering(LENS, SIZE[0], np.array([between, SWEEP[3]]), SWEEP)
        assert row[0].nonzero()[0].tolist() == [3, 4]
        assert row[1].nonzero()[0].tolist() == [3]

    def test_the_bound_is_the_kept_share_of_the_sharpness(self):
        """At a position of the sweep, which makes it fully sharp."""
        radii = np.linspace(0, 2, 401)
        kept = covering(LENS, SIZE[0], SWEEP[[3]], SWEEP[3] + radii / GAIN)[0]
        last = radii[kept].max()
        assert relative_sharpness(last) >= KEPT_SHARPNESS > relative_sharpness(last + 0.01)

    def test_has_a_row_for_each_focus_position(self):
        assert covering(LENS, SIZE[0], SWEEP[:3], SWEEP[:2]).shape == (3, 2)
        assert covering(LENS, SIZE[0], SWEEP[:3], SWEEP[:0]).shape == (3, 0)


def blurred(in_focus):
    cells = np.asarray(in_focus, np.float32)
    return DefocusMap(cells, cells, cells, cells, (640, 480))


class TestRemainingDefocus:
    def test_is_the_share_of_the_known_cells_out_of_focus(self):
        assert remaining_defocus(blurred([[0.9, 0.1], [np.nan, 0.6]])) == pytest.approx(1 / 3)

    def test_is_unknown_where_nothing_is_known(self):
        assert np.isnan(remaining_defocus(blurred([[np.nan]])))


def captured(*positions):
    coverage = Coverage()
    for position in positions:
        coverage.add(position)
    return coverage


class TestCoverage:
    def test_distance_is_that_to_the_nearest_capture(self):
        distance = captured(1.0, 4.0).distance(np.array([[0.0, 1.5], [3.5, 9.0]]))
        np.testing.assert_allclose(distance, [[1.0, 0.5], [0.5, 5.0]])

    def test_before_the_first_capture_all_is_infinitely_far(self):
        assert np.isinf(captured().distance(np.zeros((2, 3)))).all()

    def test_span_needs_two_captures(self):
        assert captured().span() == captured(2.0).span() == 0.0
        assert captured(3.0, -1.0, 2.0).span() == 4.0

    @pytest.mark.parametrize("count", [1, 2, 5, 8])
    @pytest.mark.parametrize("seed", range(3))
    def test_nothing_within_the_limits_is_farther(self, count, seed):
        coverage = captured(*np.random.default_rng(seed).random(count))
        farthest = coverage.farthest((0.0, 1.0))
        assert 0.0 <= farthest <= 1.0
        reached = coverage.distance(np.array([farthest]))[0]
        assert coverage.distance(np.linspace(0, 1, 101)).max() <= reached + 1e-12
