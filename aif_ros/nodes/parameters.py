"""Node parameters: one table for each node, from which they are declared and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node


@dataclass(frozen=True)
class Parameter:
    """One parameter of a node.

    Attributes:
        name: as in YAML.
        default: its value where none is given; its type is the parameter's type.
        description: for `ros2 param describe` and the README; says the unit.
        limits: lowest and highest value of a number.
        choices: the only values of a text.
        read_only: fixed once the node runs; otherwise it can be set at any time.
    """

    name: str
    default: bool | int | float | str
    description: str
    limits: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = True

    def descriptor(self) -> ParameterDescriptor:
        """Return what `ros2 param describe` shows."""
        descriptor = ParameterDescriptor(
            name=self.name,
            description=self.description,
            additional_constraints=f"one of: {', '.join(self.choices)}" if self.choices else "",
            read_only=self.read_only,
        )
        if self.limits is not None and isinstance(self.default, float):
            descriptor.floating_point_range.append(
                FloatingPointRange(from_value=self.limits[0], to_value=self.limits[1])
            )
        elif self.limits is not None:
            descriptor.integer_range.append(
                IntegerRange(from_value=int(self.limits[0]), to_value=int(self.limits[1]), step=1)
            )
        return descriptor

    def objection(self, value: Any) -> str | None:
        """Why `value` cannot be taken; None if it can. Type and range are checked by rclpy."""
        if self.choices and value not in self.choices:
            return f"{self.name} must be one of {', '.join(self.choices)}; got '{value}'"
        return None


def declare_parameters(node: Node, table: Sequence[Parameter]) -> None:
    """Declare all parameters of `table` and refuse, with the reason, what they do not allow.

    Raises:
        rclpy.exceptions.ParameterException: a value given at the start is not allowed.
    """
    known = {parameter.name: parameter for parameter in table}

    def check(changes: Sequence[Any]) -> SetParametersResult:
        objections = [
            objection
            for change in changes
            if change.name in known
            and (objection := known[change.name].objection(change.value)) is not None
        ]
        return SetParametersResult(successful=not objections, reason="; ".join(objections))

    node.add_on_set_parameters_callback(check)
    for parameter in table:
        node.declare_parameter(parameter.name, parameter.default, parameter.descriptor())


CALIBRATION = Parameter(
    "calibration",
    "",
    "Path of the lens calibration (YAML, see aif_ros/optics/lenses/). Empty: the default lens.",
)
EXPOSURE_TIME = Parameter(
    "exposure_time",
    0.008,
    "Exposure time of the camera, seconds. Frames that show the lens in motion are known by it.",
    limits=(0.0, 10.0),
)
FRAME_RATE = Parameter(
    "frame_rate",
    60.0,
    "Pictures per second of a simulated or replayed camera, at most.",
    limits=(0.1, 1000.0),
)
MODE = Parameter(
    "mode",
    "static",
    "Whether the scene holds still. In a static one, a second picture at the same lens position "
    "has nothing to add and is not used.",
    choices=("static", "dynamic"),
)
"""Parameters that several nodes share."""
