"""What all lenses on a protocol share, on a device that the test plays."""

import pytest

from aif_ros.devices.clock import SimulatedClock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.devices.motor_settings import MotorSettings
from aif_ros.devices.move_monitor import WrongDirectionError
from aif_ros.optics.lens_model import LensModel

AXIS = Axis(0.0, 1000.0, resolution=2.0, tolerance=1.0)


class Played(MotorLens):
    """A lens whose position and answers the test sets; `sent` holds what it was asked to do."""

    def __init__(self, settings=None, limits=None, axis=AXIS):
        self.axis, self.position, self.moving, self.lost = axis, 100.0, False, False
        self.sent = []
        settings = settings or MotorSettings(metres_per_unit=1e-6, settling_time=0.0)
        super().__init__("played lens", SimulatedClock(10**18), settings, limits=limits)

    def _connect(self):
        self.sent.append("connect")
        return Axis(self.axis.low, self.axis.high, self.axis.resolution, self.axis.tolerance)

    def _read(self):
        if self.lost:
            raise ConnectionLostError("unplugged")
        return Reading(self.position, self.moving)

    def _command(self, target):
        self.sent.append(target)

    def _halt(self):
        self.sent.append("halt")

    def _disconnect(self):
        pass


def test_positions_are_metres_outside_and_units_inside():
    lens = Played()
    assert lens.limits == pytest.approx((0.0, 1e-3))
    assert lens.state().position == pytest.approx(1e-4)
    lens.move_to(5.014e-4)
    assert lens.sent[-1] == 502.0  # rounded to its resolution


def test_a_negative_scale_turns_the_direction():
    lens = Played(MotorSettings(metres_per_unit=-1e-6))
    assert lens.limits == pytest.approx((-1e-3, 0.0))
    lens.move_to(-4e-4)
    assert lens.sent[-1] == 400.0


def test_the_limits_are_those_that_device_settings_and_calibration_allow():
    lens = Played(MotorSettings(low=100.0), limits=(0.0, 5e-4))
    assert lens.limits == pytest.approx((1e-4, 5e-4))
    with pytest.raises(ValueError, match="does not lie within the limits"):
        lens.move_to(6e-4)
    assert lens.sent == ["connect"]


def test_limits_that_exclude_each_other_are_an_error():
    with pytest.raises(DeviceError, match="played lens"):
        Played(MotorSettings(low=100.0, high=200.0), limits=(5e-4, 6e-4))


@pytest.mark.parametrize(("metres_per_unit", "towards"), [(1e-6, "near"), (-1e-6, "far")])
def test_the_direction_of_a_unit_that_is_defined_follows_the_scale(metres_per_unit, towards):
    class Dioptres(Played):
        higher_unit_is_nearer = True

    settings = MotorSettings(metres_per_unit=metres_per_unit)
    assert Dioptres(settings).higher_focuses == towards
    assert Played(settings).higher_focuses is None


def test_a_calibration_of_another_step_is_reported():
    other = LensModel("other", 5e-6, (0.0, 1e-3), 9e4, 3840)
    assert any("see that it is of this lens" in line for line in Played().limits_report(other))
    same = LensModel("same", 2e-6, (0.0, 1e-3), 9e4, 3840)
    assert len(Played().limits_report(same)) == 1


def test_a_lens_that_moves_the_wrong_way_is_stopped():
    lens = Played()
    lens.position = 500.0
    lens.move_to(8e-4)
    lens.state()
    lens.position, lens.moving = 300.0, True
    with pytest.raises(WrongDirectionError):
        lens.state()
    assert lens.sent[-1] == "halt"


def test_a_device_that_was_connected_again_has_no_move_any_more(monkeypatch):
    monkeypatch.setattr("aif_ros.devices.connection.RECONNECT_INTERVAL", 0.0)
    lens = Played()
    lens.move_to(8e-4)
    lens.lost = True
    with pytest.raises(ConnectionLostError):
        lens.state()
    lens.lost = False
    # It rests where it is, which is no stall.
    lens._clock.sleep(60.0)
    assert not lens.state().moving
    assert lens.sent.count("connect") == 2


def test_a_closed_lens_does_nothing():
    lens = Played()
    lens.close()
    for use in (lens.state, lens.stop, lambda: lens.move_to(1e-4)):
        with pytest.raises(DeviceError, match="played lens is closed"):
            use()
