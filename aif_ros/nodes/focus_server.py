"""The focus searches of the autofocus node: lens commands and outcome."""

import threading
import time
from collections import deque
from dataclasses import dataclass

from rclpy.task import Future

from aif_ros.autofocus.searches import make_search
from aif_ros.devices.device import DeviceError
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topics import AUTOFOCUS_BUSY, FOCUS_CURVE, LENS_COMMANDS
from aif_ros.nodes.watchdog import NO_LENS_STATE
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.focus_step import FocusOptions, FocusStep
from aif_ros.pipeline.focus_watch import FocusWatch
from aif_ros.pipeline.settling import MESSAGE_REACTION
from aif_ros.types.frame import Frame, LensState, Window

# Seconds without a lens state that end a search: longer than a busy computer delays messages.
_SILENCE = 3.0


@dataclass(frozen=True)
class Search:
    """A search in progress."""

    step: FocusStep
    deadline: float
    outcome: "Future"


class FocusServer:
    """Runs one search at a time, on demand or, in continuous mode, when the window is blurred.

    Args:
        node: whose topics these are. To be made in its `open`.
        lens_model: of the lens.
    """

    def __init__(self, node: PipelineNode, lens_model: LensModel) -> None:
        self._node = node
        self._calibrated = self._lens_model = lens_model
        self._commands = node.publisher(LENS_COMMANDS)
        self._busy = node.publisher(AUTOFOCUS_BUSY)
        self._curve = node.publisher(FOCUS_CURVE)
        self._states: deque[LensState] = deque(maxlen=1000)
        self._state_came = node.listening()
        self._abort: str | None = None
        self._beginning = threading.Lock()
        self._search: Search | None = None
        self.active = False
        """Whether searches are accepted."""
        self.window = Window(0, 0, 0, 0)
        """Pixels to focus on; of size 0: a square at the centre."""
        self.continuous = False
        """Whether the window is kept in focus."""

    @property
    def searching(self) -> bool:
        """Whether a search is in progress."""
        return self._search is not None

    def start(self) -> None:
        """Accept searches."""
        self._watch = FocusWatch(self._lens_model)
        self.active = True
        self._busy.publish(False)

    def stop(self) -> None:
        """End the search in progress; accept no more."""
        self.active = False
        if self._search is not None:
            self._end(False, "the node is being deactivated")

    def observe(self, state: LensState) -> None:
        """Add a lens state; from any thread."""
        self._state_came = self._node.listening()
        if self._search is not None:
            self._states.append(state)

    def cancel(self) -> bool:
        """End the search in progress; returns whether there is one; from any thread."""
        if self._search is None:
            return False
        self._abort = "cancelled"
        return True

    def fault(self, text: str) -> None:
        """Note the fault that the lens node reports; from any thread. Empty: none."""
        if text:
            self._abort = text

    def keep_to(self, limits: tuple[float, float]) -> None:
        """Keep to the limits of the lens, metres, from the next search on; from any thread."""
        self._lens_model = self._calibrated.narrowed(limits)

    def advance(self, frame: Frame | None) -> None:
        """Continue the search in progress, with a new frame or without; called by a worker."""
        search = self._search
        if search is None:
            return
        while self._states:
            search.step.observe(self._states.popleft())
        failure = self._failure(search)
        if failure is not None:
            self._end(False, failure)
            return
        try:
            target = search.step.advance(frame)
        except (ValueError, DeviceError) as error:
            self._end(False, str(error))
            return
        if target is not None:
            search.step.commanded(target, self._node.now())
            self._commands.publish(target)
        elif search.step.run is not None:
            run = search.step.run
            self._end(run.focused, f"{run.reason}; {run.doubt}" if run.doubt else run.reason)

    def _failure(self, search: Search) -> str | None:
        """Return why the search must end now; None: it continues."""
        if self._abort is not None:
            return self._abort
        if time.monotonic() > search.deadline:
            return f"given up after {self._node.value('search_timeout'):g} s"
        if self._node.listening() - self._state_came > _SILENCE:
            return NO_LENS_STATE
        return None

    def watch(self, maps: DefocusMaps, image_size: tuple[int, int]) -> None:
        """In continuous mode, begin a search if the window is blurred."""
        if self.continuous:
            window = self._window_in(image_size)
            if self._watch.needs_search(maps, window, image_size, time.monotonic()):
                self.begin()

    def _window_in(self, image_size: tuple[int, int]) -> Window:
        return self._chosen or Window.centred(image_size, self._node.value("window_size"))

    @property
    def _chosen(self) -> Window | None:
        return self.window if self.window.width and self.window.height else None

    def begin(self) -> Search | None:
        """Begin a search; None if one is in progress."""
        method = make_search(
            self._node.value("search"), self._lens_model, self._node.value("device")
        )
        step = FocusStep(
            method,
            self._lens_model,
            self._chosen,
            FocusOptions(
                window_size=self._node.value("window_size"),
                bits_per_sample=self._node.value("bits_per_sample"),
                recorded=self._node.value("camera_backend") == "stack",
            ),
            reaction_timeout=MESSAGE_REACTION,
            on_frame=lambda frame: self._curve.publish(list(method.measurements)),
        )
        # A move in progress must end before the first frame of the search is exposed.
        step.release()
        with self._beginning:
            if self._search is not None:
                return None
            self._states.clear()
            self._abort, self._state_came = None, self._node.listening()
            deadline = time.monotonic() + self._node.value("search_timeout")
            search = Search(step, deadline, Future())
            # Before a worker can take it up, end it and publish that.
            self._busy.publish(True)
            self._search = search
        return search

    def _end(self, focused: bool, reason: str) -> None:
        search, self._search = self._search, None
        assert search is not None
        self._watch.ended(focused, time.monotonic())
        if not focused:
            self._node.diagnostics.warn(reason)
        self._node.diagnostics.note("last search", reason)
        self._busy.publish(False)
        search.outcome.set_result((focused, reason))
        # On Jazzy nothing else wakes the executor for the service that awaits the outcome.
        if self._node.executor is not None:
            self._node.executor.create_task(lambda: None)
