"""The canvas that J is kept on while the camera moves.

Every resampling takes sharpness away. J therefore stays where it is, on a canvas somewhat larger
than the frames; each frame is brought onto it once, and what the frame would show of J is fetched
from it. Only when the view leaves the canvas a new one is begun.
"""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, FusionMethod
from aif_ros.fusion.motion.camera_motion import Motion
from aif_ros.fusion.motion.photometric_error import rescaling
from aif_ros.fusion.motion.warping import RESAMPLED, carry_over
from aif_ros.types.image import Image

# The canvas goes beyond the first view by this share of its longer side.
_MARGIN = 0.05


@dataclass(frozen=True)
class Mosaic:
    """J beyond what the camera sees.

    Attributes:
        fused: J; sharpness 0 where nothing has been seen yet.
        pose: (3, 3) float64, from pixels of the last frame to those of the canvas.
        shape: (height, width) of the frames.
    """

    fused: Fused
    pose: NDArray[np.float64]
    shape: tuple[int, int]


def begin(fused: Fused) -> Mosaic:
    """Put J(0) in the middle of a new canvas."""
    height, width = fused.sharpness.shape
    margin = _margin((height, width))

    def padded(plane: NDArray[Any], margin: int, border: int) -> NDArray[Any]:
        return cv2.copyMakeBorder(plane, margin, margin, margin, margin, border)

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
        _translation(margin, margin),
        (height, width),
    )


def merged(
    canvas: Mosaic, method: FusionMethod, image: Image, position: float, motion: Motion
) -> Mosaic:
    """Merge I(t) into J on the canvas.

    Args:
        canvas: with J(t-1).
        method: that merges.
        image: I(t), as large as all frames.
        position: its lens position, metres.
        motion: from I(t) to the canvas.
    """
    canvas = follow(canvas, motion)
    rows, columns = _box(canvas)
    part = _part(canvas.fused, rows, columns)
    pose = _translation(-columns.start, -rows.start) @ canvas.pose
    shape = part.sharpness.shape
    flow, mismatch = bring_motion(motion, pose, canvas.shape, shape)
    result = method.merge(bring(image, pose, shape), position, carry_over(part, flow, mismatch))
    return replace(canvas, fused=_with_part(canvas.fused, result, rows, columns))


def follow(canvas: Mosaic, motion: Motion) -> Mosaic:
    """Go where the camera went; if that is beyond the canvas, begin a new one around it."""
    canvas = replace(canvas, pose=motion.pose)
    height, width = canvas.fused.sharpness.shape
    corners = _corners(canvas)
    if (corners > -1).all() and (corners < (width, height)).all():
        return canvas
    margin = _margin(canvas.shape)
    pose = _translation(margin, margin)
    shape = (canvas.shape[0] + 2 * margin, canvas.shape[1] + 2 * margin)
    fused = _fetched(canvas.fused, motion.pose @ np.linalg.inv(pose), shape)
    return replace(canvas, fused=fused, pose=pose)


def view(canvas: Mosaic) -> Fused:
    """J(t) as the last frame shows it."""
    return replace(_fetched(canvas.fused, canvas.pose, canvas.shape), memory=None)


def bring(image: Image, pose: NDArray[np.float64], shape: tuple[int, int]) -> Image:
    """Bring a frame into the geometry (3, 3) of something of that shape."""
    if np.array_equal(pose, np.eye(3)) and image.shape[:2] == shape:
        return image
    warped = cv2.warpAffine(
        image,
        pose[:2],
        shape[::-1],
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.clip(warped, 0.0, 1.0, dtype=np.float32)


def bring_motion(
    motion: Motion, pose: NDArray[np.float64], frame: tuple[int, int], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Bring flow and mismatch into the geometry (3, 3) of something of that shape.

    Args:
        motion: found in a frame.
        pose: from pixels of the frame to those of the other.
        frame: (height, width) of the frame.
        shape: (height, width) of the other.

    Returns:
        Flow (h, w, 2) and mismatch (h, w) on a smaller copy of the other.
    """
    scale = motion.mismatch.shape[1] / frame[1]
    small = (max(1, round(scale * shape[0])), max(1, round(scale * shape[1])))
    if small == motion.mismatch.shape and np.array_equal(pose, np.eye(3)):
        return motion.flow, motion.mismatch
    matrix = rescaling(shape, small) @ pose @ np.linalg.inv(rescaling(frame, motion.mismatch.shape))
    flow, mismatch = (
        cv2.warpAffine(plane, matrix[:2], small[::-1]) for plane in (motion.flow, motion.mismatch)
    )
    return cv2.transform(flow, matrix[:2, :2]).astype(np.float32), mismatch.astype(np.float32)


def _fetched(fused: Fused, matrix: NDArray[np.float64], shape: tuple[int, int]) -> Fused:
    """Everything in J along a similarity (3, 3) from what is wanted, of that shape, to J."""
    size = shape[::-1]

    def fetch(plane: NDArray[np.float32], how: int, border: int) -> NDArray[np.float32]:
        flags = how | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(plane, matrix[:2], size, flags=flags, borderMode=border)

    whole = np.array_equal(matrix, np.round(matrix))
    sharpness = fetch(fused.sharpness, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    memory = fused.memory
    if memory is not None:
        half = ((shape[0] + 1) // 2, (shape[1] + 1) // 2)
        halve = rescaling((2, 2), (1, 1))
        memory = cv2.warpAffine(
            memory,
            (halve @ matrix @ np.linalg.inv(halve))[:2],
            half[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        )
    return Fused(
        np.clip(fetch(fused.image, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE), 0.0, 1.0),
        sharpness if whole else np.float32(RESAMPLED) * sharpness,
        fetch(fused.source_position, cv2.INTER_NEAREST, cv2.BORDER_REPLICATE),
        fused.frames,
        memory=memory,
    )


def _box(canvas: Mosaic) -> tuple[slice, slice]:
    """The part of the canvas that the last frame shows, from and to even pixels."""
    corners = _corners(canvas)
    least = np.maximum(np.floor(corners.min(axis=0) + 1e-6).astype(int) // 2 * 2, 0)
    most = -(-np.ceil(corners.max(axis=0) - 1e-6 + 1).astype(int) // 2) * 2
    height, width = canvas.fused.sharpness.shape
    return (
        slice(int(least[1]), int(min(most[1], height))),
        slice(int(least[0]), int(min(most[0], width))),
    )


def _corners(canvas: Mosaic) -> NDArray[np.float64]:
    """(4, 2), the centres of the last frame's corner pixels, right and down on the canvas."""
    height, width = canvas.shape
    corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    return cv2.transform(np.array([corners], np.float64), canvas.pose[:2])[0]


def _part(fused: Fused, rows: slice, columns: slice) -> Fused:
    memory = None if fused.memory is None else fused.memory[_halved(rows), _halved(columns)]
    return Fused(
        fused.image[rows, columns],
        fused.sharpness[rows, columns],
        fused.source_position[rows, columns],
        fused.frames,
        memory=memory,
    )


def _with_part(fused: Fused, part: Fused, rows: slice, columns: slice) -> Fused:
    def replaced(old: NDArray[np.float32], new: NDArray[np.float32]) -> NDArray[np.float32]:
        result = old.copy()
        result[rows, columns] = new
        return result

    memory = fused.memory
    if memory is not None and part.memory is not None:
        memory = memory.copy()
        memory[_halved(rows), _halved(columns)] = part.memory
    return Fused(
        replaced(fused.image, part.image),
        replaced(fused.sharpness, part.sharpness),
        replaced(fused.source_position, part.source_position),
        part.frames,
        memory=memory,
    )


def _halved(place: slice) -> slice:
    return slice(place.start // 2, (place.stop + 1) // 2)


def _margin(shape: tuple[int, int]) -> int:
    # Even, as the memory has half the resolution.
    return 2 * int(np.ceil(_MARGIN * max(shape) / 2))


def _translation(right: float, down: float) -> NDArray[np.float64]:
    return np.array([[1.0, 0.0, right], [0.0, 1.0, down], [0.0, 0.0, 1.0]])
