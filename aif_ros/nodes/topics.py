"""All topics of the pipeline: name, message type, quality of service, meaning.

Nodes work with what `Topic.decode` returns; messages are made only where they leave the process.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PolygonStamped
from numpy.typing import NDArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState, RegionOfInterest
from std_msgs.msg import Bool, Float32, Float64MultiArray, MultiArrayDimension, String

from aif_ros.autofocus.search import Look
from aif_ros.nodes.compressed_images import from_compressed, to_compressed
from aif_ros.nodes.image_messages import to_array, to_message, to_stamp, to_time
from aif_ros.nodes.joint_states import JointReader, to_joint_state
from aif_ros.nodes.loop_state import LoopState
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.decision_record import DecisionRecord
from aif_ros.types.frame import LensState, Window
from aif_ros.types.image import ImageError, check_image, full_scale

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
        name: relative, the namespace comes from launch.
        message_type: ROS message type.
        description: what it carries, for people.
        encode: makes the message.
        decode: reads the message.
        latched: whether late subscribers get the last message.
        depth: messages kept for a subscriber that cannot keep up.
        continuous: whether messages keep coming as long as its publisher works.
    """

    name: str
    message_type: type
    description: str
    encode: Callable[[T], Any]
    decode: Callable[[Any], T]
    latched: bool = False
    depth: int = 2
    continuous: bool = False

    @property
    def publisher_qos(self) -> QoSProfile:
        """Reliable: a reliable subscriber never matches a best-effort publisher."""
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
        (512 KB) [rmw_fastrtps#739]; reliable never matches a driver that publishes best effort.
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


def _decode_camera_image(message: Image) -> StampedImage:
    image = _decode_image(message)
    check_image(image.image)
    if image.image.dtype == np.float32 and full_scale(image.image) > 1.0:
        raise ImageError(
            f"values of a {message.encoding} image must be within 0 to 1, not up to "
            f"{image.image.max():g}: publish mono8, mono16 or rgb8"
        )
    return image


def _decode_info(message: CameraInfo) -> CameraInfo:
    if message.width == 0 or message.height == 0:
        raise ValueError(f"a camera info of size {message.width}x{message.height}")
    return message


def _compressed_topic(topic: Topic[StampedImage], description: str) -> Topic[StampedImage]:
    return Topic(
        f"{topic.name}/compressed",
        CompressedImage,
        description,
        lambda picture: to_compressed(picture.image, picture.stamp, picture.frame_id),
        lambda message: StampedImage(
            from_compressed(message), to_stamp(message.header.stamp), message.header.frame_id
        ),
    )


@dataclass(frozen=True)
class StampedMaps:
    """The defocus maps of one image.

    Attributes:
        maps: with their stamp.
        frame_id: coordinate frame of the image.
    """

    maps: DefocusMaps
    frame_id: str


def _encode_maps(stamped: StampedMaps) -> Image:
    return to_message(stamped.maps.values, stamped.maps.stamp, stamped.frame_id)


def _decode_maps(message: Image) -> StampedMaps:
    maps = DefocusMaps(to_array(message), to_stamp(message.header.stamp))
    return StampedMaps(maps, message.header.frame_id)


def _maps_topic(name: str, description: str) -> Topic[StampedMaps]:
    return Topic(name, Image, description, _encode_maps, _decode_maps, latched=True)


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


def lens_states_of(joint: str, resolution: float) -> Topic[LensState]:
    """Return the topic of lens states for one subscriber, which needs a reader of its own.

    Args:
        joint: name of the lens's joint.
        resolution: see `LensModel.position_resolution`.
    """
    return replace(LENS_STATE, decode=JointReader(joint, resolution))


CAMERA_IMAGE: Topic[StampedImage] = Topic(
    "camera/image_raw",
    Image,
    "Camera image; stamp: middle of the exposure.",
    _encode_image,
    _decode_camera_image,
    continuous=True,
)
CAMERA_COMPRESSED = replace(
    _compressed_topic(
        CAMERA_IMAGE, "Camera image as JPEG, for viewers and for nodes across a slow network."
    ),
    continuous=True,
)
CAMERA_TRANSPORTS: Mapping[str, Topic[StampedImage]] = {
    "raw": CAMERA_IMAGE,
    "compressed": CAMERA_COMPRESSED,
}
"""Topic of the camera image by the value of the parameter `image_transport`."""
CAMERA_INFO: Topic[CameraInfo] = Topic(
    "camera/camera_info",
    CameraInfo,
    "Size and intrinsics of the image of equal stamp; the focus controller needs the size.",
    _as_it_is,
    _decode_info,
    continuous=True,
)
LENS_STATE: Topic[LensState] = Topic(
    "lens/state",
    JointState,
    "Lens position, metres of travel; of the lens node: velocity 1 while it moves or settles, "
    "else 0. Drivers may leave the velocity out.",
    to_joint_state,
    lambda message: JointReader()(message),
    depth=50,
    continuous=True,
)
LENS_FAULT: Topic[str] = Topic(
    "lens/fault",
    String,
    "Why the lens does not answer or has stalled; empty: no fault.",
    lambda fault: String(data=fault),
    lambda message: message.data,
    latched=True,
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
    "J, the fused image so far; stamp: newest frame in it.",
    latched=True,
)
FUSION_EPOCH: Topic[int] = Topic(
    "fusion/epoch",
    Time,
    "When J was started: changes with a reset or restart; the focus controller then starts again.",
    to_time,
    to_stamp,
    latched=True,
)
FUSED_COMPRESSED = _compressed_topic(FUSED_IMAGE, "J as JPEG, for viewers.")
SHARPNESS = _image_topic(
    "fusion/sharpness", "Sharpness of each pixel of J, by the fusion method's own measure."
)
SOURCE_POSITION = _image_topic(
    "fusion/source_position", "Lens position that each pixel of J comes from, metres."
)
SOURCE_SAMPLES = _image_topic(
    "fusion/source_samples",
    "Every fifth pixel of source_position, along rows and columns; used to assess J.",
    latched=True,
)
DEFOCUS_MAPS = _maps_topic(
    "autofocus/defocus_maps",
    "Maps of the camera image, a value for each cell. Channels: travel to focus and its standard "
    "deviation (metres; NaN: unknown), probability of being in focus, contrast.",
)
FUSED_DEFOCUS_MAPS = _maps_topic(
    "autofocus/fused_defocus_maps",
    "As defocus_maps, of J; further channels: source positions of points of each cell, metres.",
)
DISTANCE_MAP = _image_topic(
    "autofocus/distance_map",
    "Lens travel to focus of each cell of the camera image, metres, without sign; NaN: unknown.",
)
DISTANCE_COMPRESSED = _compressed_topic(
    DISTANCE_MAP,
    "distance_map in colours as JPEG: blue in focus, red as far away as the lens can travel, grey "
    "unknown.",
)
DISTANCE_UNCERTAINTY = _image_topic(
    "autofocus/distance_uncertainty", "Standard deviation of distance_map, metres."
)
IN_FOCUS = _image_topic("autofocus/in_focus", "Probability that each cell is in focus, 0 to 1.")
FUSED_DISTANCE_MAP = _image_topic("autofocus/fused_distance_map", "As distance_map, of J.")
FUSED_DISTANCE_UNCERTAINTY = _image_topic(
    "autofocus/fused_distance_uncertainty", "Standard deviation of fused_distance_map, metres."
)
FUSED_IN_FOCUS = _image_topic(
    "autofocus/fused_in_focus", "Probability that each cell of J is in focus, 0 to 1."
)
FOCUS_MAP = _image_topic(
    "autofocus/focus_map",
    "Lens position at which each cell of the camera image is in focus, metres, from the frames of "
    "a static scene (height on a microscope); NaN: unknown.",
)
DEPTH_IMAGE = _image_topic(
    "autofocus/depth/image_raw",
    "Depth image (REP 118): distance of each pixel of the camera image in metres, from focus_map; "
    "NaN: unknown. Only where the calibration holds object distances.",
)
FOCUS_WINDOW: Topic[Window] = Topic(
    "autofocus/window",
    RegionOfInterest,
    "Window to focus on, pixels; of size 0: a square at the centre.",
    _encode_window,
    _decode_window,
    depth=1,
)
FOCUS_CURVE: Topic[list[Look]] = Topic(
    "autofocus/focus_curve",
    Float64MultiArray,
    "Focus curve of the last search, in the order of its images: rows of position (metres), score.",
    _encode_looks,
    _decode_looks,
    latched=True,
)
AUTOFOCUS_BUSY: Topic[bool] = Topic(
    "autofocus/busy",
    Bool,
    "Whether a search moves the lens; the focus controller waits meanwhile.",
    lambda busy: Bool(data=busy),
    lambda message: message.data,
    latched=True,
)
CONTROL_WINDOW: Topic[PolygonStamped] = Topic(
    "focus_controller/window",
    PolygonStamped,
    "Focus window of the agent, as a polygon 1 m in front of the camera, for RViz.",
    _as_it_is,
    _as_it_is,
    latched=True,
)
OVERLAY = _image_topic(
    "focus_controller/overlay", "Fused image with the focus window drawn in, for rqt."
)
OVERLAY_COMPRESSED = _compressed_topic(OVERLAY, "overlay as JPEG, for viewers.")
REMAINING_DEFOCUS: Topic[float] = Topic(
    "focus_controller/remaining_defocus",
    Float32,
    "Estimated share of the scene with detail that J does not cover, 0 to 1; NaN: unknown.",
    lambda share: Float32(data=share),
    lambda message: message.data,
    latched=True,
)
CONTROL_STATUS: Topic[DiagnosticStatus] = Topic(
    "focus_controller/status",
    DiagnosticStatus,
    "State of the loop and its reason, human-readable.",
    _as_it_is,
    _as_it_is,
    latched=True,
)
DECISION: Topic[DecisionRecord] = Topic(
    "focus_controller/decision",
    String,
    "Each decision and what it was based on, as a JSON object (fields: see `DecisionRecord`); "
    "`aif replay` makes it again.",
    lambda decision: String(data=decision.to_json()),
    lambda message: DecisionRecord.from_json(message.data),
    depth=50,
)
LOOP_STATE: Topic[LoopState] = Topic(
    "focus_controller/state",
    String,
    "State of the loop as a JSON object, machine-readable (fields: see `LoopState`).",
    lambda state: String(data=state.to_json()),
    lambda message: LoopState.from_json(message.data),
    latched=True,
)

TOPICS: tuple[Topic[Any], ...] = tuple(
    value for value in dict(globals()).values() if isinstance(value, Topic)
)
"""Every topic, in the order above."""
