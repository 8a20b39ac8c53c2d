"""A lost connection is opened again, but not at every use, and never half."""

import pytest

from aif_ros.devices import connection
from aif_ros.devices.connection import RECONNECT_INTERVAL, Connection
from aif_ros.devices.device import ConnectionLostError, DeviceError


class Device:
    """Counts how often it was connected and disconnected; `fault` is raised by `connect`."""

    def __init__(self):
        self.connected = self.disconnected = 0
        self.fault = None

    def connect(self):
        self.connected += 1
        if self.fault is not None:
            raise self.fault
        return self.connected

    def disconnect(self):
        self.disconnected += 1


def lose(opened):
    raise ConnectionLostError("the cable was pulled")


@pytest.fixture
def device():
    return Device()


@pytest.fixture
def link(device):
    return Connection(device.connect, device.disconnect)


@pytest.fixture
def clock(monkeypatch):
    """Seconds, set by the test."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(connection.time, "monotonic", lambda: Clock.now)
    return Clock


def test_is_opened_once_as_long_as_it_is_not_lost(link, device):
    assert [link.use(lambda opened: opened) for _ in range(3)] == [1, 1, 1]
    assert device.disconnected == 0


def test_a_lost_one_is_closed_and_opened_again_after_the_interval(link, device, clock):
    link.use(lambda opened: opened)
    with pytest.raises(ConnectionLostError, match="cable"):
        link.use(lose)
    assert device.disconnected == 1
    for _ in range(3):
        with pytest.raises(ConnectionLostError, match="cable"):
            link.use(lambda opened: opened)
    assert (device.connected, device.disconnected) == (1, 1)
    clock.now += RECONNECT_INTERVAL
    assert link.use(lambda opened: opened) == 2


def test_attempts_that_fail_are_closed_and_keep_the_interval(link, device, clock):
    device.fault = DeviceError("another device answers")
    with pytest.raises(DeviceError, match="another device"):
        link.use(lambda opened: opened)
    assert device.disconnected == 1
    with pytest.raises(ConnectionLostError, match="another device"):
        link.use(lambda opened: opened)
    assert device.connected == 1
    device.fault = None
    clock.now += RECONNECT_INTERVAL
    assert link.use(lambda opened: opened) == 2


def test_other_errors_leave_it_open(link, device):
    def refuse(opened):
        raise DeviceError("out of range")

    with pytest.raises(DeviceError, match="out of range"):
        link.use(refuse)
    assert link.use(lambda opened: opened) == 1
    assert device.disconnected == 0
