"""The fewest captures, from the truth."""

from itertools import combinations

import numpy as np
import pytest
from world import REACH, planes, slope

from aif_ros.simulation.oracle import oracle_positions


class TestOracle:
    def test_covers_everything_with_the_fewest_captures(self):
        focus = slope(0.15e-3, 1.35e-3)
        positions = oracle_positions(focus, REACH, missed=0.0)
        assert np.abs(focus[..., None] - positions).min(axis=-1).max() <= REACH * 1.001
        assert len(positions) == int(np.ceil(np.ptp(focus) / (2 * REACH)))

    def test_skips_what_is_empty(self):
        assert len(oracle_positions(planes(0.1e-3, 1.0e-3), REACH)) == 2

    def test_the_first_capture_counts(self):
        focus = planes(0.1e-3, 1.0e-3)
        assert oracle_positions(focus, REACH, start=0.1e-3) == pytest.approx([1.0e-3 + REACH])

    def test_what_the_first_capture_just_misses_needs_another(self):
        focus = planes(0.1e-3, 0.1e-3 + 1.5 * REACH)
        assert len(oracle_positions(focus, REACH, start=0.1e-3)) == 1

    def test_a_few_stray_pixels_need_no_capture(self):
        focus = np.full(1000, 0.5e-3)
        focus[:4] = 1.4e-3
        assert len(oracle_positions(focus, REACH)) == 1

    def test_no_truth_is_an_error(self):
        with pytest.raises(ValueError, match="no finite"):
            oracle_positions(np.full((2, 2), np.nan), REACH)

    @pytest.mark.parametrize("seed", range(5))
    def test_no_smaller_set_covers_everything(self, seed):
        """Some best set consists of depths of field that begin at a focus position."""
        focus = np.random.default_rng(seed).uniform(0, 12 * REACH, 9)
        positions = np.asarray(oracle_positions(focus, REACH, missed=0.0))
        covered = np.abs(focus[:, None] - positions) <= REACH * 1.001
        assert covered.any(axis=1).all()
        held = np.abs(focus[:, None] - (focus + REACH)) <= REACH * 1.001
        assert not any(
            held[:, list(fewer)].any(axis=1).all()
            for fewer in combinations(range(len(focus)), len(positions) - 1)
        )

    def test_a_start_that_covers_everything_needs_no_capture(self):
        assert oracle_positions(planes(0.5e-3), REACH, start=0.5e-3 + 0.9 * REACH) == []

    def test_half_of_the_missed_share_is_left_out_at_either_end(self):
        focus = np.full(100, 0.5e-3)
        focus[0], focus[-1] = 0.0, 1.5e-3
        assert len(oracle_positions(focus, REACH, missed=0.02)) == 1
        assert len(oracle_positions(focus, REACH, missed=0.01)) == 3
