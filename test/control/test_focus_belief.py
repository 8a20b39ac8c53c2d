from dataclasses import replace

import numpy as np
import pytest
from beliefs import belief_of, readings, uniform
from hypothesis import given
from hypothesis import strategies as st
from world import LENS, PERIOD, REACH, World, planes, slope

from aif_ros.control.focus_belief import FocusBelief, candidate_positions
from aif_ros.control.policy_features import policy_features
from aif_ros.control.sweep import sweep_positions


class TestFocusBelief:
    def test_candidates_span_the_travel_and_hold_the_sweep(self):
        positions = candidate_positions(LENS, 640)
        assert (positions[0], positions[-1]) == LENS.limits
        assert np.diff(positions).max() <= REACH / 2 + 1e-12
        np.testing.assert_allclose(positions[2::4], sweep_positions(LENS, 640))

    def test_one_look_leaves_both_sides_open(self):
        belief = belief_of(planes(0.9e-3), [0.6e-3])
        peaks = belief.positions[belief.belief[0, 0] > 0.5 * belief.belief[0, 0].max()]
        assert np.abs(peaks - 0.3e-3).min() < REACH
        assert np.abs(peaks - 0.9e-3).min() < REACH

    def test_two_measurements_agree_on_the_focus_position(self):
        belief = belief_of(planes(0.9e-3), [0.6e-3, 0.7e-3])
        found = belief.positions[belief.belief[0].argmax(axis=1)]
        np.testing.assert_allclose(found, 0.9e-3, atol=REACH)

    def test_where_j_is_blurred_focus_lies_elsewhere(self):
        # What the frame shows as sharp, J shows as sharp or as blurred.
        share = []
        for fused in (0.5, 14.0):
            belief = FocusBelief(LENS, 640, 1, 4)
            belief.update(uniform(4, 0.7e-3, 0.0, fused=fused))
            near = np.abs(belief.positions - 0.7e-3) < 2 * REACH
            share.append(belief.belief[0, 0, near].sum())
        assert share[0] > 0.7
        assert share[1] < share[0] - 0.2

    def test_nothing_is_gained_where_a_frame_was_taken(self):
        belief = belief_of(planes(0.9e-3), [0.6e-3, 0.7e-3, 0.9e-3])
        there = np.abs(belief.positions - 0.9e-3) < REACH / 3
        assert belief.newly_covered()[0, there].max() < 0.01
        assert belief.barred[0, there].all()

    def test_in_a_moving_scene_one_may_look_again(self):
        assert not belief_of(planes(0.9e-3), [0.6e-3, 0.9e-3], dynamic=True).barred.any()

    def test_pixels_from_two_captures_mean_two_depths(self):
        # Both captures show what is near 0.3 mm; half of the cell is sharper in the far one.
        belief = FocusBelief(LENS, 640, 1, 4)
        for position, sources in ((0.3e-3, [0.3e-3]), (1.0e-3, [0.3e-3, 1.0e-3])):
            radius = LENS.blur_gain(640) * abs(position - 0.3e-3)
            reading = uniform(4, position, 0.0, radius=radius, fused=0.5)
            belief.update(replace(reading, source=np.tile(sources, (1, 4, 1))))
        far = belief.belief[0, 0, belief.positions > 0.65e-3].sum()
        assert far == pytest.approx(0.5, abs=0.1)

    def test_source_positions_may_be_rounded_differently(self):
        beliefs = []
        for deviation in (0.0, 1e-6, -1e-6):
            world, belief = World(planes(0.3e-3, 1.2e-3)), FocusBelief(LENS, 640, 1, 300)
            for position in (0.21e-3, 0.98e-3):
                reading = readings(world.observe(position))
                belief.update(replace(reading, source=reading.source + deviation))
            beliefs.append(belief.belief)
        np.testing.assert_allclose(beliefs[0].sum(axis=-1), 1, rtol=1e-5)
        np.testing.assert_array_equal(beliefs[1], beliefs[0])
        np.testing.assert_array_equal(beliefs[2], beliefs[0])

    def test_unknown_cells_change_nothing(self):
        belief = belief_of(np.full((15, 20), np.nan), [0.6e-3])
        np.testing.assert_allclose(belief.belief, 1 / len(belief.positions), rtol=1e-5)
        assert belief.known_share[0] == 0
        assert belief.remaining[0] == 1

    @pytest.mark.parametrize("frames", [1, 30])
    def test_the_belief_of_a_moving_scene_decays(self, frames):
        belief = belief_of(planes(0.9e-3), [0.6e-3, 0.7e-3], dynamic=True)
        sure = belief.belief.max()
        last = 2 * PERIOD * 1e-9
        for seconds in np.linspace(last, last + 2, frames + 1)[1:]:
            belief.update(uniform(300, 0.7e-3, seconds, radius=np.nan, fused=np.nan))
        kept = np.exp(-2)
        left = kept * sure + (1 - kept) / len(belief.positions)
        assert belief.belief.max() == pytest.approx(left, rel=1e-3)

    def test_a_frame_of_some_scenes_leaves_the_others_as_they_are(self):
        belief = FocusBelief(LENS, 640, 2, 300, dynamic=True)
        reading = World(planes(0.9e-3)).observe(0.6e-3)
        belief.update(readings(reading, reading))
        before = policy_features(belief)
        belief.update(readings(*2 * [World(slope()).observe(0.2e-3)]), np.array([True, False]))
        assert (policy_features(belief)[0] != before[0]).any()
        np.testing.assert_array_equal(policy_features(belief)[1], before[1])
        assert belief.frames.tolist() == [2, 1]

    def test_the_scenes_of_a_batch_do_not_mix(self):
        one = belief_of(planes(0.9e-3), [0.6e-3])
        other = belief_of(slope(), [0.2e-3])
        both = FocusBelief(LENS, 640, 2, 300)
        seen = [World(planes(0.9e-3)).observe(0.6e-3), World(slope()).observe(0.2e-3)]
        both.update(readings(*seen))
        np.testing.assert_allclose(policy_features(both)[0], policy_features(one)[0], rtol=1e-5)
        np.testing.assert_allclose(policy_features(both)[1], policy_features(other)[0], rtol=1e-5)

    def test_remaining_defocus_falls_with_what_is_covered(self):
        captures = [0.6e-3, 0.7e-3]
        remaining = [belief_of(planes(0.2e-3, 1.2e-3), captures[:n]).remaining[0] for n in (1, 2)]
        for capture in (0.2e-3, 1.2e-3):
            captures.append(capture)
            remaining.append(belief_of(planes(0.2e-3, 1.2e-3), captures).remaining[0])
        assert min(remaining[:2]) > 0.9
        assert remaining[2] == pytest.approx(0.5, abs=0.05)
        assert remaining[3] < 0.05

    def test_a_capture_covers_what_was_expected(self):
        belief = belief_of(planes(0.2e-3, 1.2e-3), [0.6e-3, 0.7e-3])
        best = int(belief.newly_covered()[0].argmax())
        promised = belief.newly_covered()[0, best]
        # Half of the scene is there, at a position that is known to some depths of focus.
        assert 0.25 < promised <= 0.5
        captures = [0.6e-3, 0.7e-3, float(belief.positions[best])]
        after = belief_of(planes(0.2e-3, 1.2e-3), captures)
        assert promised - 0.05 < belief.remaining[0] - after.remaining[0] < 0.55

    @given(
        captures=st.lists(st.floats(0, 1.5e-3), min_size=1, max_size=5),
        radius=st.floats(0, 60) | st.just(float("nan")),
    )
    def test_any_reading_leaves_a_distribution(self, captures, radius):
        belief = FocusBelief(LENS, 640, 1, 3)
        for number, position in enumerate(captures):
            belief.update(uniform(3, position, 0.1 * number, radius=radius, fused=radius))
        np.testing.assert_allclose(belief.belief.sum(axis=-1), 1, rtol=1e-4)
        assert (belief.belief >= 0).all()
        assert 0 <= belief.remaining[0] <= 1 + 1e-5
