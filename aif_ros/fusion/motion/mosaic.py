"""The mosaic: the larger image that J is kept on while the camera moves.

Every resampling loses sharpness. J therefore stays where it is, on a mosaic somewhat larger than
the frames; each frame is warped onto it once. Only when the view leaves the mosaic, a new one is
begun.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, FusionMethod, check_finite
from aif_ros.fusion.motion.estimation import Motion
from aif_ros.fusion.motion.fused_warping import warp_along_flow, warp_fused
from aif_ros.fusion.motion.geometry import Transform, corners, scaling, translation
from aif_ros.fusion.motion.warping import warp_image
from aif_ros.types.image import Image

# The mosaic extends beyond the first view by this share of its longer side.
_MARGIN = 0.05


@dataclass(frozen=True)
class Mosaic:
    """J on a canvas larger than the view of the camera.

    Attributes:
        fused: J; sharpness 0 where nothing has been seen yet. `merge` changes its arrays in place.
        pose: (3, 3) float64, from pixels of the last frame to those of the mosaic.
        shape: (height, width) of the frames.
    """

    fused: Fused
    pose: Transform
    shape: tuple[int, int]


def begin(fused: Fused) -> Mosaic:
    """Put J(0) in the middle of a new mosaic."""
    height, width = fused.sharpness.shape
    margin = _margin((height, width))

    def padded(plane: NDArray[Any], margin: int, border: int) -> NDArray[Any]:
        return np.asarray(cv2.copyMakeBorder(plane, margin, margin, margin, margin, border))

    memory = fused.memory
    if memory is not None:
        memory = padded(memory, margin // 2, cv2.BORDER_CONSTANT)
    return Mosaic(
        replace(
            fused,
            image=padded(fused.image, margin, cv2.BORDER_REPLICATE),
            sharpness=padded(fused.sharpness, margin, cv2.BORDER_CONSTANT),
            source_position=padded(fused.source_position, margin, cv2.BORDER_REPLICATE),
            memory=memory,
        ),
        translation(margin, margin),
        (height, width),
    )


def merge(
    mosaic: Mosaic, method: FusionMethod, image: Image, position: float, motion: Motion
) -> Mosaic:
    """Merge I(t) into J on the mosaic, in place.

    Args:
        mosaic: with J(t-1); its arrays are used again.
        method: merges two aligned images.
        image: I(t), of the size of all frames.
        position: its lens position, metres.
        motion: from I(t) to the mosaic.

    Raises:
        ImageError: the merged values are not finite; J has not changed.
    """
    mosaic = move_view(mosaic, motion)
    rows, columns = _box(mosaic)
    part = _part(mosaic.fused, rows, columns)
    pose = translation(-columns.start, -rows.start) @ mosaic.pose
    shape = part.sharpness.shape
    flow, error = transform_motion(motion, pose, mosaic.shape, shape)
    before = warp_along_flow(part, flow, error)
    result = method.merge(warp_image(image, pose, shape), position, before)
    check_finite(result)
    return replace(mosaic, fused=_write(mosaic.fused, result, rows, columns))


def move_view(mosaic: Mosaic, motion: Motion) -> Mosaic:
    """Move the view with the camera; beyond the mosaic, begin a new one around the view.

    Args:
        mosaic: J, and where the last frame was on it.
        motion: where the new frame is.
    """
    mosaic = replace(mosaic, pose=motion.pose)
    height, width = mosaic.fused.sharpness.shape
    seen = _view_corners(mosaic)
    if (seen > -1).all() and (seen < (width, height)).all():
        return mosaic
    margin = _margin(mosaic.shape)
    pose = translation(margin, margin)
    shape = (mosaic.shape[0] + 2 * margin, mosaic.shape[1] + 2 * margin)
    fused = warp_fused(mosaic.fused, motion.pose @ np.linalg.inv(pose), shape)
    return replace(mosaic, fused=fused, pose=pose)


def view(mosaic: Mosaic) -> Fused:
    """J(t) as the last frame shows it."""
    return replace(warp_fused(mosaic.fused, mosaic.pose, mosaic.shape), memory=None)


def transform_motion(
    motion: Motion, pose: Transform, frame: tuple[int, int], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Transform flow and error from the geometry of a frame to that of something of `shape`.

    Args:
        motion: estimated in a frame.
        pose: from pixels of the frame to those of the other.
        frame: (height, width) of the frame.
        shape: (height, width) of the other.

    Returns:
        Flow (h, w, 2) and error (h, w) on the other one, downscaled.
    """
    scale = motion.error.shape[1] / frame[1]
    small = (max(1, round(scale * shape[0])), max(1, round(scale * shape[1])))
    if small == motion.error.shape and np.array_equal(pose, np.eye(3)):
        return motion.flow, motion.error
    matrix = scaling(shape, small) @ pose @ np.linalg.inv(scaling(frame, motion.error.shape))
    flow, error = (
        cv2.warpAffine(plane, matrix[:2], small[::-1]) for plane in (motion.flow, motion.error)
    )
    return cv2.transform(flow, matrix[:2, :2]).astype(np.float32), error.astype(np.float32)


def _box(mosaic: Mosaic) -> tuple[slice, slice]:
    """The part of the mosaic that the last frame shows, from and to even pixels."""
    seen = _view_corners(mosaic)
    least = np.maximum(np.floor(seen.min(axis=0) + 1e-6).astype(int) // 2 * 2, 0)
    most = -(-np.ceil(seen.max(axis=0) - 1e-6 + 1).astype(int) // 2) * 2
    height, width = mosaic.fused.sharpness.shape
    return (
        slice(int(least[1]), int(min(most[1], height))),
        slice(int(least[0]), int(min(most[0], width))),
    )


def _view_corners(mosaic: Mosaic) -> NDArray[np.float64]:
    """(4, 2), (x, y) of the last frame's corners on the mosaic."""
    return np.asarray(cv2.transform(corners(mosaic.shape)[None], mosaic.pose[:2])[0])


def _part(fused: Fused, rows: slice, columns: slice) -> Fused:
    memory = None if fused.memory is None else fused.memory[_halved(rows), _halved(columns)]
    return Fused(
        fused.image[rows, columns],
        fused.sharpness[rows, columns],
        fused.source_position[rows, columns],
        fused.frames,
        memory=memory,
    )


def _write(fused: Fused, part: Fused, rows: slice, columns: slice) -> Fused:
    """Write a part into J."""
    fused.image[rows, columns] = part.image
    fused.sharpness[rows, columns] = part.sharpness
    fused.source_position[rows, columns] = part.source_position
    if fused.memory is not None:
        fused.memory[_halved(rows), _halved(columns)] = part.memory
    return replace(fused, frames=part.frames)


def _halved(place: slice) -> slice:
    return slice(place.start // 2, (place.stop + 1) // 2)


def _margin(shape: tuple[int, int]) -> int:
    # Even, as the memory has half the resolution.
    return 2 * int(np.ceil(_MARGIN * max(shape) / 2))
