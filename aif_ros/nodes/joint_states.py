"""Lens states as joint states, of this package's lens node or of any driver."""

import math

from sensor_msgs.msg import JointState
from std_msgs.msg import Header

from aif_ros.nodes.stamps import to_stamp, to_time
from aif_ros.pipeline.motion_detector import MotionDetector
from aif_ros.types.frame import LensState

LENS_JOINT = "focus"
"""Name of the lens's joint where none is chosen."""

RESOLUTION = 0.5e-6
"""Resolution where no lens model is at hand, metres: half a step of 1 micrometre."""


class OtherJointsError(ValueError):
    """A joint state that does not hold the lens's joint, as is usual on a shared topic."""


class JointReader:
    """Reads the state of one joint; see `MotionDetector` for how motion is recognised.

    Args:
        joint: its name.
        resolution: see `LensModel.position_resolution`.
    """

    def __init__(self, joint: str = LENS_JOINT, resolution: float = RESOLUTION) -> None:
        self._joint = joint
        self._motion = MotionDetector(resolution)

    def __call__(self, message: JointState) -> LensState:
        """Return the state of the lens.

        Raises:
            OtherJointsError: the message does not hold the joint.
            ValueError: its position is missing or not finite.
        """
        index = self._index(message)
        if index >= len(message.position) or not math.isfinite(message.position[index]):
            raise ValueError(f"the joint state has no position of joint '{self._joint}'")
        velocity = message.velocity[index] if index < len(message.velocity) else None
        return self._motion.state(to_stamp(message.header.stamp), message.position[index], velocity)

    def _index(self, message: JointState) -> int:
        if not any(message.name) and len(message.position) == 1:
            return 0
        if self._joint not in message.name:
            names = ", ".join(filter(None, message.name)) or "joints without a name"
            raise OtherJointsError(
                f"no joint '{self._joint}' in the joint state, only {names}: "
                "set the parameter lens_joint"
            )
        return int(message.name.index(self._joint))


def to_joint_state(state: LensState, joint: str = LENS_JOINT) -> JointState:
    """Return the message for a lens state; its velocity is 1 while the lens moves, else 0."""
    return JointState(
        header=Header(stamp=to_time(state.stamp)),
        name=[joint],
        position=[state.position],
        velocity=[1.0 if state.moving else 0.0],
    )
