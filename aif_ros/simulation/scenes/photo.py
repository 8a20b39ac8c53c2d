"""Still scenes: a photograph with its measured depth."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import read_image
from aif_ros.devices.image_files.slices import read_values
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.depth import dioptre_range, fill_depth, measured_view
from aif_ros.simulation.scenes.scene import SceneError, SceneView
from aif_ros.types.image import Image, to_float

# Calibration of the Middlebury 2014 Motorcycle pair at the size that scikit-image carries
# (skimage.data.stereo_motorcycle): focal length and principal point offset in pixels, baseline
# in metres.
_MOTORCYCLE_FOCAL = 994.978
_MOTORCYCLE_OFFSET = 31.086
_MOTORCYCLE_BASELINE = 0.193001


class PhotoScene:
    """A photograph whose every pixel has a depth.

    Args:
        name: for reports.
        image: (H, W, 3) RGB or (H, W) mono; uint8, uint16 or float in [0, 1].
        depth: (H, W), metres; 0, NaN or infinite where unknown.
        lens_model: of the camera's lens.
        width: pixels to scale it to; 0 keeps its size.

    Raises:
        SceneError: image and depth differ in size, or no depth is known.
    """

    moving = False

    def __init__(
        self,
        name: str,
        image: NDArray[np.generic],
        depth: NDArray[np.floating],
        lens_model: LensModel,
        width: int = 0,
    ) -> None:
        if image.shape[:2] != depth.shape:
            raise SceneError(
                f"{name}: the image is {image.shape[1]}x{image.shape[0]} but the depth "
                f"{depth.shape[1]}x{depth.shape[0]} pixels: they must match"
            )
        try:
            filled = fill_depth(depth)
        except SceneError as error:
            raise SceneError(f"{name}: {error}") from error
        view = measured_view(to_float(image), filled, dioptre_range(filled), lens_model.limits)
        self.name = name
        self._view = resized(view, width)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return self._view.image.shape[1], self._view.image.shape[0]

    def view(self, seconds: float) -> SceneView:
        """Return the same view at any time."""
        return self._view


def resized(view: SceneView, width: int) -> SceneView:
    """Scale a view to `width` pixels, keeping its proportions; 0 keeps its size."""
    if width in (0, view.image.shape[1]):
        return view
    height = max(1, round(view.image.shape[0] * width / view.image.shape[1]))
    shrinks = width < view.image.shape[1]
    image = cv2.resize(
        view.image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )
    # Mixed depths at edges would be surfaces that do not exist.
    focus = cv2.resize(view.focus_position, (width, height), interpolation=cv2.INTER_NEAREST)
    return SceneView(np.clip(image, 0.0, 1.0).astype(np.float32), focus.astype(np.float32))


def motorcycle(lens_model: LensModel, width: int = 0) -> PhotoScene:
    """The Middlebury 2014 Motorcycle, 741x500, with the disparity measured by structured light.

    Scharstein et al., "High-resolution stereo datasets with subpixel-accurate ground truth",
    GCPR 2014; the copy that scikit-image carries.
    """
    from skimage import data

    image, _, disparity = data.stereo_motorcycle()
    depth = _MOTORCYCLE_BASELINE * _MOTORCYCLE_FOCAL / (disparity + _MOTORCYCLE_OFFSET)
    depth[~np.isfinite(disparity)] = np.nan
    return PhotoScene("motorcycle", image, depth, lens_model, width)


def folder_scene(folder: Path, lens_model: LensModel, width: int = 0) -> PhotoScene:
    """A folder with `image.*` and `depth.*` of the same size.

    Raises:
        SceneError: a file is missing, unreadable, or they do not fit together.
    """
    image = read_float_image(_only(folder, "image"))
    depth = read_depth(_only(folder, "depth"))
    return PhotoScene(folder.name, image, depth, lens_model, width)


def read_float_image(path: Path) -> Image:
    """Read an image as float32 in [0, 1], RGB or mono.

    Raises:
        SceneError: it cannot be read.
    """
    try:
        return to_float(read_image(path))
    except DeviceError as error:
        raise SceneError(str(error)) from error


def read_depth(path: Path) -> NDArray[np.float32]:
    """Read a depth map (H, W) in metres: 16-bit PNG in millimetres, float TIFF or NPY in metres.

    Raises:
        SceneError: it cannot be read or has another format.
    """
    if path.suffix.lower() == ".npy":
        depth = _read_array(path)
    else:
        try:
            depth = read_values(path)
        except DeviceError as error:
            raise SceneError(str(error)) from error
    if depth.ndim != 2:
        raise SceneError(f"depth {path} must have one channel, it has shape {depth.shape}")
    if depth.dtype == np.uint16:
        return depth.astype(np.float32) / 1000.0
    if np.issubdtype(depth.dtype, np.floating):
        return depth.astype(np.float32)
    raise SceneError(
        f"depth {path} has pixels of type {depth.dtype}: use 16-bit PNG in millimetres, or "
        "floating-point TIFF or NPY in metres"
    )


def _only(folder: Path, stem: str) -> Path:
    found = sorted(folder.glob(f"{stem}.*"))
    if len(found) != 1:
        what = "no" if not found else "more than one"
        raise SceneError(f"{folder} holds {what} {stem}.*: exactly one is needed")
    return found[0]


def _read_array(path: Path) -> NDArray[Any]:
    """Read a NumPy array; mapped first, so that a header that claims too much is refused."""
    try:
        if not path.is_file():
            raise ValueError("it is no regular file")
        return np.array(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:  # NumPy can raise any exception on damaged data.
        reason = " ".join(str(error).split())[:200]
        raise SceneError(f"cannot read depth {path}: {reason}") from error
