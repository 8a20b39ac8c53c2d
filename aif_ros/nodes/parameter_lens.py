"""A lens that another ROS node drives: its focus is a parameter of that node."""

import math
import threading

from rcl_interfaces.msg import ParameterDescriptor, ParameterType
from rclpy.node import Node
from rclpy.parameter import Parameter

from aif_ros.devices.camera_drivers import ParameterLensSettings
from aif_ros.devices.clock import Clock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.nodes.frame_metadata import FrameMetadata
from aif_ros.nodes.remote_parameters import RemoteParameters

CALL_TIMEOUT = 5.0
"""Seconds that the driver may take to answer; starting cameras are slow."""
METADATA_SETTLING = 0.03
"""Seconds that a lens takes to settle after the metadata show it at its target: voice-coil lenses
ring for 10 to 30 ms."""
METADATA_TOLERANCE = 0.005
"""Share of the range within which the position in the metadata has reached the target: more than
the rounding to motor counts (10 bits)."""


class ParameterLens(MotorLens):
    """A lens whose focus is a parameter of another node.

    Args:
        address: name of the driver's node, absolute or in the namespace of `node`.
        clock: source of the stamps.
        settings: see there.
        node: whose context and namespace are used.
        limits: see `MotorLens`.

    Raises:
        ValueError: neither preset nor parameter is given.
        DeviceError: the node is not running, or it has no such parameter or range.
    """

    unit = "in the unit of the parameter"

    def __init__(
        self,
        address: str,
        clock: Clock,
        settings: ParameterLensSettings,
        node: Node,
        *,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self._driver = settings.driver()
        self._address = address
        self._changed = threading.Lock()
        self._value = math.nan
        self._commands = self._answers = 0
        self._refusal: str | None = None
        self._whole = True
        self._manual: list[Parameter] = []  # switch automatic focus off
        self._goal: float | None = None
        self._remote = RemoteParameters(address, CALL_TIMEOUT, node)
        # Others may change the focus as well.
        self._remote.on_change(self._driver.parameter, self._observe)
        self._metadata = FrameMetadata(self._remote.node, self._driver.metadata)
        label = f"focus parameter {self._driver.parameter} of {address}"
        super().__init__(label, clock, settings, limits=limits)

    def _connect(self) -> Axis:
        if not self._remote.wait():
            raise ConnectionLostError(
                f"{self.label}: that node is not running: start it, or correct its name"
            )
        name = self._driver.parameter
        kind = self._remote.type_of(name)
        if kind not in (ParameterType.PARAMETER_INTEGER, ParameterType.PARAMETER_DOUBLE):
            advice = self._driver.missing or f"see `ros2 param list {self._address}`"
            missing = kind == ParameterType.PARAMETER_NOT_SET
            fault = "does not exist" if missing else "is no number"
            raise DeviceError(f"{self.label} {fault}: {advice}")
        self._whole = kind == ParameterType.PARAMETER_INTEGER
        # Boolean in some versions of a driver, integer in others.
        found = [self._remote.first_declared(*each) for each in self._driver.alternatives()]
        self._manual = [parameter for parameter in found if parameter is not None]
        for parameter in self._manual:
            refusal = self._remote.set(parameter)
            if refusal is not None:
                raise DeviceError(
                    f"{self.label}: cannot set {parameter.name} to {parameter.value}: {refusal}"
                )
        descriptor = self._remote.describe(name)
        if self._driver.metadata:
            self._metadata.frame_id = str(self._remote.get("frame_id") or "")
        present = float(self._remote.get(name))
        with self._changed:
            self._value = present
        return self._axis_of(descriptor)

    def _axis_of(self, descriptor: ParameterDescriptor) -> Axis:
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        step = 1.0 if self._whole else 0.0
        low, high = self._driver.low, self._driver.high
        if ranges:
            low, high = float(ranges[0].from_value), float(ranges[0].to_value)
            step = max(float(ranges[0].step), step)
        return Axis(low, high, resolution=step, tolerance=max(0.5 * step, 1e-6))

    def _read(self) -> Reading:
        self._check_running()
        with self._changed:
            if self._refusal is not None:
                refusal, self._refusal = self._refusal, None
                raise DeviceError(f"{self.label}: the driver refuses the position: {refusal}")
            waits = self._answers < self._commands
            position = self._metadata.value
            if position is None:
                return Reading(self._value, waits)
            if self._goal is not None and abs(position - self._goal) <= self._reach():
                self._goal = None
            if self._goal is None and abs(position - self._value) <= self._reach():
                position = self._value  # without the rounding of the metadata
            return Reading(position, waits or self._goal is not None)

    def _reach(self) -> float:
        low, high = self._axis.low or 0.0, self._axis.high or 0.0
        return max(METADATA_TOLERANCE * (high - low), self._axis.tolerance)

    def _settling_time(self) -> float:
        time_ = super()._settling_time()
        return min(time_, METADATA_SETTLING) if self._metadata.value is not None else time_

    def _command(self, target: float) -> None:
        self._check_running()
        value = round(target) if self._whole else target
        with self._changed:
            self._refusal, self._goal = None, float(value)
            self._commands += 1
            number = self._commands
        # In one call: others may have switched automatic focus on again, and camera_ros forgets
        # what was set before the last frame when another call comes.
        self._remote.send(
            [*self._manual, Parameter(self._driver.parameter, value=value)],
            lambda refusal: self._answered(number, float(value), refusal),
        )

    def _check_running(self) -> None:
        if not self._remote.ready:
            raise ConnectionLostError(f"{self.label}: that node is gone: start it again")

    def _answered(self, number: int, value: float, refusal: str | None) -> None:
        """Process the answer to a command, unless a newer one has been sent."""
        with self._changed:
            if number != self._commands:
                return
            self._answers = number
            if refusal is None:
                self._value = value
            else:
                self._goal, self._refusal = None, refusal

    def _halt(self) -> None:
        """Nothing to stop: drivers take the value at once."""

    def _disconnect(self) -> None:
        with self._changed:
            # Answers to earlier commands are not awaited any more.
            self._commands += 1
            self._answers = self._commands
            self._goal = None
            self._metadata.forget()
        if self._closed:
            self._remote.close()

    def _observe(self, number: object) -> None:
        with self._changed:
            if self._answers == self._commands and isinstance(number, int | float):
                self._value = float(number)
