"""A lens that another ROS node drives: its focus is a parameter of that node."""

import contextlib
import math
import threading
import time
from dataclasses import dataclass, replace
from typing import Annotated, Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterDescriptor, ParameterEvent, ParameterType
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import qos_profile_parameter_events
from rclpy.task import Future
from typing_extensions import Doc

from aif_ros.devices.backends import Backend, DeviceText
from aif_ros.devices.backlash import compensated
from aif_ros.devices.clock import Clock, SystemClock
from aif_ros.devices.device import ConnectionLostError, DeviceError, FocusLens
from aif_ros.devices.motor_lens import Axis, MetresPerUnit, MotorLens, MotorSettings, Reading
from aif_ros.nodes.camera_presets import PRESETS, Preset
from aif_ros.optics.lens_model import LensModel
from aif_ros.settings.declaration import Limits, OneOf

CALL_TIMEOUT = 5.0
"""Seconds that the driver may take to answer; starting cameras are slow."""
METADATA_AGE = 1.0
"""Seconds after which a lens position in a camera's metadata is too old to be used: metadata come
with every frame."""
METADATA_SETTLING = 0.03
"""Seconds that a lens takes to settle after the metadata show it at its target: voice-coil lenses
ring for 10 to 30 ms."""
METADATA_TOLERANCE = 0.005
"""Share of the range within which the position in the metadata has reached the target: more than
the rounding to motor counts (10 bits)."""


@dataclass(frozen=True)
class ParameterLensSettings(MotorSettings):
    """Focus parameter of another node; the unit is that of the parameter.

    Travel in metres is nominal: only the product of travel and blur matters.
    """

    metres_per_unit: MetresPerUnit = 1e-5
    settling_time: Annotated[
        float,
        Limits(0.0, 60.0),
        Doc(
            "Seconds until the lens has settled after the driver has taken a value; where "
            "the metadata of the frames show the lens position, they decide instead."
        ),
    ] = 0.3
    preset: Annotated[
        str, OneOf(tuple(PRESETS), or_empty=True), Doc("Camera driver of that node. Empty: none.")
    ] = ""
    parameter: Annotated[str, Doc("Name of the parameter. Empty: that of the preset.")] = ""

    def driver(self) -> Preset:
        """Return the preset, with the parameter that was chosen.

        Raises:
            ValueError: neither preset nor parameter is given.
        """
        if not self.preset and not self.parameter:
            raise ValueError(
                f"a lens by parameter needs preset={'|'.join(PRESETS)} or parameter=NAME"
            )
        preset = PRESETS.get(self.preset) or Preset(self.parameter, {})
        return replace(preset, parameter=self.parameter or preset.parameter)


BACKEND = Backend(
    "lens that another ROS node drives by a parameter",
    "NODE",
    "ros_parameter:/camera?preset=v4l2_camera",
    "",
    "",
    "settings",
)


def open_parameter_lens(text: str, node: Node, lens_model: LensModel | None) -> FocusLens:
    """Open the lens that a text such as ``ros_parameter:/camera?preset=v4l2_camera`` names.

    It is compensated for the backlash of its calibration.

    Args:
        text: node and settings.
        node: whose context and namespace are used.
        lens_model: calibration; its limits are never left.

    Raises:
        ValueError: the text is wrong.
        DeviceError: the lens cannot be opened.
    """
    named = DeviceText.parse(text, {"ros_parameter": BACKEND})
    lens = ParameterLens(
        named.address,
        SystemClock(),
        named.read(ParameterLensSettings),
        limits=lens_model.limits if lens_model is not None else None,
        context=node.context,
        namespace=node.get_namespace(),
    )
    return compensated(lens, lens_model)


class ParameterLens(MotorLens):
    """A lens whose focus is a parameter of another node.

    A helper node with a thread of its own makes the calls, so that neither the caller's executor
    nor its callbacks are blocked by the driver.

    Args:
        address: name of the driver's node, absolute or relative to `namespace`.
        clock: source of the stamps.
        settings: see there.
        limits: see `MotorLens`.
        context: of rclpy; default: the global one.
        namespace: of the helper node.

    Raises:
        ValueError: neither preset nor parameter is given.
        DeviceError: the node is not running, or it has no such parameter or range.
    """

    def __init__(
        self,
        address: str,
        clock: Clock,
        settings: ParameterLensSettings | None = None,
        *,
        limits: tuple[float, float] | None = None,
        context: Context | None = None,
        namespace: str = "",
    ) -> None:
        options = settings or ParameterLensSettings()
        self._driver = options.driver()
        self._remote = address
        self._changed = threading.Condition()
        self._value = math.nan
        self._awaited: Future | None = None
        self._refusal: str | None = None
        self._frame_id = ""
        self._goal: float | None = None
        self._seen: tuple[float, float] | None = None  # in the metadata, and when
        self._kind = Parameter.Type.INTEGER
        self._helper = rclpy.create_node(
            "_focus_parameter",
            context=context,
            namespace=namespace,
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        self._client = AsyncParameterClient(self._helper, address)
        # Others may change the focus as well.
        self._helper.create_subscription(
            ParameterEvent, "/parameter_events", self._observe, qos_profile_parameter_events
        )
        if self._driver.metadata:
            self._helper.create_subscription(
                DiagnosticArray, "/diagnostics", self._observe_metadata, 10
            )
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._helper)
        self._thread = threading.Thread(target=self._spin, name="focus parameter", daemon=True)
        self._thread.start()
        label = f"focus parameter {self._driver.parameter} of {address}"
        super().__init__(label, clock, options, limits=limits)

    def _connect(self) -> Axis:
        deadline = time.monotonic() + CALL_TIMEOUT
        while not self._client.services_are_ready():
            if time.monotonic() > deadline:
                raise ConnectionLostError(
                    f"{self.label}: that node is not running: start it, or correct its name"
                )
            time.sleep(0.02)
        self._switch_automatic_focus_off()
        name = self._driver.parameter
        kind = self._type(name)
        if kind not in (ParameterType.PARAMETER_INTEGER, ParameterType.PARAMETER_DOUBLE):
            raise DeviceError(f"{self.label} is no number: see `ros2 param list {self._remote}`")
        self._kind = Parameter.Type(kind)
        descriptors = self._call(self._client.describe_parameters([name])).descriptors
        values = self._call(self._client.get_parameters([name])).values
        if self._driver.metadata:
            (frame_id,) = self._call(self._client.get_parameters(["frame_id"])).values or ("",)
            self._frame_id = frame_id and str(parameter_value_to_python(frame_id))
        with self._changed:
            self._value = float(parameter_value_to_python(values[0]))
        return self._axis_of(descriptors[0])

    def _switch_automatic_focus_off(self) -> None:
        for names, value in self._driver.prepare.items():
            for name in names.split("|"):
                kind = self._type(name)
                if kind == ParameterType.PARAMETER_NOT_SET:
                    continue
                # Boolean in some versions of a driver, integer in others.
                fitting = int(value) if kind == ParameterType.PARAMETER_INTEGER else bool(value)
                refusal = self._set(name, fitting)
                if refusal is not None:
                    raise DeviceError(f"{self.label}: cannot set {name} to {fitting}: {refusal}")
                break

    def _axis_of(self, descriptor: ParameterDescriptor) -> Axis:
        ranges = [*descriptor.integer_range, *descriptor.floating_point_range]
        step = 1.0 if self._kind == Parameter.Type.INTEGER else 0.0
        low, high = self._driver.low, self._driver.high
        if ranges:
            low, high = float(ranges[0].from_value), float(ranges[0].to_value)
            step = max(float(ranges[0].step), step)
        return Axis(low, high, resolution=step, tolerance=max(0.5 * step, 1e-6))

    def _read(self) -> Reading:
        if not self._client.services_are_ready():
            raise ConnectionLostError(f"{self.label}: that node is gone: start it again")
        with self._changed:
            if self._refusal is not None:
                refusal, self._refusal = self._refusal, None
                raise DeviceError(f"{self.label}: the driver refuses the position: {refusal}")
            waits = self._awaited is not None
            if not self._shows_position():
                return Reading(self._value, waits)
            assert self._seen is not None
            position = self._seen[0]
            if self._goal is not None and abs(position - self._goal) <= self._reach():
                self._goal = None
            if self._goal is None and abs(position - self._value) <= self._reach():
                position = self._value  # without the rounding of the metadata
            return Reading(position, waits or self._goal is not None)

    def _shows_position(self) -> bool:
        """Whether the metadata of recent frames show the lens position."""
        return self._seen is not None and time.monotonic() - self._seen[1] < METADATA_AGE

    def _reach(self) -> float:
        low, high = self._axis.low or 0.0, self._axis.high or 0.0
        return max(METADATA_TOLERANCE * (high - low), self._axis.tolerance)

    def _settling_time(self) -> float:
        time_ = super()._settling_time()
        return min(time_, METADATA_SETTLING) if self._shows_position() else time_

    def _command(self, target: float) -> None:
        if not self._client.services_are_ready():
            raise ConnectionLostError(f"{self.label}: that node is gone: start it again")
        value = round(target) if self._kind == Parameter.Type.INTEGER else target
        with self._changed:
            self._refusal, self._goal = None, float(value)
            future = self._client.set_parameters(
                [Parameter(self._driver.parameter, self._kind, value)]
            )
            self._awaited = future
        future.add_done_callback(lambda done: self._answered(done, float(value)))

    def _answered(self, future: Future, value: float) -> None:
        """Process the answer to a command, unless a newer one has been sent."""
        with self._changed:
            if future is not self._awaited:
                return
            self._awaited = None
            result = future.result()
            if result is None or not all(each.successful for each in result.results):
                self._goal = None
            if result is None or not result.results:
                self._refusal = "no answer"
            elif not result.results[0].successful:
                self._refusal = result.results[0].reason or "no reason given"
            else:
                self._value = value

    def _halt(self) -> None:
        """Nothing to stop: drivers take the value at once."""

    def _disconnect(self) -> None:
        with self._changed:
            self._awaited = self._goal = self._seen = None
        if self._closed and self._thread.is_alive():
            self._executor.shutdown(timeout_sec=1.0)
            self._thread.join()
            self._helper.destroy_node()

    def _observe(self, event: ParameterEvent) -> None:
        if event.node != self._absolute_name():
            return
        for parameter in event.changed_parameters:
            if parameter.name == self._driver.parameter:
                number = parameter_value_to_python(parameter.value)
                with self._changed:
                    if self._awaited is None and isinstance(number, int | float):
                        self._value = float(number)

    def _observe_metadata(self, message: DiagnosticArray) -> None:
        """Take in the metadata of a frame of the driver."""
        if message.header.frame_id != self._frame_id:
            return
        for status in message.status:
            for pair in status.values:
                if pair.key == self._driver.metadata:
                    with contextlib.suppress(ValueError), self._changed:
                        self._seen = (float(pair.value), time.monotonic())

    def _absolute_name(self) -> str:
        namespace = self._helper.get_namespace().rstrip("/")
        return self._remote if self._remote.startswith("/") else f"{namespace}/{self._remote}"

    def _type(self, name: str) -> int:
        """Return the type of a parameter; PARAMETER_NOT_SET if it is not declared."""
        # Asked for one by one: the answer is empty where any is unknown.
        types = self._call(self._client.get_parameter_types([name])).types
        return int(types[0]) if types else ParameterType.PARAMETER_NOT_SET

    def _set(self, name: str, value: bool | int) -> str | None:
        """Set a parameter and return why it is refused; None if it is not."""
        (result,) = self._call(self._client.set_parameters([Parameter(name, value=value)])).results
        return None if result.successful else result.reason or "no reason given"

    def _call(self, future: Future) -> Any:
        """Wait for the answer to a call.

        Raises:
            ConnectionLostError: there is none in time.
        """
        answered = threading.Event()
        future.add_done_callback(lambda done: answered.set())
        if not answered.wait(CALL_TIMEOUT) or future.result() is None:
            raise ConnectionLostError(f"{self.label}: that node does not answer: restart it")
        return future.result()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()
