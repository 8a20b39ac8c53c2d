"""Watches a running pipeline by its topics and keeps what a report needs."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from numpy.typing import NDArray
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from aif_ros.bringup.graph import BringupError
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    CONTROL_STATUS,
    DISTANCE_MAP,
    FUSED_DISTANCE_MAP,
    FUSED_IMAGE,
    FUSED_IN_FOCUS,
    IN_FOCUS,
    LENS_STATE,
    StampedImage,
    Topic,
)
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.pipeline.recording import LoopRecording, RecordedFrame
from aif_ros.types.frame import LensState, Window

T = TypeVar("T")

# Frames that wait for the fused image of the same stamp; fusion takes less than a second.
_FRAMES_KEPT = 60
_MAPS = (DISTANCE_MAP, FUSED_DISTANCE_MAP, IN_FOCUS, FUSED_IN_FOCUS)
_UNKNOWN = np.full((1, 1), np.nan, np.float32)


class Recorder:
    """Listens to every frame, fused image, distance map, lens state and decision.

    Args:
        node: to listen with, in the pipeline's namespace.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self.stopped = threading.Event()
        """Set once the focus controller has ended the loop."""
        self.decisions: dict[int, dict[str, str]] = {}
        """What the focus controller's status said, by the stamp of the frame it had seen."""
        self._agent = ""
        self._reason = "the focus controller has said nothing"
        self._recent: OrderedDict[int, StampedImage] = OrderedDict()
        self._frames: dict[int, StampedImage] = {}
        self._fused: dict[int, StampedImage] = {}
        self._maps: dict[str, dict[int, StampedImage]] = {topic.name: {} for topic in _MAPS}
        self._states: list[LensState] = []
        self._listen(CAMERA_IMAGE, self._take_frame, depth=20)
        self._listen(FUSED_IMAGE, self._take_fused, depth=20)
        for topic in _MAPS:
            self._listen(topic, partial(self._take_map, topic.name), depth=10)
        self._listen(LENS_STATE, self._states.append, depth=200)
        self._listen(CONTROL_STATUS, self._take_status, depth=10)

    @property
    def anything(self) -> bool:
        """Whether a fused image and its frame have been seen."""
        return not self._fused.keys().isdisjoint(self._frames)

    @property
    def complete(self) -> bool:
        """Whether the loop has ended and what belongs to its last fused image has come."""
        last = max(self._fused, default=0)
        return self.stopped.is_set() and last in self._maps[FUSED_IN_FOCUS.name]

    def _listen(self, topic: Topic[T], callback: Callable[[T], object], depth: int) -> None:
        def take(message: Any) -> None:
            callback(topic.decode(message))

        self._node.create_subscription(
            topic.message_type, topic.name, take, topic.subscription_qos(depth)
        )

    def _take_frame(self, picture: StampedImage) -> None:
        self._recent[picture.stamp] = picture
        if picture.stamp in self._fused:
            self._frames[picture.stamp] = picture
        if len(self._recent) > _FRAMES_KEPT:
            self._recent.popitem(last=False)

    def _take_fused(self, picture: StampedImage) -> None:
        self._fused[picture.stamp] = picture
        if picture.stamp in self._recent:
            self._frames[picture.stamp] = self._recent[picture.stamp]

    def _take_map(self, name: str, picture: StampedImage) -> None:
        self._maps[name][picture.stamp] = picture

    def _take_status(self, status: DiagnosticStatus) -> None:
        values = {pair.key: pair.value for pair in status.values} | {"reason": status.message}
        if "stamp_ns" in values:
            self.decisions[int(values["stamp_ns"])] = values
        self._agent, self._reason = values["agent"], status.message
        if values["state"] == "stopped":
            self.stopped.set()

    def recording(self, scene: str, lens_model: LensModel) -> LoopRecording:
        """Put together what was seen.

        Args:
            scene: its name.
            lens_model: of the pipeline's lens.

        Raises:
            BringupError: no fused image and its frame were seen.
        """
        if not self.anything:
            raise BringupError(f"no frame has been fused: {self._reason}")
        stamps = sorted(self._fused.keys() & self._frames.keys())
        timeline = LensStateBuffer(capacity=len(self._states))
        for state in self._states:
            timeline.add(state)
        shots = []
        for stamp, end in zip(stamps, [*stamps[1:], np.inf], strict=True):
            # Autofocus may have looked at a later frame of the same rest than fusion has used.
            maps = {name: _first(seen, stamp, end) for name, seen in self._maps.items()}
            decisions = [self.decisions[s] for s in sorted(self.decisions) if stamp <= s < end]
            shots.append(
                RecordedFrame(
                    stamp=stamp,
                    position=timeline.position(stamp),
                    image=self._frames[stamp].image,
                    fused=self._fused[stamp].image,
                    distance=maps[DISTANCE_MAP.name],
                    fused_distance=maps[FUSED_DISTANCE_MAP.name],
                    in_focus=maps[IN_FOCUS.name],
                    fused_in_focus=maps[FUSED_IN_FOCUS.name],
                    window=_window(decisions[-1]["window_px"]) if decisions else None,
                    reason=decisions[-1]["reason"] if decisions else "",
                )
            )
        return LoopRecording(scene, self._agent, lens_model, shots, self._states, self._reason)


def _first(seen: dict[int, StampedImage], begin: int, end: float) -> NDArray[np.float32]:
    """Return the map with the first stamp from `begin` to `end`."""
    stamps = [stamp for stamp in seen if begin <= stamp < end]
    return seen[min(stamps)].image if stamps else _UNKNOWN


def _window(text: str) -> Window | None:
    """Read a window as the focus controller's status has it: 'x y width height' or 'none'."""
    return None if text == "none" else Window(*map(int, text.split()))


@contextmanager
def recording(namespace: str = "") -> Iterator[Recorder]:
    """Record in the background; to be entered before the pipeline is started.

    Args:
        namespace: of the pipeline; empty: none.
    """
    context = Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = Node("recorder", namespace=namespace or "/", context=context, use_global_arguments=False)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    recorder = Recorder(node)

    def spin() -> None:
        with suppress(ExternalShutdownException):
            executor.spin()

    thread = threading.Thread(target=spin, name="recorder")
    thread.start()
    try:
        yield recorder
    finally:
        rclpy.try_shutdown(context=context)
        thread.join()
        node.destroy_node()
