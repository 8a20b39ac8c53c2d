from world import LENS, World, planes

from aif_ros.control.agents import make_agent
from aif_ros.control.continuous import ContinuousAgent
from aif_ros.control.planner import PlannerAgent
from aif_ros.control.sweep import SweepAgent, sweep_positions


def test_a_sweep_repeats():
    world, agent = World(planes(0.5e-3)), ContinuousAgent(SweepAgent(LENS))
    position = 0.0
    for _ in range(4 * len(sweep_positions(LENS, 640))):
        position = agent.act(world.observe(position)).position
    assert world.captured.count(sweep_positions(LENS, 640)[0]) >= 2
    assert world.captured.count(sweep_positions(LENS, 640)[-1]) >= 2


def test_it_waits_with_a_reason_while_nothing_is_to_be_gained():
    world, agent = World(planes(0.5e-3)), ContinuousAgent(PlannerAgent(LENS))
    position, reasons = 0.0, []
    for _ in range(12):
        action = agent.act(world.observe(position))
        position = action.position
        reasons.append(action.reason)
    assert any(reason.startswith("waiting: ") for reason in reasons)


def test_it_finds_what_has_moved():
    agent, position = ContinuousAgent(PlannerAgent(LENS)), 0.0
    for focus in (0.4e-3, 1.1e-3):
        world = World(planes(focus))
        for _ in range(12):
            position = agent.act(world.observe(position)).position
        assert world.share_in_focus() == 1.0


def test_in_a_moving_scene_the_planner_ignores_rare_depths():
    focus = planes(0.5e-3)
    focus[:2, :6] = 1.3e-3
    captured = {}
    for dynamic in (False, True):
        world, agent, position = World(focus), make_agent("planner", LENS, dynamic=dynamic), 0.4e-3
        for _ in range(20):
            position = agent.act(world.observe(position)).position
            if position is None:
                break
        captured[dynamic] = world.captured
    assert max(captured[False]) > 1.2e-3
    assert max(captured[True]) < 1.2e-3
