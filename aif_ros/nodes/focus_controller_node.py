"""Node of the focus control: picks the next focus from the distance maps, or stops."""

import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import Point32, PolygonStamped
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo
from std_srvs.srv import Trigger

from aif_ros.control.agent import Action, Observation
from aif_ros.control.agents import make_agent
from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.nodes.diagnostics import OK, WARN, make_status
from aif_ros.nodes.pipeline_node import PipelineNode, run, system_time
from aif_ros.nodes.topics import (
    AUTOFOCUS_BUSY,
    CAMERA_INFO,
    CONTROL_STATUS,
    CONTROL_WINDOW,
    DEFOCUS_MAPS,
    FUSED_BLUR_MAPS,
    FUSED_IMAGE,
    LENS_COMMANDS,
    LENS_STATE,
    OVERLAY,
    REMAINING_DEFOCUS,
    SOURCE_SAMPLES,
    StampedImage,
    Topic,
)
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.pipeline.settling import HALF_STEP, SettleDetector
from aif_ros.settings.nodes import FocusControllerSettings
from aif_ros.types.frame import LensState, Window

RUNNING, WAITING, STOPPED, IDLE = "running", "waiting", "stopped", "idle"
"""States of the loop: at work; waiting for something that is late; ended by the agent; switched
off by a user."""

# What tells of J comes from the fusion and, later, from the autofocus: the one may be so many
# frames ahead of the other.
_MOST_AHEAD = 8

# Frames on one way of the lens that are remembered at most.
_MOST_PASSED = 30


class _Maps:
    """Joins the maps of one kind that belong to the same frame."""

    def __init__(self, topics: Sequence[Topic[Any]]) -> None:
        self.topics = topics
        self._newest: list[deque[StampedImage]] = [deque(maxlen=_MOST_AHEAD) for _ in topics]

    def add(self, index: int, picture: StampedImage) -> None:
        self._newest[index].append(picture)

    @property
    def stamp(self) -> int | None:
        """Newest stamp that maps of all topics have; None: none such."""
        stamps = [{picture.stamp for picture in pictures} for pictures in self._newest]
        return max(set.intersection(*stamps), default=None)

    @property
    def images(self) -> list[NDArray[Any]]:
        """The maps of that stamp, in the order of their topics; empty where there is none."""
        stamp = self.stamp
        return [
            next(picture.image for picture in reversed(pictures) if picture.stamp == stamp)
            for pictures in self._newest
            if stamp is not None
        ]


def _blur(
    maps: Sequence[NDArray[Any]], travel_to_radius: float, image_size: tuple[int, int]
) -> DefocusMap:
    distance, uncertainty, in_focus, contrast = maps
    gain = np.float32(travel_to_radius)
    return DefocusMap(distance * gain, uncertainty * gain, in_focus, contrast, image_size)


@dataclass(frozen=True)
class _Seen:
    """What the agent was shown last, and where the lens was."""

    observation: Observation
    stamp: int


class FocusControllerNode(PipelineNode):
    """Closes the loop: acts when a frame exposed after the lens settled has been assessed."""

    NAME = "focus_controller"
    SETTINGS = FocusControllerSettings

    def open(self) -> None:
        """Make the agent."""
        self._model = self.lens_model()
        self.diagnostics.hardware_id = self._model.name
        self._commands = self.outlet(LENS_COMMANDS)
        self._windows = self.outlet(CONTROL_WINDOW)
        self._overlay = self.outlet(OVERLAY)
        self._remaining = self.outlet(REMAINING_DEFOCUS)
        self._status = self.outlet(CONTROL_STATUS)
        # Taken by callbacks of several threads.
        self._lock = threading.RLock()
        self._begin()
        self._state = RUNNING if self.value("autostart") else IDLE
        self._reason = "waiting for the first distance maps"

    def _begin(self) -> None:
        """Forget everything."""
        self._agent = make_agent(
            self.value("agent"),
            self._model,
            dynamic=self.value("mode") == "dynamic",
            max_captures=self.value("max_captures"),
        )
        self._seen: _Seen | None = None
        self._passed: deque[Observation] = deque(maxlen=_MOST_PASSED)
        self._frames_captured = 0
        self._not_before = 0
        self._window: Window | None = None
        self._remaining_share = float("nan")
        self._progress = time.monotonic()

    def start(self) -> None:
        """Begin to listen, and to act."""
        self._timeline = LensStateBuffer()
        self._watch = SettleDetector(HALF_STEP * self._model.metres_per_step)
        self._frame_maps = _Maps(DEFOCUS_MAPS)
        self._fused_maps = _Maps((*FUSED_BLUR_MAPS, SOURCE_SAMPLES))
        self._info: CameraInfo | None = None
        self._lens_busy = False
        self._state_came = self._progress = time.monotonic()
        self._leave_image: Callable[[], object] | None = None
        self._fused: StampedImage | None = None
        self._tell_status()
        for maps in (self._frame_maps, self._fused_maps):
            for index, topic in enumerate(maps.topics):
                self.inlet(topic, partial(self._take_map, maps, index))
        self.inlet(CAMERA_INFO, self._take_info, depth=1)
        self.inlet(LENS_STATE, self._take_state)
        self.inlet(AUTOFOCUS_BUSY, self._take_busy)
        self.offer(Trigger, "focus_controller/start", self._start_loop)
        self.offer(Trigger, "focus_controller/stop", self._stop_loop)
        self.offer(Trigger, "focus_controller/reset", self._reset_loop)
        self._reset_fusion = self.create_client(Trigger, "fusion/reset")
        self.every(0.25, self._look_after)

    def stop(self) -> None:
        """Take the client back."""
        client = self.__dict__.pop("_reset_fusion", None)
        if client is not None:
            self.destroy_client(client)

    # Callbacks.

    def _take_map(self, maps: _Maps, index: int, picture: StampedImage) -> None:
        with self._lock:
            maps.add(index, picture)
            self._act()

    def _take_info(self, info: CameraInfo) -> None:
        self._info = info

    def _take_state(self, state: LensState) -> None:
        with self._lock:
            self._state_came = time.monotonic()
            self._timeline.add(state)
            self._watch.observe(state)
            self._act()

    def _take_busy(self, busy: bool) -> None:
        """The autofocus takes the lens, or gives it back wherever it then is."""
        with self._lock:
            if self._lens_busy and not busy:
                self._watch.release()
                self._progress = time.monotonic()
            self._lens_busy = busy
        self._look_after()

    def _start_loop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Run; after the agent's own end, with an agent that has forgotten everything."""
        with self._lock:
            if self._state == STOPPED:
                self._begin()
            self._enter(RUNNING, "started")
        response.success, response.message = True, "the loop runs"
        return response

    def _stop_loop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Leave the lens where it is."""
        with self._lock:
            self._enter(IDLE, "switched off")
        response.success, response.message = True, "the loop is switched off"
        return response

    def _reset_loop(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Forget everything, the fused picture included, and run."""
        with self._lock:
            self._begin()
            self._not_before = system_time()
            self._enter(RUNNING, "begun anew")
        if self._reset_fusion.service_is_ready():
            self._reset_fusion.call_async(Trigger.Request())
            response.success, response.message = True, "the loop begins anew"
        else:
            response.message = "the loop begins anew, but fusion/reset is not there"
        return response

    # The loop.

    def _act(self) -> None:
        """Let the agent decide if what it needs is there; the lock is held."""
        if self._state not in (RUNNING, WAITING) or self._lens_busy:
            return
        observation = self._observation()
        if observation is None:
            self._note_passed()
            return
        self._progress = time.monotonic()
        action = self._agent.act(observation)
        self._show(observation, action)
        if action.position is not None:
            target = self._model.within_limits(action.position)
            self._watch.command(target, system_time())
            self._enter(RUNNING, action.reason)
            self._commands.publish(target)
        else:
            self._enter(STOPPED, action.reason)

    def _observation(self) -> Observation | None:
        """What the agent may act on; None if there is nothing new."""
        settled_at, info = self._watch.settled_at, self._info
        if settled_at is None or info is None:
            return None
        if self._stays_put():
            assert self._seen is not None
            return self._seen.observation
        needed = max(settled_at, self._not_before)
        stamp, fused_stamp = self._frame_maps.stamp, self._fused_maps.stamp
        if stamp is None or fused_stamp is None or min(stamp, fused_stamp) < needed:
            return None
        if self._seen is not None and stamp <= self._seen.stamp:
            return None
        passed = tuple(look for look in self._passed if look.stamp < stamp)
        observation = replace(self._look(stamp, info), passed=passed)
        self._passed.clear()
        self._seen = _Seen(observation, stamp)
        self._frames_captured += 1
        return observation

    def _look(self, stamp: int, info: CameraInfo) -> Observation:
        """What the newest maps, whose frame has that stamp, tell."""
        size = (info.width, info.height)
        gain = self._model.blur_gain(info.width)
        *fused, source_position = self._fused_maps.images
        return Observation(
            _blur(self._frame_maps.images, gain, size),
            _blur(fused, gain, size),
            source_position,
            self._timeline.position(stamp),
            stamp,
        )

    def _note_passed(self) -> None:
        """Keep what is seen while the lens is on its way, for the next decision."""
        stamp, fused_stamp = self._frame_maps.stamp, self._fused_maps.stamp
        if stamp is None or fused_stamp is None or self._info is None or self._seen is None:
            return
        settled = self._watch.settled_at is not None
        state = self._timeline.newest
        if settled or self.value("mode") == "static" or state is None or state.stamp < stamp:
            return
        newest = self._passed[-1].stamp if self._passed else self._seen.stamp
        if min(stamp, fused_stamp) > newest:
            self._passed.append(self._look(stamp, self._info))

    def _stays_put(self) -> bool:
        """Whether the last command has not moved the lens: then there is nothing new to see.

        In a static scene fusion skips a further frame at the same position, and the agent
        must be told by what it has seen already.
        """
        if self.value("mode") == "dynamic" or self._watch.target is None:
            return False
        if self._seen is None or self._watch.state is None:
            return False
        observation = self._seen.observation
        jitter = 0.25 * self._model.half_depth_of_focus(observation.frame.image_size[0])
        return abs(self._watch.state.position - observation.position) <= jitter

    def _show(self, observation: Observation, action: Action) -> None:
        in_focus = observation.fused.in_focus
        known = np.isfinite(in_focus)
        share = float((in_focus[known] < 0.5).mean()) if known.any() else float("nan")
        self._window, self._remaining_share = action.window, share
        self._remaining.publish(share)
        assert self._info is not None
        self._windows.publish(_polygon(action.window, self._info))

    def _enter(self, state: str, reason: str) -> None:
        if state == STOPPED:
            self.get_logger().info(f"stopped after {self._frames_captured} frames: {reason}")
        self._state, self._reason = state, reason
        if state == RUNNING:
            self._progress = time.monotonic()
        self._tell_status()

    def _tell_status(self) -> None:
        target = self._watch.target
        values: dict[str, object] = {
            "state": self._state,
            "frames_captured": self._frames_captured,
            "remaining_defocus": self._remaining_share,
            "agent": self.value("agent"),
            "target_m": "none" if target is None else target,
        }
        if self._seen is not None:
            window = self._window
            values |= {
                "position_m": self._seen.observation.position,
                "stamp_ns": self._seen.stamp,
                "window_px": f"{window.x} {window.y} {window.width} {window.height}"
                if window
                else "none",
            }
        level = WARN if self._state == WAITING else OK
        name = self.get_fully_qualified_name().lstrip("/")
        self._status.publish(make_status(name, self._model.name, level, self._reason, values))

    # What is late, and who looks on.

    def _look_after(self) -> None:
        with self._lock:
            if self._state in (RUNNING, WAITING):
                late = self._what_is_late()
                if late is not None and (self._state, self._reason) != (WAITING, late):
                    self.get_logger().warning(late)
                    self._enter(WAITING, late)
                elif late is None and self._state == WAITING:
                    self.diagnostics.clear()
                    self._enter(RUNNING, "goes on")
        self._draw()

    def _what_is_late(self) -> str | None:
        if self._lens_busy:
            return "the autofocus has the lens"
        now, patience = time.monotonic(), self.value("patience")
        if now - self._state_came > patience:
            return "no lens state comes: see that the lens node is active and the lens answers"
        if now - self._progress <= patience:
            return None
        if self._watch.settled_at is None:
            return "the lens does not come to rest"
        if self._info is None:
            return "no camera info comes: see that the camera node is active"
        needed = max(self._watch.settled_at, self._not_before)
        if (self._frame_maps.stamp or -1) < needed:
            return "no distance map comes: see that camera and autofocus are active"
        if (self._fused_maps.stamp or -1) < needed:
            return "no distance map of the fused picture comes: see that fusion is active"
        return None

    def diagnose(self) -> None:
        """Show the state of the loop."""
        self.diagnostics.note("state", self._state)
        self.diagnostics.note("frames captured", self._frames_captured)
        if self._state == WAITING:
            self.diagnostics.warn(self._reason)

    def _draw(self) -> None:
        """Send the overlay to whoever looks on; the fused picture is fetched only for them."""
        if not self._overlay.wanted:
            if self._leave_image is not None:
                self._leave_image()
                self._leave_image = self._fused = None
            return
        if self._leave_image is None:
            self._leave_image = self.inlet(FUSED_IMAGE, self._take_fused)
        if self._fused is not None:
            self._overlay.publish(_overlay(self._fused, self._window, self._reason))

    def _take_fused(self, picture: StampedImage) -> None:
        self._fused = picture


def _polygon(window: Window | None, info: CameraInfo) -> PolygonStamped:
    """The window as seen by a pinhole camera, 1 m before it; without points if there is none."""
    polygon = PolygonStamped(header=info.header)
    if window is None:
        return polygon
    focal_x, centre_x, focal_y, centre_y = info.k[0], info.k[2], info.k[4], info.k[5]
    right, bottom = window.x + window.width, window.y + window.height
    corners = ((window.x, window.y), (right, window.y), (right, bottom), (window.x, bottom))
    polygon.polygon.points = [
        Point32(x=(x - centre_x) / focal_x, y=(y - centre_y) / focal_y, z=1.0) for x, y in corners
    ]
    return polygon


def _overlay(picture: StampedImage, window: Window | None, text: str) -> StampedImage:
    """Draw the window and the text into a copy of the picture."""
    image = picture.image
    image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image.copy()
    if window is not None:
        corner = (window.x + window.width - 1, window.y + window.height - 1)
        cv2.rectangle(image, (window.x, window.y), corner, (255, 200, 0), 2)
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(image, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness)
    return StampedImage(image, picture.stamp, picture.frame_id)


def main() -> int:
    """Run the node."""
    return run(FocusControllerNode)


if __name__ == "__main__":
    sys.exit(main())
