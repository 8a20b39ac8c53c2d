"""Still scenes to judge focus control on: photographs laid out in depth.

The photographs come with scikit-image, or from a folder; none of those named here is used by
`train policy`. Every layout is one that an agent may fail on: thin things in the foreground, small
bright things, two depths within one cell of the defocus map, slanted surfaces.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.open_scene import open_scene
from aif_ros.simulation.scenes.photo import read_float_image
from aif_ros.simulation.scenes.scene import Scene, SceneError, SceneView
from aif_ros.types.image import Image, to_float

_PHOTOS = ("coffee", "grass", "hubble_deep_field", "immunohistochemistry", "page", "retina")
_SUFFIXES = {".jpg", ".jpeg", ".png", ".tif", ".tiff"}

FILLS = (0.25, 0.8)
"""Least and largest share of the lens's travel that a scene fills."""


@dataclass
class StillScene:
    """A still scene that is given as a view.

    Attributes:
        name: for reports.
        still: the view.
    """

    name: str
    still: SceneView
    moving = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return self.still.image.shape[1], self.still.image.shape[0]

    def view(self, seconds: float) -> SceneView:
        """Return the same view at any time."""
        return self.still


def open_photos(folder: Path | None = None) -> list[Image]:
    """Return photographs, float32 in [0, 1], (H, W, 3); None: those of scikit-image.

    Raises:
        SceneError: the folder holds no photograph, or one that cannot be read.
    """
    if folder is None:
        return [_as_colour(getattr(data, name)()) for name in _PHOTOS]
    if not folder.is_dir():
        raise SceneError(f"there is no folder {folder}")
    paths = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in _SUFFIXES]
    if not paths:
        raise SceneError(f"{folder} holds no photographs ({', '.join(sorted(_SUFFIXES))})")
    return [_as_colour(read_float_image(path)) for path in paths]


def _as_colour(image: NDArray[np.generic]) -> Image:
    values = to_float(image)
    return cv2.cvtColor(values, cv2.COLOR_GRAY2RGB) if values.ndim == 2 else values


Layout = Callable[["_Canvas", np.random.Generator], None]


class _Canvas:
    """A scene while it is being composed.

    Args:
        photos: to take textures from.
        shape: (H, W) of the image.
        random: source of randomness.
    """

    def __init__(
        self, photos: Sequence[Image], shape: tuple[int, int], random: np.random.Generator
    ) -> None:
        self._photos = photos
        self._random = random
        self.shape = shape
        self.image = self.texture()
        self.depth: NDArray[np.float32] = np.zeros(shape, np.float32)
        y, x = np.indices(shape, dtype=np.float32)
        self.x, self.y = x / shape[1], y / shape[0]

    def texture(self) -> Image:
        """Return a cut of a photograph, scaled down so that it is sharp, mirrored where short."""
        photo = self._photos[int(self._random.integers(len(self._photos)))]
        scale = max(0.5, 200 / min(photo.shape[:2]))
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        rows, columns = (
            _mirrored(side, length, int(self._random.integers(length)))
            for side, length in zip(self.shape, photo.shape[:2], strict=True)
        )
        return np.ascontiguousarray(photo[np.ix_(rows, columns)])

    def paste(
        self, mask: NDArray[np.bool_], depth: float | NDArray[np.floating], image: Image
    ) -> None:
        """Place an object in front of the scene.

        Args:
            mask: (H, W) bool, where it is seen.
            depth: its focus position, 0 (farthest of the scene) to 1; a number or (H, W).
            image: (H, W, 3) or a colour (3,).
        """
        self.image = np.where(mask[..., None], image, self.image).astype(np.float32)
        self.depth = np.where(mask, depth, self.depth).astype(np.float32)


def _mirrored(side: int, length: int, start: int) -> NDArray[np.intp]:
    index = (np.arange(side) + start) % (2 * length)
    return np.where(index < length, index, 2 * length - 1 - index)


def _planes(canvas: _Canvas, random: np.random.Generator) -> None:
    """A background and cards in front of it, each at its own depth."""
    depths = np.sort(np.append(random.random(3), 1.0))
    for depth in depths:
        x, y = random.uniform(0.1, 0.9, 2)
        wide, high = random.uniform(0.08, 0.22, 2)
        mask = (np.abs(canvas.x - x) < wide) & (np.abs(canvas.y - y) < high)
        canvas.paste(mask, depth, canvas.texture())


def _thin(canvas: _Canvas, random: np.random.Generator) -> None:
    """Wires and rings, a few pixels wide, in front of a surface."""
    canvas.depth += np.float32(0.3) * canvas.y
    for depth in (0.7, 0.85, 1.0):
        mask = np.zeros(canvas.shape, np.uint8)
        thickness = max(2, round(random.uniform(0.006, 0.016) * canvas.shape[1]))
        ends = (random.random((2, 2)) * canvas.shape[::-1]).astype(int)
        if random.random() < 0.5:
            cv2.line(mask, ends[0].tolist(), ends[1].tolist(), 1, thickness)
        else:
            radius = int(random.uniform(0.05, 0.15) * canvas.shape[1])
            cv2.circle(mask, ends[0].tolist(), radius, 1, thickness)
        canvas.paste(mask > 0, depth, canvas.texture())


def _bright(canvas: _Canvas, random: np.random.Generator) -> None:
    """Small bright objects in front of a dim surface."""
    canvas.image *= np.float32(0.35)
    for depth in np.linspace(0.4, 1.0, 4):
        mask = np.zeros(canvas.shape, np.uint8)
        for _ in range(6):
            centre = (random.random(2) * canvas.shape[::-1]).astype(int)
            radius = max(1, round(random.uniform(0.002, 0.008) * canvas.shape[1]))
            cv2.circle(mask, centre.tolist(), radius, 1, -1)
        canvas.paste(mask > 0, depth, random.uniform(0.8, 1.0, 3).astype(np.float32))


def _two_in_a_cell(canvas: _Canvas, random: np.random.Generator) -> None:
    """A fence in front of a surface: two depths within every cell of a defocus map."""
    angle = random.uniform(0, np.pi)
    period = random.uniform(18, 30) / 640
    along = canvas.x * np.cos(angle) + canvas.y * np.sin(angle) * canvas.shape[0] / canvas.shape[1]
    canvas.paste((along / period) % 1.0 < random.uniform(0.25, 0.5), 1.0, canvas.texture())


def _slanted(canvas: _Canvas, random: np.random.Generator) -> None:
    """A slanted surface with a card that leans the other way."""
    canvas.depth[:] = canvas.y if random.random() < 0.5 else canvas.x
    x, y = random.uniform(0.3, 0.7, 2)
    mask = (np.abs(canvas.x - x) < 0.15) & (np.abs(canvas.y - y) < 0.2)
    canvas.paste(mask, np.clip(0.5 + (x - canvas.x) * 2, 0, 1), canvas.texture())


def _two_depths(canvas: _Canvas, random: np.random.Generator) -> None:
    """Two depths and nothing between them."""
    edge = random.uniform(0.3, 0.7)
    canvas.paste(canvas.x > edge, 1.0, canvas.texture())


LAYOUTS: dict[str, Layout] = {
    "planes": _planes,
    "thin": _thin,
    "bright": _bright,
    "two_in_a_cell": _two_in_a_cell,
    "slanted": _slanted,
    "two_depths": _two_depths,
}
"""How a scene is laid out, by name."""


def laid_out_scenes(
    photos: Sequence[Image],
    lens_model: LensModel,
    count: int,
    *,
    width: int = 640,
    seed: int = 0,
) -> list[StillScene]:
    """Compose scenes of photographs: every layout in turn, filling 25 to 80 % of the travel.

    Args:
        photos: (H, W, 3) float32 each.
        lens_model: of the camera's lens.
        count: number of scenes.
        width: of their images, pixels; the height is three quarters of it.
        seed: of everything random.
    """
    low, high = lens_model.limits
    scenes = []
    for number in range(count):
        random = np.random.default_rng((seed, number))
        name, layout = list(LAYOUTS.items())[number % len(LAYOUTS)]
        canvas = _Canvas(photos, (width * 3 // 4, width), random)
        layout(canvas, random)
        fill = np.interp((number // len(LAYOUTS)) % 4, (0, 3), FILLS)
        first = random.uniform(0, 1 - fill)
        focus = low + (high - low) * (first + fill * np.clip(canvas.depth, 0, 1))
        view = SceneView(np.clip(canvas.image, 0, 1), focus.astype(np.float32))
        scenes.append(StillScene(f"{name}_{number:02}", view))
    return scenes


def still_scenes(folder: Path | None, lens_model: LensModel, width: int = 0) -> list[Scene]:
    """Open the RGB-D scenes in a folder, one folder each; None: those that need no files.

    Args:
        folder: of the scenes.
        lens_model: of the camera's lens.
        width: of their images, pixels; 0: their own.

    Raises:
        SceneError: there are none, or one is unusable.
    """
    if folder is None:
        return [open_scene(name, lens_model, width) for name in ("motorcycle", "planes")]
    return _open_all(folder, lens_model, "depth.*", width)


def moving_scenes(folder: Path | None, lens_model: LensModel) -> list[Scene]:
    """Open the RGB-D videos in a folder, one folder each; None: scenes that need no files.

    Args:
        folder: of folders with `rgb/` and `depth/`; None: see above.
        lens_model: its travel is spread over the depths of a scene.

    Raises:
        SceneError: there are none, or one is unusable.
    """
    if folder is None:
        return [
            open_scene("moving_planes", lens_model),
            open_scene("motorcycle", lens_model, crossing=120.0),
            open_scene("motorcycle", lens_model, pan=20.0),
        ]
    return _open_all(folder, lens_model, "rgb")


def _open_all(folder: Path, lens_model: LensModel, mark: str, width: int = 0) -> list[Scene]:
    """Open every scene in `folder`: those that hold something called `mark`."""
    if not folder.is_dir():
        raise SceneError(f"there is no folder {folder}")
    folders = [child for child in [folder, *sorted(folder.iterdir())] if any(child.glob(mark))]
    if not folders:
        raise SceneError(f"{folder} holds no scene: no folder in it holds {mark}")
    return [open_scene(str(child), lens_model, width) for child in folders]
