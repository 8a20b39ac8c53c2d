"""V4L2 focus through the real linuxpy, on ioctls answered as Linux' uvcvideo answers them.

From the kernel's documentation of VIDIOC_QUERY_EXT_CTRL and VIDIOC_G_EXT_CTRLS, and
`drivers/media/usb/uvc/uvc_ctrl.c`: values are clamped and rounded to the step; a control that
depends on an automatic one is inactive while that is on, and setting it gives EACCES then.
"""

import errno
import os
from contextlib import closing
from pathlib import Path

import pytest
from lens_contract import LensContract

pytest.importorskip("linuxpy.video.device", reason="needs linuxpy")

import linuxpy.ioctl
from linuxpy.video import raw

from aif_ros.devices.clock import SystemClock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.v4l2 import V4l2Lens, V4l2Settings

SETTINGS = V4l2Settings(settling_time=0.01, stall_timeout=0.3)
CLASS, FOCUS, AUTO = 0x009A0001, 0x009A090A, 0x009A090C  # V4L2_CID_FOCUS_ABSOLUTE, FOCUS_AUTO
CLASS_TYPE, INTEGER, BOOLEAN = 6, 1, 2  # enum v4l2_ctrl_type
INACTIVE, GRABBED = 0x10, 0x02  # V4L2_CTRL_FLAG_*
NEXT = 0xC0000000
NAMES = {"new": b"Focus, Automatic Continuous", "old": b"Focus, Auto"}


class Kernel:
    """The driver behind one device file."""

    def __init__(self, path, auto_name):
        path.touch()
        self.path, self.gone, self.requests = path, False, []
        self.auto_name = auto_name
        self.low, self.high, self.step = 0, 250, 5
        self.values = {FOCUS: 30} | ({AUTO: 1} if auto_name else {})
        self.flags = dict.fromkeys(self.values, 0)

    def ioctl(self, file, request, argument):
        assert Path(f"/proc/self/fd/{file.fileno()}").readlink() == self.path
        self.requests.append(request)
        if self.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        code = {
            raw.IOC.QUERYCAP: lambda: None,
            raw.IOC.QUERY_EXT_CTRL: lambda: self.describe(argument),
            raw.IOC.G_EXT_CTRLS: lambda: self.get(argument),
            raw.IOC.S_EXT_CTRLS: lambda: self.set(argument),
        }.get(request, lambda: errno.ENOTTY)()
        if code:
            raise OSError(code, os.strerror(code))

    def describe(self, query):
        known = sorted([CLASS, *self.values])
        found = [each for each in known if each > query.id & ~NEXT]
        if not query.id & NEXT:
            found = [each for each in known if each == query.id]
        if not found:
            return errno.EINVAL
        query.id = found[0]
        query.flags = self.flags.get(query.id, 0)
        query.elems, query.elem_size = 1, 4
        if query.id == CLASS:
            query.type, query.name = CLASS_TYPE, b"Camera Controls"
        elif query.id == FOCUS:
            query.type, query.name = INTEGER, b"Focus, Absolute"
            query.minimum, query.maximum, query.step = self.low, self.high, self.step
            query.flags |= INACTIVE if self.values.get(AUTO) else 0
        else:
            query.type, query.name = BOOLEAN, self.auto_name
            query.minimum, query.maximum, query.step = 0, 1, 1
        return 0

    def get(self, controls):
        for index in range(controls.count):
            control = controls.controls[index]
            if control.id not in self.values:
                return errno.EINVAL
            control.value = self.values[control.id]
        return 0

    def set(self, controls):
        for index in range(controls.count):
            control = controls.controls[index]
            if self.flags[control.id] & GRABBED:
                return errno.EBUSY
            if control.id == FOCUS:
                if self.values.get(AUTO):
                    return errno.EACCES
                steps = (control.value - self.low + self.step // 2) // self.step
                control.value = min(max(self.low + steps * self.step, self.low), self.high)
            self.values[control.id] = control.value
        return 0


@pytest.fixture(params=["new", "old", None])
def kernel(request, tmp_path, monkeypatch):
    kernel = Kernel(tmp_path / "video9", NAMES.get(request.param))
    monkeypatch.setattr(linuxpy.ioctl.fcntl, "ioctl", kernel.ioctl)
    return kernel


@pytest.fixture
def clock():
    return SystemClock()


@pytest.fixture
def lens(kernel, clock):
    lens = V4l2Lens(str(kernel.path), clock, SETTINGS)
    yield lens
    lens.close()


class TestContract(LensContract):
    resolution = 2.5e-5


def test_automatic_focus_is_on_at_first_and_switched_off(lens, kernel):
    assert not kernel.values.get(AUTO)
    assert lens.limits == pytest.approx((0, 2.5e-3))
    lens.move_to(1.2e-3)
    assert kernel.values[FOCUS] == 120


def test_automatic_focus_that_comes_back_is_switched_off_again(lens, kernel):
    if AUTO in kernel.values:
        kernel.values[AUTO] = 1
    lens.move_to(1.2e-3)
    assert kernel.values[FOCUS] == 120


def test_one_that_another_program_has_grabbed(lens, kernel):
    kernel.flags[FOCUS] = GRABBED
    with pytest.raises(DeviceError, match="another program controls it") as caught:
        lens.move_to(1.2e-3)
    assert not isinstance(caught.value, ConnectionLostError)
    assert kernel.values[FOCUS] == 30


@pytest.mark.parametrize("control", [FOCUS, AUTO])
def test_one_that_was_grabbed_at_opening_and_released_since(kernel, clock, control):
    if control not in kernel.values:
        pytest.skip("this camera has none")
    kernel.flags[FOCUS] = GRABBED
    with closing(V4l2Lens(str(kernel.path), clock, SETTINGS)) as lens:
        kernel.flags[control] = GRABBED
        with pytest.raises(DeviceError, match=r"refuses the position|cannot be switched off"):
            lens.move_to(1.2e-3)
        assert lens.state().position == pytest.approx(3e-4)
        kernel.flags = dict.fromkeys(kernel.values, 0)
        lens.move_to(1.2e-3)
        assert kernel.values[FOCUS] == 120


def test_unplugged(lens, kernel):
    kernel.gone = True
    with pytest.raises(ConnectionLostError, match="it was disconnected: connect it again"):
        lens.state()


def test_a_camera_without_focus(kernel, clock):
    del kernel.values[FOCUS]
    with pytest.raises(DeviceError, match="this camera cannot be focused"):
        V4l2Lens(str(kernel.path), clock, SETTINGS)


def test_a_move_takes_few_requests(lens, kernel):
    kernel.requests.clear()
    lens.move_to(1.2e-3)
    assert len(kernel.requests) <= 3  # automatic focus off, checked, and the position
