"""What a user chooses when starting the pipeline, by launch file, command line or library."""

from dataclasses import dataclass
from typing import Annotated

from typing_extensions import Doc

from aif_ros.settings import nodes
from aif_ros.settings.declaration import OneOf, SetsParameter, declared
from aif_ros.settings.presets import PRESETS

CAMERAS = ("simulated", "stack", "device", "external")
"""Kinds of cameras."""
CAMERA_DOC = Doc(
    "Camera: simulated (shows the scene), stack (the scene is the folder of a recorded focal "
    "stack), external (started by others, with ROS); or a real camera or a recording: index, path, "
    "URL or BACKEND:ADDRESS (see `aif devices`); device: the first real camera."
)


def _optional(choices: OneOf) -> OneOf:
    """Allow an empty text, which leaves the choice to the preset or the parameter file."""
    return OneOf(choices.names, or_weights=choices.or_weights, or_empty=True)


AgentChoice = Annotated[nodes.Agent, _optional(nodes.AGENTS), SetsParameter("agent")]
FusionChoice = Annotated[
    nodes.FusionMethod, _optional(nodes.FUSION_METHODS), SetsParameter("fusion_method")
]
EstimatorChoice = Annotated[
    nodes.Estimator, _optional(nodes.ESTIMATORS), SetsParameter("estimator")
]
PresetName = Annotated[
    str,
    OneOf(tuple(PRESETS), or_empty=True),
    Doc(
        "learned: neural networks and trained agent; classical: light, without PyTorch. Single "
        "parts chosen by name override it."
    ),
]


@dataclass(frozen=True)
class PipelineSettings:
    """Launch arguments, and options of `aif run` and `aif demo`.

    What is left empty is as the parameter file, the preset or the node says, in this order.
    """

    preset: PresetName = ""
    camera: Annotated[str, CAMERA_DOC] = "simulated"
    lens: Annotated[
        str,
        OneOf((*nodes.LENS_BACKENDS.names, "external"), or_empty=True, or_address=True),
        Doc(
            "Lens: simulated, stack, external (started by others), or a real one, BACKEND:ADDRESS "
            "(see `aif devices`). Empty: simulated, but a real camera needs an explicit lens."
        ),
    ] = ""
    scene: Annotated[
        str,
        Doc(
            f"Scene of the simulated camera: {', '.join(nodes.SCENES)}, or a folder (see "
            "docs/scenes.md); the folder of a focal stack is replayed. Empty: the motorcycle."
        ),
    ] = ""
    device: Annotated[nodes.Device, _optional(nodes.DEVICES), SetsParameter("device")] = ""
    calibration: Annotated[
        str,
        SetsParameter("calibration"),
        Doc("Lens calibration (YAML). Empty: the default lens, or that of the focal stack."),
    ] = ""
    agent: AgentChoice = ""
    fusion: FusionChoice = ""
    estimator: EstimatorChoice = ""
    search: Annotated[nodes.Search, _optional(nodes.SEARCHES), SetsParameter("search")] = ""
    mode: Annotated[nodes.Mode, _optional(nodes.MODES), SetsParameter("mode")] = ""
    width: Annotated[nodes.Width, SetsParameter("width")] = 0
    bits_per_sample: Annotated[nodes.BitsPerSample, SetsParameter("bits_per_sample")] = 0
    save_path: Annotated[
        str, SetsParameter("save_path"), Doc("File that the fused image is written to at the end.")
    ] = ""
    params_file: Annotated[str, Doc("Parameter file (YAML) that overrides the package's own.")] = ""
    namespace: Annotated[str, Doc("Namespace of all nodes and topics.")] = ""


def launch_arguments(settings: PipelineSettings) -> list[str]:
    """Return the settings that differ from their defaults as ``NAME:=VALUE``."""
    return [
        f"{each.name}:={value}"
        for each in declared(PipelineSettings)
        if (value := getattr(settings, each.name)) != each.default
    ]
