"""The motion between J(t-1) and I(t): registration, then optical flow, then what is left.

Where I(t) matches J(t-1) badly even so, J(t-1) shows something else, and the fusion method takes
the frame.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.motion.geometry import Transform, scaling
from aif_ros.fusion.motion.optical_flow import flow_to_fused
from aif_ros.fusion.motion.photometric_error import (
    LARGEST_ERROR,
    SIDE,
    Blurred,
    Reference,
    chroma_error,
    match_blur,
)
from aif_ros.fusion.motion.registration import register_to_fused
from aif_ros.fusion.motion.warping import warp_planes
from aif_ros.types.image import Image, to_gray
from aif_ros.types.resizing import downscale

# J and a frame that match in a smaller share of the image show different scenes.
_SAME_SCENE = 0.5
# Downscaled images with a shorter side, pixels, hold too little detail for optical flow.
_SMALLEST = 32


@dataclass(frozen=True)
class Motion:
    """Motion from I(t) to J(t-1).

    Attributes:
        pose: (3, 3) float64, similarity from pixels of I(t) to those of J(t-1): the camera's part.
        flow: (h, w, 2) float32, what moves by itself, on I(t) downscaled and in pixels of
            it: what I(t) shows at p lies in J(t-1) at pose(p + flow(p)).
        error: (h, w) float32, mean photometric error around each pixel that neither motion nor
            blur explains, share of full scale; 1 where J(t-1) does not show it.
    """

    pose: Transform
    flow: NDArray[np.float32]
    error: NDArray[np.float32]

    @property
    def same_scene(self) -> bool:
        """Whether both show the same scene; if not, there was a cut between them."""
        return bool((self.error <= LARGEST_ERROR).mean() >= _SAME_SCENE)


def expected_blur(fused: Fused, position: float, blur_gain: float) -> NDArray[np.float32]:
    """Radius (H, W), pixels, by which a frame blurs what J(t-1) shows sharp.

    Args:
        fused: J(t-1).
        position: lens position of the frame, metres.
        blur_gain: of the lens, see `LensModel.blur_gain`.
    """
    return np.asarray(np.abs(fused.source_position - np.float32(position)) * np.float32(blur_gain))


def estimate_motion(
    before: Image,
    image: Image,
    pose: Transform | None = None,
    blur: NDArray[np.float32] | None = None,
    flow: Callable[[], NDArray[np.float32]] | None = None,
    side: int = SIDE,
) -> Motion:
    """Estimate the motion from I(t), `image`, to J(t-1), `before`.

    Args:
        before: J(t-1), of any size.
        image: I(t).
        pose: from pixels of I(t) to those of J(t-1) as far as it is known; None: the identity.
        blur: radius (H, W), pixels, by which I(t) blurs what J(t-1) shows sharp, of the size of
            `before`; None: unknown.
        flow: returns what moves by itself as far as it is known, as `Motion.flow`; called after
            the registration, so that it can be computed meanwhile. None: nothing does.
        side: longer side of the images that it is estimated on, at most, pixels.
    """
    pose = np.eye(3) if pose is None else pose
    scale = min(1.0, side / max(image.shape[:2]))
    now = downscale(to_gray(image), scale)
    if blur is None:
        blur = np.zeros(before.shape[:2], np.float32)
    earlier = Reference(downscale(to_gray(before), scale), scale * downscale(blur, scale))
    to_downscaled = scaling(image.shape, now.shape)
    from_downscaled = np.linalg.inv(scaling(before.shape, earlier.gray.shape))
    start = np.linalg.inv(from_downscaled) @ pose @ np.linalg.inv(to_downscaled)
    transform, match = register_to_fused(now, earlier, start)
    local = np.zeros((*now.shape, 2), np.float32) if flow is None else flow()
    warped, inside = warp_planes(earlier, transform, local)
    blurred = Blurred(now)
    if local.any():
        match = match_blur(blurred, Reference(*warped))
    if min(now.shape) >= _SMALLEST:
        further = flow_to_fused(now, earlier, transform, local, match)
        if further.any():
            local = local + further
            warped, inside = warp_planes(earlier, transform, local)
            match = match_blur(blurred, Reference(*warped))
    error = match.error
    if image.ndim == 3:
        size = earlier.gray.shape[::-1]
        colours = cv2.resize(before, size, interpolation=cv2.INTER_AREA)
        colours = warp_planes([colours], transform, local)[0][0]
        error = np.maximum(error, chroma_error(image, colours))
    error = np.where(inside, error, np.float32(1))
    if transform is not start:
        pose = from_downscaled @ transform @ to_downscaled
    return Motion(pose, local, error)
