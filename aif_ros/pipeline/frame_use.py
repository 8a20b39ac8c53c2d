"""Use of a frame, by how far the lens moved during its exposure."""

from enum import Enum

from aif_ros.optics.lens_model import LensModel
from aif_ros.types.frame import Frame


class FrameUse(Enum):
    """What a frame may be used for."""

    DECIDE = "exposed at rest: fused, assessed and decided on"
    PASS = "exposed in slow motion: fused and assessed, but not decided on"
    FOLLOW = "exposed in fast motion: J follows the scene in it, it is not merged"
    REJECT = "not used at all"


def frame_use(frame: Frame, lens_model: LensModel, *, dynamic: bool) -> FrameUse:
    """Return the use of a frame.

    Motion blurs a frame by no more than the depth of focus if the lens travels no farther than
    half of that during the exposure. A static scene is captured at rest only: waiting costs little
    there, and motion still costs some sharpness.

    Args:
        frame: with the travel of the lens during its exposure.
        lens_model: of the lens.
        dynamic: whether camera or scene may move.

    Example:
        >>> import numpy as np
        >>> lens_model = LensModel("demo", 1e-6, (0.0, 1e-3), 24000.0, 640)
        >>> image = np.zeros((480, 640, 3), np.uint8)
        >>> frame_use(Frame(image, stamp=0, position=0.5e-3), lens_model, dynamic=True).name
        'DECIDE'
        >>> in_motion = Frame(image, stamp=0, position=0.5e-3, travel=20e-6)
        >>> frame_use(in_motion, lens_model, dynamic=True).name
        'PASS'
        >>> frame_use(in_motion, lens_model, dynamic=False).name
        'REJECT'
    """
    if not frame.moving:
        return FrameUse.DECIDE
    if not dynamic:
        return FrameUse.REJECT
    slow = frame.travel <= lens_model.half_depth_of_focus(frame.size[0])
    return FrameUse.PASS if slow else FrameUse.FOLLOW
