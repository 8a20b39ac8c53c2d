"""All topics of the pipeline: name, message type, quality of service, meaning.

Nodes work with what `Topic.decode` returns; messages are made only where they leave the process.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from geometry_msgs.msg import PolygonStamped
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, JointState, RegionOfInterest
from std_msgs.msg import Bool, Float32, Float64MultiArray, String

from aif_ros.autofocus.search import FocusMeasurement
from aif_ros.nodes import codecs
from aif_ros.nodes.joint_states import JointReader, to_joint_state
from aif_ros.nodes.loop_state import LoopState
from aif_ros.nodes.node_traffic import NodeTraffic
from aif_ros.nodes.stamps import to_stamp, to_time
from aif_ros.nodes.topic import StampedImage, StampedMaps, Topic
from aif_ros.pipeline.decision_record import DecisionRecord
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.types.frame import LensState, Window


def _image_topic(name: str, description: str, *, latched: bool = False) -> Topic[StampedImage]:
    return Topic(name, Image, description, codecs.encode_image, codecs.decode_image, latched)


def _compressed_topic(topic: Topic[StampedImage], description: str) -> Topic[StampedImage]:
    return Topic(
        f"{topic.name}/compressed",
        CompressedImage,
        description,
        codecs.encode_compressed,
        codecs.decode_compressed,
    )


def _maps_topic(name: str, description: str) -> Topic[StampedMaps]:
    return Topic(name, Image, description, codecs.encode_maps, codecs.decode_maps, latched=True)


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
    codecs.encode_image,
    codecs.decode_camera_image,
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
    codecs.as_it_is,
    codecs.decode_info,
    continuous=True,
)
RECORDING_END: Topic[str] = Topic(
    "camera/recording_end",
    String,
    "That the recording that the camera plays has ended, for people; empty: it has not.",
    lambda end: String(data=end),
    lambda message: message.data,
    latched=True,
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
LENS_LIMITS: Topic[tuple[float, float]] = Topic(
    "lens/limits",
    Float64MultiArray,
    "Lowest and highest position that the lens node accepts, metres; other nodes keep to them "
    "where the calibration allows more.",
    lambda limits: Float64MultiArray(data=limits),
    codecs.decode_limits,
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
LEFT_OUT: Topic[LeftOut] = Topic(
    "fusion/left_out",
    String,
    "Frames that are not fused because they show another scene, or nothing (`positions` of the "
    "lens, metres, and `reasons`), and frames that are fused in part, because they are damaged or "
    "covered (`damaged`: positions, metres), as a JSON object, see `LeftOut`.",
    codecs.encode_left_out,
    codecs.decode_left_out,
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
    codecs.encode_window,
    codecs.decode_window,
    depth=1,
)
FOCUS_CURVE: Topic[list[FocusMeasurement]] = Topic(
    "autofocus/focus_curve",
    Float64MultiArray,
    "Focus curve of the last search, in the order of its images: rows of position (metres), score.",
    codecs.encode_focus_curve,
    codecs.decode_focus_curve,
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
IMAGE_FAULT: Topic[str] = Topic(
    "autofocus/fault",
    String,
    "Why the camera images show that the lens does not move, or moves the other way; empty: no "
    "fault. The loop then ends with the state fault.",
    lambda fault: String(data=fault),
    lambda message: message.data,
    latched=True,
)
IMAGE_DOUBT: Topic[str] = Topic(
    "autofocus/doubt",
    String,
    "Why the camera images leave open whether the lens moves; empty: they do not. The end of the "
    "loop then carries it.",
    lambda doubt: String(data=doubt),
    lambda message: message.data,
    latched=True,
)
CONTROL_WINDOW: Topic[PolygonStamped] = Topic(
    "focus_controller/window",
    PolygonStamped,
    "Focus window of the agent, as a polygon 1 m in front of the camera, for RViz.",
    codecs.as_it_is,
    codecs.as_it_is,
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
    codecs.as_it_is,
    codecs.as_it_is,
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
NODE_TRAFFIC: Topic[NodeTraffic] = Topic(
    "node_traffic",
    String,
    "Of each node once a second, as a JSON object (fields: see `NodeTraffic`): how much it "
    "publishes, and for how long it hears nothing; the supervisor finds broken connections by it.",
    lambda traffic: String(data=traffic.to_json()),
    lambda message: NodeTraffic.from_json(message.data),
    depth=50,
)

TOPICS: tuple[Topic[Any], ...] = tuple(
    value for value in dict(globals()).values() if isinstance(value, Topic)
)
"""Every topic, in the order above."""
