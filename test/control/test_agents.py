from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from world import LENS, REACH, SIZE, World, planes, slope

from aif_ros.control.agent import Action
from aif_ros.control.agents import AGENTS, make_agent
from aif_ros.control.planner import plan_captures
from aif_ros.control.safety_limits import SafetyLimitedAgent
from aif_ros.control.sweep import SweepAgent, sweep_positions
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.oracle import oracle_positions

ADAPTIVE = ["rule_based", "planner"]
STARTS = [0.0, 0.4e-3, 1.5e-3]


@pytest.mark.parametrize("name", ["sweep", *ADAPTIVE])
class TestThoroughAgents:
    @pytest.mark.parametrize("start", STARTS)
    def test_brings_a_slope_into_focus(self, name, start):
        world = World(slope())
        world.run(make_agent(name, LENS), start)
        assert world.share_in_focus() >= 0.97

    @pytest.mark.parametrize("start", STARTS)
    def test_brings_separate_planes_into_focus(self, name, start):
        world = World(planes(0.2e-3, 0.3e-3, 0.9e-3, 1.3e-3))
        world.run(make_agent(name, LENS), start)
        assert world.share_in_focus() == 1.0

    @pytest.mark.parametrize(
        "response",
        [
            lambda radius: np.minimum(radius, 8.0),
            lambda radius: 0.6 * radius,
            lambda radius: 1.5 * radius + 0.5,
            lambda radius: np.where(radius > 8, np.nan, radius),
        ],
        ids=["saturates", "too small", "too large", "blind to large blur"],
    )
    def test_finishes_with_a_biased_estimator(self, name, response):
        world = World(slope(), response)
        world.run(make_agent(name, LENS), 0.1e-3)
        assert world.share_in_focus(2.0) >= 0.95


@pytest.mark.parametrize("name", AGENTS)
class TestEveryAgent:
    def test_stays_within_the_limits(self, name):
        world = World(planes(0.0, 1.5e-3, 0.01e-3, 1.49e-3))
        world.run(make_agent(name, LENS), 0.75e-3)
        assert min(world.captured) >= 0.0
        assert max(world.captured) <= 1.5e-3

    def test_a_textureless_scene_ends_with_the_reason(self, name):
        world = World(np.full((15, 20), np.nan))
        assert "no texture" in world.run(make_agent(name, LENS))
        assert len(world.captured) <= 12

    @pytest.mark.parametrize("start", STARTS)
    def test_a_flat_plane_ends_in_focus(self, name, start):
        world = World(planes(0.9e-3))
        assert world.run(make_agent(name, LENS), start)
        assert world.share_in_focus() == 1.0
        assert len(world.captured) <= 1 + len(sweep_positions(LENS, SIZE[0]))

    def test_maps_that_become_unknown_end_it_within_the_limits(self, name):
        world, agent = World(slope()), make_agent(name, LENS)
        position, actions = 0.3e-3, []
        for turn in range(60):
            if turn == 2:
                world.focus = np.full((15, 20), np.nan)
            actions.append(agent.act(world.observe(position)))
            position = actions[-1].position
            if position is None:
                break
        assert actions[-1].position is None
        assert actions[-1].reason
        assert all(0.0 <= action.position <= 1.5e-3 for action in actions[:-1])

    def test_a_lens_that_does_not_follow_ends_with_the_reason(self, name):
        world, agent = World(slope()), make_agent(name, LENS)
        for _ in range(6):
            action = agent.act(world.observe(0.0))
            if action.position is None:
                break
        assert "does not reach its commanded position" in action.reason

    def test_reset_begins_anew(self, name):
        agent = make_agent(name, LENS)
        first, second = World(slope()), World(slope())
        first.run(agent)
        agent.reset()
        second.run(agent)
        assert first.captured == second.captured

    def test_captures_are_limited(self, name):
        world = World(slope())
        reason = world.run(make_agent(name, LENS, max_captures=4))
        assert len(world.captured) == 4
        assert "4 captures" in reason

    def test_windows_lie_within_the_image(self, name):
        world, agent = World(slope()), make_agent(name, LENS)
        position = 0.0
        while position is not None:
            action = agent.act(world.observe(position))
            assert action.window is None or action.window.inside(SIZE)
            position = action.position


@pytest.mark.parametrize("name", AGENTS)
class TestEveryAgentInAMovingScene:
    @staticmethod
    def reasons(name, world, *, follows=True):
        agent, position, reasons = make_agent(name, LENS, dynamic=True), 0.7e-3, []
        for _ in range(30):
            action = agent.act(world.observe(position))
            assert 0.0 <= action.position <= 1.5e-3
            position = action.position if follows else position
            reasons.append(action.reason)
        return reasons

    def test_without_texture_it_waits_with_a_reason(self, name):
        reasons = self.reasons(name, World(np.full((15, 20), np.nan)))
        assert any("waiting" in reason and "no texture" in reason for reason in reasons)

    def test_for_a_lens_that_does_not_move_it_waits_with_a_reason(self, name):
        reasons = self.reasons(name, World(planes(0.0, 1.5e-3)), follows=False)
        assert any("waiting" in reason and "does not reach" in reason for reason in reasons)


@pytest.mark.parametrize("name", ADAPTIVE)
class TestAdaptiveAgents:
    def test_one_plane_needs_few_captures(self, name):
        world = World(planes(0.9e-3))
        world.run(make_agent(name, LENS), 0.75e-3)
        assert len(world.captured) <= 4

    def test_one_plane_in_focus_needs_at_most_a_check(self, name):
        world = World(planes(0.9e-3))
        world.run(make_agent(name, LENS), 0.9e-3)
        assert len(world.captured) <= 2

    def test_few_planes_need_fewer_captures_than_the_sweep(self, name):
        world, swept = (World(planes(0.2e-3, 0.9e-3)) for _ in range(2))
        world.run(make_agent(name, LENS), 0.1e-3)
        swept.run(make_agent("sweep", LENS), 0.1e-3)
        assert len(world.captured) <= len(swept.captured) // 2

    def test_parts_without_texture_do_not_matter(self, name):
        focus = planes(0.2e-3, 0.9e-3)
        focus[:, 12:] = np.nan
        world = World(focus)
        world.run(make_agent(name, LENS), 0.1e-3)
        assert world.share_in_focus() == 1.0
        assert len(world.captured) <= 8


class TestSweep:
    def test_covers_the_travel_with_the_fewest_captures(self):
        positions = sweep_positions(LENS, SIZE[0])
        travel = np.linspace(*LENS.limits, 1001)
        assert np.abs(travel[:, None] - positions).min(axis=1).max() <= REACH * 1.001
        assert len(positions) == int(np.ceil(1.5e-3 / (2 * REACH)))

    def test_visits_every_slice_of_a_stack_once(self):
        """The depths of field of its slices touch; the outermost reach to the limits."""
        stack = LensModel("stack", 0.1e-3, (-0.05e-3, 1.05e-3), 2 / 0.1e-3, SIZE[0])
        world = World(slope())
        world.run(SweepAgent(stack))
        assert world.captured == pytest.approx(np.linspace(0, 1e-3, 11))

    @pytest.mark.parametrize("start, rising", [(0.2e-3, True), (1.4e-3, False)])
    def test_visits_the_nearer_end_first(self, start, rising):
        world = World(slope())
        world.run(SweepAgent(LENS), start)
        assert (np.diff(world.captured[1:]) > 0).all() == rising

    def test_does_not_depend_on_the_observations(self):
        worlds = [World(slope()), World(planes(0.9e-3))]
        for world in worlds:
            world.run(SweepAgent(LENS))
        assert worlds[0].captured == worlds[1].captured


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


class TestSafetyLimits:
    class Wild:
        """Sends the lens anywhere."""

        def __init__(self, position):
            self.position = position

        def reset(self):
            pass

        def act(self, observation):
            return Action(self.position, None, "because")

    @pytest.mark.parametrize("wild, tame", [(-1.0, 0.0), (1.0, 1.5e-3)])
    def test_keeps_the_lens_within_its_limits(self, wild, tame):
        agent = SafetyLimitedAgent(self.Wild(wild), LENS)
        assert agent.act(World(slope()).observe(0.1e-3)).position == tame

    def test_a_position_that_is_no_number_is_an_error(self):
        agent = SafetyLimitedAgent(self.Wild(float("nan")), LENS)
        with pytest.raises(ValueError, match="finite"):
            agent.act(World(slope()).observe(0.1e-3))

    def test_needs_a_capture_at_least(self):
        with pytest.raises(ValueError, match="max_captures"):
            make_agent("sweep", LENS, max_captures=0)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no agent 'swep'.*sweep, rule_based, planner"):
        make_agent("swep", LENS)


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

    def test_a_few_stray_pixels_need_no_capture(self):
        focus = np.full(1000, 0.5e-3)
        focus[:4] = 1.4e-3
        assert len(oracle_positions(focus, REACH)) == 1

    def test_no_truth_is_an_error(self):
        with pytest.raises(ValueError, match="no finite"):
            oracle_positions(np.full((2, 2), np.nan), REACH)


@pytest.mark.parametrize("name", ["rule_based", "planner"])
def test_positions_passed_during_a_move_need_no_capture(name):
    world = World(planes(0.3e-3, 1.2e-3))
    passed, seen = world.observe(1.2e-3), world.observe(0.3e-3)
    assert make_agent(name, LENS).act(replace(seen, passed=(passed,))).position is None
    assert make_agent(name, LENS).act(World(world.focus).observe(0.3e-3)).position is not None
