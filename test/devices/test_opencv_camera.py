import threading
import time

import cv2
import numpy as np
import pytest
from camera_contract import CameraContract

from aif_ros.devices import opencv_camera
from aif_ros.devices.clock import SimulatedClock, SystemClock
from aif_ros.devices.device import DeviceError, EndOfRecording
from aif_ros.devices.opencv_camera import ImageFolder, LiveCamera, VideoFile, open_opencv_camera


@pytest.fixture
def clock():
    return SimulatedClock(1_700_000_000 * 10**9)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(4):
        image = np.zeros((24, 32, 3), np.uint8)
        image[...] = (0, 0, 50 * index + 50)  # red, in OpenCV's order
        cv2.imwrite(str(folder / f"{index}.png"), image)
    return folder


@pytest.fixture
def video(tmp_path):
    path = tmp_path / "video.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (32, 24))
    for index in range(4):
        writer.write(np.full((24, 32, 3), (0, 0, 50 * index + 50), np.uint8))
    writer.release()
    return path


class TestImageFolder(CameraContract):
    @pytest.fixture
    def camera(self, folder, clock):
        return open_opencv_camera(str(folder), clock)

    def test_plays_in_order_then_ends(self, camera):
        assert isinstance(camera, ImageFolder)
        reds = [camera.capture().image[0, 0].tolist() for _ in range(4)]
        assert reds == [[50, 0, 0], [100, 0, 0], [150, 0, 0], [200, 0, 0]]
        with pytest.raises(EndOfRecording, match="pictures"):
            camera.capture()

    def test_continues_after_an_unreadable_image(self, folder, camera):
        (folder / "1.png").write_bytes(b"broken")
        camera.capture()
        with pytest.raises(DeviceError, match=r"1\.png"):
            camera.capture()
        assert camera.capture().image[0, 0, 0] == 150

    def test_names_a_picture_of_another_size(self, folder, camera):
        cv2.imwrite(str(folder / "1.png"), np.zeros((8, 8, 3), np.uint8))
        camera.capture()
        with pytest.raises(DeviceError, match=r"1\.png is 8x8 in colour"):
            camera.capture()


class TestVideoFile(CameraContract):
    @pytest.fixture
    def camera(self, video, clock):
        return open_opencv_camera(str(video), clock)

    def test_plays_at_its_frame_rate_then_ends(self, camera):
        assert isinstance(camera, VideoFile)
        captures = [camera.capture() for _ in range(4)]
        assert np.diff([capture.stamp for capture in captures]).tolist() == [40 * 10**6] * 3
        reds = [capture.image[12, 16, 0] for capture in captures]
        assert reds == pytest.approx([50, 100, 150, 200], abs=5)
        with pytest.raises(EndOfRecording, match="video"):
            camera.capture()

    def test_refuses_what_is_no_video(self, tmp_path, clock):
        path = tmp_path / "text.avi"
        path.write_text("no video")
        with pytest.raises(DeviceError, match="cannot be decoded"):
            open_opencv_camera(str(path), clock)


class FakeDriver:
    """Stands in for cv2.VideoCapture: a picture every millisecond until unplugged."""

    def __init__(self, source):
        self.source = source
        self.unplugged = threading.Event()
        self.silent = threading.Event()
        self.count = 0
        self.released = False
        self.backend = "FAKE"
        self.stamp = 0.0

    def isOpened(self):  # noqa: N802
        return self.source != 7

    def read(self):
        if self.unplugged.wait(0.001):
            return False, None
        if self.silent.is_set():
            self.unplugged.wait(30.0)
            return False, None
        self.count += 1
        return True, np.full((24, 32, 3), (0, *divmod(self.count, 256)), np.uint8)

    def getBackendName(self):  # noqa: N802
        return self.backend

    def get(self, _):
        return self.stamp

    def release(self):
        self.released = True


class TestLiveCamera(CameraContract):
    @pytest.fixture
    def clock(self):
        return SystemClock()

    @pytest.fixture
    def driver(self, monkeypatch):
        drivers = []

        def make(source):
            drivers.append(FakeDriver(source))
            return drivers[-1]

        monkeypatch.setattr(opencv_camera.cv2, "VideoCapture", make)
        return drivers

    @pytest.fixture
    def camera(self, driver, clock):
        camera = open_opencv_camera("0", clock)
        yield camera
        driver[0].unplugged.set()
        camera.close()

    def test_gives_each_picture_once_and_the_newest(self, camera, driver):
        def number(capture):
            low, high, _ = capture.image[0, 0].tolist()
            return low + 256 * high

        first = number(camera.capture())
        while driver[0].count < first + 10:
            time.sleep(0.001)
        assert number(camera.capture()) >= first + 9

    def test_device_index_is_a_number_for_the_driver(self, camera, driver):
        assert isinstance(camera, LiveCamera)
        assert driver[0].source == 0

    def test_streams_are_live(self, driver, clock):
        camera = open_opencv_camera("rtsp://camera/stream", clock)
        assert isinstance(camera, LiveCamera)
        assert driver[0].source == "rtsp://camera/stream"
        camera.close()

    def test_unplugging_is_an_error(self, camera, driver):
        driver[0].unplugged.set()
        with pytest.raises(DeviceError, match="was disconnected"):
            for _ in range(3):
                camera.capture()

    def test_a_camera_that_comes_back_is_opened_again(self, camera, driver):
        driver[0].unplugged.set()
        deadline = time.monotonic() + 5
        while len(driver) < 2:
            assert time.monotonic() < deadline
            try:
                camera.capture()
            except DeviceError:
                time.sleep(0.02)
        assert driver[0].released
        assert camera.capture().image.shape == (24, 32, 3)
        driver[1].unplugged.set()

    def test_silence_is_an_error(self, driver, clock):
        camera = LiveCamera(0, clock, timeout=0.05)
        driver[0].silent.set()
        with pytest.raises(DeviceError, match="no image in"):
            for _ in range(3):
                camera.capture()
        driver[0].unplugged.set()
        camera.close()

    @pytest.mark.parametrize(
        ("backend", "age", "expected"),
        [("V4L2", 0.5, 0.5), ("V4L2", 1e6, 0.0), ("FFMPEG", 0.5, 0.0)],
    )
    def test_stamps_of_the_driver_are_used(self, driver, clock, backend, age, expected):
        camera = LiveCamera(0, clock)
        camera._stream._backend = backend
        driver[0].stamp = (time.monotonic() - age) * 1e3
        camera.capture()
        capture = camera.capture()
        assert (clock.now() - capture.stamp) * 1e-9 == pytest.approx(expected, abs=0.4)
        driver[0].unplugged.set()
        camera.close()

    def test_closing_releases_the_driver(self, camera, driver):
        camera.close()
        assert driver[0].released

    def test_a_camera_that_cannot_be_opened(self, driver, clock):
        with pytest.raises(DeviceError, match="cannot open camera 7"):
            open_opencv_camera("7", clock)


def test_unknown_sources_have_distinct_messages(tmp_path, clock):
    with pytest.raises(DeviceError, match=r"there is no camera .*device index"):
        open_opencv_camera(str(tmp_path / "nowhere.mp4"), clock)
    with pytest.raises(DeviceError, match="no image"):
        open_opencv_camera(str(tmp_path), clock)
