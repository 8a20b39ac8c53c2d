"""A clock that stands still while its process is late."""

import pytest

from aif_ros.process.responsive_clock import ResponsiveClock


class Time:
    """Seconds that a test sets."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


def test_runs_while_it_is_ticked(time):
    clock = ResponsiveClock(0.5, time)
    for _ in range(10):
        time.now += 0.4
        clock.tick()
    assert clock() == pytest.approx(4.0)


def test_runs_between_two_ticks(time):
    clock = ResponsiveClock(0.5, time)
    time.now += 0.3
    assert clock() == pytest.approx(0.3)
    assert clock() == pytest.approx(0.3)


def test_stands_still_until_the_next_tick(time):
    clock = ResponsiveClock(0.5, time)
    time.now += 60.0
    assert clock() == pytest.approx(0.5)
    time.now += 60.0
    assert clock() == pytest.approx(0.5)
    assert clock.tick() == pytest.approx(0.5)
    time.now += 0.1
    assert clock() == pytest.approx(0.6)


def test_never_runs_backwards(time):
    clock, readings = ResponsiveClock(0.5, time), []
    for step in (0.1, 0.9, 0.0, 5.0, 0.2):
        time.now += step
        readings += [clock(), clock.tick(), clock()]
    assert readings == sorted(readings)
