"""Focus controller node: chooses the next lens position from the defocus maps, or stops."""

import sys
import threading
from collections.abc import Callable
from functools import partial

from sensor_msgs.msg import CameraInfo

from aif_ros.control.agent import Agent
from aif_ros.control.agents import make_agent
from aif_ros.nodes.command_repeater import CommandRepeater
from aif_ros.nodes.image_reports import subscribe_image_reports
from aif_ros.nodes.loop_node import LoopNode
from aif_ros.nodes.loop_services import offer_loop_services, restart_with_fusion
from aif_ros.nodes.loop_state import IDLE, RUNNING, LoopState
from aif_ros.nodes.loop_status import LoopStatus
from aif_ros.nodes.main import run
from aif_ros.nodes.topic import StampedMaps
from aif_ros.nodes.topics import (
    AUTOFOCUS_BUSY,
    CAMERA_INFO,
    DEFOCUS_MAPS,
    FUSED_DEFOCUS_MAPS,
    LENS_COMMANDS,
    LENS_FAULT,
    LENS_LIMITS,
)
from aif_ros.nodes.watchdog import CHECK_PERIOD, Watchdog
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.control_step import ControlStep
from aif_ros.pipeline.settling import MESSAGE_REACTION
from aif_ros.settings.nodes import FocusControllerSettings
from aif_ros.types.frame import LensState
from aif_ros.types.wording import counted


class FocusControllerNode(LoopNode):
    """Runs `ControlStep` on the defocus maps and moves the lens."""

    NAME = "focus_controller"
    SETTINGS = FocusControllerSettings

    def open(self) -> None:
        """Make the agent."""
        self._calibrated = self._model = self.lens_model()
        self.diagnostics.hardware_id = self._model.name
        self._commands = self.publisher(LENS_COMMANDS)
        self.lock = threading.RLock()
        self._step = self._new_step()
        state = RUNNING if self.value("autostart") else IDLE
        first = LoopState(state, "waiting for distance maps", self.value("agent"))
        self._status = LoopStatus(self, first, self._model.name)

    def start(self) -> None:
        """Subscribe and act."""
        self._watchdog = Watchdog(self.listening)
        self._repeater = CommandRepeater()
        self._status.start()
        self.subscribe(DEFOCUS_MAPS, partial(self._take_maps, self._step.add_frame_maps))
        self.subscribe(FUSED_DEFOCUS_MAPS, partial(self._take_maps, self._step.add_fused_maps))
        self.subscribe(CAMERA_INFO, self._take_info, depth=1)
        self.lens_states(self._take_state, self._model.position_resolution)
        self.subscribe(LENS_FAULT, self._take_fault)
        self.subscribe(LENS_LIMITS, self._take_limits)
        self.subscribe(AUTOFOCUS_BUSY, self._take_busy)
        subscribe_image_reports(self, self._status, lambda: self._step.target)
        offer_loop_services(self)
        restart_with_fusion(self)
        self.every(CHECK_PERIOD, self._check)

    def diagnose(self) -> None:
        """Show the state of the loop, and a lens that ignores commands."""
        self._status.diagnose(self._step.ignored, self._step.target)

    def stop(self) -> None:
        """Discard all data: a controller that is activated again waits for new ones."""
        self._status.overlay.stop()
        self._step = self._new_step()

    def _new_step(self) -> ControlStep:
        return ControlStep(
            self._new_agent(),
            self._model,
            dynamic=self.in_dynamic_mode,
            reaction_timeout=MESSAGE_REACTION,
        )

    def _new_agent(self) -> Agent:
        captures, device = self.value("max_captures"), self.value("device")
        settings = {"dynamic": self.in_dynamic_mode, "max_captures": captures, "device": device}
        return make_agent(self.value("agent"), self._model, **settings)

    def _take_maps(self, add: Callable[[DefocusMaps], None], stamped: StampedMaps) -> None:
        with self.lock:
            add(stamped.maps)
            self._act()

    def _take_info(self, info: CameraInfo) -> None:
        with self.lock:
            self._status.take_info(info)
            self._step.image_size = info.width, info.height
            self._act()

    def _take_state(self, state: LensState) -> None:
        with self.lock:
            self._watchdog.state_came()
            self._step.observe(state)
            self._act()

    def _take_fault(self, fault: str) -> None:
        """Repeat the last command to a lens that was restarted or has recovered from a fault."""
        with self.lock:
            self._watchdog.take_fault(fault)
            returned, target = self._repeater.take_fault(fault), self._step.target
            if returned and self._commands_lens and target is not None:
                self._step.commanded(target, self.now())
                self._repeater.begin()

    def _take_limits(self, limits: tuple[float, float]) -> None:
        """Keep to the limits of the lens, with a new agent where they are others than before."""
        model = self._calibrated.narrowed(limits)
        with self.lock:
            if model.limits != self._model.limits:
                self._model = self._step.lens_model = model
                self._step.begin(self._new_agent())

    @property
    def _commands_lens(self) -> bool:
        return self._status.runs and not self._watchdog.lens_busy

    def _take_busy(self, busy: bool) -> None:
        """The autofocus takes the lens, or returns it wherever it then is."""
        with self.lock:
            if self._watchdog.lens_busy and not busy:
                self._step.release()
                self._watchdog.progress()
            self._watchdog.lens_busy = busy
        self._check()

    def _act(self) -> None:
        """Decide if everything is there, and move the lens; the lock is held."""
        step = self._step
        if not self._commands_lens or (action := step.decide()) is None:
            return
        assert step.last is not None
        self._watchdog.progress()
        now = self.now()
        self._status.decided(step.decisions, now, step.last, action, step.frames)
        if action.position is None:
            self.get_logger().info(
                f"stopped after {counted(step.frames, 'frame')}: {action.reason}"
            )
            self._status.end(action.reason, step.target)
        else:
            step.commanded(action.position, now)
            self.enter(RUNNING, action.reason)
            self._commands.publish(action.position)

    def enter(self, state: str, reason: str) -> None:
        """Enter a state of the loop; the lock is held."""
        if state == RUNNING:
            self._watchdog.progress()
        self._status.enter(state, reason, self._step.target)

    def _check(self) -> None:
        """Find out what is late, and draw the overlay."""
        with self.lock:
            missing, patience = self._step.missing, self.value("patience")
            change = self._watchdog.change(self.state, missing, patience)
            if change is not None:
                self.enter(*change)
            due = self._repeater.is_due(self._commands_lens, missing)
            if due and (target := self._step.target) is not None:
                self._commands.publish(target)
        self._status.draw()

    @property
    def state(self) -> LoopState:
        """State of the loop."""
        return self._status.state

    def begin(self, not_before: int = 0) -> None:
        """Forget all but what is exposed from `not_before` on; the lock is held."""
        self._step.dynamic = self.in_dynamic_mode
        self._step.begin(self._new_agent(), not_before=not_before)
        self._status.begin(LoopState(RUNNING, "started", self.value("agent")))


def main() -> int:
    """Run the node."""
    return run(FocusControllerNode)


if __name__ == "__main__":
    sys.exit(main())
