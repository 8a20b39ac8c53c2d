"""Settings that all motorised lenses share."""

import math

import pytest

from aif_ros.devices.motor_settings import MotorSettings


def test_the_defaults_and_a_device_that_counts_the_other_way_are_allowed():
    MotorSettings()
    MotorSettings(metres_per_unit=-2e-6, low=-100.0, high=100.0)
    MotorSettings(low=5.0)
    MotorSettings(high=-5.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metres_per_unit": 0.0}, "metres_per_unit must not be 0"),
        ({"metres_per_unit": math.nan}, "metres_per_unit must be a finite number"),
        ({"low": math.inf}, "low must be a finite number"),
        ({"low": 3.0, "high": 3.0}, "low must be below high, got low=3 and high=3"),
        ({"low": 4.0, "high": 3.0}, "low must be below high"),
        ({"settling_time": -0.1}, "settling_time must lie between 0 and 60"),
        ({"stall_timeout": 601.0}, "stall_timeout must lie between 0 and 600"),
        ({"stall_timeout": math.nan}, "stall_timeout must lie between"),
    ],
)
def test_others_are_refused_with_what_is_allowed(changes, message):
    with pytest.raises(ValueError, match=message):
        MotorSettings(**changes)
