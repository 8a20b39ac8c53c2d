"""Focus controller node: chooses the next lens position from the defocus maps, or stops."""

import sys
import threading
import time
from collections.abc import Callable
from functools import partial

from sensor_msgs.msg import CameraInfo
from std_srvs.srv import Trigger

from aif_ros.control.agent import Agent
from aif_ros.control.agents import make_agent
from aif_ros.nodes.loop_state import IDLE, RUNNING, STOPPED, LoopState
from aif_ros.nodes.loop_status import LoopStatus
from aif_ros.nodes.main import run
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topics import (
    AUTOFOCUS_BUSY,
    CAMERA_INFO,
    DEFOCUS_MAPS,
    FUSED_DEFOCUS_MAPS,
    FUSION_EPOCH,
    LENS_COMMANDS,
    LENS_FAULT,
    StampedMaps,
)
from aif_ros.nodes.watchdog import Watchdog
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.control_step import ControlStep, Missing
from aif_ros.pipeline.settling import MESSAGE_REACTION
from aif_ros.settings.nodes import FocusControllerSettings
from aif_ros.types.frame import LensState

# Commands in a row that a lens may ignore: it may be where it can go already.
_IGNORED = 3
# Seconds for which the last command is repeated to a lens that has returned: its node may not have
# been discovered yet. Less than a lens has to react (`MESSAGE_REACTION`).
_SEND_AGAIN = 1.5
# Seconds between two checks of what is late.
_CHECK = 0.25


class FocusControllerNode(PipelineNode):
    """Runs `ControlStep` on the defocus maps and moves the lens."""

    NAME = "focus_controller"
    SETTINGS = FocusControllerSettings

    def open(self) -> None:
        """Make the agent."""
        self._model = self.lens_model()
        self.diagnostics.hardware_id = self._model.name
        self._commands = self.outlet(LENS_COMMANDS)
        # Held by callbacks, which run in several threads where nodes share a process.
        self._lock = threading.RLock()
        self._step = self._new_step()
        state = RUNNING if self.value("autostart") else IDLE
        first = LoopState(state, "waiting for distance maps", self.value("agent"))
        self._status = LoopStatus(self, first, self._model.name)

    def start(self) -> None:
        """Subscribe and act."""
        self._info: CameraInfo | None = None
        self._epoch: int | None = None
        self._watchdog = Watchdog()
        self._status.publish()
        self.inlet(DEFOCUS_MAPS, partial(self._take_maps, self._step.add_frame_maps))
        self.inlet(FUSED_DEFOCUS_MAPS, partial(self._take_maps, self._step.add_fused_maps))
        self.inlet(FUSION_EPOCH, self._take_epoch)
        self.inlet(CAMERA_INFO, self._take_info, depth=1)
        self.lens_states(self._take_state, self._model.position_resolution)
        self._lens_heard = False
        self._send_again_until = 0.0
        self.inlet(LENS_FAULT, self._take_fault)
        self.inlet(AUTOFOCUS_BUSY, self._take_busy)
        self.trigger("focus_controller/start", self._start_loop)
        self.trigger("focus_controller/stop", self._stop_loop)
        self.trigger("focus_controller/reset", self._reset_loop)
        self._reset_fusion = self.client(Trigger, "fusion/reset")
        self.every(_CHECK, self._check)

    def diagnose(self) -> None:
        """Show the state of the loop, and a lens that does not obey."""
        self._status.diagnose()
        ignored, target = self._step.ignored, self._step.target
        if ignored < _IGNORED or target is None:
            self.diagnostics.clear("lens")
            return
        text = f"the lens has ignored {ignored} commands in a row, the last to {target:g} m"
        self.diagnostics.error(text, "lens")

    def stop(self) -> None:
        """Discard all data: a controller that is activated again waits for new ones."""
        self._status.overlay.stop()
        self._step = self._new_step()

    def _new_step(self) -> ControlStep:
        agent, dynamic = self._new_agent(), self.value("mode") == "dynamic"
        return ControlStep(agent, self._model, dynamic=dynamic, reaction_timeout=MESSAGE_REACTION)

    def _new_agent(self) -> Agent:
        return make_agent(
            self.value("agent"),
            self._model,
            dynamic=self.value("mode") == "dynamic",
            max_captures=self.value("max_captures"),
            device=self.value("device"),
        )

    def _take_maps(self, add: Callable[[DefocusMaps], None], stamped: StampedMaps) -> None:
        with self._lock:
            add(stamped.maps)
            self._act()

    def _take_info(self, info: CameraInfo) -> None:
        with self._lock:
            self._info = info
            self._step.image_size = info.width, info.height

    def _take_state(self, state: LensState) -> None:
        with self._lock:
            self._watchdog.state_came()
            self._step.observe(state)
            self._act()

    def _take_epoch(self, epoch: int) -> None:
        """Begin anew where J does: what has been captured for the old one is not in it."""
        with self._lock:
            before, self._epoch = self._epoch, epoch
            if before in (None, epoch):
                return
            state = IDLE if self._status.state.state == IDLE else RUNNING
            self._begin(not_before=epoch)
            self._enter(state, "a new fused image was begun")

    def _take_fault(self, fault: str) -> None:
        """Send the last command again to a lens that was started again, or is well again."""
        with self._lock:
            self._watchdog.take_fault(fault)
            returned = self._lens_heard and not fault
            self._lens_heard = True
            if returned and self._commands_lens and self._step.target is not None:
                self._step.commanded(self._step.target, self.now())
                self._send_again_until = time.monotonic() + _SEND_AGAIN

    @property
    def _commands_lens(self) -> bool:
        return self._status.runs and not self._watchdog.lens_busy

    def _take_busy(self, busy: bool) -> None:
        """The autofocus takes the lens, or returns it wherever it then is."""
        with self._lock:
            if self._watchdog.lens_busy and not busy:
                self._step.release()
                self._watchdog.progress()
            self._watchdog.lens_busy = busy
        self._check()

    def _act(self) -> None:
        """Decide if everything is there, and move the lens; the lock is held."""
        if not self._status.runs or self._watchdog.lens_busy:
            return
        step = self._step
        if (action := step.decide()) is None:
            return
        assert step.last is not None and self._info is not None
        self._watchdog.progress()
        self._status.decided(step.decisions, step.last, action, step.frames, self._info)
        if action.position is None:
            self.get_logger().info(f"stopped after {step.frames} frames: {action.reason}")
            self._enter(STOPPED, action.reason)
        else:
            step.commanded(action.position, self.now())
            self._enter(RUNNING, action.reason)
            self._commands.publish(action.position)

    def _enter(self, state: str, reason: str) -> None:
        if state == RUNNING:
            self._watchdog.progress()
        self._status.enter(state, reason, self._step.target)

    def _check(self) -> None:
        """Find out what is late, and draw the overlay."""
        with self._lock:
            missing, patience = self._step.missing, self.value("patience")
            change = self._watchdog.change(self._status.state, missing, patience)
            if change is not None:
                self._enter(*change)
            self._send_again()
        self._status.draw()

    def _send_again(self) -> None:
        """Repeat the last command to a lens that has returned, until it moves or has arrived."""
        target = self._step.target
        if target is None or time.monotonic() > self._send_again_until:
            return
        if self._commands_lens and self._step.missing is Missing.SETTLED_LENS:
            self._commands.publish(target)
        else:
            self._send_again_until = 0.0

    def _begin(self, not_before: int = 0) -> None:
        """Forget everything."""
        self._step.dynamic = self.value("mode") == "dynamic"
        self._step.begin(self._new_agent(), not_before=not_before)
        self._status.begin(LoopState(RUNNING, "started", self.value("agent")), self._info)

    def _start_loop(self) -> tuple[bool, str]:
        """Run; after the agent has stopped, with an agent that has forgotten everything."""
        with self._lock:
            if self._status.state.state == STOPPED:
                self._begin()
            self._enter(RUNNING, "started")
        return True, "the loop runs"

    def _stop_loop(self) -> tuple[bool, str]:
        """Leave the lens where it is."""
        with self._lock:
            self._enter(IDLE, "switched off")
        return True, "the loop is switched off"

    def _reset_loop(self) -> tuple[bool, str]:
        """Forget everything, J included, and run."""
        with self._lock:
            self._begin(not_before=self.now())
            self._enter(RUNNING, "begun anew")
        if not self._reset_fusion.service_is_ready():
            return False, "the loop begins anew, but fusion/reset is not there"
        self._reset_fusion.call_async(Trigger.Request())
        return True, "the loop begins anew"


def main() -> int:
    """Run the node."""
    return run(FocusControllerNode)


if __name__ == "__main__":
    sys.exit(main())
