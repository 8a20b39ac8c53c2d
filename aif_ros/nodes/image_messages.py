"""Image arrays into `sensor_msgs/Image` and back, without copying where it can be avoided."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from aif_ros.nodes.stamps import to_time
from aif_ros.types.image import ImageError

# Type and number of channels of the encodings that are converted here.
_LAYOUT: dict[str, tuple[type, int]] = {
    "mono8": (np.uint8, 1),
    "8UC1": (np.uint8, 1),
    "rgb8": (np.uint8, 3),
    "bgr8": (np.uint8, 3),
    "rgba8": (np.uint8, 4),
    "bgra8": (np.uint8, 4),
    "mono16": (np.uint16, 1),
    "16UC1": (np.uint16, 1),
    "rgb16": (np.uint16, 3),
    "bgr16": (np.uint16, 3),
    "rgba16": (np.uint16, 4),
    "bgra16": (np.uint16, 4),
}
_MAPS = re.compile(r"32FC([1-9]\d?)")
# Encodings that OpenCV converts in one call: the sample type, the channels and the conversion.
# ROS names a Bayer pattern by its first four pixels, as OpenCV's COLOR_BayerRGGB2RGB does.
_CONVERTED: dict[str, tuple[type, int, int]] = {
    "yuv422": (np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    **{
        f"bayer_{pattern.lower()}{bits}": (dtype, 1, getattr(cv2, f"COLOR_Bayer{pattern}2RGB"))
        for pattern in ("RGGB", "BGGR", "GBRG", "GRBG")
        for bits, dtype in ((8, np.uint8), (16, np.uint16))
    },
}
_TO_RGB = {
    "bgr8": cv2.COLOR_BGR2RGB,
    "bgr16": cv2.COLOR_BGR2RGB,
    "rgba8": cv2.COLOR_RGBA2RGB,
    "bgra8": cv2.COLOR_BGRA2RGB,
    "rgba16": cv2.COLOR_RGBA2RGB,
    "bgra16": cv2.COLOR_BGRA2RGB,
}
_ENCODING = {
    (np.dtype(np.uint8), 2): "mono8",
    (np.dtype(np.uint8), 3): "rgb8",
    (np.dtype(np.uint16), 2): "mono16",
    (np.dtype(np.uint16), 3): "rgb16",
    (np.dtype(np.float32), 2): "32FC1",
}
_BITS_OF_CHANNEL_ORDERS_UNKNOWN = ("8UC3", "8UC4", "16UC3", "16UC4")


def to_message(image: NDArray[Any], stamp: int, frame_id: str) -> Image:
    """Return the message for an image or map; one copy is made.

    Args:
        image: (H, W) mono or (H, W, 3) RGB, uint8 or uint16; or (H, W) or (H, W, C) float32, maps.
        stamp: nanoseconds since the epoch.
        frame_id: coordinate frame.

    Raises:
        ImageError: no encoding fits it.
    """
    encoding = _encoding(image)
    image = np.ascontiguousarray(image)
    message = Image(
        header=Header(stamp=to_time(stamp), frame_id=frame_id),
        height=image.shape[0],
        width=image.shape[1],
        encoding=encoding,
        is_bigendian=sys.byteorder == "big",
        step=image.strides[0],
    )
    # Assigning to `data` would convert it byte by byte [rosidl_python#156].
    message.data.frombytes(memoryview(image).cast("B"))
    return message


def _encoding(image: NDArray[Any]) -> str:
    if image.size > 0 and image.dtype == np.float32 and image.ndim == 3:
        return f"32FC{image.shape[2]}"
    encoding = _ENCODING.get((image.dtype, image.ndim))
    if encoding is None or image.size == 0 or (image.ndim == 3 and image.shape[2] != 3):
        raise ImageError(f"no image encoding for shape {image.shape} of {image.dtype}")
    return encoding


def _layout(encoding: str) -> tuple[type, int] | None:
    """Return type and number of channels; None: not converted here."""
    maps = _MAPS.fullmatch(encoding)
    if maps:
        return np.float32, int(maps[1])
    return _CONVERTED[encoding][:2] if encoding in _CONVERTED else _LAYOUT.get(encoding)


def to_array(message: Image) -> NDArray[Any]:
    """Return the image (H, W) mono or (H, W, 3) RGB, or the maps (H, W, C), in a message.

    The array shares the memory of the message wherever no conversion is needed.

    Raises:
        ImageError: it is empty or truncated, or its encoding cannot be read.
    """
    if message.height == 0 or message.width == 0:
        raise ImageError(f"the image is empty: {message.width}x{message.height}")
    layout = _layout(message.encoding)
    if layout is None:
        return _by_cv_bridge(message)
    dtype, channels = layout
    item = np.dtype(dtype).newbyteorder(">" if message.is_bigendian else "<")
    row = message.width * channels * item.itemsize
    if message.step < row:
        raise ImageError(
            f"the image's step of {message.step} bytes is too small for {message.width} pixels "
            f"of {message.encoding}: {row} are needed"
        )
    # The last row may come without its padding.
    needed = message.step * (message.height - 1) + row
    if len(message.data) < needed:
        raise ImageError(
            f"the image is truncated: {len(message.data)} bytes instead of {needed} for "
            f"{message.width}x{message.height} {message.encoding}"
        )
    pixel = (channels * item.itemsize, item.itemsize)
    image: NDArray[Any] = np.ndarray(
        (message.height, message.width, channels), item, message.data, 0, (message.step, *pixel)
    )
    if channels == 1:
        image = image[..., 0]
    if not item.isnative:
        image = image.astype(dtype)
    if message.encoding in _CONVERTED:
        return _convert(np.ascontiguousarray(image), message.encoding)
    if message.encoding in _TO_RGB:
        image = cv2.cvtColor(np.ascontiguousarray(image), _TO_RGB[message.encoding])
    return image


def _convert(image: NDArray[Any], encoding: str) -> NDArray[Any]:
    try:
        return np.asarray(cv2.cvtColor(image, _CONVERTED[encoding][2]))
    except cv2.error as error:
        raise ImageError(
            f"an image of {image.shape[1]}x{image.shape[0]} pixels cannot be of encoding {encoding}"
        ) from error


def _by_cv_bridge(message: Image) -> NDArray[Any]:
    """Convert by cv_bridge, where it is installed, what is not converted here."""
    if message.encoding in _BITS_OF_CHANNEL_ORDERS_UNKNOWN:
        raise ImageError(
            f"encoding {message.encoding} does not define the order of its channels: "
            "publish rgb8 or bgr8"
        )
    convert = _cv_bridge()
    if convert is None:
        raise ImageError(
            f"unknown image encoding '{message.encoding}': publish one of "
            f"{', '.join([*_LAYOUT, *_CONVERTED])}, 32FC1, or install cv_bridge, which reads more"
        )
    mono = message.encoding.startswith("mono")
    try:
        return np.asarray(convert(message, "mono8" if mono else "rgb8"))
    except Exception as error:  # cv_bridge's own class, cv2.error and RuntimeError alike
        raise ImageError(f"cannot convert encoding '{message.encoding}': {error}") from error


def _cv_bridge() -> Callable[[Image, str], Any] | None:
    # The compiled one of ROS only: the pure Python one on PyPI has no `boost` module.
    if importlib.util.find_spec("cv_bridge") is None:
        return None
    if importlib.util.find_spec("cv_bridge.boost") is None:
        return None
    result: Callable[[Any, str], Any] | None = (
        importlib.import_module("cv_bridge").CvBridge().imgmsg_to_cv2
    )
    return result
