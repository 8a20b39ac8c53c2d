"""Node parameters: declared and checked according to the settings of the node."""

from collections.abc import Sequence
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node

from aif_ros.settings.declaration import Setting, declared


def declare_parameters(node: Node, settings: type) -> None:
    """Declare a parameter for each setting; values that are not allowed are refused with a reason.

    Args:
        node: that gets the parameters.
        settings: dataclass, see `aif_ros.settings.nodes`.

    Raises:
        rclpy.exceptions.ParameterException: a value given at the start is not allowed.
    """
    known = {setting.name: setting for setting in declared(settings)}

    def check(changes: Sequence[Any]) -> SetParametersResult:
        # rclpy itself checks types and ranges.
        problems = [
            problem
            for change in changes
            if change.name in known
            and known[change.name].choices is not None
            and (problem := known[change.name].problem(change.value)) is not None
        ]
        return SetParametersResult(successful=not problems, reason="; ".join(problems))

    node.add_on_set_parameters_callback(check)
    for setting in known.values():
        node.declare_parameter(setting.name, setting.default, _descriptor(setting))


def _descriptor(setting: Setting) -> ParameterDescriptor:
    """Return what `ros2 param describe` shows."""
    descriptor = ParameterDescriptor(
        name=setting.name,
        description=setting.description,
        additional_constraints="" if setting.choices is None else f"one of: {setting.choices}",
        read_only=not setting.at_run_time,
    )
    if setting.limits is not None and isinstance(setting.default, float):
        descriptor.floating_point_range.append(
            FloatingPointRange(from_value=setting.limits.low, to_value=setting.limits.high)
        )
    elif setting.limits is not None:
        descriptor.integer_range.append(
            IntegerRange(
                from_value=int(setting.limits.low), to_value=int(setting.limits.high), step=1
            )
        )
    return descriptor
