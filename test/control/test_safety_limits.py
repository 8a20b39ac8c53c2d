"""Limits that hold for every agent."""

import numpy as np
import pytest

from aif_ros.control.agent import Action, Observation
from aif_ros.control.safety_limits import SafetyLimitedAgent
from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.optics.lens_model import LensModel

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 24000.0, 640)


class Wilful:
    """Asks for positions whatever it sees."""

    def __init__(self, *positions):
        self.positions = list(positions)
        self.resets = 0

    def reset(self):
        self.resets += 1

    def act(self, observation):
        return Action(self.positions.pop(0), None, "as it likes")


def observation(position, radius=1.0):
    cells = np.full((2, 2), radius, np.float32)
    blur = DefocusMap(cells, cells, cells, cells, image_size=(640, 480))
    return Observation(blur, blur, np.zeros((480, 640), np.float32), position=position)


def test_positions_lie_within_the_limits():
    agent = SafetyLimitedAgent(Wilful(-1.0, 7.0), LENS)
    assert agent.act(observation(0.5e-3)).position == 0.0
    assert agent.act(observation(0.0)).position == 1e-3


def test_a_lens_that_does_not_arrive_three_times_ends_the_loop():
    agent = SafetyLimitedAgent(Wilful(*[0.8e-3] * 5), LENS)
    actions = [agent.act(observation(0.1e-3)) for _ in range(4)]
    assert [action.position for action in actions] == [0.8e-3] * 3 + [None]
    assert "does not reach" in actions[-1].reason


def test_nothing_to_see_over_half_the_travel_ends_the_loop():
    agent = SafetyLimitedAgent(Wilful(0.3e-3, 0.7e-3, 0.9e-3), LENS)
    positions = (0.0, 0.3e-3, 0.7e-3)
    actions = [agent.act(observation(position, np.nan)) for position in positions]
    assert actions[-1].position is None and "nothing to focus on" in actions[-1].reason


def test_reset_begins_to_count_again():
    inner = Wilful(0.5e-3, 0.5e-3)
    agent = SafetyLimitedAgent(inner, LENS, max_captures=2)
    agent.act(observation(0.5e-3))
    agent.reset()
    assert inner.resets == 2
    assert agent.act(observation(0.5e-3)).position == 0.5e-3


def test_the_limit_of_captures_is_positive():
    with pytest.raises(ValueError, match="max_captures"):
        SafetyLimitedAgent(Wilful(), LENS, max_captures=0)


def test_a_position_that_is_no_number_is_an_error():
    agent = SafetyLimitedAgent(Wilful(float("nan")), LENS)
    with pytest.raises(ValueError, match="finite"):
        agent.act(observation(0.1e-3))
