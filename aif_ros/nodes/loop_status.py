"""Topics of the focus controller about the loop, for programs and for people."""

import math
import time
from dataclasses import replace

from sensor_msgs.msg import CameraInfo

from aif_ros.control.agent import Action, Observation
from aif_ros.nodes.control_views import Overlay, window_polygon
from aif_ros.nodes.loop_diagnostics import diagnose_lens, diagnose_state, readable_status
from aif_ros.nodes.loop_state import FAULT, RUNNING, STOPPED, WAITING, LoopState
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topics import (
    CONTROL_STATUS,
    CONTROL_WINDOW,
    DECISION,
    LOOP_STATE,
    REMAINING_DEFOCUS,
)
from aif_ros.pipeline.decision_record import DecisionRecord
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.pipeline.loop_end import LoopEnd
from aif_ros.types.frame import Window


class LoopStatus:
    """Holds the state of the loop and publishes each change.

    Args:
        node: whose topics these are. To be made in its `open`.
        state: first state.
        hardware_id: of the lens.
    """

    def __init__(self, node: PipelineNode, state: LoopState, hardware_id: str) -> None:
        self._node = node
        self._hardware_id = hardware_id
        self._states = node.publisher(LOOP_STATE)
        self._status = node.publisher(CONTROL_STATUS)
        self._remaining = node.publisher(REMAINING_DEFOCUS)
        self._windows = node.publisher(CONTROL_WINDOW)
        self._decisions = node.publisher(DECISION)
        self.overlay = Overlay(node)
        self.state = state
        self._waiting_since = 0.0
        self._image_fault = self._image_doubt = ""
        self._left_out = LeftOut()
        self._window: Window | None = None
        self._info: CameraInfo | None = None

    def start(self) -> None:
        """Publish the state of a node that has become active."""
        self._image_fault = self._image_doubt = ""
        self._info = None
        self.publish()

    @property
    def runs(self) -> bool:
        """Whether the loop runs, or waits for something that is late."""
        return self.state.state in (RUNNING, WAITING)

    def enter(self, state: str, reason: str, target: float | None) -> None:
        """Publish a new state.

        Args:
            state: see `LoopState`.
            reason: for people.
            target: last commanded lens position, metres.
        """
        if state == WAITING:
            if self.state.state != WAITING:
                self._waiting_since = time.monotonic()
            self._node.get_logger().warning(reason)
        elif state == FAULT:
            self._node.get_logger().error(reason)
        elif self.state.state == WAITING:
            self._node.diagnostics.clear()
        doubt = self._image_doubt if state == STOPPED else ""
        self.state = replace(self.state, state=state, reason=reason, target=target, doubt=doubt)
        self.publish()

    def take_image_fault(self, fault: str, target: float | None) -> None:
        """Note that the images do not change, which makes the end of the loop a fault.

        Args:
            fault: why; empty: they change.
            target: see `enter`.
        """
        self._image_fault = fault
        if fault and self.state.state == STOPPED:
            self.end(self.state.reason, target)

    def take_image_doubt(self, doubt: str) -> None:
        """Note that the images leave open whether the lens moves.

        Args:
            doubt: why; empty: they do not.
        """
        self._image_doubt = doubt
        if self.state.state == STOPPED:
            self.state = replace(self.state, doubt=doubt)
            self.publish()

    def take_left_out(self, left_out: LeftOut) -> None:
        """Note the frames that fusion leaves out."""
        self._left_out = left_out
        self.state = replace(self.state, left_out=left_out)
        self.publish()

    def end(self, reason: str, target: float | None) -> None:
        """Publish that the agent has stopped, or the fault that explains it; see `enter`."""
        end = LoopEnd.of(reason, self._image_fault)
        self.enter(FAULT if end.fault else STOPPED, end.reason, target)

    def take_info(self, info: CameraInfo) -> None:
        """Note the camera in whose image the focus window lies."""
        self._info = info

    def decided(
        self, number: int, now: int, seen: Observation, action: Action, frames: int
    ) -> None:
        """Publish what a decision was based on; its state is entered afterwards.

        Args:
            number: of the decision, since the agent began.
            now: when it was made, nanoseconds.
            seen: what the agent was shown.
            action: what it decided.
            frames: number of frames decided on.
        """
        self.state = replace(
            self.state,
            frames_captured=frames,
            remaining_defocus=None if math.isnan(action.remaining) else action.remaining,
            position=seen.position,
            stamp=seen.stamp,
            fused_stamp=seen.fused_stamp,
            window=action.window,
        )
        self._decisions.publish(DecisionRecord.of(number, now, seen, action))
        self._remaining.publish(action.remaining)
        # After the stop, the lens is still focused where it was focused last.
        self._window = action.window or self._window
        self._publish_window()

    def begin(self, state: LoopState) -> None:
        """Take a first state again, and withdraw the focus window; see `enter` to publish it."""
        self.state = replace(state, left_out=self._left_out)
        self._window = None
        self._image_fault = self._image_doubt = ""
        self._publish_window()

    def _publish_window(self) -> None:
        if self._info is not None:
            self._windows.publish(window_polygon(self._window, self._info))

    def publish(self) -> None:
        """Publish the state."""
        self._states.publish(self.state)
        name = self._node.get_fully_qualified_name().lstrip("/")
        self._status.publish(readable_status(self.state, name, self._hardware_id))

    def diagnose(self, ignored: int, target: float | None) -> None:
        """Note the state for the diagnostics, and a lens that ignores commands.

        Args:
            ignored: commands in a row that the lens has ignored.
            target: the last of them, metres.
        """
        diagnose_state(self._node.diagnostics, self.state, time.monotonic() - self._waiting_since)
        diagnose_lens(self._node.diagnostics, ignored, target)

    def draw(self) -> None:
        """Draw the overlay for its subscribers."""
        self.overlay.draw(self.state.window, self.state.reason)
