"""Settings of the ROS 2 nodes, one dataclass for each; a field is a node parameter.

A name that occurs in several nodes means the same in all of them, so that one line of a parameter
file sets it everywhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from typing_extensions import Doc

from aif_ros.settings.declaration import AtRunTime, Limits, OneOf
from aif_ros.settings.presets import DEFAULT_PRESET, PRESETS

_DEFAULT = PRESETS[DEFAULT_PRESET]

AGENTS = OneOf(("sweep", "rule_based", "planner", "learned", "paper"), or_weights=True)
ESTIMATORS = OneOf(("neural", "gradient_ratio"), or_weights=True)
FUSION_METHODS = OneOf(("laplacian", "pyramid", "neural"), or_weights=True)
SEARCHES = OneOf(("neural", "rule_based", "fibonacci", "sweep"))
MODES = OneOf(("static", "dynamic"))
REAL_LENSES = (
    "moonlite",
    "optotune",
    "grbl",
    "marlin",
    "alpaca",
    "indi",
    "v4l2",
    "micro_manager",
    "ros_parameter",
)
"""Lens backends of `aif_ros.devices.backends`, and the lens that another node drives."""
LENS_BACKENDS = OneOf(("simulated", "stack", *REAL_LENSES))
IMAGE_TRANSPORTS = OneOf(("raw", "compressed"))
CAMERA_BACKENDS = OneOf(("device", "stack"))
DEVICES = OneOf(("auto", "cpu", "cuda", "onnxruntime"))
TRAINING_DEVICES = OneOf(("auto", "cpu", "cuda"))
SCENES = ("motorcycle", "planes", "moving_planes")

Agent = Annotated[str, AGENTS, Doc("Focus-control agent: chooses the next focus position.")]
Estimator = Annotated[str, ESTIMATORS, Doc("Blur estimator.")]
FusionMethod = Annotated[str, FUSION_METHODS, Doc("Fusion method.")]
Search = Annotated[str, SEARCHES, Doc("Search strategy that brings a window into focus.")]
Mode = Annotated[
    str,
    MODES,
    Doc(
        "Scene type: static or dynamic. In a static scene a second frame at the same lens "
        "position is not used."
    ),
]
ModeAtRunTime = Annotated[
    Mode,
    AtRunTime(),
    Doc(
        "Scene type: static or dynamic. In a static scene a second frame at the same lens "
        "position is not used. A change takes effect in fusion and control with the next reset of "
        "the loop, in the assessment of frames at once."
    ),
]
Device = Annotated[
    str,
    DEVICES,
    Doc(
        "Computes the networks: cpu or cuda (PyTorch), onnxruntime (on the CPU, with the extra "
        "'fast'), or auto: cuda where there is one, else the faster one on this CPU."
    ),
]
TrainingDevice = Annotated[
    str,
    TRAINING_DEVICES,
    Doc("Device that networks are trained on; auto: cuda where there is one, else cpu."),
]
Calibration = Annotated[
    str,
    Doc("Path of the lens calibration (YAML, see aif_ros/optics/lenses/). Empty: default lens."),
]
WINDOW_SIZE = 512
"""Side of the square at the centre of the image that is brought into focus where no window is
given, pixels: that of the paper's windows. At most the shorter side of the image."""
EXPOSURE_TIME = 0.008
"""Exposure time where none is given, seconds; that of simulated cameras, too."""
ExposureTime = Annotated[
    float,
    Limits(0.0, 10.0),
    Doc("Exposure time of the camera, seconds. Used to detect frames exposed in motion."),
]
FrameRate = Annotated[
    float,
    Limits(0.1, 1000.0),
    Doc("Highest frame rate of a simulated or replayed camera, frames per second."),
]
FrameId = Annotated[str, Doc("Coordinate frame of the images (z forward, x right, y down).")]
HorizontalFieldOfView = Annotated[
    float,
    Limits(0.001, 3.1),
    Doc(
        "Horizontal field of view, radians; gives the intrinsics in camera_info where there is no "
        "camera_info_url."
    ),
]
CameraInfoUrl = Annotated[
    str,
    Doc(
        "Intrinsics of the camera, as camera_calibration writes them: file:///PATH, "
        "package://PACKAGE/PATH or a path. Empty: guessed from horizontal_field_of_view."
    ),
]
CompressedRate = Annotated[
    float,
    Limits(0.1, 1000.0),
    Doc("Highest rate of camera/image_raw/compressed, images per second: each costs CPU time."),
]
Width = Annotated[
    int, Limits(0, 16384), Doc("Width of the simulated images, pixels. 0: that of the scene.")
]
CameraBackend = Annotated[
    str,
    CAMERA_BACKENDS,
    Doc(
        "device: a camera or recording that OpenCV opens; stack: a recorded focal stack, of which "
        "the slice at the lens position is published. The autofocus words its faults accordingly."
    ),
]
CameraSource = Annotated[
    str,
    Doc(
        "Device index, path of a device, URL, video file or folder of images; BACKEND:ADDRESS for "
        "other cameras (see docs/devices); for a stack its folder."
    ),
]
LensSource = Annotated[
    str,
    Doc(
        "Address of the lens with its settings, such as /dev/ttyUSB0?high=8000 (see docs/devices); "
        "for a stack its folder."
    ),
]
BitsPerSample = Annotated[
    int,
    Limits(0, 16),
    Doc(
        "Bits in use of the samples of a 16-bit camera image. 0: recognised by the largest sample; "
        "a new fused image is started where one turns out to be larger."
    ),
]
LensJoint = Annotated[str, Doc("Name of the lens's joint in lens/state.")]
ImageTransport = Annotated[
    str,
    IMAGE_TRANSPORTS,
    Doc(
        "Topic of the camera image: raw, or compressed (JPEG, 8 bits), a tenth of the data, where "
        "the camera is at the other end of a slow or lossy network."
    ),
]
SavePath = Annotated[
    str,
    Doc(
        "File (PNG, TIFF or JPEG) that fusion/save writes, and that is written when the node "
        "shuts down. Empty: none."
    ),
]


@dataclass(frozen=True)
class LensSettings:
    """Lens node."""

    lens_backend: Annotated[
        str,
        LENS_BACKENDS,
        Doc(
            "simulated: simulated motor; stack: simulated motor that stops only where a recorded "
            "focal stack has a slice; ros_parameter: a parameter of another node; the others: real "
            "lenses, see docs/devices."
        ),
    ] = "simulated"
    lens_source: LensSource = ""
    calibration: Calibration = ""
    lens_joint: LensJoint = "focus"
    state_rate: Annotated[float, Limits(1.0, 1000.0), Doc("Lens states per second.")] = 100.0
    command_timeout: Annotated[
        float, Limits(0.01, 3600.0), Doc("Commands older than this, seconds, are refused as stale.")
    ] = 1.0
    lens_speed: Annotated[
        float, Limits(1e-9, 10.0), Doc("Speed of the simulated motor, metres per second.")
    ] = 0.05
    settling_time: Annotated[
        float, Limits(0.0, 10.0), Doc("Settling time of the simulated lens after a move, seconds.")
    ] = 0.004


@dataclass(frozen=True)
class SimCameraSettings:
    """Simulated camera node."""

    scene: Annotated[
        str,
        Doc(
            f"Scene of the simulated camera: one of {', '.join(SCENES)}, a folder with image and "
            "depth, or a folder of RGB-D video. Empty: the motorcycle."
        ),
    ] = ""
    width: Width = 0
    shake: Annotated[
        float,
        Limits(0.0, 1000.0),
        Doc("Hand shake added to the scene, standard deviation in pixels."),
    ] = 0.0
    pan: Annotated[
        float, Limits(-10_000.0, 10_000.0), Doc("Pan added to the scene, pixels per second.")
    ] = 0.0
    crossing: Annotated[
        float,
        Limits(0.0, 10_000.0),
        Doc("Speed of an object that crosses the scene, pixels per second. 0: none."),
    ] = 0.0
    frame_rate: FrameRate = 60.0
    backlash: Annotated[float, Limits(0.0, 0.1), Doc("Backlash of the motor, metres.")] = 0.0
    seed: Annotated[int, Limits(0, 2**31 - 1), Doc("Seed of the sensor noise.")] = 0
    exposure_time: ExposureTime = EXPOSURE_TIME
    lens_joint: LensJoint = "focus"
    calibration: Calibration = ""
    frame_id: FrameId = "camera_optical_frame"
    camera_info_url: CameraInfoUrl = ""
    horizontal_field_of_view: HorizontalFieldOfView = 0.87
    compressed_rate: CompressedRate = 10.0


@dataclass(frozen=True)
class CameraSettings:
    """Camera node."""

    camera_backend: CameraBackend = "device"
    camera_source: CameraSource = "0"
    frame_rate: FrameRate = 60.0
    exposure_time: ExposureTime = EXPOSURE_TIME
    lens_joint: LensJoint = "focus"
    frame_id: FrameId = "camera_optical_frame"
    camera_info_url: CameraInfoUrl = ""
    horizontal_field_of_view: HorizontalFieldOfView = 0.87
    compressed_rate: CompressedRate = 10.0


@dataclass(frozen=True)
class FusionSettings:
    """Fusion node."""

    fusion_method: FusionMethod = _DEFAULT.fusion
    device: Device = "auto"
    mode: ModeAtRunTime = "static"
    calibration: Calibration = ""
    exposure_time: ExposureTime = EXPOSURE_TIME
    lens_joint: LensJoint = "focus"
    bits_per_sample: BitsPerSample = 0
    image_transport: ImageTransport = "raw"
    queue_size: Annotated[
        int, Limits(1, 1000), Doc("Frames that wait to be fused at most; the oldest is dropped.")
    ] = 8
    save_path: Annotated[SavePath, AtRunTime()] = ""


@dataclass(frozen=True)
class AutofocusSettings:
    """Autofocus node."""

    estimator: Estimator = _DEFAULT.estimator
    device: Device = "auto"
    search: Annotated[
        Search,
        AtRunTime(),
        Doc("Search strategy that brings a window into focus; used from the next search on."),
    ] = _DEFAULT.search
    window_size: Annotated[
        int,
        Limits(8, 16384),
        AtRunTime(),
        Doc(
            "Side of the square at the centre, pixels, where no window is given; at most the "
            "shorter side of the image."
        ),
    ] = WINDOW_SIZE
    search_timeout: Annotated[
        float, Limits(0.1, 3600.0), AtRunTime(), Doc("Longest duration of a search, seconds.")
    ] = 20.0
    mode: ModeAtRunTime = "static"
    calibration: Calibration = ""
    exposure_time: ExposureTime = EXPOSURE_TIME
    lens_joint: LensJoint = "focus"
    bits_per_sample: BitsPerSample = 0
    image_transport: ImageTransport = "raw"
    camera_backend: CameraBackend = "device"


@dataclass(frozen=True)
class FocusControllerSettings:
    """Focus controller node."""

    agent: Annotated[
        Agent, AtRunTime(), Doc("Focus-control agent; used from the next reset of the loop on.")
    ] = _DEFAULT.agent
    device: Device = "auto"
    max_captures: Annotated[
        int,
        Limits(1, 100_000),
        AtRunTime(),
        Doc("Captures after which the agent stops; used from the next reset of the loop on."),
    ] = 60
    autostart: Annotated[bool, Doc("Whether the loop runs as soon as the node is active.")] = True
    patience: Annotated[
        float,
        Limits(0.05, 3600.0),
        AtRunTime(),
        Doc(
            "Seconds without a lens state, a settled lens or a distance map after which the state "
            "is 'waiting'."
        ),
    ] = 2.0
    mode: ModeAtRunTime = "static"
    calibration: Calibration = ""
    lens_joint: LensJoint = "focus"


NODE_SETTINGS: Mapping[str, type] = {
    "lens_node": LensSettings,
    "sim_camera_node": SimCameraSettings,
    "camera_node": CameraSettings,
    "fusion_node": FusionSettings,
    "autofocus_node": AutofocusSettings,
    "focus_controller_node": FocusControllerSettings,
}
"""Settings of each node by its executable."""
