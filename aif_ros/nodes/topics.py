"""All topics of the pipeline: name, message type, quality of service, meaning.

Nodes work with what is in `Topic.decode`'s result; the messages themselves are made only where
they leave the process.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PolygonStamped
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, JointState, RegionOfInterest
from std_msgs.msg import Bool, Float32, Float64MultiArray, Header, MultiArrayDimension

from aif_ros.autofocus.search import Look
from aif_ros.nodes.image_messages import to_array, to_message, to_stamp, to_time
from aif_ros.types.frame import LensState, Window

T = TypeVar("T")


@dataclass(frozen=True)
class StampedImage:
    """An image or map and the time of the exposure that it comes from.

    Attributes:
        image: (H, W) mono, (H, W, 3) RGB, or (H, W) float32 map.
        stamp: nanoseconds since the epoch.
        frame_id: coordinate frame.
    """

    image: NDArray[Any]
    stamp: int
    frame_id: str


@dataclass(frozen=True)
class Topic(Generic[T]):
    """One topic.

    Attributes:
        name: relative, the namespace comes from the launch.
        message_type: ROS message type.
        description: what it carries, for people.
        encode: makes the message.
        decode: reads the message.
        latched: whether late subscribers get the last message.
        depth: messages kept for a subscriber that cannot keep up.
    """

    name: str
    message_type: type
    description: str
    encode: Callable[[T], Any]
    decode: Callable[[Any], T]
    latched: bool = False
    depth: int = 2

    @property
    def publisher_qos(self) -> QoSProfile:
        """Reliable, since a best-effort publisher and a reliable subscriber never meet."""
        return QoSProfile(
            depth=1 if self.latched else self.depth,
            reliability=ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL
            if self.latched
            else DurabilityPolicy.VOLATILE,
        )

    def subscription_qos(self, depth: int) -> QoSProfile:
        """Whatever the publishers offer, keeping the newest `depth` messages.

        Best effort would lose every frame larger than the shared-memory segment of Fast DDS
        (512 KB) [rmw_fastrtps#739], reliable never meets a driver that publishes best effort.
        """
        return QoSProfile(
            depth=depth,
            reliability=ReliabilityPolicy.BEST_AVAILABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL
            if self.latched
            else DurabilityPolicy.VOLATILE,
        )


def _encode_image(picture: StampedImage) -> Image:
    return to_message(picture.image, picture.stamp, picture.frame_id)


def _decode_image(message: Image) -> StampedImage:
    return StampedImage(to_array(message), to_stamp(message.header.stamp), message.header.frame_id)


def _image_topic(name: str, description: str, *, latched: bool = False) -> Topic[StampedImage]:
    return Topic(name, Image, description, _encode_image, _decode_image, latched)


LENS_JOINT = "focus"
"""Name of the lens's one joint in its state."""


def _encode_lens_state(state: LensState) -> JointState:
    return JointState(
        header=Header(stamp=to_time(state.stamp)),
        name=[LENS_JOINT],
        position=[state.position],
        velocity=[1.0 if state.moving else 0.0],
    )


def _decode_lens_state(message: JointState) -> LensState:
    if not message.position or not math.isfinite(message.position[0]):
        raise ValueError("a lens state without position")
    # Drivers that tell no velocity are taken to be at rest; the timeline sees them move anyway.
    moving = bool(message.velocity) and message.velocity[0] != 0.0
    return LensState(to_stamp(message.header.stamp), message.position[0], moving)


def _encode_window(window: Window) -> RegionOfInterest:
    return RegionOfInterest(
        x_offset=window.x, y_offset=window.y, width=window.width, height=window.height
    )


def _decode_window(message: RegionOfInterest) -> Window:
    return Window(message.x_offset, message.y_offset, message.width, message.height)


def _encode_looks(looks: list[Look]) -> Float64MultiArray:
    message = Float64MultiArray(
        data=[value for look in looks for value in (look.position, look.score)]
    )
    message.layout.dim = [
        MultiArrayDimension(label="look", size=len(looks), stride=2 * len(looks)),
        MultiArrayDimension(label="position, score", size=2, stride=2),
    ]
    return message


def _decode_looks(message: Float64MultiArray) -> list[Look]:
    return [Look(*pair) for pair in zip(message.data[::2], message.data[1::2], strict=True)]


def _as_it_is(message: Any) -> Any:
    return message


CAMERA_IMAGE = _image_topic(
    "camera/image_raw", "The camera's picture; stamp: middle of the exposure."
)
CAMERA_INFO: Topic[CameraInfo] = Topic(
    "camera/camera_info",
    CameraInfo,
    "Size and intrinsics of the picture of equal stamp.",
    _as_it_is,
    _as_it_is,
)
LENS_STATE: Topic[LensState] = Topic(
    "lens/state",
    JointState,
    "Lens position, metres of travel; velocity is not 0 while it moves or settles.",
    _encode_lens_state,
    _decode_lens_state,
    depth=50,
)
LENS_COMMANDS: Topic[float] = Topic(
    "lens/commands",
    Float64MultiArray,
    "One absolute lens position, metres; what a ros2_control forward_command_controller takes.",
    lambda position: Float64MultiArray(data=[position]),
    lambda message: float(message.data[0]),
    depth=1,
)
FUSED_IMAGE = _image_topic(
    "fusion/image",
    "J, the all-in-focus picture so far; stamp: newest frame in it.",
    latched=True,
)
SHARPNESS = _image_topic(
    "fusion/sharpness", "How sharp each pixel of J is, by the fusion method's own measure."
)
SOURCE_POSITION = _image_topic(
    "fusion/source_position", "Lens position that each pixel of J comes from, metres."
)
SOURCE_SAMPLES = _image_topic(
    "fusion/source_samples",
    "Every fifth pixel of source_position, along rows and columns: what focus control needs of it.",
    latched=True,
)
DISTANCE_MAP = _image_topic(
    "autofocus/distance_map",
    "Lens travel from here to focus for each cell of the picture, metres, without sign; "
    "NaN: unknown.",
    latched=True,
)
DISTANCE_UNCERTAINTY = _image_topic(
    "autofocus/distance_uncertainty",
    "Standard deviation of distance_map, metres.",
    latched=True,
)
IN_FOCUS = _image_topic(
    "autofocus/in_focus", "Probability that each cell is in focus, 0 to 1.", latched=True
)
CONTRAST = _image_topic(
    "autofocus/contrast",
    "Standard deviation of the grey levels about their mean nearby, of each cell, 0 to 0.5.",
    latched=True,
)
FUSED_DISTANCE_MAP = _image_topic(
    "autofocus/fused_distance_map", "As distance_map, of the fused picture.", latched=True
)
FUSED_DISTANCE_UNCERTAINTY = _image_topic(
    "autofocus/fused_distance_uncertainty",
    "Standard deviation of fused_distance_map, metres.",
    latched=True,
)
FUSED_IN_FOCUS = _image_topic(
    "autofocus/fused_in_focus",
    "Probability that each cell of the fused picture is in focus, 0 to 1.",
    latched=True,
)
FUSED_CONTRAST = _image_topic(
    "autofocus/fused_contrast", "As contrast, of the fused picture.", latched=True
)
FOCUS_WINDOW: Topic[Window] = Topic(
    "autofocus/window",
    RegionOfInterest,
    "The window to focus on, pixels; of no size: the square at the centre.",
    _encode_window,
    _decode_window,
    depth=1,
)
FOCUS_CURVE: Topic[list[Look]] = Topic(
    "autofocus/focus_curve",
    Float64MultiArray,
    "Looks of the last focus search in their order: rows of position (metres) and score.",
    _encode_looks,
    _decode_looks,
    latched=True,
)
AUTOFOCUS_BUSY: Topic[bool] = Topic(
    "autofocus/busy",
    Bool,
    "Whether a focus search is moving the lens; the focus controller waits meanwhile.",
    lambda busy: Bool(data=busy),
    lambda message: message.data,
    latched=True,
)
CONTROL_WINDOW: Topic[PolygonStamped] = Topic(
    "focus_controller/window",
    PolygonStamped,
    "Where the agent focuses, as a polygon 1 m before the camera, for RViz.",
    _as_it_is,
    _as_it_is,
    latched=True,
)
OVERLAY = _image_topic(
    "focus_controller/overlay", "The fused picture with the focus window drawn in, for rqt."
)
REMAINING_DEFOCUS: Topic[float] = Topic(
    "focus_controller/remaining_defocus",
    Float32,
    "Share of the fused picture that is not in focus, 0 to 1; NaN: nothing to tell it by.",
    lambda share: Float32(data=share),
    lambda message: message.data,
    latched=True,
)
CONTROL_STATUS: Topic[DiagnosticStatus] = Topic(
    "focus_controller/status",
    DiagnosticStatus,
    "State of the loop (values: state, frames_captured, ...) and why.",
    _as_it_is,
    _as_it_is,
    latched=True,
)

DEFOCUS_MAPS = (DISTANCE_MAP, DISTANCE_UNCERTAINTY, IN_FOCUS, CONTRAST)
FUSED_BLUR_MAPS = (
    FUSED_DISTANCE_MAP,
    FUSED_DISTANCE_UNCERTAINTY,
    FUSED_IN_FOCUS,
    FUSED_CONTRAST,
)
"""The fields of a `DefocusMap` of I and of J in their order, as distances."""

TOPICS: tuple[Topic[Any], ...] = tuple(
    value for value in dict(globals()).values() if isinstance(value, Topic)
)
"""Every topic, in the order above."""
