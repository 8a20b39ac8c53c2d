"""Micro-Manager devices: the DemoCamera and DStage adapters of the wheel mm-test-adapters."""

import numpy as np
import pytest
from camera_contract import CameraContract
from lens_contract import LensContract

pytest.importorskip("pymmcore_plus", reason="needs pymmcore-plus")
pytest.importorskip("mm_test_adapters", reason="needs mm-test-adapters")

from aif_ros.devices import micro_manager
from aif_ros.devices.clock import SystemClock
from aif_ros.devices.device import DeviceError
from aif_ros.devices.micro_manager import (
    MicroManagerCamera,
    MicroManagerStage,
    StageSettings,
    as_image,
)

SETTINGS = StageSettings(low=-50, high=50, settling_time=0.01)


@pytest.fixture
def clock():
    return SystemClock()


class TestStage(LensContract):
    resolution = 0.2e-6

    @pytest.fixture
    def lens(self, clock):
        lens = MicroManagerStage("demo", clock, SETTINGS)
        yield lens
        lens.close()


class TestCamera(CameraContract):
    @pytest.fixture
    def camera(self, clock):
        camera = MicroManagerCamera("demo", clock)
        yield camera
        camera.close()


def test_camera_and_stage_share_a_core_until_both_are_closed(clock):
    stage = MicroManagerStage("demo", clock, SETTINGS)
    camera = MicroManagerCamera("demo", clock)
    shared = micro_manager._cores["demo"]
    assert shared.users == 2
    stage.close()
    stage.close()
    assert camera.capture().image.size
    camera.close()
    camera.close()
    assert micro_manager._cores == {}


def test_limits_must_be_given(clock):
    with pytest.raises(DeviceError, match="does not report its limits: add them"):
        MicroManagerStage("demo", clock)
    assert micro_manager._cores == {}


@pytest.mark.parametrize(
    ("config", "device", "words"),
    [
        ("no/such.cfg", "", r"cannot load the Micro-Manager configuration no/such\.cfg"),
        ("demo", "Zeiss", "'?Zeiss'? of demo does not exist; there are: .*Camera"),
    ],
)
def test_what_does_not_exist(clock, config, device, words):
    with pytest.raises(DeviceError, match=words):
        MicroManagerStage(config, clock, StageSettings(low=0, high=1, device=device))
    assert micro_manager._cores == {}


class TestImages:
    def test_12_bits_are_scaled_to_16(self):
        image = np.array([[0, 4095]], np.uint16)
        assert as_image(image, 12, "camera").tolist() == [[0, 65520]]

    def test_samples_beyond_the_stated_bits_saturate(self):
        image = np.array([[4096, 6468]], np.uint16)
        assert as_image(image, 12, "camera").tolist() == [[65520, 65520]]

    def test_8_and_16_bits_are_kept(self):
        for kind, bits in ((np.uint8, 8), (np.uint16, 16)):
            image = np.array([[1, 200]], kind)
            np.testing.assert_array_equal(as_image(image, bits, "camera"), image)

    def test_the_fourth_channel_is_dropped(self):
        assert as_image(np.zeros((4, 5, 4), np.uint8), 8, "camera").shape == (4, 5, 3)

    @pytest.mark.parametrize("kind", [np.uint32, np.float32])
    def test_other_depths_are_refused(self, kind):
        with pytest.raises(DeviceError, match="set it to 8 or 16 bit"):
            as_image(np.zeros((4, 5), kind), 32, "camera")


def test_a_dark_first_image_does_not_set_the_full_scale(clock):
    """The core knows the bits: 12 of 16, of which a dark image uses a few."""
    from aif_ros.devices.device import Capture
    from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
    from aif_ros.pipeline.reference_frame import FrameStream
    from aif_ros.types.frame import Frame

    camera = MicroManagerCamera("demo", clock)
    capture = camera.capture()
    camera.close()
    assert capture.bits == 8 * capture.image.dtype.itemsize
    stream = FrameStream(LensModel.load(DEFAULT_CALIBRATION))
    for brightest in (200, 4095):
        image = as_image(np.full((8, 8), brightest, np.uint16), 12, "camera")
        shown = Capture(image, 0, 16)
        reference = stream.reference(Frame(shown.image, 0, 0.0, bits=shown.bits))
        assert reference.image.max() == pytest.approx(brightest / 4096, abs=1e-3)
