"""Moving scenes from recorded RGB-D video."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.depth import dioptre_range, fill_depth, measured_view
from aif_ros.simulation.scenes.photo import read_depth, read_float_image, resized
from aif_ros.simulation.scenes.scene import SceneError, SceneView

# The lens's travel is laid over the depths of so many frames spread over the video.
_SURVEYED = 5


class VideoScene:
    """A folder with `rgb/` and `depth/`: images and depth maps of equal number and order.

    It plays forwards and backwards in turn, so that it never ends and never jumps.

    Args:
        folder: holds `rgb/` and `depth/`.
        lens_model: of the camera's lens.
        width: pixels to scale it to; 0 keeps its size.
        frame_rate: recorded frames per second.

    Raises:
        SceneError: a folder is missing or empty, or the numbers of files differ.
    """

    moving = True

    def __init__(
        self, folder: Path, lens_model: LensModel, width: int = 0, frame_rate: float = 10.0
    ) -> None:
        self.name = folder.name
        self._images = _files(folder / "rgb")
        self._depths = _files(folder / "depth")
        if len(self._images) != len(self._depths):
            raise SceneError(
                f"{folder}: {len(self._images)} images in rgb/ but {len(self._depths)} in "
                "depth/: there must be one depth for each image"
            )
        self._limits = lens_model.limits
        self._width = width
        self._frame_rate = frame_rate
        # One rule for the whole video: else objects would change focus as others come and go.
        surveyed = np.linspace(0, len(self._depths) - 1, _SURVEYED).round().astype(int)
        self._dioptres = dioptre_range(
            np.concatenate(
                [fill_depth(read_depth(self._depths[index])).ravel() for index in surveyed]
            )
        )
        self._view_of = lru_cache(maxsize=4)(self._load)
        first = self._view_of(0)
        self._size = first.image.shape[1], first.image.shape[0]

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return self._size

    def view(self, seconds: float) -> SceneView:
        """Return the recorded frame of that time."""
        count = len(self._images)
        index = int(seconds * self._frame_rate) % max(1, 2 * count - 2)
        return self._view_of(min(index, 2 * count - 2 - index) if count > 1 else 0)

    def _load(self, index: int) -> SceneView:
        image = read_float_image(self._images[index])
        depth = fill_depth(read_depth(self._depths[index]))
        if image.shape[:2] != depth.shape:
            raise SceneError(
                f"{self._images[index]} and {self._depths[index]} differ in size: they must match"
            )
        return resized(measured_view(image, depth, self._dioptres, self._limits), self._width)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise SceneError(f"there is no folder {folder}")
    files = sorted(file for file in folder.iterdir() if file.is_file())
    if not files:
        raise SceneError(f"{folder} is empty")
    return files
