"""The focus map as a coloured relief (3D mesh)."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.storage.atomic_write import write_bytes
from aif_ros.types.image import Image, to_uint8

LONGEST_SIDE = 512
"""Vertices along the longer side: 500,000 triangles, which every viewer turns smoothly."""

HEIGHT_SHARE = 0.25
"""Height of a relief whose z step or pixel size is unknown, share of its longer side."""


def write_relief(path: str | Path, image: Image, height: NDArray[np.float32]) -> None:
    """Write a coloured relief as PLY (binary, little endian), which MeshLab and Blender read.

    By hand, because the format is a header of text and two tables.

    Args:
        path: file to write.
        image: (H, W) or (H, W, 3) RGB, float32 in [0, 1].
        height: (H, W) height of each pixel, in pixels; positive towards the viewer.

    Raises:
        OSError: the file cannot be written.
    """
    scale = min(1.0, LONGEST_SIDE / max(height.shape))
    size = (max(2, round(height.shape[1] * scale)), max(2, round(height.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    colours = to_uint8(small if small.ndim == 3 else np.dstack([small] * 3))
    heights = cv2.resize(height, size, interpolation=cv2.INTER_AREA)
    columns, rows = np.meshgrid(
        np.linspace(0, height.shape[1] - 1, size[0]), np.linspace(0, height.shape[0] - 1, size[1])
    )
    vertices = np.empty(
        size[0] * size[1],
        [(axis, "<f4") for axis in "xyz"] + [(name, "u1") for name in ("red", "green", "blue")],
    )
    # The y axis of a relief points up, that of an image down.
    vertices["x"], vertices["y"], vertices["z"] = columns.ravel(), -rows.ravel(), heights.ravel()
    vertices["red"], vertices["green"], vertices["blue"] = colours.reshape(-1, 3).T
    corner = np.arange(size[0] * size[1], dtype=np.int32).reshape(size[::-1])
    first, second = corner[:-1, :-1].ravel(), corner[:-1, 1:].ravel()
    third, fourth = corner[1:, :-1].ravel(), corner[1:, 1:].ravel()
    faces = np.empty(2 * first.size, [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"] = 3
    faces["corners"] = np.concatenate(
        [np.column_stack([first, third, second]), np.column_stack([second, third, fourth])]
    )
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment written by aif_ros",
        f"element vertex {len(vertices)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {name}" for name in ("red", "green", "blue")),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
    ]
    text = "\n".join(header) + "\n"
    write_bytes(path, text.encode() + vertices.tobytes() + faces.tobytes())
