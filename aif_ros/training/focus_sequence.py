"""Frames of one scene with known truth, rendered at given lens positions.

With occlusion, focus breathing and the noise and processing of a camera; in moving scenes camera
and objects move from frame to frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.laplacian import LaplacianFusion
from aif_ros.fusion.motion import mosaic
from aif_ros.fusion.motion.estimation import estimate_motion, expected_blur
from aif_ros.fusion.motion.geometry import scaling
from aif_ros.fusion.motion.optical_flow import flow_between_frames
from aif_ros.fusion.motion.registration import register_frames
from aif_ros.fusion.motion.warping import sampling_grid, warp_image
from aif_ros.optics.breathing import remove_breathing
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.pupil import PointSpread
from aif_ros.simulation.renderer import Renderer
from aif_ros.simulation.scenes.depth_edges import near_depth_edges
from aif_ros.simulation.scenes.scene import SceneView, shifted
from aif_ros.simulation.sensor_model import SensorModel
from aif_ros.training.fusion_statistics import STATISTICS
from aif_ros.types.image import DISPLAY_GAMMA, to_float, to_uint8


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
            the last J, in pixels of the halved image; (0, ...) of a still scene.
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
    camera: SensorModel,
    random: np.random.Generator,
) -> FocusSequence:
    """Render a scene at the given lens positions (metres) and remove the breathing.

    Args:
        views: of each moment, or a single one of a still scene.
        lens_model: of the lens.
        positions: one for each frame.
        point_spread: of the lens.
        camera: that takes the images.
        random: source of randomness.
    """
    renderers = [Renderer(view, lens_model, point_spread) for view in views]
    exact = len(views) > 1 or random.random() > STATISTICS.inexact
    frames, gamma = [], np.float32(DISPLAY_GAMMA)
    for t, position in enumerate(positions):
        image = renderers[min(t, len(views) - 1)].render(position)
        if not exact:
            right, down = random.normal(0, STATISTICS.left_shift, 2)
            gain = np.float32(1 + random.normal(0, STATISTICS.left_gain))
            image = np.clip(gain * shifted(image, (float(right), float(down))), 0, 1)
        taken = to_float(camera.capture(image**gamma, random))
        frames.append(to_uint8(remove_breathing(taken, lens_model.breathing_scale(position))))
    reference = lens_model.breathing_scale(0.0)
    ideal = camera.without_noise()
    truths = [
        to_uint8(
            remove_breathing(ideal.develop(np.clip(view.image, 0, 1) ** gamma, random), reference)
        )
        for view in views
    ]
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
    return sequence if len(views) == 1 else place_on_mosaic(sequence, lens_model)


def place_on_mosaic(sequence: FocusSequence, lens_model: LensModel) -> FocusSequence:
    """Warp the frames of a moving scene to where the classical fusion registers them.

    Args:
        sequence: in the geometry of each frame.
        lens_model: of the lens that took it.
    """
    placed = _register(sequence, lens_model)
    frame, shape, poses = sequence.frames.shape[1:3], placed.shape, placed.poses
    margin = (shape[0] - frame[0]) // 2
    inner = (slice(margin, margin + frame[0]), slice(margin, margin + frame[1]))
    half = tuple(slice(each.start // 2, each.stop // 2) for each in inner)

    def warped(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        placed = [
            warp_image(to_float(x), pose, shape) for x, pose in zip(images, poses, strict=True)
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
        np.stack([flow[half] for flow in placed.flows]).astype(np.float16),
        np.stack([error[half] for error in placed.errors]).astype(np.float16),
    )


@dataclass(frozen=True)
class _Placed:
    """Where frames lie on the mosaic.

    Attributes:
        shape: (rows, columns) of the mosaic.
        poses: (3, 3) of each frame, from its coordinates to those of the mosaic.
        flows: (h, w, 2) from the second frame on, optical flow since the frame before, pixels of
            the mosaic in half its size.
        errors: (h, w) likewise, photometric error of that flow.
    """

    shape: tuple[int, int]
    poses: Sequence[NDArray[Any]]
    flows: Sequence[NDArray[Any]]
    errors: Sequence[NDArray[Any]]


def _register(sequence: FocusSequence, lens_model: LensModel) -> _Placed:
    """Register each frame to the mosaic of those before."""
    method, frame = LaplacianFusion(), sequence.frames.shape[1:3]
    last = to_float(sequence.frames[0])
    state = mosaic.begin(method.merge(last, float(sequence.positions[0]), None))
    shape = state.fused.sharpness.shape
    poses, flows, errors = [state.pose], [], []
    blur_gain, side = lens_model.blur_gain(frame[1]), max(frame) // 2
    changes = blur_gain * np.abs(np.diff(sequence.positions))
    for stored, position, change in zip(
        sequence.frames[1:], sequence.positions[1:], changes, strict=True
    ):
        image = to_float(stored)
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
    return _Placed((shape[0], shape[1]), poses, flows, errors)
