"""Node of a lens with motorised focus."""

import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

from std_msgs.msg import Float64MultiArray
from std_srvs.srv import SetBool

from aif_ros.devices.device import DeviceError, FocusLens
from aif_ros.nodes.idleness import Rate
from aif_ros.nodes.joint_states import to_joint_state
from aif_ros.nodes.lens_commands import objection
from aif_ros.nodes.main import run
from aif_ros.nodes.node_clock import NodeClock
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.real_lens import open_real_lens
from aif_ros.nodes.topics import LENS_COMMANDS, LENS_FAULT, LENS_LIMITS, LENS_STATE
from aif_ros.settings.nodes import REAL_LENSES, LensSettings
from aif_ros.simulation.open_subject import open_stack
from aif_ros.simulation.simulated_lens import SimulatedLens, open_simulated_lens
from aif_ros.types.frame import LensState

# Lens states per second below which the loop is slow because of them; half of `state_rate` where
# that is less.
_FEWEST_STATES = 5.0


class LensNode(PipelineNode):
    """Moves the lens as commanded and publishes its state."""

    NAME = "lens"
    SETTINGS = LensSettings

    def open(self) -> None:
        """Open the lens; commands that come before activation are refused with a warning."""
        encode = partial(to_joint_state, joint=self.value("lens_joint"))
        self._states = self.publisher(replace(LENS_STATE, encode=encode))
        self._faults_of_lens = self.publisher(LENS_FAULT)
        self._limits = self.publisher(LENS_LIMITS)
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._commanded_at: int | None = None
        self._fault = ""
        self._moving = False
        self._due = 0.0
        self._simulated: SimulatedLens | None = None
        self._lens = self._open_lens()
        self._commands = self.create_subscription(
            LENS_COMMANDS.message_type,
            LENS_COMMANDS.name,
            cast(Any, self._command),  # rclpy's types lack callbacks with message info
            LENS_COMMANDS.subscription_qos(1),
        )

    def _open_lens(self) -> FocusLens:
        backend, source = self.value("lens_backend"), self.value("lens_source")
        if backend in REAL_LENSES:
            uri = self.diagnostics.hardware_id = f"{backend}:{source}"
            calibration = self.lens_model() if self.value("calibration") else None
            return open_real_lens(uri, self, NodeClock(self), calibration)
        lens_model = self.lens_model()
        rests: Sequence[float] | None = None
        if backend == "stack":
            opened = open_stack(source, lens_model if self.value("calibration") else None)
            lens_model, rests = opened.lens_model, opened.rests
        self.diagnostics.hardware_id = lens_model.name
        self._simulated, lens = open_simulated_lens(
            lens_model,
            NodeClock(self),
            rests=rests,
            speed=self.value("lens_speed"),
            settling_time=self.value("settling_time"),
        )
        return lens

    def start(self) -> None:
        """Begin to publish states."""
        self._faults_of_lens.publish(self._fault)
        self._limits.publish(self._lens.limits)
        self._rate = Rate()
        self.loop(self._report)
        if self._simulated is not None:
            self.offer(SetBool, "lens/stall", self._stall)

    def diagnose(self) -> None:
        """Report a lens that is read too seldom."""
        if (rate := self._rate.per_second) is None:
            return
        self.diagnostics.note("lens states per second", rate)
        if rate < min(_FEWEST_STATES, 0.5 * self.value("state_rate")):
            text = f"only {rate:.2g} lens states per second: every frame waits for one"
            self.diagnostics.warn(text, "rate")
        else:
            self.diagnostics.clear("rate")

    def close(self) -> None:
        """Close the lens."""
        if (commands := self.__dict__.pop("_commands", None)) is not None:
            self.destroy_subscription(commands)
        if (lens := self.__dict__.pop("_lens", None)) is not None:
            lens.close()

    def _report(self) -> None:
        state = self._read()
        if state is None:
            self.workers.pause(0.05)
            return
        period = 1.0 / self.value("state_rate")
        now = time.monotonic()
        if now >= self._due or state.moving != self._moving:
            # Beginning and end of a move are published at once: other nodes wait for them.
            self._due, self._moving = now + period, state.moving
            self._note(state)
            self._rate.count()
            self._states.publish(state)
        self._wake.wait(0.2 * period if state.moving else self._due - now)
        self._wake.clear()

    def _read(self) -> LensState | None:
        """Return the state of the lens; None while it does not answer."""
        try:
            with self._lock:
                state = self._lens.state()
        except DeviceError as fault:
            self._set_fault(str(fault))
            self.diagnostics.error(self._fault)
            return None
        if self._fault:
            self._set_fault("")
            self.diagnostics.clear()
        return state

    def _set_fault(self, fault: str) -> None:
        if fault == self._fault:
            return
        self._fault = fault
        self._faults_of_lens.publish(fault)
        if fault:
            self.get_logger().error(fault)
        else:
            self.get_logger().info("the lens answers again")

    def _note(self, state: LensState) -> None:
        self.diagnostics.note("position_m", state.position)
        if self._commanded_at is not None and not state.moving:
            self.diagnostics.note("last move took s", (state.stamp - self._commanded_at) * 1e-9)
            self._commanded_at = None

    def _command(self, message: Float64MultiArray, info: Mapping[str, Any]) -> None:
        age = (time.time_ns() - info["source_timestamp"]) * 1e-9
        try:
            timeout, limits = self.value("command_timeout"), self._lens.limits
            inactive = None if self._states.active else "the node is not active"
            refused = inactive or objection(message.data, age, timeout, limits)
            if refused is None:
                with self._lock:
                    self._lens.move_to(message.data[0])
                self._commanded_at = self.now()
                self._wake.set()
        except (ValueError, DeviceError) as error:
            refused = str(error)
        if refused is not None:
            self._refuse(refused)

    def _refuse(self, reason: str) -> None:
        text = f"command refused, the lens stays: {reason}"
        self.get_logger().warning(text, throttle_duration_sec=1.0, skip_first=False)
        self.diagnostics.count("refused commands", total=True)
        self.diagnostics.warn(text)

    def _stall(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Block or free the simulated lens."""
        assert self._simulated is not None
        change = self._simulated.stall if request.data else self._simulated.unstall
        with self._lock:
            change()
        response.success = True
        response.message = "the lens is blocked" if request.data else "the lens is free"
        return response


def main() -> int:
    """Run the node."""
    return run(LensNode)


if __name__ == "__main__":
    sys.exit(main())
