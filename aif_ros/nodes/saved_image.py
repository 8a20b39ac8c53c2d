"""Saves J, and does not lose it where that fails."""

import os
import tempfile
from pathlib import Path

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import write_image
from aif_ros.types.image import Image


class SaveError(DeviceError):
    """J could not be saved where it should have been; the message says where it is instead."""


def save(path: str, image: Image, *, sixteen_bit: bool) -> None:
    """Write J to `path`, or else to a temporary file.

    Args:
        path: file to write.
        image: J, float32 in [0, 1].
        sixteen_bit: whether to write 16 bits.

    Raises:
        SaveError: `path` cannot be written.
    """
    try:
        write_image(path, image, sixteen_bit=sixteen_bit)
    except (OSError, ValueError, DeviceError) as error:
        spare = Path(tempfile.gettempdir()) / f"aif_ros_fused_{os.getpid()}.tif"
        try:
            write_image(spare, image, sixteen_bit=sixteen_bit)
        except OSError as second:
            raise SaveError(f"the fused image could not be saved: {error}; {second}") from error
        raise SaveError(
            f"the fused image could not be saved: {error}; it has been written to {spare}"
        ) from error
