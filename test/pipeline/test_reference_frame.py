import numpy as np
import pytest

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.reference_frame import FrameStream
from aif_ros.types.frame import Frame
from aif_ros.types.image import ImageError

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 9e4, 3840)


def frame(level, dtype=np.uint16, bits=0):
    return Frame(np.full((6, 8), level, dtype), 0, 5e-4, bits=bits)


@pytest.mark.parametrize(
    ("bits_per_sample", "image", "value"),
    [
        (12, frame(1023), 1023 / 4095),
        (0, frame(1023, bits=12), 1023 / 4095),  # as the camera says
        (10, frame(1023, bits=12), 1.0),  # as the user says
        (0, frame(1000), 1000 / 1023),  # recognised
        (12, frame(51, np.uint8), 0.2),
    ],
)
def test_full_scale(bits_per_sample, image, value):
    reference = FrameStream(LENS, bits_per_sample).reference(image)
    np.testing.assert_allclose(reference.image, value, rtol=1e-5)


def test_a_brighter_frame_corrects_the_full_scale_for_those_that_follow():
    stream = FrameStream(LENS)
    scales = [stream.reference(frame(level)).sixteen_bit_scale for level in (1000, 4000, 1000)]
    assert scales == [1023.0, 4095.0, 4095.0]


def test_an_unusable_image_is_refused():
    with pytest.raises(ImageError):
        FrameStream(LENS).reference(Frame(np.zeros((0, 0), np.uint8), 0, 0.0))
