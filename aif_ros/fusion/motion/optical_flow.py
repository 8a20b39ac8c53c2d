"""Optical flow of moving objects, after registration of the camera motion.

Blur is easily mistaken for motion. Flow is therefore kept only where it explains an image much
better than blur does, and 0 elsewhere.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.geometry import Transform, scaling
from aif_ros.fusion.motion.photometric_error import (
    LARGEST_ERROR,
    SIDE,
    Blurred,
    MatchedBlur,
    Reference,
    match_blur,
)
from aif_ros.fusion.motion.warping import warp_planes
from aif_ros.types.image import Image, to_gray
from aif_ros.types.resizing import downscale


@dataclass(frozen=True)
class _Acceptance:
    """Thresholds for accepting flow; chosen by `benchmark fusion` on moving scenes.

    Attributes:
        better: the error along the flow, as a share of the error without it, at most.
        noise: smaller errors without it are noise, share of full scale.
        certain: something has moved where the error without it is larger, share of full scale.
    """

    better: float
    noise: float
    certain: float


# Two frames in a row are blurred nearly alike, so that little is left where nothing moves.
_FRAMES = _Acceptance(0.5, 0.007, 0.02)
_FUSED = _Acceptance(0.7, 0.0167, LARGEST_ERROR)
# Images are blurred by this before flow is searched, pixels of the downscaled images.
_SEARCH_SIGMA = 1.5
# Between frames, flow is longer than this, pixels, plus this share of the change of blur, which
# moves the borders of what is blurred; and what moves covers this share of the image.
_LEAST, _LEAST_OF_CHANGE, _LEAST_SHARE = 0.3, 0.5, 0.003
# Largest blur of a frame, and what resampling adds, pixels of radius.
_WIDEST, _RESAMPLING = 12.0, 1.0
# Gaps in what moves are closed up to this size, pixels; flow explains them no worse than this.
_GAP, _NO_WORSE = 15, 0.002
# Downscaled images with a shorter side hold too little detail.
_SMALLEST = 48


def flow_between_frames(
    before: Image, image: Image, shift: Transform, blur_change: float, side: int = SIDE
) -> NDArray[np.float32]:
    """Estimate the flow of moving objects between two consecutive frames.

    Args:
        before: I(t-1).
        image: I(t), of the same size.
        shift: of the camera, see `register_frames`.
        blur_change: radius by which the blur of the two differs at most, pixels.
        side: longer side of the images that it is searched on, at most, pixels.

    Returns:
        (h, w, 2) float32, on I(t) downscaled and in pixels of it: what I(t) shows at p lies in
        I(t-1) at shift(p + flow(p)); 0 where nothing moves by itself.
    """
    scale = min(1.0, side / max(image.shape[:2]))
    now, earlier = (downscale(to_gray(each), scale) for each in (image, before))
    nothing = np.zeros((*now.shape, 2), np.float32)
    if min(now.shape) < _SMALLEST:
        return nothing
    to_downscaled = scaling(image.shape, now.shape)
    transform = to_downscaled @ shift @ np.linalg.inv(to_downscaled)
    blur_change *= scale
    # Blur by r, of what is blurred by R already, becomes blur by the root of (R + r)^2 - R^2.
    widest = _RESAMPLING + np.sqrt(blur_change * (2 * _WIDEST + blur_change))

    def warped(flow: NDArray[np.float32]) -> Reference:
        return Reference(warp_planes([earlier], transform, flow)[0][0], np.zeros_like(now))

    still, blurred = warped(nothing), Blurred(now)
    error = match_blur(blurred, still, widest).error
    certain = error > _FRAMES.certain
    if not _without_outliers(certain).any():
        return nothing
    flow = _dense_flow(now, still.gray)
    error_along = match_blur(blurred, warped(flow), widest).error
    far = np.hypot(*cv2.split(flow)) > _LEAST + _LEAST_OF_CHANGE * blur_change
    better = (error > _FRAMES.noise) & (error_along < _FRAMES.better * error) & far
    moving = _without_small(_connected(better, certain))
    # Parts too blurred to be seen moving move with what surrounds them.
    moving = _closed(moving) & (error_along <= error + _NO_WORSE)
    return _feathered(flow, moving)


def flow_to_fused(
    now: Image,
    before: Reference,
    transform: Transform,
    flow: NDArray[np.float32],
    match: MatchedBlur,
) -> NDArray[np.float32]:
    """Estimate the remaining flow between J(t-1) and I(t).

    Args:
        now: (h, w), I(t) downscaled.
        before: J(t-1), downscaled.
        transform: of the camera, from pixels of the one to those of the other.
        flow: (h, w, 2) as far as it is known.
        match: I(t), and J(t-1) warped along that.

    Returns:
        (h, w, 2), pixels: what I(t) shows at p lies in J(t-1) at transform(p + flow(p) + this(p));
        0 where nothing has moved farther.
    """
    nothing = np.zeros_like(flow)
    certain = match.error > _FUSED.certain
    if not _without_outliers(certain).any():
        return nothing
    # With known motion undone and blur matched, only motion is left.
    further = _dense_flow(match.first, match.second)
    along = match_blur(now, Reference(*warp_planes(before, transform, flow + further)[0]))
    better = (match.error > _FUSED.noise) & (along.error < _FUSED.better * match.error)
    moving = _connected(better, certain)
    if not moving.any():
        return nothing
    further += _dense_flow(along.first, along.second)
    return _feathered(further, moving)


def _connected(better: NDArray[np.bool_], certain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Connected regions of `better` with a certain part: objects move as a whole."""
    better = _without_outliers(better)
    seeds = _without_outliers(better & certain)
    count, regions = cv2.connectedComponents((better | seeds).astype(np.uint8), connectivity=4)
    kept = np.zeros(count, np.bool_)
    kept[regions[seeds]] = True
    return np.asarray(kept[regions])


def _without_small(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    _, parts, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    large = figures[:, cv2.CC_STAT_AREA] >= _LEAST_SHARE * mask.size
    return np.asarray(mask & large[parts])


def _without_outliers(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return np.asarray(cv2.medianBlur(mask.astype(np.uint8), 5) > 0)


def _closed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_GAP, _GAP))
    padded = np.pad(mask.astype(np.uint8), _GAP)
    return np.asarray(cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disk)[_GAP:-_GAP, _GAP:-_GAP] > 0)


def _feathered(flow: NDArray[np.float32], moving: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Keep the flow of moving objects, fading out around them."""
    return np.asarray(flow * cv2.GaussianBlur(moving.astype(np.float32), (0, 0), 1.5)[..., None])


def _dense_flow(now: Image, before: Image) -> NDArray[np.float32]:
    """Flow (h, w, 2) everywhere (Kroeger et al., "Fast Optical Flow using DIS", ECCV 2016)."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    first, second = (
        np.round(255 * np.clip(cv2.GaussianBlur(image, (0, 0), _SEARCH_SIGMA), 0, 1))
        for image in (now, before)
    )
    flow = search.calc(first.astype(np.uint8), second.astype(np.uint8), None)
    # The search can fail in parts without any detail.
    return np.asarray(np.nan_to_num(flow, copy=False, nan=0.0, posinf=0.0, neginf=0.0))
