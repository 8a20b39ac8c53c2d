"""The focal sweep."""

import numpy as np
import pytest
from world import LENS, REACH, SIZE, World, planes, slope

from aif_ros.control.sweep import SweepAgent, sweep_positions
from aif_ros.optics.lens_model import LensModel


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

    def test_does_not_return_to_where_it_starts(self):
        """A position within the tolerance of a planned one stands for it."""
        planned = sweep_positions(LENS, SIZE[0])
        world = World(slope())
        world.run(SweepAgent(LENS), planned[3])
        assert len(world.captured) == len(planned)
        assert sorted(world.captured) == pytest.approx(planned)

    def test_says_how_many_are_left(self):
        agent, world = SweepAgent(LENS), World(slope())
        planned = len(sweep_positions(LENS, SIZE[0]))
        assert f"{planned - 1} more" in agent.act(world.observe(0.0)).reason
        assert f"{planned - 2} more" in agent.act(world.observe(0.0)).reason

    def test_a_lens_with_a_wide_depth_of_focus_rests_in_the_middle(self):
        wide = LensModel("wide", 1e-6, (0.0, 1e-3), 100.0, 640)
        assert sweep_positions(wide, 640) == [pytest.approx(0.5e-3)]
        assert SweepAgent(wide).act(World(slope()).observe(0.5e-3)).position is None
