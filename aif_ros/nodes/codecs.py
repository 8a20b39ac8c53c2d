"""Conversion between what the nodes work with and the messages of their topics."""

import dataclasses
import json
import math
from typing import Any

import numpy as np
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from std_msgs.msg import Float64MultiArray, MultiArrayDimension, String

from aif_ros.autofocus.search import FocusMeasurement
from aif_ros.nodes.compressed_images import from_compressed, to_compressed
from aif_ros.nodes.image_messages import to_array, to_message
from aif_ros.nodes.stamps import to_stamp
from aif_ros.nodes.topic import StampedImage, StampedMaps
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.types.frame import Window
from aif_ros.types.image import ImageError, check_image, full_scale


def encode_image(stamped: StampedImage) -> Image:
    """Return the message of an image or map."""
    return to_message(stamped.image, stamped.stamp, stamped.frame_id)


def decode_image(message: Image) -> StampedImage:
    """Read an image or map."""
    return StampedImage(to_array(message), to_stamp(message.header.stamp), message.header.frame_id)


def decode_camera_image(message: Image) -> StampedImage:
    """Read the image of a camera.

    Raises:
        ImageError: its values are not usable.
    """
    image = decode_image(message)
    check_image(image.image)
    if image.image.dtype == np.float32 and full_scale(image.image) > 1.0:
        raise ImageError(
            f"values of a {message.encoding} image must be within 0 to 1, not up to "
            f"{image.image.max():g}: publish mono8, mono16 or rgb8"
        )
    return image


def decode_info(message: CameraInfo) -> CameraInfo:
    """Check a camera info.

    Raises:
        ValueError: it has no size.
    """
    if message.width == 0 or message.height == 0:
        raise ValueError(f"a camera info of size {message.width}x{message.height}")
    return message


def decode_limits(message: Float64MultiArray) -> tuple[float, float]:
    """Return the limits of a lens, metres.

    Raises:
        ValueError: they are not [low, high].
    """
    if len(message.data) != 2 or not -math.inf < message.data[0] < message.data[1] < math.inf:
        raise ValueError(f"the limits of a lens must be [low, high], got {list(message.data)}")
    return float(message.data[0]), float(message.data[1])


def encode_maps(stamped: StampedMaps) -> Image:
    """Return the message of defocus maps, one channel for each."""
    return to_message(stamped.maps.values, stamped.maps.stamp, stamped.frame_id)


def decode_maps(message: Image) -> StampedMaps:
    """Read defocus maps."""
    maps = DefocusMaps(to_array(message), to_stamp(message.header.stamp))
    return StampedMaps(maps, message.header.frame_id)


def encode_window(window: Window) -> RegionOfInterest:
    """Return the message of a window."""
    return RegionOfInterest(
        x_offset=window.x, y_offset=window.y, width=window.width, height=window.height
    )


def decode_window(message: RegionOfInterest) -> Window:
    """Read a window."""
    return Window(message.x_offset, message.y_offset, message.width, message.height)


def encode_focus_curve(measurements: list[FocusMeasurement]) -> Float64MultiArray:
    """Return the message of a focus curve: rows of position and score."""
    message = Float64MultiArray(
        data=[value for each in measurements for value in (each.position, each.score)]
    )
    message.layout.dim = [
        MultiArrayDimension(label="image", size=len(measurements), stride=2 * len(measurements)),
        MultiArrayDimension(label="position, score", size=2, stride=2),
    ]
    return message


def decode_focus_curve(message: Float64MultiArray) -> list[FocusMeasurement]:
    """Read a focus curve."""
    return [
        FocusMeasurement(*pair) for pair in zip(message.data[::2], message.data[1::2], strict=True)
    ]


def encode_left_out(left_out: LeftOut) -> String:
    """Return the message of frames that are left out."""
    return String(data=json.dumps(dataclasses.asdict(left_out), allow_nan=False))


def decode_left_out(message: String) -> LeftOut:
    """Read frames that are left out.

    Raises:
        ValueError: it is no such JSON object.
    """
    return LeftOut.of_fields(json.loads(message.data))


def as_it_is(message: Any) -> Any:
    """Return the message itself, where nodes work with it."""
    return message


def encode_compressed(stamped: StampedImage) -> CompressedImage:
    """Return the JPEG message of an image."""
    return to_compressed(stamped.image, stamped.stamp, stamped.frame_id)


def decode_compressed(message: CompressedImage) -> StampedImage:
    """Read a compressed image."""
    header = message.header
    return StampedImage(from_compressed(message), to_stamp(header.stamp), header.frame_id)
