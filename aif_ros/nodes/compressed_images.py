"""Compressed images for viewers, as `image_transport` publishes them."""

import io
import threading
from typing import Any

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header

from aif_ros.nodes.stamps import to_time
from aif_ros.storage.png_parts import has_whole_parts
from aif_ros.types.image import ImageError

# Of 100; visually lossless for photographs at about a tenth of the size.
_QUALITY = 90
# Least width of a colour-mapped map, pixels: its cells become squares that can be seen. They are
# whole blocks of the JPEG format, which cost next to nothing and stay sharp.
_MAP_WIDTH = 320
_BLOCK = 8
# RGB; computed once, because OpenCV takes 3 ms for it.
_COLORS = cv2.applyColorMap(np.arange(256, dtype=np.uint8), cv2.COLORMAP_TURBO)[:, 0, ::-1]
# RGB of cells without a value: a grey that the colour map does not have.
_UNKNOWN = (96, 96, 96)
# Largest image that is decoded, pixels: larger than any sensor with a ROS driver.
_MAX_PIXELS = 1 << 28
# New memory for each image would cost more than its conversion.
_scratch = threading.local()


def to_compressed(image: NDArray[Any], stamp: int, frame_id: str) -> CompressedImage:
    """Return the JPEG message of an image.

    Args:
        image: (H, W) mono or (H, W, 3) RGB, uint8; of uint16 the upper 8 bits are kept.
        stamp: nanoseconds.
        frame_id: coordinate frame.
    """
    pixels = to_8_bits(image)
    color = pixels.ndim == 3
    if color:
        pixels = _to_bgr(pixels)
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
    message = CompressedImage(
        header=Header(stamp=to_time(stamp), frame_id=frame_id),
        format="rgb8; jpeg compressed bgr8" if color else "mono8; jpeg compressed ",
    )
    message.data.frombytes(memoryview(data).cast("B"))
    return message


def _to_bgr(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the image in the order of OpenCV, valid until the next call of this thread."""
    buffer = getattr(_scratch, "bgr", None)
    if buffer is None or buffer.shape != image.shape:
        buffer = _scratch.bgr = np.empty(image.shape, np.uint8)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2BGR, dst=buffer))


def to_8_bits(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a uint8 image unchanged, of a uint16 image the upper 8 bits."""
    return image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)


def from_compressed(message: CompressedImage) -> NDArray[np.uint8]:
    """Return the image of a message, (H, W) mono or (H, W, 3) RGB.

    Raises:
        ImageError: it cannot be decoded.
    """
    data = np.frombuffer(message.data, np.uint8)
    image = None
    if has_whole_parts(data) and 0 < _pixels(message) <= _MAX_PIXELS:
        image = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise ImageError(f"the compressed image cannot be decoded ({message.format})")
    return np.asarray(image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _pixels(message: CompressedImage) -> int:
    """Return the number of pixels as the header of the image says; 0: it is none."""
    try:
        with PIL.Image.open(io.BytesIO(memoryview(message.data))) as header:
            return header.width * header.height
    except Exception:  # Pillow raises whatever its parsers stumble over.
        return 0


def color_map(values: NDArray[np.float32], highest: float) -> NDArray[np.uint8]:
    """Return a map as an image, (H, W, 3) RGB: blue for 0, red for `highest`, grey for NaN.

    Args:
        values: (rows, columns), at least 0.
        highest: value that becomes red, as do higher ones.
    """
    known = np.isfinite(values)
    scaled = np.where(known, np.clip(values / highest, 0.0, 1.0), 0.0)
    image = _COLORS[np.round(255 * scaled).astype(np.uint8)]
    image[~known] = _UNKNOWN
    factor = _BLOCK * -(-_MAP_WIDTH // (_BLOCK * values.shape[1]))
    return np.asarray(
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
    )
