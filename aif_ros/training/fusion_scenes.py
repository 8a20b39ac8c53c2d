"""Scenes to train the fusion network on.

Photographs become scenes by being given depth: a slanted background, and in front of it shapes cut
out of other photographs. Graphics (lettering and shapes in flat colours) take the place of some
photographs: large flat areas with sharp borders are where blur shows as fog. Real edges of real
objects come from photographs with measured depth, real motion from videos.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.photos import read_photo
from aif_ros.simulation.scenes.photo import folder_scene
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.simulation.scenes.video import VideoScene
from aif_ros.training.fusion_layers import (
    compose_layers,
    draw_object,
    slice_view,
    stack_layers,
)
from aif_ros.training.fusion_statistics import STATISTICS
from aif_ros.types.image import to_float


@dataclass(frozen=True)
class SceneFiles:
    """SceneFiles of scenes.

    Attributes:
        photos: sharp photographs.
        measured: folders with `image.*` and `depth.*`; may be empty.
        videos: of `list_videos`; may be empty.
    """

    photos: Sequence[Path]
    measured: Sequence[Path] = ()
    videos: Sequence[Path] = ()

    def files(self) -> list[Path]:
        """All files of them."""
        folders = (*self.measured, *self.videos)
        inside = [path for folder in folders for path in sorted(folder.rglob("*"))]
        return [*self.photos, *(path for path in inside if path.is_file())]


def list_videos(folder: Path) -> list[Path]:
    """Folders of videos in `folder`: RGB-D (rgb/, depth/) and DAVIS (JPEGImages/480p/NAME)."""
    folders = sorted(path for path in folder.rglob("*") if path.is_dir())
    return [
        path
        for path in folders
        if _is_davis(path) or ((path / "rgb").is_dir() and (path / "depth").is_dir())
    ]


def _is_davis(path: Path) -> bool:
    return "JPEGImages" in path.parts[:-2] and any(path.glob("*.jpg"))


def draw_views(
    sources: SceneFiles, lens_model: LensModel, size: int, count: int, random: np.random.Generator
) -> list[SceneView]:
    """One view of each moment of a scene.

    Args:
        sources: files that scenes are made of.
        lens_model: of the lens.
        size: side of the views, pixels.
        count: number of moments; 1: of a still scene.
        random: source of randomness.
    """
    if sources.videos and count > 1 and random.random() < STATISTICS.filmed:
        video = sources.videos[int(random.integers(len(sources.videos)))]
        film = _davis(video, random) if _is_davis(video) else _rgbd_video(video, lens_model)
        start = int(random.integers(1000))
        moments = [film(start + t) for t in range(count)]
        place = _random_place(moments[0], size, random)
        return [_cut(view, size, place) for view in moments]
    if sources.measured and random.random() < STATISTICS.measured:
        folder = sources.measured[int(random.integers(len(sources.measured)))]
        view = folder_scene(folder, lens_model).view(0.0)
        view = _cut(view, size, _random_place(view, size, random))
        if count == 1:
            return [view]
        layers = slice_view(view)
        parallax = random.uniform(-1, 1, 2) * STATISTICS.largest_parallax * (random.random() < 0.6)
        own = [parallax * float(layer.share[layer.mask > 0].mean()) for layer in layers]
        if random.random() < 0.3:
            layers.append(draw_object(sources.photos, size, 0.95, random))
            own.append(random.uniform(-1, 1, 2) * STATISTICS.fastest_object)
    else:
        layers = compose_layers(sources.photos, size, random)
        speeds = random.uniform(-1, 1, (len(layers), 2)) * STATISTICS.fastest_object
        own = [np.zeros(2), *(speeds * (random.random((len(layers), 1)) < 0.6))[1:]]
    camera = [np.zeros(2)]
    shake, pan = (
        random.uniform(0, STATISTICS.largest_shake),
        random.uniform(-STATISTICS.fastest_pan, STATISTICS.fastest_pan, 2),
    )
    pan, steady = pan * (random.random() < 0.5), random.random() < 0.2
    for t in range(1, count):
        camera.append((pan * t + shake * random.standard_normal(2)) * (not steady))
    pace = STATISTICS.slowest ** max(0.0, random.uniform(-1, 1))
    return [
        stack_layers(layers, [pace * (camera[t] + t * velocity) for velocity in own])
        for t in range(count)
    ]


def _random_place(
    view: SceneView, size: int, random: np.random.Generator
) -> tuple[float, float, float]:
    """A scale, and where to cut a square out: shares of what is left, down and right."""
    shortest = min(view.focus_position.shape)
    return (max(random.uniform(0.5, 1.0), (size + 1) / shortest), random.random(), random.random())


def _cut(view: SceneView, size: int, place: tuple[float, float, float]) -> SceneView:
    """Cut a square out of a view at a place of `_random_place`."""
    scale, down, right = place
    image = cv2.resize(view.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    focus = cv2.resize(view.focus_position, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    top, left = round(down * (image.shape[0] - size)), round(right * (image.shape[1] - size))
    inside = (slice(top, top + size), slice(left, left + size))
    return SceneView(np.ascontiguousarray(image[inside]), np.ascontiguousarray(focus[inside]))


def _rgbd_video(folder: Path, lens_model: LensModel) -> Callable[[int], SceneView]:
    scene = VideoScene(folder, lens_model, frame_rate=1.0)
    return lambda index: scene.view(float(index))


def _davis(folder: Path, random: np.random.Generator) -> Callable[[int], SceneView]:
    """A video with masks of the objects, which get a depth of their own."""
    frames = sorted(folder.glob("*.jpg"))
    masks = Path(*("Annotations" if part == "JPEGImages" else part for part in folder.parts))
    far, near = random.uniform(0.05, 0.4), random.uniform(0.5, 0.95)
    low, high = STATISTICS.travel

    @lru_cache(maxsize=1)
    def view(index: int) -> SceneView:
        # Forwards and backwards in turn, so that it never jumps.
        turn = index % max(1, 2 * len(frames) - 2)
        frame = frames[min(turn, 2 * len(frames) - 2 - turn) if len(frames) > 1 else 0]
        image = to_float(read_photo(frame))
        mask = cv2.imread(str(masks / f"{frame.stem}.png"), cv2.IMREAD_GRAYSCALE)
        known = mask is not None and mask.shape == image.shape[:2]
        share = np.where(mask > 0, near, far) if known else np.full(image.shape[:2], far)
        return SceneView(image, (low + (high - low) * share).astype(np.float32))

    return view
