"""The focus map as a coloured relief (3D mesh)."""

import base64
from dataclasses import dataclass
from pathlib import Path

import cv2
import jinja2
import numpy as np
from numpy.typing import NDArray

from aif_ros.storage.atomic_write import write_bytes, write_text
from aif_ros.types.image import Image, to_uint8

LONGEST_SIDE = 512
"""Vertices along the longer side: 500,000 triangles, which every viewer turns smoothly."""

HEIGHT_SHARE = 0.25
"""Height of a relief whose z step or pixel size is unknown, share of its longer side."""


SUFFIXES = (".ply", ".html")
"""Suffixes of the files that a relief can be written to."""

_PAGE = Path(__file__).with_name("relief.html.jinja")
_HEIGHTS = 65535
"""Steps of the heights on a page."""


@dataclass(frozen=True)
class _Grid:
    """An image as a grid of points.

    Attributes:
        colours: (h, w, 3) uint8.
        heights: (h, w) float32, pixels of the image.
        spacing: of the points, pixels of the image.
    """

    colours: NDArray[np.uint8]
    heights: NDArray[np.float32]
    spacing: float


def write_relief(path: str | Path, image: Image, height: NDArray[np.float32]) -> None:
    """Write a coloured relief.

    Args:
        path: file to write: a .ply, which MeshLab and Blender read, or an .html, a page that shows
            it in any browser, complete in itself.
        image: (H, W) or (H, W, 3) RGB, float32 in [0, 1].
        height: (H, W) height of each pixel, in pixels; positive towards the viewer.

    Raises:
        ValueError: the suffix is another.
        OSError: the file cannot be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"cannot write {path}: a relief is a {' or '.join(SUFFIXES)}")
    grid = _grid(image, height)
    if suffix == ".ply":
        write_bytes(path, _ply(grid))
    else:
        write_text(path, _page(grid, Path(path).stem))


def _grid(image: Image, height: NDArray[np.float32]) -> _Grid:
    scale = min(1.0, LONGEST_SIDE / max(height.shape))
    size = (max(2, round(height.shape[1] * scale)), max(2, round(height.shape[0] * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    colours = to_uint8(small if small.ndim == 3 else np.dstack([small] * 3))
    heights = np.asarray(cv2.resize(height, size, interpolation=cv2.INTER_AREA), np.float32)
    # Of one pixel, a square of that size.
    return _Grid(colours, heights, max(max(height.shape) - 1, 1) / (max(size) - 1))


def _page(grid: _Grid, title: str) -> str:
    """A page that draws the relief with WebGL, which needs no library for one grid of points."""
    rows, columns = grid.heights.shape
    low, high = float(grid.heights.min()), float(grid.heights.max())
    span = max(high - low, 1e-9)
    # On the page the longer side is 2 long.
    total = 2 * (high - low) / (grid.spacing * (max(rows, columns) - 1))
    heights = np.round((grid.heights - low) / span * _HEIGHTS).astype("<u2")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.from_string(_PAGE.read_text()).render(
        title=title,
        rows=rows,
        columns=columns,
        total=f"{total:.6g}",
        heights=base64.b64encode(heights.tobytes()).decode(),
        colours=base64.b64encode(grid.colours.tobytes()).decode(),
    )


def _ply(grid: _Grid) -> bytes:
    """Binary, little endian; by hand, because the format is a header of text and two tables."""
    rows, columns = grid.heights.shape
    across, down = np.meshgrid(np.arange(columns), np.arange(rows))
    vertices = np.empty(
        rows * columns,
        [(axis, "<f4") for axis in "xyz"] + [(name, "u1") for name in ("red", "green", "blue")],
    )
    # The y axis of a relief points up, that of an image down.
    vertices["x"] = across.ravel() * grid.spacing
    vertices["y"], vertices["z"] = -down.ravel() * grid.spacing, grid.heights.ravel()
    vertices["red"], vertices["green"], vertices["blue"] = grid.colours.reshape(-1, 3).T
    corner = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
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
    return text.encode() + vertices.tobytes() + faces.tobytes()
