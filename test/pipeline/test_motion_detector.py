import math

import pytest

from aif_ros.pipeline.motion_detector import MotionDetector

MS = 1_000_000
RESOLUTION = 0.5e-6


def moving(states, period=10):
    """Whether the lens moves at each of the (position, velocity) states."""
    detector = MotionDetector(RESOLUTION)
    return [
        detector.state(index * period * MS, position, velocity).moving
        for index, (position, velocity) in enumerate(states)
    ]


@pytest.mark.parametrize("velocity", [None, math.nan, 1e-7, -1e-7])
def test_without_a_sound_velocity_positions_decide(velocity):
    positions = (0.0, 0.0, 1e-4, 2e-4, 2e-4, 2e-4)
    found = moving([(position, velocity) for position in positions])
    assert found == [False, False, True, True, False, False]


def test_zeros_are_believed_until_the_position_changes_again():
    positions = (0.0, 1e-4, 1e-4, 2e-4, 3e-4, 4e-4, 4e-4, 5e-4, 5e-4)
    found = moving([(position, 0.0) for position in positions])
    assert found == [False, False, False, False, True, True, False, True, False]
    slow = [(index * 1e-7, 0.0) for index in range(20)]
    assert all(moving(slow, period=1)[8:])


def test_zeros_of_a_driver_that_has_reported_motion_are_believed():
    positions = (0.0, 1e-4, 2e-4, 3e-4)
    assert not any(moving([(0.0, 1.0), *((position, 0.0) for position in positions)])[1:])


def test_a_sound_velocity_decides():
    # While the lens settles, its position stays; when it says that it rests, it does.
    states = [(0.0, 0.0), (0.0, 1.0), (1e-4, 1.0), (1e-4, 1.0), (1e-4, 0.0)]
    assert moving(states) == [False, True, True, True, False]


def test_encoder_noise_is_no_motion():
    assert not any(moving([(1e-4, None), (1.003e-4, None), (0.999e-4, None)]))


def test_a_slow_lens_at_a_high_rate_moves():
    states = [(index * 1e-7, None) for index in range(20)]
    assert all(moving(states, period=1)[8:])


def test_infinite_velocities_are_motion():
    assert moving([(0.0, math.inf)]) == [True]


@pytest.mark.parametrize("back", [30, 10_000])
@pytest.mark.parametrize("velocity", [None, 0.0])
def test_a_clock_that_jumps_back_begins_anew(back, velocity):
    detector = MotionDetector(RESOLUTION)
    for stamp, position in ((-10, 4e-4), (0, 8e-4), (10, 8e-4), (20, 8e-4)):
        detector.state((20_000 + stamp) * MS, position, velocity)
    for stamp in (0, 10, 20):
        assert not detector.state((20_000 - back + stamp) * MS, 0.0, velocity).moving
