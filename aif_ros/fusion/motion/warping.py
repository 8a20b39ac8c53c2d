"""Carrying what J(t-1) knows over to where things are in I(t)."""

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused, blend
from aif_ros.fusion.motion.optical_flow import sampling_grid
from aif_ros.fusion.motion.photometric_error import LARGEST_MISMATCH
from aif_ros.types.image import Image

# J loses sharpness by being resampled: new frames of like energy are truer.
RESAMPLED = 0.85


def carry_over(fused: Fused, flow: NDArray[np.float32], mismatch: NDArray[np.float32]) -> Fused:
    """Fetch everything in J(t-1) along a flow.

    Args:
        fused: J(t-1), in the geometry of I(t) but for what moves by itself.
        flow: (h, w, 2), on a smaller copy and in pixels of it: where what I(t) shows lies in
            `fused`, relative to it.
        mismatch: (h, w) that is left; it tells the fusion method how far to believe the result.
    """
    carried = replace(fused, mismatch=mismatch)
    if not flow.any():
        return carried
    height, width = fused.sharpness.shape
    wide = resized(flow, (width, height))
    wide *= np.array([width, height], np.float32) / flow.shape[1::-1]
    grid = sampling_grid(wide)

    def fetch(plane: NDArray[np.float32], how: int = cv2.INTER_LINEAR) -> NDArray[np.float32]:
        return cv2.remap(plane, *grid, how, borderMode=cv2.BORDER_REPLICATE)

    memory = fused.memory
    if memory is not None:
        halved = sampling_grid(resized(wide, memory.shape[1::-1]) * np.float32(0.5))
        memory = cv2.remap(memory, *halved, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return replace(
        carried,
        image=np.clip(fetch(fused.image, cv2.INTER_CUBIC), 0.0, 1.0),
        sharpness=np.where(wide.any(axis=2), np.float32(RESAMPLED), 1) * fetch(fused.sharpness),
        source_position=fetch(fused.source_position, cv2.INTER_NEAREST),
        memory=memory,
    )


def without_mismatches(fused: Fused, image: Image) -> Fused:
    """Put I(t), with sharpness 0, in the place of what cannot have been carried over."""
    if fused.mismatch is None:
        return fused
    # A few pixels amid others are matches or mismatches by chance.
    wrong = cv2.medianBlur((fused.mismatch > LARGEST_MISMATCH).astype(np.uint8), 7)
    wrong = cv2.dilate(wrong, np.ones((5, 5), np.uint8))
    invalid = resized(wrong.astype(np.float32), fused.sharpness.shape[::-1])
    return replace(
        fused,
        image=blend(fused.image, image, invalid),
        sharpness=fused.sharpness * (1 - invalid),
        mismatch=None,
    )


class FollowOnly:
    """Merges nothing of I(t) into J but what J cannot show, and takes that for blurred.

    For frames that tell where things are but must not be fused. See `FusionMethod`.
    """

    def merge(self, image: Image, position: float, fused: Fused | None) -> Fused:
        """Return J(t-1), carried over."""
        assert fused is not None
        return without_mismatches(fused, image)


def resized(plane: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    """A copy of a plane (h, w, ...) of the size (width, height)."""
    if plane.shape[1::-1] == tuple(size):
        return plane.copy()
    return cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
