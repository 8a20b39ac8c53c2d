"""The planning agent: its plan, and what it makes of the observations."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from world import LENS, REACH, SIZE, World, planes

from aif_ros.control.coverage import covering
from aif_ros.control.planner import (
    PlannerAgent,
    PlannerSettings,
    plan_captures,
    uncovered_share,
)

POSITIONS = np.linspace(*LENS.limits, 61)


def sharpness_lost(distance):
    return 1.0 - np.exp(-2.0 * np.maximum(distance - 1.0, 0.0))


class TestPlan:
    @staticmethod
    def cost(captures, occupied, lost, lost_then, price):
        after = np.minimum(lost, lost_then[list(captures)].min(axis=0, initial=1.0))
        return float(occupied @ after) + price * len(captures)

    @pytest.mark.parametrize("seed", range(8))
    @pytest.mark.parametrize("price", [0.003, 0.03, 0.3])
    def test_no_other_set_of_captures_is_better(self, seed, price):
        random = np.random.default_rng(seed)
        places = np.arange(10)
        occupied = random.dirichlet(np.full(10, 0.3))
        lost_then = sharpness_lost(np.abs(places[:, None] - places) / 1.2)
        lost = lost_then[random.integers(10)] if seed % 2 else np.ones(10)
        plan = plan_captures(occupied, lost, lost_then, price)
        best = min(
            self.cost(captures, occupied, lost, lost_then, price)
            for count in range(7)
            for captures in combinations(range(10), count)
        )
        assert self.cost(plan, occupied, lost, lost_then, price) == pytest.approx(best)

    def test_nothing_is_planned_where_nothing_is_lost(self):
        assert plan_captures(np.full(5, 0.2), np.zeros(5), 1 - np.eye(5), 0.01) == []

    def test_captures_that_cost_more_than_they_gain_are_not_planned(self):
        occupied, lost_then = np.array([0.96, 0.0, 0.04]), 1.0 - np.eye(3)
        assert plan_captures(occupied, np.ones(3), lost_then, 0.05) == [0]
        assert plan_captures(occupied, np.ones(3), lost_then, 0.03) == [0, 2]

    def test_a_single_position_is_planned_if_it_gains(self):
        assert plan_captures(np.ones(1), np.ones(1), np.zeros((1, 1)), 0.02) == [0]
        assert plan_captures(np.ones(1), np.zeros(1), np.zeros((1, 1)), 0.02) == []


class TestUncoveredShare:
    def test_is_all_or_nothing_far_from_and_at_a_capture(self):
        at, far = uncovered_share(LENS, SIZE[0], POSITIONS, POSITIONS[[30]])[0, [30, 0]]
        assert (at, far) == (0.0, 1.0)

    def test_is_the_mean_over_the_interval_that_a_position_represents(self):
        pitch = POSITIONS[1] - POSITIONS[0]
        share = uncovered_share(LENS, SIZE[0], POSITIONS, POSITIONS[[30]])[0]
        fine = np.linspace(-0.4, 0.4, 5) * pitch
        expected = [
            1 - covering(LENS, SIZE[0], place + fine, POSITIONS[[30]]).mean() for place in POSITIONS
        ]
        np.testing.assert_allclose(share, expected)
        assert ((share > 0) & (share < 1)).any()

    def test_has_a_row_for_each_capture(self):
        captures = np.array([0.2e-3, 1.1e-3, 0.9e-3])
        share = uncovered_share(LENS, SIZE[0], POSITIONS, captures)
        assert share.shape == (3, 61)
        for row, capture in zip(share, captures, strict=True):
            assert POSITIONS[row == 0.0] == pytest.approx(capture, abs=1.5 * REACH)


def decision(focus, *captured, settings=None, **changes):
    """What the planner does after a world has been seen from these positions."""
    world, agent = World(focus), PlannerAgent(LENS, settings)
    for position in captured:
        action = agent.act(replace(world.observe(position), **changes))
    return action


class TestPlannerAgent:
    def test_goes_to_a_plane_whose_sign_is_known(self):
        action = decision(planes(0.9e-3), 0.1e-3)
        assert action.position == pytest.approx(0.9e-3, abs=2 * REACH)
        assert action.remaining > 0.9

    def test_the_nearest_of_two_equal_planes_is_first(self):
        focus = planes(0.3e-3, 1.3e-3)
        assert decision(focus, 0.0, 0.7e-3).position == pytest.approx(0.3e-3, abs=REACH)
        assert decision(focus, 0.0, 0.9e-3).position == pytest.approx(1.3e-3, abs=REACH)

    def test_a_capture_of_little_gain_waits_though_it_is_nearer(self):
        focus = np.full((15, 20), 1.3e-3)
        focus[:, :4] = 0.5e-3
        assert decision(focus, 0.0, 0.7e-3).position == pytest.approx(1.3e-3, abs=2 * REACH)

    def test_its_window_lies_on_what_the_capture_gains(self):
        focus = planes(0.2e-3, 0.2e-3, 0.2e-3, 0.9e-3)
        window = decision(focus, 0.0, 0.2e-3).window
        assert window.x >= 3 * SIZE[0] // 4 - 32
        assert window.width == round(20 * PlannerSettings().window_share) * 32

    def test_the_remaining_share_is_that_of_the_cells_out_of_focus(self):
        focus = planes(0.2e-3, 0.2e-3, 0.2e-3, 0.9e-3)
        assert decision(focus, 0.0, 0.2e-3).remaining == pytest.approx(0.25, abs=0.05)
        done = decision(focus, 0.0, 0.2e-3, 0.9e-3)
        assert done.position is None
        assert done.remaining < 0.05

    def test_cells_without_texture_are_left_out_of_the_remaining_share(self):
        focus = planes(0.2e-3, 0.2e-3, np.nan, np.nan)
        focus[:, 15:] = 0.9e-3
        assert decision(focus, 0.0, 0.2e-3).remaining == pytest.approx(1 / 3, abs=0.05)

    def test_a_dear_capture_is_not_made_for_a_small_part(self):
        focus = planes(0.2e-3, 0.2e-3, 0.2e-3, 0.9e-3)
        dear = PlannerSettings(capture_cost=0.5)
        assert decision(focus, 0.0, 0.2e-3).position is not None
        assert decision(focus, 0.0, 0.2e-3, settings=dear).position is None

    def test_the_sharp_map_of_j_outweighs_one_reading_of_the_wrong_sign(self):
        """The reading allows 0.3 mm, captured, and 0.9 mm; a sharp J leaves only the first."""
        plane = planes(0.3e-3)
        seen = World(plane).observe(0.6e-3)
        sharp, blurred = (World(plane).blur(np.full((15, 20), far)) for far in (0.0, 0.3e-3))
        actions = []
        for fused in (sharp, blurred):
            agent = PlannerAgent(LENS)
            agent.act(World(np.full((15, 20), np.nan)).observe(0.3e-3))
            actions.append(agent.act(replace(seen, fused=fused)))
        assert actions[0].remaining < 0.3 < 0.8 < actions[1].remaining
        assert actions[1].position == pytest.approx(0.9e-3, abs=2 * REACH)

    def test_positions_passed_during_a_move_are_captures(self):
        world = World(planes(0.3e-3, 1.2e-3))
        passed, seen = world.observe(1.2e-3), world.observe(0.3e-3)
        assert PlannerAgent(LENS).act(replace(seen, passed=(passed,))).position is None
        assert PlannerAgent(LENS).act(World(world.focus).observe(0.3e-3)).position is not None

    def test_without_texture_it_goes_to_the_farther_end(self):
        action = decision(np.full((15, 20), np.nan), 0.4e-3)
        assert (action.position, action.window) == (1.5e-3, None)
        assert "no texture" in action.reason

    def test_reset_forgets_the_scene_and_its_size(self):
        agent = PlannerAgent(LENS)
        agent.act(World(planes(0.9e-3)).observe(0.9e-3))
        agent.reset()
        small = World(planes(0.9e-3)[:5, :10]).observe(0.1e-3)
        assert agent.act(small).position == pytest.approx(0.9e-3, abs=2 * REACH)
