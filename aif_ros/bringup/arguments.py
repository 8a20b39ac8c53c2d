"""What a user can choose, however the pipeline is started. No ROS is needed to read it."""

from dataclasses import dataclass

from aif_ros.control.agents import AGENTS


@dataclass(frozen=True)
class Argument:
    """Something a user chooses when bringing the graph up.

    Attributes:
        name: of the launch argument; the command line's has dashes instead of underscores.
        description: for `ros2 launch --show-args` and `aif run --help`.
        default: empty: whatever the parameter file says.
        choices: the only values; empty: any.
        targets: (node, parameter) that it sets.
    """

    name: str
    description: str
    default: str = ""
    choices: tuple[str, ...] = ()
    targets: tuple[tuple[str, str], ...] = ()


ARGUMENTS = (
    Argument(
        "camera",
        "Where pictures come from: simulated (a simulated camera and lens look at the scene), "
        "stack (the scene is the folder of a recorded focal stack), device (a real camera).",
        "simulated",
        ("simulated", "stack", "device"),
    ),
    Argument(
        "scene",
        "What the simulated camera looks at: name, file or folder (see docs/scenes.md). The "
        "folder of a focal stack is replayed. Empty: the photographed motorcycle.",
    ),
    Argument(
        "device",
        "The real camera: index, path, URL, video file or folder of pictures.",
        targets=(("camera", "camera_source"),),
    ),
    Argument(
        "calibration",
        "Lens calibration (YAML). Empty: the default lens, or what a focal stack tells.",
        targets=tuple(
            (node, "calibration")
            for node in ("camera", "lens", "fusion", "autofocus", "focus_controller")
        ),
    ),
    Argument(
        "agent",
        "Who chooses where to focus next.",
        choices=tuple(AGENTS),
        targets=(("focus_controller", "agent"),),
    ),
    Argument("fusion", "Fusion method.", targets=(("fusion", "fusion_method"),)),
    Argument("estimator", "Blur estimator.", targets=(("autofocus", "estimator"),)),
    Argument("search", "How autofocus searches.", targets=(("autofocus", "search"),)),
    Argument(
        "mode",
        "Whether the scene holds still.",
        choices=("static", "dynamic"),
        targets=tuple((node, "mode") for node in ("fusion", "autofocus", "focus_controller")),
    ),
    Argument(
        "width",
        "Width of the simulated pictures, pixels. Empty: that of the scene.",
        targets=(("camera", "width"),),
    ),
    Argument(
        "save_path",
        "File that the fused picture is written to at the end.",
        targets=(("fusion", "save_path"),),
    ),
    Argument("params_file", "Parameter file (YAML) that overrides the package's own."),
    Argument("namespace", "Namespace of all nodes and topics."),
)
"""What can be chosen, however the graph is started."""
