"""INDI focusers and cameras against the simulators of Debian's package indi-bin."""

import time

import pytest
from camera_contract import CameraContract
from indi_server import IndiServer, free_port
from lens_contract import LensContract

from aif_ros.autofocus.searches import make_search
from aif_ros.devices.clock import SystemClock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.indi import (
    IndiCamera,
    IndiCameraSettings,
    IndiLens,
    IndiLensSettings,
    decode_image,
)
from aif_ros.devices.indi_client import IndiAddress, IndiClient, IndiParser
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.focus_step import focus_window
from aif_ros.pipeline.rig import Rig
from aif_ros.types.frame import Window

needs_server = pytest.mark.skipif(
    not IndiServer.installed(), reason="needs Debian's package indi-bin"
)
FOCUSER, CAMERA = "Focuser Simulator", "CCD Simulator"
SETTINGS = IndiLensSettings(settling_time=0.01)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = IndiServer(tmp_path_factory.mktemp("indi"), stars=1500)
    yield server
    server.stop()


@pytest.fixture
def clock():
    return SystemClock()


@needs_server
class TestLens(LensContract):
    resolution = 0.5e-6

    @pytest.fixture
    def lens(self, server, clock):
        # The simulator takes 0.1 s for 1000 steps and wakes up at 50000.
        lens = IndiLens(server.address(FOCUSER), clock, SETTINGS, limits=(0.0485, 0.0515))
        yield lens
        lens.close()


@needs_server
class TestCamera(CameraContract):
    @pytest.fixture
    def camera(self, server, clock):
        camera = IndiCamera(server.address(CAMERA), clock, IndiCameraSettings(exposure=0.05))
        yield camera
        camera.close()


@needs_server
def test_autofocus_on_simulated_stars_from_afar(server, clock):
    """The camera simulator blurs its stars as the focuser simulator says: FWHM 3.5" at best."""
    limits = (0.030, 0.052)
    lens_model = LensModel("INDI simulators", 1e-6, limits, 400.0, 1280)
    # The camera simulator hears of a new focus only some time after we do.
    settings = IndiLensSettings(settling_time=0.5)
    lens = IndiLens(server.address(FOCUSER), clock, settings, limits=limits)
    camera = IndiCamera(server.address(CAMERA), clock, IndiCameraSettings(exposure=0.2))
    lens.move_to(0.052)
    run = focus_window(
        Rig(camera, lens, clock, lens_model, exposure_time=0.2, settle_timeout=60),
        make_search("fibonacci", lens_model),
        Window.centred(camera.size, 512),
    )
    assert run.focused
    # What the simulator itself reports: 8.7" at the start.
    client = IndiClient(IndiAddress.parse(server.address(FOCUSER)), "observer")
    blur = client.wait_for("FWHM", 5.0, "reports no blur").values["SIM_FWHM"]
    assert float(blur) < 3.7
    for device in (client, lens, camera):
        device.close()


@needs_server
def test_a_server_that_stops_and_comes_back(tmp_path, clock):
    server = IndiServer(tmp_path)
    lens = IndiLens(server.address(FOCUSER), clock, SETTINGS)
    server.stop()
    deadline = time.monotonic() + 10
    with pytest.raises(ConnectionLostError, match="connection to the INDI server was lost"):
        while time.monotonic() < deadline:
            lens.state()
            time.sleep(0.01)
    server.start()
    try:
        while True:
            try:
                assert lens.state().position == pytest.approx(0.05)
                break
            except ConnectionLostError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        lens.close()
        server.stop()


@needs_server
def test_a_device_that_the_server_does_not_have(server, clock):
    with pytest.raises(DeviceError, match=f"is not known to the server: there are {FOCUSER}"):
        IndiLens(server.address("Imaginary Focuser"), clock)


@needs_server
def test_a_focuser_is_no_camera(server, clock):
    with pytest.raises(DeviceError, match="has no CCD_EXPOSURE: it is another kind of device"):
        IndiCamera(server.address(FOCUSER), clock)


def test_no_server(clock):
    with pytest.raises(ConnectionLostError, match=r"there is no INDI server at .* start"):
        IndiLens(f"127.0.0.1:{free_port()}/{FOCUSER}", clock)


@pytest.mark.parametrize("text", ["", "host", "host/", "/device", "host:x/device"])
def test_addresses_of_another_form(text):
    with pytest.raises(ValueError, match="HOST"):
        IndiAddress.parse(text)


def test_the_default_port():
    assert str(IndiAddress.parse("pi/My Focuser")) == "pi:7624/My Focuser"


@needs_server
def test_a_sky_without_stars_is_explained(clock, tmp_path, caplog):
    server = IndiServer(tmp_path)
    server.catalogue.write_text("#!/bin/sh\n")
    IndiCamera(server.address(CAMERA), clock, IndiCameraSettings(0.05)).close()
    server.stop()
    (report,) = (each for each in caplog.messages if "gsc" in each)
    assert "CCD Simulator reports: Got no stars, is gsc installed" in report


class TestParser:
    def test_errors_of_the_driver_are_kept(self):
        parser, vectors = IndiParser("F"), {}
        parser.feed(
            b'<message device="F" message="[ERROR] Out of paper"/>'
            b'<message device="other" message="[ERROR] Not ours"/>'
            b'<message device="F" message="[INFO] All is well"/>'
            b'<setTextVector device="F" name="P" message="[ERROR] Jam"/>',
            vectors,
        )
        assert parser.errors == ["Out of paper", "Jam"]

    def test_a_property_of_the_device_is_kept_up_to_date(self):
        vectors = {}
        parser = IndiParser("F")
        parser.feed(
            b'<defNumberVector device="F" name="P" state="Ok"><defNumber name="A" min="0" max="9">'
            b"\n3\n</defNumber></defNumberVector>"
            b'<defNumberVector device="other" name="Q"/><setNumberVector device="F" na',
            vectors,
        )
        assert list(vectors) == ["P"]
        assert vectors["P"].values == {"A": "3"}
        assert vectors["P"].bounds == {"A": (0.0, 9.0)}
        parser.feed(
            b'me="P" state="Busy"><oneNumber name="A">4</oneNumber></setNumberVector>', vectors
        )
        assert (vectors["P"].state, vectors["P"].values, vectors["P"].revision) == (
            "Busy",
            {"A": "4"},
            2,
        )

    def test_deleted_properties_are_forgotten(self):
        vectors = {}
        parser = IndiParser("F")
        parser.feed(b'<defTextVector device="F" name="P"/><delProperty device="F"/>', vectors)
        assert vectors == {}


def test_blobs_that_are_no_base64():
    with pytest.raises(ValueError, match=r"base64|padding"):
        decode_image("%%%", ".fits")
