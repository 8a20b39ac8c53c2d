"""Following camera and things from one frame to the next.

Two frames in a row are blurred nearly alike, whatever J is: how far the camera has turned between
them, and what has moved by itself, is told far more surely than from J, which is sharp where the
frame is not.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.optical_flow import motion_between_frames
from aif_ros.fusion.motion.photometric_error import SIDE, rescaling, small_copy
from aif_ros.types.image import Image, to_gray

# The shift is looked for on copies, and first on copies of half that size; they are blurred by
# this, pixels.
_SIGMA = 1.5
# Most steps on the smaller and the larger copies; a step of less than this, pixels, is the last.
_STEPS, _LEAST_STEP = {0.5: 8, 1.0: 4}, 0.005
# A shift of less than this, pixels of the copies, is error of measurement.
_STILL = 0.12
# Smaller images have nothing to hold on to.
_SMALLEST = 48


def frame_shift(before: Image, image: Image) -> NDArray[np.float64]:
    """Find where what a frame shows lies in the frame before it, but for a turn of the camera.

    By Gauss-Newton steps after Lucas and Kanade, 1981, that what moves by itself hardly pulls. A
    change of blur is even in all directions and a shift is not, so that it does little harm.

    Args:
        before: I(t-1).
        image: I(t), as large.

    Returns:
        (3, 3), a shift from pixels of I(t) to those of I(t-1); the identity if it is too small to
        be told from none.
    """
    scale = min(1.0, SIDE / max(image.shape[:2]))
    if scale * min(image.shape[:2]) < _SMALLEST:
        return np.eye(3)
    grays = to_gray(image), to_gray(before)
    shift = np.zeros(2)
    for share, steps in _STEPS.items():
        now, earlier = (_blurred_copy(gray, share * scale) for gray in grays)
        shift = _approached(now, earlier, share * shift, steps) / share
    if np.hypot(*shift) < _STILL:
        return np.eye(3)
    right, down = shift / scale
    return np.array([[1.0, 0.0, right], [0.0, 1.0, down], [0.0, 0.0, 1.0]])


def frame_flow(
    before: Image,
    image: Image,
    shift: NDArray[np.float64],
    blur_change: float,
    side: int = SIDE,
) -> NDArray[np.float32]:
    """Find what moves by itself between two frames in a row.

    Args:
        before: I(t-1).
        image: I(t), as large.
        shift: (3, 3) of the camera, see `frame_shift`.
        blur_change: radius by which the blur of the two differs at most, pixels.
        side: it is looked for on copies no larger than this, pixels, on the longer side.

    Returns:
        (h, w, 2) float32, on a smaller copy of I(t) and in pixels of it: what I(t) shows at p lies
        in I(t-1) at shift(p + flow(p)); 0 where nothing moves by itself.
    """
    scale = min(1.0, side / max(image.shape[:2]))
    now, earlier = (small_copy(to_gray(each), scale) for each in (image, before))
    if min(now.shape) < _SMALLEST:
        return np.zeros((*now.shape, 2), np.float32)
    to_copy = rescaling(image.shape, now.shape)
    matrix = to_copy @ shift @ np.linalg.inv(to_copy)
    return motion_between_frames(now, earlier, matrix, scale * blur_change)


def _blurred_copy(gray: Image, scale: float) -> Image:
    size = tuple(max(1, round(scale * side)) for side in gray.shape[::-1])
    return cv2.GaussianBlur(cv2.resize(gray, size, interpolation=cv2.INTER_AREA), (0, 0), _SIGMA)


def _approached(
    now: Image, before: Image, shift: NDArray[np.float64], steps: int
) -> NDArray[np.float64]:
    """Improve a shift (right, down) from `now` to `before`, in no more than so many steps."""
    border = int(3 * _SIGMA) + 4
    # Every second pixel tells as much: they are blurred.
    inner = np.s_[border:-border:2, border:-border:2]
    for _ in range(steps):
        matrix = np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]])
        moved = cv2.warpAffine(
            before,
            matrix,
            before.shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mean = (now + moved) / 2
        across, down = (
            cv2.Sobel(mean, cv2.CV_32F, *axis, scale=1 / 8)[inner].ravel()
            for axis in ((1, 0), (0, 1))
        )
        error = (now - moved)[inner].ravel()
        # What moves by itself differs more than the rest.
        trust = 1 / (1 + np.square(error / (2 * np.median(np.abs(error)) + 1e-6)))
        slopes = np.stack([across, down], 1)
        weighted = slopes * trust[:, None]
        # The small addition keeps a picture without edges where it is.
        step = np.linalg.solve(weighted.T @ slopes + 1e-6 * np.eye(2), weighted.T @ error)
        shift = shift + step
        if np.abs(step).sum() < _LEAST_STEP:
            break
    return shift
