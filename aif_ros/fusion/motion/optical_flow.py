"""What moves by itself, once the camera's motion is known.

Blur is easily mistaken for motion, so motion is believed only where it explains a picture much
better than blur does.
"""

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aif_ros.fusion.motion.photometric_error import LARGEST_MISMATCH, Alike, Copy, blurred_alike
from aif_ros.types.image import Image

# Both are blurred by this, pixels of the copies, before motion is looked for.
_SEARCH_SIGMA = 1.5
# Local motion is believed where it leaves less than this share of what the camera's leaves, if
# that is more than this; and something is certain to have moved where it is more than the last.
_BETTER, _NOISE, _CERTAIN = 0.7, 0.0167, LARGEST_MISMATCH
# The same between two frames, which are blurred nearly alike.
_FRAME_BETTER, _FRAME_NOISE, _FRAME_CERTAIN = 0.5, 0.007, 0.02
# There, motion is more than this, pixels, and more than this share of the change of blur, which
# moves the borders of what is blurred; and what moves takes up this share of the picture.
_LEAST, _LEAST_OF_CHANGE, _LEAST_SHARE = 0.3, 0.5, 0.003
# Blur that hides inside another of this radius, pixels, at most; and what resampling adds.
_WIDEST, _RESAMPLING = 12.0, 1.0
# Gaps in what moves are closed up to this size, pixels; motion explains them no worse than this.
_GAP, _NO_WORSE = 15, 0.002


def motion_between_frames(
    now: Image, before: Image, shift: NDArray[np.float64], blur_change: float
) -> NDArray[np.float32]:
    """Flow (h, w, 2), pixels, of what moves by itself between two frames in a row; 0 elsewhere.

    What the first frame shows at p lies in the other at shift(p + flow(p)).

    Args:
        now: copy (h, w) of I(t).
        before: of I(t-1), as large.
        shift: (3, 3), of the camera, from pixels of the one to those of the other.
        blur_change: radius by which the blur differs at most, pixels.
    """
    nothing = np.zeros((*now.shape, 2), np.float32)
    # Blur by r, of what is blurred by R already, becomes blur by the root of (R + r)^2 - R^2.
    widest = _RESAMPLING + np.sqrt(blur_change * (2 * _WIDEST + blur_change))

    def fetched(flow: NDArray[np.float32]) -> Copy:
        return Copy(fetch_along([before], shift, flow)[0][0], np.zeros_like(now))

    moved = fetched(nothing)
    standing = blurred_alike(now, moved, widest).mismatch
    if not _certain(standing > _FRAME_CERTAIN).any():
        return nothing
    flow = _dense_flow(now, moved.gray)
    followed = blurred_alike(now, fetched(flow), widest).mismatch
    far = np.hypot(*cv2.split(flow)) > _LEAST + _LEAST_OF_CHANGE * blur_change
    better = (standing > _FRAME_NOISE) & (followed < _FRAME_BETTER * standing) & far
    moving = _large(_things(better, standing > _FRAME_CERTAIN))
    # What is too blurred to be seen moving moves with what surrounds it.
    moving = _closed(moving) & (followed <= standing + _NO_WORSE)
    return _faded(flow, moving)


def motion_from_fused(
    now: Image,
    before: Copy,
    matrix: NDArray[np.float64],
    flow: NDArray[np.float32],
    alike: Alike,
) -> NDArray[np.float32]:
    """Flow (h, w, 2), pixels, of what J(t-1) shows to have moved farther; 0 elsewhere.

    What I(t) shows at p lies in J(t-1) at matrix(p + flow(p) + what is returned(p)).

    Args:
        now: copy (h, w) of I(t).
        before: of J(t-1).
        matrix: (3, 3), the camera's motion from pixels of the one to those of the other.
        flow: (h, w, 2) as far as it is known.
        alike: I(t), and J(t-1) fetched along that.
    """
    nothing = np.zeros_like(flow)
    if not _certain(alike.mismatch > _CERTAIN).any():
        return nothing
    # With what is known undone and both blurred alike, nothing but motion is left.
    further = _dense_flow(alike.first, alike.second)
    followed = blurred_alike(now, Copy(*fetch_along(before, matrix, flow + further)[0]))
    better = (alike.mismatch > _NOISE) & (followed.mismatch < _BETTER * alike.mismatch)
    moving = _things(better, alike.mismatch > _CERTAIN)
    if not moving.any():
        return nothing
    further += _dense_flow(followed.first, followed.second)
    return _faded(further, moving)


def fetch_along(
    planes: Iterable[Image], matrix: NDArray[np.float64], flow: NDArray[np.float32]
) -> tuple[list[Image], NDArray[np.bool_]]:
    """Fetch planes of one size along the flow (h, w, 2) and the matrix.

    Returns:
        The planes, (h, w, ...), and where what was fetched lies inside them, (h, w).
    """
    places = cv2.transform(np.stack(sampling_grid(flow), axis=2), matrix[:2])
    x, y = places[..., 0], places[..., 1]
    planes = list(planes)
    height, width = planes[0].shape[:2]
    inside = (x > -1) & (x < width) & (y > -1) & (y < height)
    fetched = [
        cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for plane in planes
    ]
    return fetched, inside


def sampling_grid(
    flow: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns and rows (h, w) that a flow (h, w, 2) leads to from each pixel."""
    height, width = flow.shape[:2]
    down, right = np.mgrid[0:height, 0:width].astype(np.float32)
    return right + flow[..., 0], down + flow[..., 1]


def _things(better: NDArray[np.bool_], certain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where things move: where motion explains better, if that is certain in a part of them.

    Things move as a whole: what is certain in a part holds for what hangs together with it.
    """
    better = _certain(better)
    return ndimage.binary_propagation(_certain(better & certain), mask=better)


def _large(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without what takes up too little of the picture."""
    _, parts, figures, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    large = figures[:, cv2.CC_STAT_AREA] >= _LEAST_SHARE * mask.size
    return mask & large[parts]


def _certain(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without pixels that only chance has put there."""
    return cv2.medianBlur(mask.astype(np.uint8), 5) > 0


def _closed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_GAP, _GAP))
    padded = np.pad(mask.astype(np.uint8), _GAP)
    return cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disk)[_GAP:-_GAP, _GAP:-_GAP] > 0


def _faded(flow: NDArray[np.float32], moving: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Leave the flow where something moves, and let it fade around."""
    return flow * cv2.GaussianBlur(moving.astype(np.float32), (0, 0), 1.5)[..., None]


def _dense_flow(now: Image, before: Image) -> NDArray[np.float32]:
    """Flow (h, w, 2) from one to the other, whatever moves (Kroeger et al., DIS flow, 2016)."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    first, second = (
        np.round(255 * np.clip(cv2.GaussianBlur(picture, (0, 0), _SEARCH_SIGMA), 0, 1))
        for picture in (now, before)
    )
    return search.calc(first.astype(np.uint8), second.astype(np.uint8), None)
