"""Connects the live page to a running pipeline: what browsers get to see."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from typing import Any, TypeVar

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from sensor_msgs.msg import CompressedImage

from aif_ros.bringup.background_node import background_node
from aif_ros.bringup.listening import listen
from aif_ros.bringup.page_commands import PageCommands
from aif_ros.nodes.joint_states import LENS_JOINT, RESOLUTION
from aif_ros.nodes.stamps import to_stamp
from aif_ros.nodes.topics import (
    CAMERA_COMPRESSED,
    DISTANCE_COMPRESSED,
    FUSED_COMPRESSED,
    LENS_COMMANDS,
    LOOP_STATE,
    lens_states_of,
)
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, CalibrationError, LensModel
from aif_ros.settings.nodes import AGENTS, MODES
from aif_ros.types.frame import LensState
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
# Messages of the loop that may wait.
_DEPTH = 20
# Seconds between two messages with what the lens has reported, and two checks for browsers.
_PERIOD = 0.1
# Seconds until images are subscribed to again: their publishers show the last one to a new
# subscriber, if they have noticed that the old one was gone.
_RESUBSCRIBE = 0.6
# Seconds between two tries to read the parameters of the pipeline.
_SETUP_PERIOD = 1.0


class LiveView:
    """Listens to the pipeline for the page.

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
        self.commands = PageCommands(node, lambda window: self.hub.publish("focus", asdict(window)))
        """Carries out what browsers ask for."""
        self._getter = node.create_client(GetParameters, "focus_controller/get_parameters")
        listen(node, LOOP_STATE, lambda state: self._publish("state", asdict(state)), _DEPTH)
        listen(node, LENS_COMMANDS, self._take_target, _DEPTH)
        self._lens: Any = None
        self._joint, self._resolution = LENS_JOINT, RESOLUTION
        node.create_subscription(DiagnosticArray, "/diagnostics", self._take_diagnostics, 20)
        node.create_timer(_PERIOD, self._tick)
        node.create_timer(_SETUP_PERIOD, self._adapt)
        self._set_up = False

    def connect(self) -> None:
        """Begin to pass on to the event loop of this thread."""
        self._loop = asyncio.get_running_loop()

    # Below: called by the executor.

    def _in_loop(self, action: Callable[[], object]) -> None:
        if self._loop is not None:
            # The server may have ended meanwhile.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(action)

    def _publish(self, kind: str, value: Any, *, keep: bool = True) -> None:
        self._in_loop(partial(self.hub.publish, kind, value, keep=keep))

    def _tick(self) -> None:
        self._adapt_lens(wanted=self.hub.connected)
        self._adapt_images()
        self._send_lens()

    def _adapt_lens(self, *, wanted: bool) -> None:
        """Subscribe to the lens states while there are browsers: they come a hundred a second."""
        if wanted and self._lens is None:
            topic = lens_states_of(self._joint, self._resolution)
            self._lens = listen(self._node, topic, self._take_state)
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
