"""Sequences of frames with known truth, rendered to train the fusion network.

Photographs become scenes by being given depth: a slanted background, and before it shapes cut out
of other photographs. Real edges of real objects come from photographs with measured depth. Both
are rendered with occlusion, focus breathing and noise at lens positions in any order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.alignment import remove_breathing
from aif_ros.images import Image, to_float, to_uint8
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.render import Renderer, Sensor, SensorNoise
from aif_ros.scenes.photo import folder_scene
from aif_ros.scenes.scene import SceneView
from aif_ros.training.photos import read_photo

_LIMITS = (0.0, 1.5e-3)
# Blur radius, pixels, over the whole depth of a scene.
_SMALLEST_RADIUS, _LARGEST_RADIUS = 5.0, 20.0
_BREATHING = 60.0
_LARGEST_NOISE = 5.0 / 255
_MOST_OBJECTS = 5


@dataclass(frozen=True)
class FocusSequence:
    """Aligned frames of one still scene, and the scene all in focus.

    Attributes:
        frames: (T, H, W, 3) uint8, breathing removed.
        positions: (T,) lens position of each, metres.
        truth: (H, W, 3) uint8, in the same geometry.
    """

    frames: NDArray[np.uint8]
    positions: NDArray[np.float64]
    truth: NDArray[np.uint8]


def render_sequence(
    view: SceneView,
    lens_model: LensModel,
    positions: Sequence[float],
    noise: SensorNoise,
    seed: int,
) -> FocusSequence:
    """Render a still scene at the given lens positions (metres) and remove the breathing."""
    renderer, sensor = Renderer(view, lens_model), Sensor(noise, seed)
    frames = [
        to_uint8(
            remove_breathing(
                to_float(sensor.expose(renderer.render(position))),
                lens_model.breathing_scale(position),
            )
        )
        for position in positions
    ]
    truth = remove_breathing(view.image, lens_model.breathing_scale(0.0))
    return FocusSequence(np.stack(frames), np.asarray(positions, np.float64), to_uint8(truth))


def random_sequence(
    photos: Sequence[Path],
    depth_scenes: Sequence[Path],
    size: int,
    count: int,
    random: np.random.Generator,
) -> FocusSequence:
    """Make a scene of a random photograph, and frames of it.

    Args:
        photos: sharp photographs.
        depth_scenes: folders with `image.*` and `depth.*`, one sequence in three is made of
            these; may be empty.
        size: width and height, pixels.
        count: number of frames.
        random: source of randomness.
    """
    radius = random.uniform(_SMALLEST_RADIUS, _LARGEST_RADIUS)
    lens_model = LensModel(
        name="training",
        metres_per_step=1e-6,
        limits=_LIMITS,
        blur_per_metre=radius / (_LIMITS[1] - _LIMITS[0]),
        calibration_width=size,
        breathing_per_metre=_BREATHING * random.uniform(0.1, 1.0),
    )
    if depth_scenes and random.random() < 1 / 3:
        folder = depth_scenes[int(random.integers(len(depth_scenes)))]
        view = _cut_view(folder_scene(folder, lens_model).view(0.0), size, random)
    else:
        view = _composed_view(photos, size, random)
    seed = int(random.integers(2**31))
    noise = SensorNoise(_LARGEST_NOISE * float(random.random()) ** 2, 0.5 / 255)
    return render_sequence(view, lens_model, _trajectory(count, random), noise, seed)


def _trajectory(count: int, random: np.random.Generator) -> list[float]:
    """Lens positions, metres: a sweep either way, or in no order."""
    low, high = _LIMITS
    edges = np.linspace(low, high, count + 1)
    positions = random.uniform(edges[:-1], edges[1:])
    if random.random() < 0.5:
        random.shuffle(positions)
    elif random.random() < 0.5:
        positions = positions[::-1]
    return [float(position) for position in positions]


def _composed_view(photos: Sequence[Path], size: int, random: np.random.Generator) -> SceneView:
    low, high = _LIMITS
    image = _photo_patch(photos, size, random)
    down, right = np.mgrid[-1 : 1 : 1j * size, -1 : 1 : 1j * size]
    slant = 0.15 * (random.uniform(-1, 1) * right + random.uniform(-1, 1) * down)
    share = np.clip(random.uniform(0.05, 0.4) + slant, 0, 1)
    for nearness in np.sort(random.uniform(0.1, 0.95, random.integers(1, _MOST_OBJECTS + 1))):
        shape = _shape(size, random)
        image = np.where(shape[..., None], _photo_patch(photos, size, random), image)
        share = np.where(shape, nearness + 0.2 * slant, share)
    focus = low + (high - low) * np.clip(share, 0.0, 1.0)
    return SceneView(image.astype(np.float32), focus.astype(np.float32))


def _shape(size: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Mask of an object: a blob, a polygon or a few thin strokes."""
    canvas = np.zeros((size, size), np.uint8)
    kind = random.integers(3)
    if kind == 0:
        noise = random.standard_normal((size, size)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), random.uniform(6, 24))
        return smooth > np.quantile(smooth, random.uniform(0.6, 0.85))
    centre = random.uniform(0, size, 2)
    if kind == 1:
        angles = np.sort(random.uniform(0, 2 * np.pi, random.integers(3, 9)))
        reach = random.uniform(0.1, 0.4, len(angles)) * size
        corners = centre + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(canvas, [corners.astype(np.int32)], 1)
    else:
        for _ in range(random.integers(1, 6)):
            ends = random.integers(0, size, (2, 2))
            thickness = int(random.integers(2, 8))
            cv2.line(canvas, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1, thickness)
    return canvas > 0


def _photo_patch(photos: Sequence[Path], size: int, random: np.random.Generator) -> Image:
    """Cut a square out of a photograph, shrunk so that it is sharp to the pixel."""
    photo = read_photo(photos[int(random.integers(len(photos)))])
    scale = max(random.uniform(0.4, 0.75), (size + 1) / min(photo.shape[:2]))
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top = random.integers(small.shape[0] - size + 1)
    left = random.integers(small.shape[1] - size + 1)
    return to_float(np.ascontiguousarray(small[top : top + size, left : left + size]))


def _cut_view(view: SceneView, size: int, random: np.random.Generator) -> SceneView:
    height, width = view.focus_position.shape
    scale = max(random.uniform(0.5, 1.0), (size + 1) / min(height, width))
    image = cv2.resize(view.image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    focus = cv2.resize(view.focus_position, (image.shape[1], image.shape[0]), interpolation=0)
    top = random.integers(image.shape[0] - size + 1)
    left = random.integers(image.shape[1] - size + 1)
    place = (slice(top, top + size), slice(left, left + size))
    return SceneView(np.ascontiguousarray(image[place]), np.ascontiguousarray(focus[place]))
