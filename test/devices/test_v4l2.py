"""V4L2 focus against a stand-in for linuxpy's device: there is no such hardware in a test."""

import errno
import os
import time

import pytest
from lens_contract import LensContract

video = pytest.importorskip("linuxpy.video.device", reason="needs linuxpy")

from aif_ros.devices.clock import SystemClock  # noqa: E402
from aif_ros.devices.device import ConnectionLostError, DeviceError  # noqa: E402
from aif_ros.devices.v4l2 import V4l2Lens, V4l2Settings  # noqa: E402

SETTINGS = V4l2Settings(settling_time=0.01, stall_timeout=0.3)


class Control:
    """An integer or boolean control as linuxpy offers it."""

    def __init__(self, camera, value, minimum=0, maximum=1, step=1):
        self.camera = camera
        self._value = value
        self.minimum, self.maximum, self.step = minimum, maximum, step
        self.set_to = []
        self.stuck = False
        self.refuses = None

    @property
    def value(self):
        self.camera.check()
        return self._value

    @value.setter
    def value(self, value):
        self.camera.check()
        if self.refuses:
            raise self.refuses
        self.set_to.append(value)
        if not self.stuck:
            self._value = self.minimum + round((value - self.minimum) / self.step) * self.step


class Controls(dict):
    """The controls of a camera by name."""

    def refresh(self):
        """Read their flags again: there are none here."""


class Camera:
    """What is behind the device file."""

    def __init__(self, automatic):
        self.fault = 0
        self.opened = 0
        self.controls = Controls(focus_absolute=Control(self, 30, 0, 250, 5))
        if automatic:
            self.controls[automatic] = Control(self, True)

    def check(self):
        if self.fault:
            raise OSError(self.fault, os.strerror(self.fault))


@pytest.fixture(params=["focus_automatic_continuous", "focus_auto", None])
def camera(request, monkeypatch):
    camera = Camera(request.param)

    class Device:
        def __init__(self, path):
            self.path = path

        def open(self):
            camera.check()
            camera.opened += 1

        @property
        def controls(self):
            camera.check()
            return camera.controls

        def close(self):
            camera.opened -= 1

    monkeypatch.setattr(video, "Device", Device)
    return camera


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def lens(camera, clock):
    lens = V4l2Lens("/dev/video9", clock, SETTINGS)
    yield lens
    lens.close()
    assert camera.opened == 0


class TestContract(LensContract):
    resolution = 2.5e-5


def test_automatic_focus_is_switched_off_first(lens, camera):
    for name, control in camera.controls.items():
        assert name == "focus_absolute" or control.value == 0


def test_limits_and_step_are_those_of_the_device(lens):
    assert lens.limits == pytest.approx((0, 2.5e-3))
    assert lens.metres_per_step == pytest.approx(5e-5)


def test_higher_values_focus_nearer_by_the_standard(lens, camera, clock):
    assert lens.higher_focuses == "near"
    turned = V4l2Lens("/dev/video9", clock, V4l2Settings(metres_per_unit=-1e-5))
    assert turned.higher_focuses == "far"
    turned.close()


def test_automatic_focus_that_others_switch_on_is_switched_off_again(lens, camera):
    automatic = [control for name, control in camera.controls.items() if "auto" in name]
    for control in automatic:
        control.value = True
    lens.move_to(1e-3)
    assert all(control.value == 0 for control in automatic)


def test_automatic_focus_that_stays_on(camera, clock):
    automatic = [control for name, control in camera.controls.items() if "auto" in name]
    if not automatic:
        pytest.skip("this camera has none")
    automatic[0].stuck = True
    with pytest.raises(DeviceError, match="automatic focus cannot be switched off"):
        V4l2Lens("/dev/video9", clock, SETTINGS)


REFUSALS = [
    # linuxpy: the flags of the control forbid it.
    (AttributeError("IntegerControl focus_absolute is not writeable: read-only"), "read-only"),
    # The kernel: read-only or inactive. The device file itself may be used.
    (PermissionError(errno.EACCES, "Permission denied"), "read-only, or automatic focus is on"),
]


@pytest.mark.parametrize(("refusal", "words"), REFUSALS)
def test_a_focus_that_may_not_be_set(lens, camera, refusal, words):
    camera.controls["focus_absolute"].refuses = refusal
    with pytest.raises(DeviceError, match=f"refuses the position: .*{words}") as caught:
        lens.move_to(1e-3)
    assert not isinstance(caught.value, ConnectionLostError)
    assert lens.state().position == pytest.approx(3e-4)


@pytest.mark.parametrize(("refusal", "words"), REFUSALS)
def test_automatic_focus_that_may_not_be_set(camera, clock, refusal, words):
    automatic = [control for name, control in camera.controls.items() if "auto" in name]
    if not automatic:
        pytest.skip("this camera has none")
    automatic[0].refuses = refusal
    with pytest.raises(DeviceError, match=f"cannot be switched off: .*{words}"):
        V4l2Lens("/dev/video9", clock, SETTINGS)


def test_a_driver_that_accepts_a_position_and_does_nothing(lens, camera):
    camera.controls["focus_absolute"].stuck = True
    lens.move_to(2e-3)
    with pytest.raises(DeviceError, match=r"has stalled at 0.0003 m on the move to 0.002 m"):
        for _ in range(200):
            lens.state()
            time.sleep(0.01)


def test_unplugged_and_plugged_in_again(lens, camera):
    camera.fault = errno.ENODEV
    with pytest.raises(ConnectionLostError, match="it was disconnected"):
        lens.state()
    camera.fault = 0
    deadline = time.monotonic() + 5
    while True:
        try:
            assert lens.state().position == pytest.approx(3e-4)
            return
        except ConnectionLostError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "there is no such device"),
        (errno.EACCES, "you may not open it: join its group .sudo usermod -aG video"),
        (errno.EBUSY, "another program controls it"),
        (errno.EIO, "does not answer"),
    ],
)
def test_a_device_that_cannot_be_opened(camera, clock, number, words):
    camera.fault = number
    with pytest.raises(ConnectionLostError, match=f"focus of camera /dev/video9: .*{words}"):
        V4l2Lens("/dev/video9", clock, SETTINGS)


def test_a_camera_without_focus(camera, clock):
    del camera.controls["focus_absolute"]
    with pytest.raises(DeviceError, match="this camera cannot be focused"):
        V4l2Lens("/dev/video9", clock, SETTINGS)
    assert camera.opened == 0
