"""Warping pictures, and J(t-1) with all that belongs to it, into the geometry of I(t)."""

from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, blend
from aif_ros.fusion.motion.geometry import Transform, resize
from aif_ros.fusion.motion.photometric_error import LARGEST_ERROR
from aif_ros.types.image import Image

RESAMPLED = 0.85
"""Share of its Laplacian energy that J keeps when it is resampled once with a cubic kernel."""


def sampling_grid(
    flow: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns and rows (h, w) that a flow (h, w, 2) leads to from each pixel."""
    height, width = flow.shape[:2]
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    return right + flow[..., 0], down + flow[..., 1]


def warp_planes(
    planes: Iterable[Image], transform: Transform, flow: NDArray[np.float32]
) -> tuple[list[Image], NDArray[np.bool_]]:
    """Warp planes of one size: the result at p is the plane at transform(p + flow(p)).

    Args:
        planes: (h', w', ...) each.
        transform: from pixels of the result to those of the planes.
        flow: (h, w, 2), pixels of the result.

    Returns:
        The planes (h, w, ...), and where the result lies inside them, (h, w).
    """
    places = cv2.transform(np.stack(sampling_grid(flow), axis=2), transform[:2])
    x, y = places[..., 0], places[..., 1]
    planes = list(planes)
    height, width = planes[0].shape[:2]
    inside = (x > -1) & (x < width) & (y > -1) & (y < height)
    warped = [
        cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for plane in planes
    ]
    return warped, inside


def warp_image(image: Image, transform: Transform, shape: tuple[int, int]) -> Image:
    """Warp a picture by an affine transform from its pixels to those of a result of `shape`."""
    if np.array_equal(transform, np.eye(3)) and image.shape[:2] == shape:
        return image
    warped = cv2.warpAffine(
        image,
        transform[:2],
        shape[::-1],
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(np.clip(warped, 0.0, 1.0, dtype=np.float32))


def warp_fused(fused: Fused, transform: Transform, shape: tuple[int, int]) -> Fused:
    """Warp J by an affine transform from pixels of the result, of `shape`, to those of J.

    What J does not cover has sharpness 0.
    """

    def warp(plane: NDArray[np.float32], how: int, border: int) -> NDArray[np.float32]:
        flags = how | cv2.WARP_INVERSE_MAP
        return np.asarray(
            cv2.warpAffine(plane, transform[:2], shape[::-1], flags=flags, borderMode=border)
        )

    whole_pixels = np.array_equal(transform, np.round(transform))
    sharpness = warp(fused.sharpness, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    memory = fused.memory
    if memory is not None:
        memory = _warp_memory(memory, transform, shape)
    return Fused(
        np.clip(warp(fused.image, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE), 0.0, 1.0),
        sharpness if whole_pixels else np.float32(RESAMPLED) * sharpness,
        warp(fused.source_position, cv2.INTER_NEAREST, cv2.BORDER_REPLICATE),
        fused.frames,
        memory=memory,
    )


def warp_along_flow(fused: Fused, flow: NDArray[np.float32], error: NDArray[np.float32]) -> Fused:
    """Warp J(t-1) along the optical flow.

    Args:
        fused: J(t-1), in the geometry of I(t) but for that.
        flow: (h, w, 2), on a smaller copy and in pixels of it: where what I(t) shows lies in
            `fused`, relative to it.
        error: (h, w), the photometric error that is left; becomes the `mismatch` of the result.
    """
    warped = replace(fused, mismatch=error)
    if not flow.any():
        return warped
    height, width = fused.sharpness.shape
    full = resize(flow, (width, height))
    full *= np.array([width, height], np.float32) / flow.shape[1::-1]
    grid = sampling_grid(full)

    def warp(plane: NDArray[np.float32], how: int = cv2.INTER_LINEAR) -> NDArray[np.float32]:
        return np.asarray(cv2.remap(plane, *grid, how, borderMode=cv2.BORDER_REPLICATE))

    memory = fused.memory
    if memory is not None:
        halved = sampling_grid(resize(full, memory.shape[1::-1]) * np.float32(0.5))
        memory = cv2.remap(memory, *halved, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return replace(
        warped,
        image=np.clip(warp(fused.image, cv2.INTER_CUBIC), 0.0, 1.0),
        sharpness=np.where(full.any(axis=2), np.float32(RESAMPLED), 1) * warp(fused.sharpness),
        source_position=warp(fused.source_position, cv2.INTER_NEAREST),
        memory=memory,
    )


def _warp_memory(
    memory: NDArray[np.float32], transform: Transform, shape: tuple[int, int]
) -> NDArray[np.float32]:
    halve = np.array([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    return np.asarray(
        cv2.warpAffine(
            memory,
            (halve @ transform @ np.linalg.inv(halve))[:2],
            ((shape[1] + 1) // 2, (shape[0] + 1) // 2),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        )
    )


def replace_mismatches(fused: Fused, image: Image) -> Fused:
    """Replace the warped J(t-1) by I(t), with sharpness 0, where they do not match."""
    if fused.mismatch is None:
        return fused
    # The median removes single pixels, which match or not by chance.
    wrong = cv2.medianBlur((fused.mismatch > LARGEST_ERROR).astype(np.uint8), 7)
    wrong = cv2.dilate(wrong, np.ones((5, 5), np.uint8))
    invalid = resize(wrong.astype(np.float32), fused.sharpness.shape[::-1])
    return replace(
        fused,
        image=blend(fused.image, image, invalid),
        sharpness=fused.sharpness * (1 - invalid),
        mismatch=None,
    )


class WarpOnly:
    """A fusion method that keeps J(t-1) and uses I(t) only where J does not show the scene.

    For frames that must not be merged, because the lens moved while they were exposed.
    """

    def merge(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """Return J(t-1), warped."""
        assert fused is not None
        return replace_mismatches(fused, image)
