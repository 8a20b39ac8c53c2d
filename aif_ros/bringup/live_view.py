"""Connects the live page to a running pipeline: topics to browsers, buttons to services."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future as SyncFuture
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import GetParameters, SetParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from sensor_msgs.msg import CompressedImage
from std_srvs.srv import Trigger

from aif_ros.bringup.background_node import background_node
from aif_ros.nodes.joint_states import LENS_JOINT, RESOLUTION
from aif_ros.nodes.stamps import to_stamp
from aif_ros.nodes.topic import Topic
from aif_ros.nodes.topics import (
    CAMERA_COMPRESSED,
    DISTANCE_COMPRESSED,
    FOCUS_WINDOW,
    FUSED_COMPRESSED,
    LENS_COMMANDS,
    LOOP_STATE,
    lens_states_of,
)
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, CalibrationError, LensModel
from aif_ros.settings.nodes import AGENTS, MODES, WINDOW_SIZE
from aif_ros.types.frame import LensState, Window
from aif_ros.view.hub import Hub

T = TypeVar("T")

_IMAGES = {
    "camera": CAMERA_COMPRESSED,
    "fused": FUSED_COMPRESSED,
    "distance": DISTANCE_COMPRESSED,
}
_LEVELS = {
    DiagnosticStatus.OK: "OK",
    DiagnosticStatus.WARN: "WARN",
    DiagnosticStatus.ERROR: "ERROR",
    DiagnosticStatus.STALE: "STALE",
}
# Seconds between two messages with what the lens has reported, and two checks for browsers.
_PERIOD = 0.1
# Seconds until images are subscribed to again: their publishers show the last one to a new
# subscriber, if they have noticed that the old one was gone.
_RESUBSCRIBE = 0.6
# Seconds between two tries to read the parameters of the pipeline.
_SETUP_PERIOD = 1.0
# Seconds until a service must have answered; focusing may take as long as a search.
_ANSWER, _FOCUS = 5.0, 60.0
# A click names a part of the image, of which the default window may be all: its window has this
# share of the shorter side, but at least so many pixels (the neural search needs 64), and at most
# those of the default window.
_CLICKED_SHARE, _LEAST_CLICKED = 0.25, 128
_SERVICES = {
    "start": "focus_controller/start",
    "stop": "focus_controller/stop",
    "reset": "focus_controller/reset",
    "cancel": "autofocus/cancel",
    "focus": "autofocus/focus_once",
}
_WITH_MODE = ("fusion", "autofocus", "focus_controller")


class LiveView:
    """Listens to the pipeline for the page, and calls its services.

    Args:
        node: to listen with, in the pipeline's namespace.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._loop: asyncio.AbstractEventLoop | None = None
        self.hub = Hub(self._set_watched)
        self._watched = False
        self._subscriptions: list[Any] = []
        self._unsubscribed_at = -math.inf
        self._states: list[tuple[float, float, bool]] = []
        self._targets: list[tuple[float, float]] = []
        self._diagnostics: dict[str, dict[str, Any]] = {}
        self._services: dict[str, Client] = {
            command: node.create_client(Trigger, name) for command, name in _SERVICES.items()
        }
        self._windows = node.create_publisher(
            FOCUS_WINDOW.message_type, FOCUS_WINDOW.name, FOCUS_WINDOW.publisher_qos
        )
        self._getter = node.create_client(GetParameters, "focus_controller/get_parameters")
        self._setters = {
            name: node.create_client(SetParameters, f"{name}/set_parameters") for name in _WITH_MODE
        }
        self._listen(LOOP_STATE, lambda state: self._publish("state", asdict(state)))
        self._listen(LENS_COMMANDS, self._take_target)
        self._lens: Any = None
        self._joint, self._resolution = LENS_JOINT, RESOLUTION
        node.create_subscription(DiagnosticArray, "/diagnostics", self._take_diagnostics, 20)
        node.create_timer(_PERIOD, self._tick)
        node.create_timer(_SETUP_PERIOD, self._adapt)
        self._set_up = False

    def connect(self) -> None:
        """Begin to pass on to the event loop of this thread."""
        self._loop = asyncio.get_running_loop()

    async def command(self, name: str, fields: Mapping[str, Any]) -> tuple[bool, str]:
        """Carry out what a browser asks for; see `aif_ros.view.server.Command`.

        Raises:
            ValueError: there is no such command, or its fields are wrong.
        """
        if name == "focus":
            return await self._focus(fields)
        if name == "agent":
            return await self._choose("agent", str(fields["value"]), ("focus_controller",))
        if name == "mode":
            return await self._choose("mode", str(fields["value"]), _WITH_MODE)
        if name not in _SERVICES:
            raise ValueError(f"there is no command '{name}'")
        return await self._trigger(name, _ANSWER)

    async def _focus(self, fields: Mapping[str, Any]) -> tuple[bool, str]:
        """Stop the loop, which would move the lens on, and focus a window about a pixel."""
        x, y, width, height = (int(fields[key]) for key in ("x", "y", "width", "height"))
        if not (0 <= x < width and 0 <= y < height):
            raise ValueError(f"{x}, {y} lies outside of the image of {width}x{height}")
        shorter = min(width, height)
        side = min(WINDOW_SIZE, shorter, max(_LEAST_CLICKED, round(_CLICKED_SHARE * shorter)))
        left = min(max(x - side // 2, 0), width - side)
        top = min(max(y - side // 2, 0), height - side)
        window = Window(left, top, side, side)
        stopped, message = await self._trigger("stop", _ANSWER)
        if not stopped:
            return stopped, message
        self._windows.publish(FOCUS_WINDOW.encode(window))
        self.hub.publish("focus", asdict(window))
        return await self._trigger("focus", _FOCUS)

    async def _choose(self, name: str, value: str, nodes: tuple[str, ...]) -> tuple[bool, str]:
        """Set a parameter of some nodes and restart the loop."""
        parameter = Parameter(name, value=value).to_parameter_msg()
        for node in nodes:
            request = SetParameters.Request(parameters=[parameter])
            response = await self._call(self._setters[node], request, _ANSWER)
            if response is None:
                return False, f"{node} does not answer"
            if not response.results[0].successful:
                return False, response.results[0].reason
        return await self._trigger("reset", _ANSWER)

    async def _trigger(self, command: str, timeout: float) -> tuple[bool, str]:
        response = await self._call(self._services[command], Trigger.Request(), timeout)
        if response is None:
            return False, f"{_SERVICES[command]} does not answer: is the pipeline active?"
        return response.success, response.message

    async def _call(self, client: Client, request: Any, timeout: float) -> Any:
        """Return the response of a service; None: none in time."""
        if not client.service_is_ready():
            return None
        answer: SyncFuture[Any] = SyncFuture()

        def take(future: Any) -> None:
            if not answer.cancelled():
                answer.set_result(future.result())

        client.call_async(request).add_done_callback(take)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), timeout)
        except TimeoutError:
            return None

    # Below: called by the executor.

    def _in_loop(self, action: Callable[[], object]) -> None:
        if self._loop is not None:
            # The server may have ended meanwhile.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(action)

    def _publish(self, kind: str, value: Any, *, keep: bool = True) -> None:
        self._in_loop(partial(self.hub.publish, kind, value, keep=keep))

    def _listen(self, topic: Topic[T], callback: Callable[[T], None], depth: int = 20) -> Any:
        def take(message: Any) -> None:
            with suppress(ValueError):  # no message of this package; the nodes report it
                callback(topic.decode(message))

        return self._node.create_subscription(
            topic.message_type, topic.name, take, topic.subscription_qos(depth)
        )

    def _tick(self) -> None:
        self._adapt_lens(wanted=self.hub.connected)
        self._adapt_images()
        self._send_lens()

    def _adapt_lens(self, *, wanted: bool) -> None:
        """Subscribe to the lens states while there are browsers: they come a hundred a second."""
        if wanted and self._lens is None:
            topic = lens_states_of(self._joint, self._resolution)
            self._lens = self._listen(topic, self._take_state, 50)
        elif self._lens is not None and not wanted:
            self._node.destroy_subscription(self._lens)
            self._lens = None

    def _take_state(self, state: LensState) -> None:
        # What a lens at rest says again and again is thinned out when it is sent.
        self._states.append((state.stamp * 1e-9, state.position, state.moving))

    def _take_target(self, position: float) -> None:
        self._targets.append((time.time(), position))

    def _send_lens(self) -> None:
        states, self._states = self._states, []
        targets, self._targets = self._targets, []
        kept = [
            state
            for i, state in enumerate(states)
            if i in (0, len(states) - 1) or state[2] or states[i - 1][2] or states[i + 1][2]
        ]
        if kept or targets:
            self._publish("lens", {"states": kept, "targets": targets}, keep=False)

    def _take_diagnostics(self, array: DiagnosticArray) -> None:
        prefix = self._node.get_namespace().strip("/")
        prefix = f"{prefix}/" if prefix else ""
        for status in array.status:
            if status.name.startswith(prefix):
                self._diagnostics[status.name] = {
                    "name": status.name.removeprefix(prefix),
                    "level": _LEVELS.get(status.level, "STALE"),
                    "message": status.message,
                    "values": {each.key: each.value for each in status.values},
                }
        self._publish("diagnostics", [self._diagnostics[key] for key in sorted(self._diagnostics)])

    def _adapt(self) -> None:
        """Read the pipeline's parameters, again until it answers."""
        if self._set_up or not self._getter.service_is_ready():
            return
        names = ["agent", "mode", "calibration", "lens_joint"]
        future = self._getter.call_async(GetParameters.Request(names=names))
        future.add_done_callback(self._take_setup)

    def _take_setup(self, future: Any) -> None:
        values = [parameter_value_to_python(value) for value in future.result().values]
        if self._set_up or len(values) != 4:
            return
        self._set_up = True
        agent, mode, calibration, joint = values
        agents = [*AGENTS.names, *([] if agent in AGENTS.names else [agent])]
        setup = {"agent": agent, "agents": agents, "mode": mode, "modes": list(MODES.names)}
        resolution = RESOLUTION
        # Of a stack's lens the calibration may lie in another process.
        with suppress(CalibrationError):
            model = LensModel.load(calibration or DEFAULT_CALIBRATION)
            setup["limits"] = list(model.limits)
            resolution = model.position_resolution
        self._joint, self._resolution = joint, resolution
        self._adapt_lens(wanted=False)
        self._publish("setup", setup)

    def _set_watched(self, watched: bool) -> None:
        """Note, in the event loop, whether images are wanted."""
        self._watched = watched

    def _adapt_images(self) -> None:
        """Subscribe to the images while they are wanted: they are made for subscribers only."""
        since = time.monotonic() - self._unsubscribed_at
        if self._watched and not self._subscriptions and since > _RESUBSCRIBE:
            self._subscriptions = [
                self._node.create_subscription(
                    topic.message_type,
                    topic.name,
                    partial(self._take_image, kind),
                    topic.subscription_qos(1),
                )
                for kind, topic in _IMAGES.items()
            ]
        if self._subscriptions and not self._watched:
            while self._subscriptions:
                self._node.destroy_subscription(self._subscriptions.pop())
            self._unsubscribed_at = time.monotonic()
            self._in_loop(self.hub.forget_images)

    def _take_image(self, kind: str, message: CompressedImage) -> None:
        stamp, jpeg = to_stamp(message.header.stamp), bytes(message.data)
        self._in_loop(partial(self.hub.show, kind, stamp, jpeg))


@contextmanager
def live_view(namespace: str = "") -> Iterator[LiveView]:
    """Connect to the pipeline of a namespace, in the background, until the block is left.

    Args:
        namespace: of the pipeline; empty: none.
    """
    with background_node("live_view", namespace, LiveView) as view:
        yield view
