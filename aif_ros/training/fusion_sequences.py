"""Sequences of frames with known truth, rendered to train the fusion network.

Photographs become scenes by being given depth: a slanted background, and in front of it shapes cut
out of other photographs. Graphics (lettering and shapes in flat colours) take the place of some
photographs: large flat areas with sharp borders are where blur shows as fog. Real edges of real
objects come from photographs with measured depth, real motion from videos. All are rendered with
occlusion, focus breathing and the noise and processing of a camera; in moving scenes camera and
objects move from frame to frame. In pairs of frames, each part of the scene is sharp in one of the
two, as in most pairs that are taken to be fused.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aif_ros.fusion.laplacian import LaplacianFusion
from aif_ros.fusion.motion import mosaic
from aif_ros.fusion.motion.estimation import estimate_motion, expected_blur
from aif_ros.fusion.motion.geometry import scaling
from aif_ros.fusion.motion.optical_flow import flow_between_frames
from aif_ros.fusion.motion.registration import register_frames
from aif_ros.fusion.motion.warping import sampling_grid, warp_image
from aif_ros.optics.breathing import remove_breathing
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.psf import Aperture
from aif_ros.optics.pupil import GaussianSpread, PointSpread
from aif_ros.simulation.photos import read_photo
from aif_ros.simulation.renderer import Renderer
from aif_ros.simulation.scenes.depth_edges import near_depth_edges
from aif_ros.simulation.scenes.photo import folder_scene
from aif_ros.simulation.scenes.scene import SceneView, shifted
from aif_ros.simulation.scenes.video import VideoScene
from aif_ros.types.image import Image, to_float, to_uint8

_LIMITS = (0.0, 1.5e-3)
# Blur radius, pixels, over the whole depth of a scene.
_SMALLEST_RADIUS, _LARGEST_RADIUS = 4.0, 40.0
_BREATHING = 60.0
# Share of the pictures that are graphics.
_GRAPHICS = 0.2
# Errors of registration and of exposure that are left, in this share of the still sequences:
# standard deviations, pixels and share of the brightness.
_INEXACT, _LEFT_SHIFT, _LEFT_GAIN = 0.3, 0.25, 0.01
_MOST_OBJECTS = 5
# Motion from frame to frame, pixels: a steady pan, a shaking hand, an object of its own, and what
# the nearest things move against the farthest where the camera moves sideways.
_FASTEST_PAN, _LARGEST_SHAKE, _FASTEST_OBJECT, _LARGEST_PARALLAX = 6.0, 5.0, 8.0, 8.0
# In half of the sequences all of that is slower, down to this share: a camera of 30 frames a second
# sees little motion, and must not take blur for it.
_SLOWEST = 0.03
# Parallax moves a measured scene in so many slices of depth.
_SLICES = 8
# Share of the moving sequences in which the scene is cut.
_CUTS = 0.1
# Share of the pairs without noise: published ones have little.
_NOISELESS = 0.5
# A part of a pair is out of focus by up to this share of the travel where it is taken for sharp.
_MISSED = 0.02
# Share of each kind of scene, where there are any.
_MEASURED, _FILMED = 1 / 3, 1 / 5


@dataclass(frozen=True)
class Camera:
    """Noise and processing that a camera adds to the image of its lens.

    Attributes:
        read: standard deviation of the noise in the dark, share of full scale.
        shot: standard deviation of the light's own noise at full scale; its variance grows with
            the encoded value.
        denoising: standard deviation, pixels, of the smoothing of the noise (demosaicing,
            denoising); 0: none.
        sharpening: amount of unsharp masking with a Gaussian of 1 px.
        jpeg_quality: 1 to 100; None: not compressed.
    """

    read: float = 0.0
    shot: float = 0.0
    denoising: float = 0.0
    sharpening: float = 0.0
    jpeg_quality: int | None = None

    @classmethod
    def draw(cls, random: np.random.Generator) -> "Camera":
        """Draw a camera: half of them raw with white noise, half with processing."""
        read = 5 / 255 * float(random.random()) ** 2
        shot = float(random.choice([0.5 / 255, 4 / 255 * random.random()]))
        if random.random() < 0.5:
            return cls(read, shot)
        return cls(
            read,
            shot,
            denoising=random.uniform(0.4, 1.2) if random.random() < 0.7 else 0.0,
            sharpening=random.uniform(0.2, 1.0) if random.random() < 0.4 else 0.0,
            jpeg_quality=int(random.integers(70, 97)) if random.random() < 0.6 else None,
        )

    def ideal(self, image: Image) -> Image:
        """Return the picture (H, W, 3) as the camera would give it without noise and loss."""
        if self.sharpening:
            smooth = cv2.GaussianBlur(image, (0, 0), 1.0)
            image = image + np.float32(self.sharpening) * (image - smooth)
        return np.clip(image, 0, 1)

    def take(self, image: Image, random: np.random.Generator) -> NDArray[np.uint8]:
        """Return the picture (H, W, 3) with noise, processed, 8 bit."""
        if self.read or self.shot:
            noise = random.standard_normal(image.shape, dtype=np.float32)
            noise *= np.sqrt(np.float32(self.read**2) + np.float32(self.shot**2) * image)
            if self.denoising:
                noise = cv2.GaussianBlur(noise, (0, 0), self.denoising)
            image = image + noise
        pixels = to_uint8(self.ideal(image))
        if self.jpeg_quality is not None:
            quality = [cv2.IMWRITE_JPEG_QUALITY, self.jpeg_quality]
            code = cv2.imencode(".jpg", pixels[..., ::-1], quality)[1]
            pixels = cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1]
        return pixels


@dataclass(frozen=True)
class FocusSequence:
    """Frames of one scene, breathing removed, and the scene all in focus.

    Those of a moving scene lie on the canvas that J is kept on, where the classical fusion found
    them to belong; the flow gives what moves by itself.

    Attributes:
        frames: (T, H, W, 3) uint8.
        positions: (T,) lens position of each, metres.
        truths: (T, H, W, 3) uint8 in the same geometry; (1, H, W, 3) of a still scene.
        near_edges: (T, H, W) bool, near an edge of depth; (1, H, W) of a still scene.
        shown: (T, H, W) bool, where the frame is; (1, H, W) of a still scene.
        flow: (T - 1, H / 2, W / 2, 2) float16, where what each frame but the first shows lies in
            the last J, in pixels of the halved picture; (0, ...) of a still scene.
        mismatch: (T - 1, H / 2, W / 2) float16 that is left; see `Fused`.
    """

    frames: NDArray[np.uint8]
    positions: NDArray[np.float64]
    truths: NDArray[np.uint8]
    near_edges: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    flow: NDArray[np.float16]
    mismatch: NDArray[np.float16]


def render_sequence(
    views: Sequence[SceneView],
    lens_model: LensModel,
    positions: Sequence[float],
    point_spread: PointSpread,
    camera: Camera,
    random: np.random.Generator,
) -> FocusSequence:
    """Render a scene at the given lens positions (metres) and remove the breathing.

    Args:
        views: of each moment, or a single one of a still scene.
        lens_model: of the lens.
        positions: one for each frame.
        point_spread: of the lens.
        camera: that takes the pictures.
        random: source of randomness.
    """
    renderers = [Renderer(view, lens_model, point_spread) for view in views]
    exact = len(views) > 1 or random.random() > _INEXACT
    frames = []
    for t, position in enumerate(positions):
        image = renderers[min(t, len(views) - 1)].render(position)
        if not exact:
            right, down = random.normal(0, _LEFT_SHIFT, 2)
            gain = np.float32(1 + random.normal(0, _LEFT_GAIN))
            image = np.clip(gain * shifted(image, (float(right), float(down))), 0, 1)
        taken = to_float(camera.take(image, random))
        frames.append(to_uint8(remove_breathing(taken, lens_model.breathing_scale(position))))
    reference = lens_model.breathing_scale(0.0)
    truths = [to_uint8(remove_breathing(camera.ideal(view.image), reference)) for view in views]
    edges = [near_depth_edges(view.focus_position, lens_model.limits) for view in views]
    half = (0, frames[0].shape[0] // 2, frames[0].shape[1] // 2)
    sequence = FocusSequence(
        np.stack(frames),
        np.asarray(positions, np.float64),
        np.stack(truths),
        np.stack(edges),
        np.ones((1, *frames[0].shape[:2]), bool),
        np.zeros((*half, 2), np.float16),
        np.zeros(half, np.float16),
    )
    return sequence if len(views) == 1 else _on_mosaic(sequence, lens_model)


def _on_mosaic(sequence: FocusSequence, lens_model: LensModel) -> FocusSequence:
    """Warp the frames of a moving scene to where the classical fusion registers them."""
    method, frame = LaplacianFusion(), sequence.frames.shape[1:3]
    last = to_float(sequence.frames[0])
    state = mosaic.begin(method.merge(last, float(sequence.positions[0]), None))
    shape = state.fused.sharpness.shape
    poses, flows, errors = [state.pose], [], []
    blur_gain, side = lens_model.blur_gain(frame[1]), max(frame) // 2
    changes = blur_gain * np.abs(np.diff(sequence.positions))
    for picture, position, change in zip(
        sequence.frames[1:], sequence.positions[1:], changes, strict=True
    ):
        image = to_float(picture)
        shift = register_frames(last, image)
        by_itself = partial(flow_between_frames, last, image, shift, float(change), side)
        blur = expected_blur(state.fused, float(position), blur_gain)
        pose = state.pose @ shift
        motion = estimate_motion(state.fused.image, image, pose, blur, by_itself, side)
        last = image
        state = mosaic.move_view(state, motion)
        poses.append(state.pose)
        flow, error = mosaic.transform_motion(motion, state.pose, frame, shape)
        # On a new mosaic, all lies elsewhere than on the last one.
        halve = scaling(shape, error.shape)
        back = halve @ motion.pose @ np.linalg.inv(halve @ state.pose)
        places = np.dstack(sampling_grid(np.zeros_like(flow)))
        flows.append(cv2.transform(places + flow, back[:2]) - places)
        errors.append(error)
        motion = replace(motion, pose=state.pose)
        state = mosaic.merge(state, method, image, float(position), motion)
    margin = (shape[0] - frame[0]) // 2
    inner = (slice(margin, margin + frame[0]), slice(margin, margin + frame[1]))
    half = tuple(slice(each.start // 2, each.stop // 2) for each in inner)

    def warped(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        placed = [
            warp_image(to_float(x), pose, shape) for x, pose in zip(pictures, poses, strict=True)
        ]
        return np.stack([to_uint8(x[inner]) for x in placed])

    def warped_masks(masks: NDArray[np.bool_]) -> NDArray[np.bool_]:
        placed = [
            cv2.warpAffine(x.astype(np.uint8), pose[:2], shape[::-1], flags=cv2.INTER_NEAREST)
            for x, pose in zip(masks, poses, strict=True)
        ]
        return np.stack([x[inner] > 0 for x in placed])

    return FocusSequence(
        warped(sequence.frames),
        sequence.positions,
        warped(sequence.truths),
        warped_masks(sequence.near_edges),
        warped_masks(np.ones(sequence.frames.shape[:3], bool)),
        np.stack([flow[half] for flow in flows]).astype(np.float16),
        np.stack([error[half] for error in errors]).astype(np.float16),
    )


@dataclass(frozen=True)
class Sources:
    """Sources of scenes.

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


def random_sequence(
    sources: Sources, size: int, count: int, random: np.random.Generator, *, moving: bool
) -> FocusSequence:
    """Make a scene and frames of it.

    Args:
        sources: of scenes.
        size: width and height, pixels.
        count: number of frames.
        random: source of randomness.
        moving: whether camera and objects move.
    """
    lens_model = _lens(size, random)
    moments = count if moving else 1
    views = _views(sources, lens_model, size, moments, random)
    if moving and random.random() < _CUTS:
        cut = int(random.integers(1, count))
        views[cut:] = _views(sources, lens_model, size, count - cut, random)
    positions = _trajectory(count, random)
    camera = Camera.draw(random)
    return render_sequence(views, lens_model, positions, _point_spread(random), camera, random)


def random_pair(sources: Sources, size: int, random: np.random.Generator) -> FocusSequence:
    """Make a still scene of two depths, and two frames, each with one of the two in focus.

    Args:
        sources: of scenes.
        size: width and height, pixels.
        random: source of randomness.
    """
    lens_model = _lens(size, random)
    view = _views(sources, lens_model, size, 1, random)[0]
    focus = view.focus_position
    near = focus > np.quantile(focus, random.uniform(0.2, 0.8))
    # A scene of one depth is all near, or all far.
    depths = [float(np.median(focus[part] if part.any() else focus)) for part in (~near, near)]
    view = SceneView(view.image, np.where(near, depths[1], depths[0]).astype(np.float32))
    missed = _MISSED * (_LIMITS[1] - _LIMITS[0]) * random.uniform(-1, 1, 2)
    positions = np.clip(np.array(depths) + missed, *_LIMITS)
    random.shuffle(positions)
    camera = Camera() if random.random() < _NOISELESS else Camera.draw(random)
    return render_sequence(
        [view], lens_model, positions.tolist(), _point_spread(random), camera, random
    )


def _lens(size: int, random: np.random.Generator) -> LensModel:
    radius = float(np.exp(random.uniform(*np.log([_SMALLEST_RADIUS, _LARGEST_RADIUS]))))
    return LensModel(
        name="training",
        metres_per_step=1e-6,
        limits=_LIMITS,
        blur_per_metre=radius / (_LIMITS[1] - _LIMITS[0]),
        calibration_width=size,
        breathing_per_metre=_BREATHING * random.uniform(0.1, 1.0),
    )


def _point_spread(random: np.random.Generator) -> PointSpread:
    """Mostly a disk; polygons, and Gaussians for lenses with many small aberrations."""
    kind, softness = random.random(), max(0.0, random.normal(0, 0.3))
    if kind < 0.25:
        return GaussianSpread(softness)
    blades = int(random.integers(5, 10)) if kind < 0.4 else 0
    return Aperture(blades, random.uniform(0, 2 * np.pi), softness)


def _views(
    sources: Sources, lens_model: LensModel, size: int, count: int, random: np.random.Generator
) -> list[SceneView]:
    """One view of each moment of a scene."""
    if sources.videos and count > 1 and random.random() < _FILMED:
        video = sources.videos[int(random.integers(len(sources.videos)))]
        film = _davis(video, random) if _is_davis(video) else _rgbd_video(video, lens_model)
        start = int(random.integers(1000))
        moments = [film(start + t) for t in range(count)]
        place = _random_place(moments[0], size, random)
        return [_cut(view, size, place) for view in moments]
    if sources.measured and random.random() < _MEASURED:
        folder = sources.measured[int(random.integers(len(sources.measured)))]
        view = folder_scene(folder, lens_model).view(0.0)
        view = _cut(view, size, _random_place(view, size, random))
        if count == 1:
            return [view]
        layers = _slices(view)
        parallax = random.uniform(-1, 1, 2) * _LARGEST_PARALLAX * (random.random() < 0.6)
        own = [parallax * float(layer.share[layer.mask > 0].mean()) for layer in layers]
        if random.random() < 0.3:
            layers.append(_object(sources.photos, size, 0.95, random))
            own.append(random.uniform(-1, 1, 2) * _FASTEST_OBJECT)
    else:
        layers = _composed(sources.photos, size, random)
        speeds = random.uniform(-1, 1, (len(layers), 2)) * _FASTEST_OBJECT
        own = [np.zeros(2), *(speeds * (random.random((len(layers), 1)) < 0.6))[1:]]
    camera = [np.zeros(2)]
    shake, pan = random.uniform(0, _LARGEST_SHAKE), random.uniform(-_FASTEST_PAN, _FASTEST_PAN, 2)
    pan, steady = pan * (random.random() < 0.5), random.random() < 0.2
    for t in range(1, count):
        camera.append((pan * t + shake * random.standard_normal(2)) * (not steady))
    pace = _SLOWEST ** max(0.0, random.uniform(-1, 1))
    return [
        _stacked(layers, [pace * (camera[t] + t * velocity) for velocity in own])
        for t in range(count)
    ]


def _trajectory(count: int, random: np.random.Generator) -> list[float]:
    """Lens positions, metres: a sweep in either direction, a triangular one, or random order."""
    low, high = _LIMITS
    to_and_fro = random.random() < 0.3
    edges = np.linspace(low, high, (count // 2 + 1 if to_and_fro else count) + 1)
    positions = random.uniform(edges[:-1], edges[1:])
    if random.random() < 0.5:
        positions = positions[::-1]
    if to_and_fro:
        # J must not lose on the second half of the sweep what it has gained on the first.
        positions = np.concatenate([positions, positions[-2::-1]])[:count]
    elif random.random() < 0.6:
        random.shuffle(positions)
    return [float(position) for position in positions]


@dataclass(frozen=True)
class _Layer:
    """Something at its own depth.

    Attributes:
        picture: (H, W, 3) float32.
        mask: (H, W) float32, 1 where it is.
        share: (H, W) float32, focus position as a share of the travel.
    """

    picture: Image
    mask: NDArray[np.float32]
    share: NDArray[np.float32]


def _stacked(layers: Sequence[_Layer], shifts: Sequence[NDArray[np.float64]]) -> SceneView:
    """Lay the layers, moved by (right, down) pixels, over each other."""
    low, high = _LIMITS
    image, share = layers[0].picture, layers[0].share
    for layer, (right, down) in zip(layers, shifts, strict=True):
        shift = (float(right), float(down))
        mask = shifted(layer.mask, shift, cv2.INTER_LINEAR) > 0.5
        image = np.where(mask[..., None], np.clip(shifted(layer.picture, shift), 0, 1), image)
        share = np.where(mask, shifted(layer.share, shift, cv2.INTER_NEAREST), share)
    focus = low + (high - low) * np.clip(share, 0.0, 1.0)
    return SceneView(image.astype(np.float32), focus.astype(np.float32))


def _slices(view: SceneView) -> list[_Layer]:
    """Cut a scene into slices of depth, the nearest last; behind them the farther ones go on."""
    low, high = _LIMITS
    share = (view.focus_position - low) / (high - low)
    levels = np.clip((share * _SLICES).astype(int), 0, _SLICES - 1)
    layers: list[_Layer] = []
    for level in np.unique(levels):
        where = ndimage.distance_transform_edt(
            levels > level, return_distances=False, return_indices=True
        )
        mask = (levels == level) | (not layers)
        layers.append(
            _Layer(view.image[tuple(where)], mask.astype(np.float32), share[tuple(where)])
        )
    return layers


def _composed(photos: Sequence[Path], size: int, random: np.random.Generator) -> list[_Layer]:
    """A slanted background and objects before it, the nearest last."""
    share = random.uniform(0.05, 0.4) + _slant(size, random)
    picture = _picture(photos, size, random)
    layers = [_Layer(picture, np.ones_like(share), share)]
    for nearness in np.sort(random.uniform(0.1, 0.95, random.integers(1, _MOST_OBJECTS + 1))):
        layers.append(_object(photos, size, float(nearness), random))
    return layers


def _slant(size: int, random: np.random.Generator) -> NDArray[np.float32]:
    down, right = np.mgrid[-1 : 1 : 1j * size, -1 : 1 : 1j * size]
    slant = 0.15 * (random.uniform(-1, 1) * right + random.uniform(-1, 1) * down)
    return np.asarray(slant.astype(np.float32))


def _object(
    photos: Sequence[Path], size: int, nearness: float, random: np.random.Generator
) -> _Layer:
    mask = _shape(size, random).astype(np.float32)
    return _Layer(
        _picture(photos, size, random), mask, np.float32(nearness) + 0.2 * _slant(size, random)
    )


def _shape(size: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Mask of an object: a blob, a polygon or a few thin strokes."""
    canvas = np.zeros((size, size), np.uint8)
    kind = random.integers(3)
    if kind == 0:
        noise = random.standard_normal((size, size)).astype(np.float32)
        smooth = cv2.GaussianBlur(noise, (0, 0), random.uniform(6, 24))
        return np.asarray(smooth > np.quantile(smooth, random.uniform(0.6, 0.85)))
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


def _picture(photos: Sequence[Path], size: int, random: np.random.Generator) -> Image:
    """Cut a square out of a photograph, or draw a graphic."""
    photo = _photo_patch(photos, size, random)
    return _graphic(photo, random) if random.random() < _GRAPHICS else photo


def _graphic(photo: Image, random: np.random.Generator) -> Image:
    """Draw lettering, lines and discs in flat colours, with little of the photo's texture."""
    size = 2 * len(photo)
    bright, dark = random.uniform(0.6, 1.1), random.uniform(-0.05, 0.3)
    tones = [dark, bright] if random.random() < 0.5 else [bright, dark]
    ground, ink, other = (
        np.clip(np.float32(tone) + random.uniform(-0.15, 0.15, 3), 0, 1)
        for tone in (*tones, random.uniform(0, 1))
    )
    drawn = np.full((size, size, 3), ground, np.float32)
    letters = [chr(code) for code in (*range(48, 58), *range(65, 91), *range(97, 123))]
    scale = float(np.exp(random.uniform(0, np.log(12))))
    for _ in range(int(random.integers(2, max(3, int(40 / scale))))):
        colour = tuple(float(x) for x in (ink if random.random() < 0.8 else other))
        at, to = random.integers(-size // 8, size, (2, 2)).tolist()
        thickness = int(random.integers(2, 4 + int(4 * scale)))
        kind = random.random()
        if kind < 0.6:
            text = "".join(random.choice(letters, int(random.integers(1, 9))))
            cv2.putText(drawn, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness)
        elif kind < 0.8:
            cv2.line(drawn, at, to, colour, thickness)
        elif kind < 0.9:
            cv2.circle(drawn, at, int(random.integers(3, 8 + int(10 * scale))), colour, -1)
        else:
            cv2.rectangle(drawn, at, to, colour, thickness)
    small = cv2.resize(drawn, photo.shape[1::-1], interpolation=cv2.INTER_AREA)
    # Letters are drawn at twice the size: their borders are sharp to the pixel, not jagged.
    texture = float(random.choice([0.0, random.uniform(0, 0.1)]))
    return np.asarray(np.clip(small + np.float32(texture) * (photo - photo.mean()), 0, 1))


def _photo_patch(photos: Sequence[Path], size: int, random: np.random.Generator) -> Image:
    """Cut a square out of a photograph, shrunk so that it is sharp to the pixel."""
    photo = read_photo(photos[int(random.integers(len(photos)))])
    scale = max(random.uniform(0.4, 0.75), (size + 1) / min(photo.shape[:2]))
    small = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top = random.integers(small.shape[0] - size + 1)
    left = random.integers(small.shape[1] - size + 1)
    return to_float(np.ascontiguousarray(small[top : top + size, left : left + size]))


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
    low, high = _LIMITS

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
