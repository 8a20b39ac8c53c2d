"""Cameras and recordings that OpenCV opens: device index, URL, video file, folder of images."""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from aif_ros.devices.clock import Clock
from aif_ros.devices.connection import Connection
from aif_ros.devices.device import (
    Camera,
    Capture,
    ConnectionLostError,
    DeviceError,
    EndOfRecording,
    first_image_size,
)
from aif_ros.devices.image_files.slices import is_multi_page, open_slices
from aif_ros.devices.permissions import advice

CLOSE_TIMEOUT = 2.0
"""Seconds to wait for a driver that hangs in a read when its camera is closed."""
LARGEST_AGE = 2 * 10**9
"""Nanoseconds: a buffer that is older by its stamp was not stamped with the monotonic clock."""


class LiveCamera:
    """A running camera: a device index or a stream.

    A thread reads the driver's queue continuously, so that a slow caller gets the newest image with
    its own time instead of one that has waited. A camera that was disconnected is opened again by
    a later `capture`.

    Stamps: where the driver stamps its buffers (V4L2), its time, the start of the exposure for most
    cameras; otherwise the time of arrival.

    Args:
        source: device index, path of a device, or URL.
        clock: source of the stamps.
        delay: seconds from the middle of the exposure to the stamp of the driver or the arrival;
            subtracted from the stamps. Negative where the driver stamps the start.
        timeout: seconds without an image after which the camera counts as disconnected.

    Raises:
        DeviceError: it cannot be opened or gives no image.
    """

    def __init__(
        self, source: int | str, clock: Clock, *, delay: float = 0.0, timeout: float = 5.0
    ) -> None:
        self._source = source
        self._clock = clock
        self._delay = round(delay * 1e9)
        self._timeout = timeout
        self._closed = False
        self._stream: _Stream | None = None
        self._connection = Connection(self._connect, self._disconnect)
        # Drivers may not report the size beforehand.
        self._size = (0, 0)
        self._size = first_image_size(self)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its images, pixels."""
        return self._size

    def capture(self) -> Capture:
        """Return the newest image not yet returned; waits for one if there is none.

        Raises:
            ConnectionLostError: the camera is gone, or gave no image in time.
            DeviceError: the camera is closed, or its images have changed their size.
        """
        if self._closed:
            raise DeviceError(f"camera {self._source!r} is closed: open it again")
        capture = self._connection.use(lambda stream: stream.next(self._timeout))
        size = (capture.image.shape[1], capture.image.shape[0])
        if self._size not in ((0, 0), size):
            fault = (
                f"camera {self._source!r} gives images of {size[0]}x{size[1]} pixels after it was "
                f"connected again, before {self._size[0]}x{self._size[1]}: set it up as before"
            )
            self._connection.close(fault)
            raise DeviceError(fault)
        return capture

    def close(self) -> None:
        """Release the camera."""
        self._closed = True
        self._connection.close()

    def _connect(self) -> "_Stream":
        self._stream = _Stream(self._source, self._clock, self._delay)
        return self._stream

    def _disconnect(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


class _Stream:
    """One connection to a camera, with the thread that reads it.

    Raises:
        ConnectionLostError: it cannot be opened.
    """

    def __init__(self, source: int | str, clock: Clock, delay: int) -> None:
        self._source = source
        self._clock = clock
        self._delay = delay
        self._video = cv2.VideoCapture(source)
        if not self._video.isOpened():
            # OpenCV gives no reason.
            problem = _obstacle(source) or (
                "see that its address is right and that no other program uses it"
            )
            raise ConnectionLostError(f"cannot open camera {source!r}: {problem}")
        self._backend = self._video.getBackendName()
        self._changed = threading.Condition()
        self._newest: Capture | None = None
        self._ended = False
        self._reader = threading.Thread(target=self._read, name=f"camera {source}", daemon=True)
        self._reader.start()

    def next(self, timeout: float) -> Capture:
        """Return the newest image not yet returned.

        Raises:
            ConnectionLostError: there is none in `timeout` seconds, or the camera is gone.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._ended, timeout)
            if self._ended:
                raise ConnectionLostError(
                    f"camera {self._source!r} was disconnected: connect it again"
                )
            if self._newest is None:
                raise ConnectionLostError(f"camera {self._source!r} gave no image in {timeout:g} s")
            capture, self._newest = self._newest, None
            return capture

    def close(self) -> None:
        """End the connection."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        # A driver can hang in a read; that must not block the program.
        self._reader.join(CLOSE_TIMEOUT)

    def _read(self) -> None:
        while not self._ended:
            good, image = self._video.read()
            stamp = self._clock.now() - self._age() - self._delay
            with self._changed:
                if good and not self._ended:
                    self._newest = Capture(_to_rgb(image), stamp)
                self._ended |= not good
                self._changed.notify_all()
        self._video.release()

    def _age(self) -> int:
        """Time since the driver has stamped the newest buffer, nanoseconds; 0 if it has not.

        OpenCV's V4L2 backend gives that stamp, milliseconds of the monotonic clock, as position
        (`cap_v4l.cpp`, CAP_PROP_POS_MSEC).
        """
        if self._backend != "V4L2":
            return 0
        age = time.monotonic_ns() - round(self._video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        # Some drivers stamp with the time of day, or not at all.
        return age if 0 <= age <= LARGEST_AGE else 0


def _obstacle(source: int | str) -> str:
    """Return why a camera cannot be opened, if the system shows it; else an empty text."""
    path = f"/dev/video{source}" if isinstance(source, int) else source
    if "://" in path or not sys.platform.startswith("linux"):
        return ""
    if not Path(path).exists():
        return f"there is no {path}: connect it (`aif devices` lists cameras)"
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        return f"you may not open {path}: {advice(path, 'video')}"
    return ""


class VideoFile:
    """A video file, played at its own frame rate.

    Args:
        path: the file.
        clock: source of the stamps.

    Raises:
        DeviceError: it does not exist or cannot be decoded.
    """

    def __init__(self, path: str | Path, clock: Clock) -> None:
        self._path = Path(path)
        if not self._path.is_file():
            raise DeviceError(f"there is no video file {self._path}")
        self._video = cv2.VideoCapture(str(self._path))
        good, image = self._video.read()
        if not good:
            raise DeviceError(f"{self._path} cannot be decoded as a video")
        self._pending: NDArray[Any] | None = image
        self._size = (image.shape[1], image.shape[0])
        self._pace = _Pace(clock, self._video.get(cv2.CAP_PROP_FPS))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its images, pixels."""
        return self._size

    def capture(self) -> Capture:
        """Return the next image of the recording when it is due.

        Raises:
            EndOfRecording: all images were returned.
            DeviceError: the file is closed.
        """
        if not self._video.isOpened():
            raise DeviceError(f"{self._path} is closed: open it again")
        image, self._pending = self._pending, None
        if image is None:
            good, image = self._video.read()
            if not good:
                raise EndOfRecording(f"{self._path} has been played to its end")
        return Capture(_to_rgb(image), self._pace.wait())

    def close(self) -> None:
        """Close the file."""
        self._video.release()


class ImageFolder:
    """A folder of images, played in the order of their names, or the pages of one file.

    Args:
        folder: the folder, or the multi-page file.
        clock: source of the stamps.
        frame_rate: images per second.

    Raises:
        DeviceError: it does not exist, holds no image, or the first one cannot be read.
    """

    def __init__(self, folder: str | Path, clock: Clock, *, frame_rate: float = 10.0) -> None:
        self._folder = Path(folder)
        self._slices = open_slices([folder])
        height, width = self._slices.shape[:2]
        self._size = (width, height)
        self._next = 0
        self._pace = _Pace(clock, frame_rate)
        self._closed = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of its images, pixels."""
        return self._size

    def capture(self) -> Capture:
        """Return the next image; after an unreadable one, the next call returns its successor.

        Raises:
            EndOfRecording: all images were returned.
            DeviceError: the folder is closed, or the image cannot be read.
        """
        if self._closed:
            raise DeviceError(f"{self._folder} is closed: open it again")
        if self._next == len(self._slices):
            raise EndOfRecording(f"{self._folder} has been played to its end")
        self._next += 1
        image = self._slices.read(self._next - 1).pixels
        return Capture(image, self._pace.wait())

    def close(self) -> None:
        """Release the folder."""
        self._closed = True


def open_opencv_camera(source: str, clock: Clock) -> Camera:
    """Open a camera or recording by name.

    Args:
        source: device index ("0"), path of a device ("/dev/video0"), URL, video file, or folder
            of images.
        clock: source of the stamps.

    Raises:
        DeviceError: it cannot be opened; the message says what to do.
    """
    if source.isdecimal():
        return LiveCamera(int(source), clock)
    if "://" in source or Path(source).is_char_device():
        return LiveCamera(source, clock)
    if Path(source).is_dir() or is_multi_page(Path(source)):
        return ImageFolder(source, clock)
    if Path(source).exists():
        return VideoFile(source, clock)
    raise DeviceError(
        f"there is no camera {source!r}: give a device index (0), the path of a device, a URL, "
        "a video file, or a folder of images"
    )


class _Pace:
    """Times recorded images at equal intervals from the first one on."""

    def __init__(self, clock: Clock, frame_rate: float) -> None:
        self._clock = clock
        # Containers without a frame rate report 0 or nonsense.
        self._period = round(1e9 / (frame_rate if 0.1 <= frame_rate <= 1000 else 30.0))
        self._due: int | None = None

    def wait(self) -> int:
        """Sleep until the next image is due and return the time, nanoseconds."""
        now = self._clock.now()
        self._due = now if self._due is None else max(now, self._due)
        self._clock.sleep((self._due - now) * 1e-9)
        stamp, self._due = self._due, self._due + self._period
        return stamp


def _to_rgb(image: NDArray[Any]) -> NDArray[Any]:
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
