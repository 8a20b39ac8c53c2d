from dataclasses import replace

import numpy as np
import pytest
from world import LENS, SIZE, World, planes, slope

from aif_ros.control.agents import AGENTS, make_agent
from aif_ros.control.sweep import sweep_positions

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


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no agent 'swep'.*sweep, rule_based, planner"):
        make_agent("swep", LENS)


@pytest.mark.parametrize("name", ["rule_based", "planner"])
def test_positions_passed_during_a_move_need_no_capture(name):
    world = World(planes(0.3e-3, 1.2e-3))
    passed, seen = world.observe(1.2e-3), world.observe(0.3e-3)
    assert make_agent(name, LENS).act(replace(seen, passed=(passed,))).position is None
    assert make_agent(name, LENS).act(World(world.focus).observe(0.3e-3)).position is not None
