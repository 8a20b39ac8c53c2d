"""Node of the autofocus: how far is each part of a picture from focus; focusing a window."""

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger

from aif_ros.autofocus.search import Decision, FocusSearch
from aif_ros.autofocus.searches import make_search
from aif_ros.defocus.defocus_map import DefocusMap
from aif_ros.defocus.estimators import make_estimator
from aif_ros.devices.device import DeviceError
from aif_ros.nodes.frame_source import FrameSource
from aif_ros.nodes.pipeline_node import Outlet, PipelineNode, run, system_time
from aif_ros.nodes.topics import (
    AUTOFOCUS_BUSY,
    CAMERA_IMAGE,
    DEFOCUS_MAPS,
    FOCUS_CURVE,
    FOCUS_WINDOW,
    FUSED_BLUR_MAPS,
    FUSED_IMAGE,
    LENS_COMMANDS,
    LENS_STATE,
    StampedImage,
)
from aif_ros.optics.breathing import remove_breathing
from aif_ros.pipeline.focus_step import check_arrival
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.pipeline.loop import usable_on_the_way
from aif_ros.pipeline.settling import HALF_STEP, SettleDetector
from aif_ros.settings.nodes import AutofocusSettings
from aif_ros.types.frame import Frame, LensState, Window
from aif_ros.types.image import Image, to_float

# A still picture at rest is looked at again this often, for those who have missed the last map.
_REPEAT = 0.5


# Continuous mode: so many blurred looks in a row start a search, ...
_BLURRED_LOOKS = 3
# ... and after one in vain the pause before the next doubles, from and up to so many seconds.
_PAUSES = (1.0, 30.0)


@dataclass
class _Run:
    """A search under way."""

    search: FocusSearch
    window: Window
    deadline: float
    outcome: "Future"
    decision: Decision | None = None


class AutofocusNode(PipelineNode):
    """Publishes distance maps of the picture and of the fused picture; focuses on demand."""

    NAME = "autofocus"
    SETTINGS = AutofocusSettings

    def open(self) -> None:
        """Load the estimator."""
        self._maps = tuple(self.outlet(topic) for topic in DEFOCUS_MAPS)
        self._fused_maps = tuple(self.outlet(topic) for topic in FUSED_BLUR_MAPS)
        self._commands = self.outlet(LENS_COMMANDS)
        self._busy = self.outlet(AUTOFOCUS_BUSY)
        self._curve = self.outlet(FOCUS_CURVE)
        self._model = self.lens_model()
        self._estimator = make_estimator(self.value("estimator"), self._model)
        self._window = Window(0, 0, 0, 0)
        self.diagnostics.hardware_id = self._model.name

        self._lock = threading.Lock()
        self._run: _Run | None = None
        self._continuous = False
        self._active = False
        # Not in `start`: what is asked of an inactive node gets an answer, and so does who still
        # waits for one while the node is deactivated.
        self._offered = (
            self.create_service(
                Trigger,
                "autofocus/focus_once",
                self._focus_once,
                # It waits for the other callbacks of this node.
                callback_group=ReentrantCallbackGroup(),
            ),
            self.create_service(SetBool, "autofocus/continuous", self._set_continuous),
        )

    def start(self) -> None:
        """Begin to look."""
        self._frames = FrameSource(
            LensStateBuffer(self.value("exposure_time"), HALF_STEP * self._model.metres_per_step),
            capacity=4,
            newest_first=True,
        )
        self._fused: StampedImage | None = None
        self._fused_came = threading.Event()
        self._watch = SettleDetector(HALF_STEP * self._model.metres_per_step)
        self._last_map: tuple[float, float] | None = None
        self._blurred_looks = 0
        self._pause = _PAUSES[0]
        self._resume_at = 0.0
        self._active = True
        self._busy.publish(False)
        self.inlet(LENS_STATE, self._take_state)
        self.inlet(CAMERA_IMAGE, self._frames.add_image, depth=1)
        self.inlet(FUSED_IMAGE, self._take_fused)
        self.inlet(FOCUS_WINDOW, self._take_window)
        self.loop(self._look)
        self.loop(self._assess_fused)

    def stop(self) -> None:
        """End a search under way."""
        self._active = False
        if self._run is not None:
            self._end_run(False, "the node is being deactivated")

    def close(self) -> None:
        """Take the services back."""
        for service in self.__dict__.pop("_offered", ()):
            self.destroy_service(service)

    # Callbacks: short.

    def _take_state(self, state: LensState) -> None:
        with self._lock:
            self._watch.observe(state)
        self._frames.add_state(state)

    def _take_fused(self, picture: StampedImage) -> None:
        self._fused = picture
        self._fused_came.set()

    def _take_window(self, window: Window) -> None:
        self._window = window

    async def _focus_once(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Focus the window; answers when the search has ended."""
        if not self._active:
            response.message = "the node is not active"
            return response
        run = self._begin_run()
        if run is None:
            response.message = "a search is under way already"
            return response
        response.success, response.message = await run.outcome
        return response

    def _set_continuous(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        """Keep the window in focus from now on, or no longer."""
        self._continuous = request.data
        response.success = True
        response.message = f"continuous autofocus is {'on' if request.data else 'off'}"
        return response

    # Distance maps.

    def _look(self) -> None:
        frame = self._frames.next(0.1)
        run = self._run
        if run is not None and time.monotonic() > run.deadline:
            self._end_run(False, f"given up after {self.value('search_timeout'):g} s")
        if frame is None or (frame.moving and not self._usable_on_the_way(frame)):
            return
        if run is not None:
            if not frame.moving:
                self._search(run, frame)
            return
        now = time.monotonic()
        if not self._continuous and self._seen_before(frame, now):
            return
        blur = self._estimator.estimate(self._reference(frame))
        self._last_map = frame.position, now
        self._publish(self._maps, blur, frame.stamp, self._frames.frame_id)
        self.diagnostics.count("distance maps")
        self.diagnostics.note("exposure to distance map s", (system_time() - frame.stamp) * 1e-9)
        if self._continuous:
            self._watch_focus(blur, now)

    def _assess_fused(self) -> None:
        if not self._fused_came.wait(0.2):
            return
        self._fused_came.clear()
        fused = self._fused
        assert fused is not None
        blur = self._estimator.estimate(to_float(fused.image))
        self._publish(self._fused_maps, blur, fused.stamp, fused.frame_id)

    def _usable_on_the_way(self, frame: Frame) -> bool:
        return self.value("mode") == "dynamic" and usable_on_the_way(frame, self._model)

    def _seen_before(self, frame: Frame, now: float) -> bool:
        if self._last_map is None or self.value("mode") == "dynamic":
            return False
        position, seen = self._last_map
        jitter = 0.25 * self._model.half_depth_of_focus(frame.size[0])
        return abs(frame.position - position) <= jitter and now - seen < _REPEAT

    def _reference(self, frame: Frame) -> Image:
        scale = self._model.breathing_scale(self._model.within_limits(frame.position))
        return remove_breathing(to_float(frame.image), scale)

    def _publish(
        self, outlets: Sequence[Outlet[StampedImage]], blur: DefocusMap, stamp: int, frame_id: str
    ) -> None:
        travel = 1.0 / self._model.blur_gain(blur.image_size[0])
        maps = blur.radius * travel, blur.uncertainty * travel, blur.in_focus, blur.contrast
        for outlet, values in zip(outlets, maps, strict=True):
            outlet.publish(StampedImage(values.astype(np.float32), stamp, frame_id))

    # Focusing a window.

    def _begin_run(self) -> _Run | None:
        search = make_search(self.value("search"), self._model)
        with self._lock:
            if self._run is not None:
                return None
            deadline = time.monotonic() + self.value("search_timeout")
            self._run = _Run(search, self._window, deadline, Future())
            # Whatever is under way must end before the first look.
            self._watch.release()
        self._busy.publish(True)
        return self._run

    def _search(self, run: _Run, frame: Frame) -> None:
        with self._lock:
            settled_at = self._watch.settled_at
        if settled_at is None or frame.stamp < settled_at:
            return
        try:
            if run.decision is not None:
                sent_to = self._model.within_limits(run.decision.position)
                check_arrival(self._model, sent_to, frame.position, frame.size[0])
                if run.decision.done:
                    self._end_run(bool(run.decision.focused), run.decision.reason)
                    return
            decision = self._decide(run, frame)
        except (ValueError, DeviceError) as error:
            self._end_run(False, str(error))
            return
        run.decision = decision
        self._curve.publish(list(run.search.looks))
        target = self._model.within_limits(decision.position)
        with self._lock:
            self._watch.command(target, system_time())
        self._commands.publish(target)

    def _decide(self, run: _Run, frame: Frame) -> Decision:
        image = self._reference(frame)
        window = run.window
        if window.width == 0 or window.height == 0:
            window = Window.centred(frame.size, self.value("window_size"))
        if run.decision is None:
            run.search.begin(frame.position, self._model.limits, frame.size[0])
        return run.search.look(window.crop(image), frame.position)

    def _end_run(self, focused: bool, reason: str) -> None:
        with self._lock:
            run, self._run = self._run, None
        assert run is not None
        self._last_map = None
        self._blurred_looks = 0
        self._pause = _PAUSES[0] if focused else min(2 * self._pause, _PAUSES[1])
        self._resume_at = time.monotonic() + self._pause
        if not focused:
            self.diagnostics.warn(reason)
        self.diagnostics.note("last search", reason)
        self._busy.publish(False)
        run.outcome.set_result((focused, reason))
        # On Jazzy nothing wakes the executor for whoever awaits the outcome.
        if self.executor is not None:
            self.executor.create_task(lambda: None)

    def _watch_focus(self, blur: DefocusMap, now: float) -> None:
        window = self._window
        if window.width == 0 or window.height == 0:
            window = Window.centred(blur.image_size, self.value("window_size"))
        cells = cv2.resize(
            window.mask(blur.image_size).astype(np.float32),
            blur.shape[::-1],
            interpolation=cv2.INTER_AREA,
        )
        known = np.isfinite(blur.in_focus)
        weight = np.where(known, cells, 0.0)
        if weight.sum() == 0.0:
            return
        in_focus = float(np.sum(np.where(known, blur.in_focus, 0.0) * weight) / weight.sum())
        self._blurred_looks = self._blurred_looks + 1 if in_focus < 0.5 else 0
        if self._blurred_looks >= _BLURRED_LOOKS and now > self._resume_at:
            self._begin_run()


def main() -> int:
    """Run the node."""
    return run(AutofocusNode)


if __name__ == "__main__":
    sys.exit(main())
