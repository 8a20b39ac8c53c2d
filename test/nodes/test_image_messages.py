import array

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CameraInfo, Image

from aif_ros.nodes import image_messages
from aif_ros.nodes.image_messages import to_array, to_message
from aif_ros.nodes.stamps import to_stamp, to_time
from aif_ros.nodes.topics import CAMERA_IMAGE, CAMERA_INFO
from aif_ros.types.image import ImageError

RANDOM = np.random.default_rng(0)


def picture(dtype, *shape):
    return RANDOM.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def message(image, encoding, *, step=None, is_bigendian=False):
    height, width = image.shape[:2]
    data = image.tobytes()
    return Image(
        height=height,
        width=width,
        encoding=encoding,
        step=len(data) // height if step is None else step,
        is_bigendian=is_bigendian,
        data=array.array("B", data),
    )


@pytest.mark.parametrize(
    "image",
    [
        picture(np.uint8, 5, 7),
        picture(np.uint8, 5, 7, 3),
        picture(np.uint16, 5, 7),
        picture(np.uint16, 5, 7, 3),
        RANDOM.random((5, 7), dtype=np.float32),
        picture(np.uint8, 1, 1),
        picture(np.uint8, 5, 7, 3)[:, ::-1],
    ],
    ids=lambda image: f"{image.dtype} {image.shape}",
)
def test_there_and_back(image):
    sent = to_message(image, 1_700_000_000_123_456_789, "camera")
    received = to_array(sent)
    np.testing.assert_array_equal(received, image)
    assert received.dtype == image.dtype
    assert to_stamp(sent.header.stamp) == 1_700_000_000_123_456_789
    assert sent.header.frame_id == "camera"


def test_nan_survives():
    image = np.array([[np.nan, 1.0]], np.float32)
    np.testing.assert_array_equal(to_array(to_message(image, 0, "")), image)


@pytest.mark.parametrize("encoding", ["mono8", "8UC1", "rgb8", "mono16", "16UC1", "32FC1"])
def test_reading_copies_nothing(encoding):
    shape = (4, 6, 3) if encoding == "rgb8" else (4, 6)
    dtype = {"m": np.uint8, "8": np.uint8, "r": np.uint8}.get(encoding[0], np.uint16)
    dtype = {"mono16": np.uint16, "32FC1": np.float32}.get(encoding, dtype)
    received = message(np.zeros(shape, dtype), encoding)
    np.frombuffer(received.data, np.uint8)[:] = 1
    assert np.shares_memory(to_array(received), np.frombuffer(received.data, np.uint8))


@pytest.mark.parametrize(
    ("encoding", "channels"),
    [
        ("bgr8", [2, 1, 0]),
        ("rgba8", [0, 1, 2]),
        ("bgra8", [2, 1, 0]),
        ("bgr16", [2, 1, 0]),
        ("rgb16", [0, 1, 2]),
        ("rgba16", [0, 1, 2]),
        ("bgra16", [2, 1, 0]),
    ],
)
def test_channels_are_put_in_order(encoding, channels):
    image = picture(np.uint16 if "16" in encoding else np.uint8, 4, 5, 4 if "a" in encoding else 3)
    assert to_array(message(image, encoding)).dtype == image.dtype
    np.testing.assert_array_equal(to_array(message(image, encoding)), image[..., channels])


@pytest.mark.parametrize(
    ("encoding", "dtype", "channels"),
    [
        ("mono8", np.uint8, 1),
        ("rgb8", np.uint8, 3),
        ("mono16", np.uint16, 1),
        ("bgr8", np.uint8, 3),
    ],
)
@pytest.mark.parametrize("padding", [1, 2, 3])
def test_odd_steps(encoding, dtype, channels, padding):
    image = picture(dtype, 4, 5, channels) if channels > 1 else picture(dtype, 4, 5)
    rows = np.ascontiguousarray(image).view(np.uint8).reshape(4, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    sent = message(image, encoding, step=padded.shape[1])
    expected = image[..., ::-1] if encoding == "bgr8" else image
    sent.data = array.array("B", padded.tobytes())
    np.testing.assert_array_equal(to_array(sent), expected)
    # Some drivers leave the padding of the last row away.
    sent.data = array.array("B", padded.tobytes()[:-padding])
    np.testing.assert_array_equal(to_array(sent), expected)


def test_big_endian():
    image = picture(np.uint16, 4, 5)
    sent = message(image.astype(">u2"), "mono16", is_bigendian=True)
    received = to_array(sent)
    np.testing.assert_array_equal(received, image)
    assert received.dtype.isnative


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"height": 0}, "empty: 7x0"),
        ({"width": 0}, "empty: 0x5"),
        ({"step": 20}, "step of 20 bytes is too small for 7 pixels of rgb8: 21"),
        ({"height": 6}, "truncated: 105 bytes instead of 126 for 7x6 rgb8"),
        ({"data": array.array("B")}, "truncated: 0 bytes"),
        ({"encoding": "yuv999"}, "unknown image encoding 'yuv999'.*rgb8"),
        ({"encoding": ""}, "unknown image encoding ''"),
        ({"encoding": "8UC3"}, "8UC3 does not define the order.*rgb8 or bgr8"),
    ],
)
def test_unusable_messages(change, words, monkeypatch):
    monkeypatch.setattr(image_messages, "_cv_bridge", lambda: None)
    sent = message(picture(np.uint8, 5, 7, 3), "rgb8")
    for name, value in change.items():
        setattr(sent, name, value)
    with pytest.raises(ImageError, match=words):
        to_array(sent)


def test_cv_bridge_converts_other_encodings(monkeypatch):
    asked = []

    def convert(sent, encoding):
        asked.append((sent.encoding, encoding))
        return np.full((5, 7, 3), 9, np.uint8)

    monkeypatch.setattr(image_messages, "_cv_bridge", lambda: convert)
    sent = message(picture(np.uint8, 5, 7), "nv21")
    assert (to_array(sent) == 9).all()
    assert asked == [("nv21", "rgb8")]


@pytest.mark.skipif(
    image_messages._cv_bridge() is None, reason="needs the compiled cv_bridge of ROS"
)
@pytest.mark.parametrize(
    ("encoding", "dtype", "channels"),
    [
        ("mono8", np.uint8, ()),
        ("mono16", np.uint16, ()),
        ("rgb8", np.uint8, (3,)),
        ("bgr8", np.uint8, (3,)),
        ("rgba8", np.uint8, (4,)),
        ("bgra16", np.uint16, (4,)),
        ("rgb16", np.uint16, (3,)),
        ("bayer_rggb8", np.uint8, ()),
        ("bayer_grbg16", np.uint16, ()),
        ("yuv422", np.uint8, (2,)),
        ("yuv422_yuy2", np.uint8, (2,)),
    ],
)
def test_agrees_with_cv_bridge(encoding, dtype, channels):
    sent = message(picture(dtype, 6, 8, *channels), encoding)
    color = "mono" if "mono" in encoding else "rgb"
    wanted = f"{color}{8 * np.dtype(dtype).itemsize}"
    expected = image_messages._cv_bridge()(sent, wanted)
    np.testing.assert_array_equal(to_array(sent), expected)


def test_what_cv_bridge_cannot_convert_is_an_image_error(monkeypatch):
    def convert(sent, encoding):
        raise RuntimeError("no such conversion")

    monkeypatch.setattr(image_messages, "_cv_bridge", lambda: convert)
    with pytest.raises(ImageError, match="cannot convert encoding 'odd': no such conversion"):
        to_array(message(picture(np.uint8, 5, 7), "odd"))


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 3), np.uint8),
        np.zeros((2, 3), np.float64),
        np.zeros((2, 3, 4), np.uint8),
        np.zeros((2, 3, 4, 5), np.float32),
    ],
)
def test_arrays_without_encoding(image):
    with pytest.raises(ImageError, match="no image encoding"):
        to_message(image, 0, "")


@pytest.mark.parametrize("stamp", [0, 999_999_999, 1_000_000_000, 1_700_000_000_000_000_001])
def test_stamps(stamp):
    assert to_stamp(to_time(stamp)) == stamp


def test_maps_of_many_channels():
    maps = np.arange(2 * 3 * 40, dtype=np.float32).reshape(2, 3, 40)
    sent = to_message(maps, 5, "camera")
    assert (sent.encoding, sent.step) == ("32FC40", 480)
    np.testing.assert_array_equal(to_array(sent), maps)


COLORS = cv2.resize(np.random.default_rng(3).integers(0, 256, (3, 4, 3), dtype=np.uint8), (32, 24))


@pytest.mark.parametrize("encoding", ["yuv422", "uyvy", "yuv422_yuy2", "yuyv"])
def test_yuv_422(encoding):
    """Two pixels share their colour."""
    y, u, v = np.moveaxis(cv2.cvtColor(COLORS, cv2.COLOR_RGB2YUV), -1, 0)
    color = np.where(np.arange(32) % 2, np.roll(v, 1, axis=1), u)
    luma_first = encoding in ("yuv422_yuy2", "yuyv")
    samples = np.stack([y, color] if luma_first else [color, y], axis=-1)
    raw = Image(height=24, width=32, encoding=encoding, step=64)
    raw.data.frombytes(samples.tobytes())
    difference = to_array(raw).astype(int) - COLORS
    # Video levels (16 to 235) and full ones differ, by a tenth at most.
    assert np.abs(difference).mean() < 30
    for channel in range(3):
        seen = np.corrcoef(to_array(raw)[..., channel].ravel(), COLORS[..., channel].ravel())
        assert seen[0, 1] > 0.95


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer(pattern, bits):
    """A flat colour comes back from each pattern."""
    color = {"r": 200, "g": 120, "b": 40}
    dtype = np.uint8 if bits == 8 else np.uint16
    tile = np.array([color[each] for each in pattern], dtype).reshape(2, 2)
    mosaic = np.tile(tile, (12, 16))
    raw = Image(height=24, width=32, encoding=f"bayer_{pattern}{bits}", step=mosaic.strides[0])
    raw.data.frombytes(mosaic.tobytes())
    image = to_array(raw)
    assert image.dtype == dtype
    assert (image[8:-8, 8:-8] == (200, 120, 40)).all()


@pytest.mark.parametrize("encoding", ["yuv422_yuy2", "bayer_rggb8", "bayer_grbg16"])
def test_rows_with_padding_of_encodings_that_are_converted(encoding):
    dtype = np.uint16 if "16" in encoding else np.uint8
    samples = picture(dtype, 6, 8, 2) if "yuv" in encoding else picture(dtype, 6, 8)
    rows = samples.view(np.uint8).reshape(6, -1)
    padded = np.pad(rows, ((0, 0), (0, 5)), constant_values=77)
    sent = message(samples, encoding, step=padded.shape[1])
    sent.data = array.array("B", padded.tobytes())
    np.testing.assert_array_equal(to_array(sent), to_array(message(samples, encoding)))


def test_a_size_that_the_encoding_cannot_have():
    raw = Image(height=24, width=31, encoding="yuyv", step=62)
    raw.data.frombytes(bytes(62 * 24))
    with pytest.raises(ImageError, match="31x24 pixels cannot be of encoding yuyv"):
        to_array(raw)


class TestCameraImages:
    def decode(self, image):
        return CAMERA_IMAGE.decode(to_message(image, 5, "camera"))

    def test_floats_within_0_to_1(self):
        image = np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4)
        np.testing.assert_array_equal(self.decode(image).image, image)

    def test_floats_of_another_range_are_refused(self):
        with pytest.raises(ImageError, match="32FC1 image must be within 0 to 1, not up to 255"):
            self.decode(np.full((3, 4), 255, np.float32))

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_values_that_are_none_are_refused(self, value):
        with pytest.raises(ImageError, match="not finite"):
            self.decode(np.full((3, 4), value, np.float32))


def test_a_camera_info_without_size_is_refused():
    with pytest.raises(ValueError, match="camera info of size 0x480"):
        CAMERA_INFO.decode(CameraInfo(width=0, height=480))
