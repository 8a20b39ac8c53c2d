"""The rule-based agent: which window it takes, where it goes for it, when it stops."""

from dataclasses import replace

import numpy as np
import pytest
from world import GAIN, LENS, REACH, SIZE, World, planes

from aif_ros.control.rule_based import RuleBasedAgent, RuleSettings


def decision(focus, *captured, settings=None):
    """What the agent does after a world has been seen from these positions."""
    world, agent = World(focus), RuleBasedAgent(LENS, settings)
    for position in captured:
        action = agent.act(world.observe(position))
    return action


def test_the_most_blurred_window_is_next():
    action = decision(planes(0.2e-3, 0.4e-3, 0.5e-3, 1.3e-3), 0.2e-3)
    assert action.window.x >= 3 * SIZE[0] // 4 - 32
    assert action.position == pytest.approx(1.3e-3, abs=REACH)


@pytest.mark.parametrize("captured", [(0.0, 0.6e-3), (1.5e-3, 0.6e-3), (0.6e-3, 0.0)])
@pytest.mark.parametrize("plane", [0.35e-3, 0.85e-3])
def test_the_sign_of_the_blur_comes_from_the_other_frames(plane, captured):
    assert decision(planes(plane), *captured).position == pytest.approx(plane, abs=REACH)


@pytest.mark.parametrize("plane, captured", [(0.1e-3, 0.9e-3), (1.4e-3, 0.6e-3)])
def test_a_focus_position_beyond_the_travel_is_no_candidate(plane, captured):
    """One reading each: 0.1 mm or 1.7 mm; 1.4 mm or -0.2 mm."""
    assert decision(planes(plane), captured).position == pytest.approx(plane, abs=REACH)


def test_the_reading_of_least_blur_counts_most():
    """The estimator reads no more than 8 px: a large blur says little of the distance."""
    world, agent = World(planes(0.9e-3), lambda r: np.minimum(r, 8.0)), RuleBasedAgent(LENS)
    for captured in (0.0, 1.5e-3):
        agent.act(world.observe(captured))
    assert agent.act(world.observe(0.7e-3)).position == pytest.approx(0.9e-3, abs=REACH)


def test_of_two_equal_candidates_it_takes_that_nearer_the_middle():
    """One reading: 0.2 mm or 1.0 mm, of which the middle of the travel is nearer to 1.0 mm."""
    assert decision(planes(0.2e-3), 0.6e-3).position == pytest.approx(1.0e-3, abs=REACH)


def test_a_position_holds_all_of_a_window_within_a_depth_of_focus():
    """Neither focus position of the window holds the other: a position between them does."""
    focus = np.full((15, 20), 0.9e-3)
    focus[:4, :2] += 1.9 * REACH
    action = decision(focus, 0.0)
    assert action.window.x == action.window.y == 0
    assert np.abs(focus - action.position).max() <= REACH * 1.001


def test_captures_are_farther_apart_than_the_spacing():
    world, agent = World(planes(0.2e-3, 0.5e-3, 0.9e-3, 1.3e-3)), RuleBasedAgent(LENS)
    world.run(agent, 0.0)
    assert np.diff(np.sort(world.captured)).min() > REACH


def test_it_stops_when_less_than_the_share_is_blurred():
    focus = np.full((15, 20), 0.2e-3)
    focus[7, 10] = 1.0e-3
    stopped = decision(focus, 0.2e-3)
    assert stopped.position is None
    assert "0.3%" in stopped.reason
    assert decision(focus, 0.2e-3, settings=RuleSettings(stop_share=0.001)).position is not None


def test_what_is_hardly_blurred_beside_a_capture_needs_no_other():
    focus = planes(0.5e-3 + 1.22 * REACH)
    assert decision(focus, 0.0, 0.5e-3).position is None
    closer = RuleSettings(spacing=1.1)
    assert decision(focus, 0.0, 0.5e-3, settings=closer).position is not None


def test_a_second_capture_at_the_same_place_is_not_made_for_a_wrong_map_of_j():
    world, agent = World(planes(0.5e-3)), RuleBasedAgent(LENS)
    agent.act(world.observe(0.0))
    seen = world.observe(0.5e-3)
    wrong = world.blur(np.full((15, 20), 4.0 / GAIN))
    assert agent.act(replace(seen, fused=wrong)).position is None


def test_without_texture_it_goes_to_the_farthest_position():
    action = decision(np.full((15, 20), np.nan), 0.0, 1.5e-3)
    assert action.position == pytest.approx(0.75e-3)
    assert "no texture" in action.reason


def test_reset_forgets_the_scene_and_its_size():
    agent = RuleBasedAgent(LENS)
    agent.act(World(planes(0.9e-3)).observe(0.9e-3))
    agent.reset()
    assert agent.act(World(planes(0.9e-3)[:5, :10]).observe(0.0)).position == pytest.approx(
        0.9e-3, abs=REACH
    )
