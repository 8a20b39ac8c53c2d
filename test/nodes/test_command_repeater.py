import pytest

from aif_ros.nodes import command_repeater
from aif_ros.nodes.command_repeater import CommandRepeater
from aif_ros.pipeline.control_step import Missing


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 100.0

    monkeypatch.setattr(command_repeater.time, "monotonic", lambda: Clock.now)
    return Clock


def test_a_lens_has_returned_when_its_fault_is_gone_or_its_node_starts_again():
    repeater = CommandRepeater()
    faults = ("", "", "stalled", "")
    assert [repeater.take_fault(fault) for fault in faults] == [False, True, False, True]


def test_the_command_is_repeated_until_the_lens_moves(clock):
    repeater = CommandRepeater()
    assert not repeater.is_due(True, Missing.SETTLED_LENS)
    repeater.begin()
    assert repeater.is_due(True, Missing.SETTLED_LENS)
    assert repeater.is_due(True, Missing.SETTLED_LENS)
    assert not repeater.is_due(True, Missing.FRAME_MAPS)  # it has settled
    assert not repeater.is_due(True, Missing.SETTLED_LENS)


def test_not_for_ever_and_not_while_others_have_the_lens(clock):
    repeater = CommandRepeater()
    repeater.begin()
    clock.now += 10
    assert not repeater.is_due(True, Missing.SETTLED_LENS)
    repeater.begin()
    assert not repeater.is_due(False, Missing.SETTLED_LENS)
