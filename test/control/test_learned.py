from dataclasses import replace

import numpy as np
import pytest
import torch
from world import LENS, PERIOD, REACH, World, planes, slope

from aif_ros.control.expected_error import blur_loss, decibels, detail, fused_error
from aif_ros.control.focus_belief import (
    FEATURES,
    GAIN,
    WORTH,
    FocusBelief,
    Readings,
    candidate_positions,
)
from aif_ros.control.learned import LearnedAgent
from aif_ros.control.policy_network import PolicyNetwork, best_action
from aif_ros.control.sweep import sweep_positions


def readings(*looks):
    """What one look at each scene tells."""

    def rows(values):
        return np.stack([each.ravel() for each in values])

    return Readings(
        rows(look.frame.radius for look in looks),
        rows(look.frame.uncertainty for look in looks),
        rows(look.fused.radius for look in looks),
        rows(look.fused.uncertainty for look in looks),
        rows(look.fused.in_focus for look in looks),
        rows(look.fused.contrast for look in looks),
        np.stack([look.source_position[16::32, 16::32].reshape(-1, 1) for look in looks]),
        np.array([look.position for look in looks]),
        np.array([look.stamp * 1e-9 for look in looks]),
    )


def memory_of(focus, looks, *, dynamic=False):
    """Memory of a world of cells, seen from the positions `looks`."""
    world = World(focus)
    memory = FocusBelief(LENS, 640, 1, focus.size, dynamic)
    for position in looks:
        memory.update(readings(world.observe(position)))
    return memory


def uniform(cells, position, seconds, radius=1.0, fused=1.0):
    """All of a scene looks the same."""
    values = np.ones((1, cells))
    return Readings(
        radius * values,
        values,
        fused * values,
        values,
        values,
        0.07 * values,
        position * values[..., None],
        np.array([position]),
        np.array([seconds]),
    )


class TestFocusMemory:
    def test_candidates_span_the_travel_four_to_a_depth_of_field(self):
        positions = candidate_positions(LENS, 640)
        assert (positions[0], positions[-1]) == LENS.limits
        assert np.diff(positions).max() <= REACH / 2 + 1e-12

    def test_one_look_leaves_both_sides_open(self):
        memory = memory_of(planes(0.9e-3), [0.6e-3])
        peaks = memory.positions[memory.belief[0, 0] > 0.5 * memory.belief[0, 0].max()]
        assert np.abs(peaks - 0.3e-3).min() < REACH
        assert np.abs(peaks - 0.9e-3).min() < REACH

    def test_two_looks_agree_on_the_truth(self):
        memory = memory_of(planes(0.9e-3), [0.6e-3, 0.7e-3])
        found = memory.positions[memory.belief[0].argmax(axis=1)]
        np.testing.assert_allclose(found, 0.9e-3, atol=REACH)

    @pytest.mark.parametrize("dynamic", [False, True])
    def test_most_is_gained_where_the_scene_is(self, dynamic):
        memory = memory_of(planes(0.9e-3), [0.6e-3, 0.7e-3], dynamic=dynamic)
        best = memory.positions[memory.gain()[0].argmax()]
        assert best == pytest.approx(0.9e-3, abs=REACH)
        # All that blur costs, less some doubt.
        blur = LENS.blur_gain(640) * 0.2e-3
        whole = detail(0.07, 0.0)
        cost = float(
            decibels(fused_error(whole, 0)) - decibels(fused_error(whole, whole * blur_loss(blur)))
        )
        assert 0.2 * cost < memory.gain().max() < cost

    def test_where_j_is_blurred_focus_lies_elsewhere(self):
        # What the frame shows as sharp, J shows as sharp or as blurred.
        share = []
        for fused in (0.5, 14.0):
            memory = FocusBelief(LENS, 640, 1, 4)
            memory.update(uniform(4, 0.7e-3, 0.0, fused=fused))
            near = np.abs(memory.positions - 0.7e-3) < 2 * REACH
            share.append(memory.belief[0, 0, near].sum())
        assert share[0] > 0.7
        assert share[1] < share[0] - 0.2

    def test_nothing_is_gained_where_a_frame_was_taken(self):
        memory = memory_of(planes(0.9e-3), [0.6e-3, 0.7e-3, 0.9e-3])
        there = np.abs(memory.positions - 0.9e-3) < REACH / 3
        assert memory.gain()[0, there].max() < 0.1
        assert memory.barred[0, there].all()

    def test_in_a_moving_scene_one_may_look_again(self):
        assert not memory_of(planes(0.9e-3), [0.6e-3, 0.9e-3], dynamic=True).barred.any()

    def test_most_is_gained_where_there_is_most_to_see(self):
        contrast = np.full((15, 20), 0.02)
        contrast[:, 10:] = 0.1
        found = []
        for seen in (contrast, contrast[:, ::-1]):
            world = World(planes(0.2e-3, 1.2e-3), contrast=seen)
            memory = FocusBelief(LENS, 640, 1, 300)
            for position in (0.6e-3, 0.7e-3):
                memory.update(readings(world.observe(position)))
            found.append(memory.positions[memory.gain()[0].argmax()])
        assert found == pytest.approx([1.2e-3, 0.2e-3], abs=REACH)

    def test_what_comes_from_two_captures_holds_two_depths(self):
        # Both looks show what is near 0.3 mm; half of the cell is sharper in the far one.
        memory = FocusBelief(LENS, 640, 1, 4)
        for position, sources in ((0.3e-3, [0.3e-3]), (1.0e-3, [0.3e-3, 1.0e-3])):
            radius = LENS.blur_gain(640) * abs(position - 0.3e-3)
            look = uniform(4, position, 0.0, radius=radius, fused=0.5)
            memory.update(replace(look, source=np.tile(sources, (1, 4, 1))))
        far = memory.belief[0, 0, memory.positions > 0.65e-3].sum()
        assert far == pytest.approx(0.5, abs=0.1)

    def test_sources_may_be_told_a_little_differently(self):
        beliefs = []
        for deviation in (0.0, 1e-6, -1e-6):
            world, memory = World(planes(0.3e-3, 1.2e-3)), FocusBelief(LENS, 640, 1, 300)
            for position in (0.21e-3, 0.98e-3):
                look = readings(world.observe(position))
                memory.update(replace(look, source=look.source + deviation))
            beliefs.append(memory.belief)
        np.testing.assert_allclose(beliefs[0].sum(axis=-1), 1, rtol=1e-5)
        np.testing.assert_array_equal(beliefs[1], beliefs[0])
        np.testing.assert_array_equal(beliefs[2], beliefs[0])

    def test_unknown_cells_teach_nothing(self):
        memory = memory_of(np.full((15, 20), np.nan), [0.6e-3])
        np.testing.assert_allclose(memory.belief, 1 / len(memory.positions), rtol=1e-5)
        assert memory.known_share[0] == 0
        assert (memory.gain() == 0).all()

    def test_a_contrast_that_is_not_told_spoils_nothing(self):
        memory = memory_of(planes(0.9e-3), [0.6e-3])
        world = World(planes(0.9e-3), contrast=np.nan)
        memory.update(readings(world.observe(0.7e-3)))
        assert np.isfinite(memory.features()).all()
        assert memory.gain().max() > 0

    def test_features_are_finite_from_the_first_look_on(self):
        for focus in (slope(), np.full((15, 20), np.nan)):
            features = memory_of(focus, [0.0]).features()
            assert features.shape == (1, FEATURES, len(candidate_positions(LENS, 640)))
            assert np.isfinite(features).all()

    @pytest.mark.parametrize("frames", [1, 30])
    def test_a_moving_scene_is_forgotten_as_time_goes_by(self, frames):
        memory = memory_of(planes(0.9e-3), [0.6e-3, 0.7e-3], dynamic=True)
        sure = memory.belief.max()
        last = 2 * PERIOD * 1e-9
        for seconds in np.linspace(last, last + 2, frames + 1)[1:]:
            memory.update(uniform(300, 0.7e-3, seconds, radius=np.nan, fused=np.nan))
        kept = np.exp(-2)
        left = kept * sure + (1 - kept) / len(memory.positions)
        assert memory.belief.max() == pytest.approx(left, rel=1e-3)

    def test_a_frame_of_some_scenes_tells_nothing_of_the_others(self):
        memory = FocusBelief(LENS, 640, 2, 300, dynamic=True)
        look = World(planes(0.9e-3)).observe(0.6e-3)
        memory.update(readings(look, look))
        before = memory.features()
        memory.update(readings(*2 * [World(slope()).observe(0.2e-3)]), np.array([True, False]))
        assert (memory.features()[0] != before[0]).any()
        np.testing.assert_array_equal(memory.features()[1], before[1])
        assert memory.frames.tolist() == [2, 1]

    def test_the_scenes_of_a_batch_do_not_mix(self):
        one = memory_of(planes(0.9e-3), [0.6e-3])
        other = memory_of(slope(), [0.2e-3])
        both = FocusBelief(LENS, 640, 2, 300)
        seen = [World(planes(0.9e-3)).observe(0.6e-3), World(slope()).observe(0.2e-3)]
        both.update(readings(*seen))
        np.testing.assert_allclose(both.features()[0], one.features()[0], rtol=1e-5)
        np.testing.assert_allclose(both.features()[1], other.features()[0], rtol=1e-5)


class TestPolicyNetwork:
    @pytest.mark.parametrize("candidates", [9, 46, 270])
    def test_rates_every_candidate_and_stopping(self, candidates):
        logits, value = PolicyNetwork()(torch.rand(3, FEATURES, candidates))
        assert logits.shape == (3, candidates + 1)
        assert value.shape == (3,)

    def test_untrained_it_goes_where_most_is_gained(self):
        features = torch.zeros(1, FEATURES, 46)
        features[0, GAIN, 17] = features[0, WORTH, 17] = 1.0
        logits, _ = PolicyNetwork()(features)
        assert int(logits.argmax()) == 17

    def test_untrained_it_stops_where_no_gain_is_worth_a_frame(self):
        features = torch.zeros(1, FEATURES, 46)
        features[0, WORTH] = -1.0
        logits, _ = PolicyNetwork()(features)
        assert int(logits.argmax()) == 46


class TestBestAction:
    def test_several_good_candidates_outweigh_stopping(self):
        logits = torch.tensor([[0.0, 0.5, 0.3, 1.0], [-1.0, -1.0, -1.0, 1.0]])
        nothing = torch.zeros(2, 4, dtype=torch.bool)
        assert best_action(logits, nothing).tolist() == [1, 3]

    def test_what_is_barred_is_not_done(self):
        logits = torch.tensor([[0.0, 0.5, 0.3, 9.0]])
        assert best_action(logits, torch.tensor([[False, True, False, True]])).tolist() == [2]
        assert best_action(logits, torch.tensor([[True, True, True, False]])).tolist() == [3]


class TestLearnedAgent:
    def test_in_a_moving_scene_it_never_stops(self):
        world, agent = World(planes(0.9e-3)), LearnedAgent(LENS, dynamic=True)
        position = 0.2e-3
        for _ in range(30):
            position = agent.act(world.observe(position)).position
            assert position is not None

    def test_in_a_moving_scene_it_follows(self):
        agent = LearnedAgent(LENS, dynamic=True)
        position, distances = 0.2e-3, []
        for step in range(40):
            world = World(planes(0.4e-3 + 0.01e-3 * step))
            seen = replace(world.observe(position), stamp=PERIOD * step)
            action = agent.act(seen)
            distances.append(abs(position - world.focus[0, 0]))
            position = action.position
        assert np.median(distances[10:]) < 3 * REACH

    def test_it_takes_no_more_frames_than_a_sweep(self):
        def nonsense(radius):
            return np.random.default_rng(int(1e3 * radius[0, 0])).uniform(0, 20, radius.shape)

        world = World(slope(), nonsense)
        world.run(LearnedAgent(LENS))
        assert len(world.captured) <= 1 + len(sweep_positions(LENS, 640))

    def test_the_price_of_a_frame_must_be_positive(self):
        with pytest.raises(ValueError, match="frame_cost"):
            LearnedAgent(LENS, frame_cost=0.0)

    def test_the_window_shows_what_will_be_in_focus(self):
        world = World(planes(0.3e-3, 1.2e-3))
        agent, position = LearnedAgent(LENS), 0.2e-3
        for _ in range(10):
            action = agent.act(world.observe(position))
            if action.position is None or abs(action.position - 1.2e-3) < 1.3 * REACH:
                break
            position = action.position
        assert action.window.x >= 320

    def test_it_decides_alike_after_a_reset(self):
        agent = LearnedAgent(LENS)
        first = World(slope())
        first.run(agent)
        agent.reset()
        second = World(slope())
        second.run(agent)
        assert first.captured == second.captured
