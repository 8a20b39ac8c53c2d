"""Global registration: the motion of the camera between frames, and between J and a frame.

Both register the pixels of downscaled images (see `pixel_registration`), coarse to fine:

- *frame to frame* a shift: two frames in a row are blurred nearly alike, and a change of blur is
  even in all directions, so it hardly disturbs a shift;
- *frame to J* a similarity, from where the shift leads: J is sharp where the frame is not, so the
  two are compared by the photometric error that allows for blur.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from aif_ros.fusion.motion.geometry import (
    Transform,
    largest_displacement,
    scaling,
    translation,
)
from aif_ros.fusion.motion.lucas_kanade import Limits
from aif_ros.fusion.motion.photometric_error import (
    SIDE,
    Blurred,
    MatchedBlur,
    Reference,
    match_blur,
)
from aif_ros.fusion.motion.pixel_registration import PixelSearch, Registered, register_pixels
from aif_ros.types.image import Image, to_gray
from aif_ros.types.resizing import downscale


@dataclass(frozen=True)
class _Settings:
    """Settings of a registration, chosen by hand.

    Attributes:
        half: search on images downscaled to half the size.
        whole: the search after that.
        still: smaller displacements, pixels of the downscaled images, are within the error of
            measurement.
        smallest: images with a shorter side, pixels, hold too little detail to register.
    """

    half: PixelSearch
    whole: PixelSearch
    still: float
    smallest: int


_FRAMES = _Settings(
    half=PixelSearch(False, 1.0, 1e-6, Limits(8, 0.005)),
    whole=PixelSearch(False, 1.0, 1e-6, Limits(4, 0.005)),
    still=0.12,
    smallest=48,
)
_FUSED = _Settings(
    half=PixelSearch(True, 0.25, 1e-3, Limits(10, 0.0, 0.01)),
    whole=PixelSearch(True, 0.25, 1e-3, Limits(2, 0.0, 0.01)),
    still=0.15,
    smallest=32,
)
_SIGMA = 1.5
"""Frames are blurred by this before a shift is searched, pixels; chosen by hand."""
_LEAST_GAIN = 0.05
"""A displacement between a frame and J must lower the error by this share, twice for the first
pixel and once for every further one: blurred images match in many places. Chosen by hand.
"""


def register_frames(before: Image, image: Image) -> Transform:
    """Find the shift of the camera between two frames in a row.

    Args:
        before: I(t-1).
        image: I(t), of the same size.

    Returns:
        A shift from pixels of I(t) to those of I(t-1); the identity if it is too small to measure.
    """
    scale = min(1.0, SIDE / max(image.shape[:2]))
    if scale * min(image.shape[:2]) < _FRAMES.smallest:
        return np.eye(3)
    grays = to_gray(image), to_gray(before)
    shift = np.zeros(2)
    for share, search in ((0.5, _FRAMES.half), (1.0, _FRAMES.whole)):
        now, earlier = (_smoothed(gray, share * scale) for gray in grays)
        # What the border lets in is no motion; blurred images need every second pixel only.
        border = int(3 * _SIGMA) + 4
        inner = np.s_[border:-border:2, border:-border:2]

        def compare(transform: Transform, now: Image = now, earlier: Image = earlier) -> Registered:
            warped = _warp(earlier, transform, now.shape)
            return Registered(transform, MatchedBlur(now, warped, np.abs(now - warped)))

        start = translation(*(share * shift))
        found = register_pixels(compare, start, search, inner)
        shift = found.transform[:2, 2] / share
    if np.hypot(*shift) < _FRAMES.still:
        return np.eye(3)
    return translation(*(shift / scale))


def register_to_fused(now: Image, before: Reference, start: Transform) -> Registered:
    """Estimate the dominant transform between I(t) and J(t-1).

    Args:
        now: (h, w), I(t) downscaled.
        before: J(t-1) downscaled, of any size.
        start: from pixels of the one to those of the other, as far as it is known. Returned
            unless another transform lowers the error by more than blur can.
    """
    whole = Blurred(now)
    still = _compare(whole, before, start)
    if min(now.shape) < _FUSED.smallest:
        return still
    half = Blurred(downscale(now, 0.5))
    half_before = Reference(
        downscale(before.gray, 0.5), np.float32(0.5) * downscale(before.blur, 0.5)
    )
    to_half, before_to_half = (
        scaling(now.shape, half.shape),
        scaling(before.gray.shape, half_before.gray.shape),
    )
    half_start = before_to_half @ start @ np.linalg.inv(to_half)
    coarse = register_pixels(lambda t: _compare(half, half_before, t), half_start, _FUSED.half)
    if largest_displacement(coarse.transform, half_start, half.shape) <= _FUSED.still:
        return still
    transform = np.linalg.inv(before_to_half) @ coarse.transform @ to_half
    found = register_pixels(lambda t: _compare(whole, before, t), transform, _FUSED.whole)
    distance = largest_displacement(found.transform, start, now.shape)
    required = 1 + _LEAST_GAIN * (1 + max(1.0, distance))
    moved = distance > _FUSED.still and still.error >= required * found.error
    return found if moved else still


def _compare(now: Blurred, before: Reference, transform: Transform) -> Registered:
    warped = Reference(*(_warp(plane, transform, now.shape) for plane in before))
    return Registered(transform, match_blur(now, warped))


def _warp(plane: Image, transform: Transform, shape: tuple[int, ...]) -> Image:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(
            plane, transform[:2], shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float32, copy=False)
    )


def _smoothed(gray: Image, scale: float) -> Image:
    return np.asarray(cv2.GaussianBlur(downscale(gray, scale), (0, 0), _SIGMA))
