"""What the reports of a device show: motion, settling, rest, a stall, or the wrong direction."""

import pytest

from aif_ros.devices.device import DeviceError
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.move_monitor import MoveMonitor, WrongDirectionError

AXIS = Axis(0.0, 1000.0)
LIMITS = (0.0, 1000.0)


class Moves:
    """A monitor, asked once a tenth of a second."""

    def __init__(self, checks_direction=True):
        self.monitor = MoveMonitor("lens", 1e-6, 1.0, checks_direction=checks_direction)
        self.now = 10**12

    def begin(self, target):
        self.monitor.begin(target, self.now)

    def at(self, position, moving=True):
        self.now += 10**8
        return self.monitor.moves(self.now, Reading(position, moving), AXIS, LIMITS, 0.25)


def test_rests_after_arrival_and_settling():
    moves = Moves()
    assert not moves.at(100, moving=False)  # before any command
    moves.begin(300)
    assert moves.at(200)
    # Arrived only where the device says that it does not move, settled a quarter of a second later.
    assert [moves.at(300, moving) for moving in (True, False, False, False, False)] == [
        *(True,) * 4,
        False,
    ]


def test_no_progress_is_a_stall_also_where_the_device_reports_rest():
    for moving in (True, False):
        moves = Moves()
        moves.begin(300)
        with pytest.raises(DeviceError, match=r"stalled at 0\.0002 m .* to 0\.0003 m"):
            for _ in range(20):
                moves.at(200, moving)
        assert moves.now > 10**12 + 10**9


def test_slow_progress_is_none():
    moves = Moves()
    moves.begin(300)
    for step in range(60):
        assert moves.at(200 + step)


def test_motion_away_from_the_target_is_an_error_unless_moves_are_finished_first():
    moves = Moves()
    moves.begin(300)
    assert moves.at(200)
    assert moves.at(180)  # backlash compensation
    with pytest.raises(WrongDirectionError, match="moves away from"):
        moves.at(100)
    moves = Moves(checks_direction=False)
    moves.begin(300)
    assert all(moves.at(position) for position in (200, 100, 0, 150))


def test_leaving_the_limits_is_an_error_but_not_coming_back():
    moves = Moves()
    moves.begin(999)
    assert moves.at(990)
    with pytest.raises(WrongDirectionError):
        moves.at(1010)
    moves = Moves()
    moves.begin(999)
    assert all(moves.at(position) for position in (1500, 1400, 1100))


def test_a_move_by_others_is_no_fault_after_arrival():
    moves = Moves()
    moves.begin(300)
    while moves.at(300, moving=False):
        pass
    assert moves.at(100)
    moves.begin(300)
    moves.monitor.forget()
    assert all(moves.at(position) for position in (200, 100, 0))
