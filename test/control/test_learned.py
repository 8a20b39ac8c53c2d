from dataclasses import replace

import numpy as np
import pytest
from world import LENS, PERIOD, REACH, World, planes, slope

from aif_ros.control.learned import LearnedAgent, PaperAgent
from aif_ros.control.sweep import sweep_positions


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

    def test_the_window_covers_the_part_that_will_be_in_focus(self):
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


@pytest.mark.parametrize("agent", [LearnedAgent, PaperAgent])
class TestCoverage:
    @pytest.mark.parametrize("focus", [planes(0.3e-3, 1.2e-3), planes(0.5e-3), slope(0.4e-3, 1e-3)])
    def test_it_stops_when_the_scene_is_covered(self, agent, focus):
        world = World(focus)
        world.run(agent(LENS), start=0.7e-3)
        assert world.share_in_focus() > 0.97
        assert len(world.captured) <= 11

    def test_it_reports_the_remaining_defocus(self, agent):
        world, chosen = World(planes(0.3e-3, 1.2e-3)), agent(LENS)
        remaining, position = [], 0.7e-3
        while position is not None:
            action = chosen.act(world.observe(position))
            remaining.append(action.remaining)
            position = action.position
        assert remaining[0] > 0.9
        assert remaining[-1] < 0.03
