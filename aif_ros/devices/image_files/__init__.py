"""Images on disk: which files are images, what they hold, and writing them.

`slices.open_slices` is the way to read a stack, `read_image` to read one image. Each format's
module uses the file's own description (pages, planes, photometric interpretation, alpha,
depth) and refuses what it does not understand.
"""

from aif_ros.devices.image_files.folder import image_files
from aif_ros.devices.image_files.metadata import Metadata, read_metadata
from aif_ros.devices.image_files.slices import read_image
from aif_ros.devices.image_files.writing import check_image_output, write_image

__all__ = [
    "Metadata",
    "check_image_output",
    "image_files",
    "read_image",
    "read_metadata",
    "write_image",
]
