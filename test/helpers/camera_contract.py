"""What every `Camera` backend must do. Subclass `CameraContract` and give it a `camera` fixture."""

import numpy as np
import pytest

from aif_ros.devices.device import DeviceError


class CameraContract:
    """Subclasses give the fixtures `clock` and `camera`; the camera has at least three images."""

    def test_images_have_the_reported_size(self, camera):
        capture = camera.capture()
        image = capture.image
        assert image.dtype in (np.uint8, np.uint16)
        assert image.ndim == 2 or image.shape[2:] == (3,)
        assert (image.shape[1], image.shape[0]) == camera.size

    def test_stamps_rise_and_are_of_the_clock(self, camera, clock):
        before = clock.now()
        stamps = [camera.capture().stamp for _ in range(3)]
        assert all(isinstance(stamp, int) for stamp in stamps)
        assert stamps[0] < stamps[1] < stamps[2]
        # A live camera may hand over the picture that was being taken when it was asked.
        assert before - 10**9 <= stamps[0]
        assert stamps[2] <= clock.now()

    def test_an_image_given_is_not_written_to_again(self, camera):
        first = camera.capture().image
        copy = first.copy()
        camera.capture()
        np.testing.assert_array_equal(first, copy)

    def test_closed_is_closed(self, camera):
        camera.close()
        camera.close()
        with pytest.raises(DeviceError, match="closed"):
            camera.capture()
