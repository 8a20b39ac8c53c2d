"""How long lens backends take from a command to the motor, over simulated devices.

Measured from the call of `move_to` to the byte or request that starts the simulated motor: what the
backend, its protocol and this computer add to the reaction of a real device. A serial line adds the
time of its bits (at 9600 baud 1 ms a character, at 115200 baud 0.09 ms). INDI: through a real
`indiserver` to a driver that starts a simulated motor. Micro-Manager: until its demonstration
stage, which moves at once, has taken the position.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from aif_ros.devices.alpaca import AlpacaLens
from aif_ros.devices.clock import SystemClock
from aif_ros.devices.gcode import GrblLens, MarlinLens
from aif_ros.devices.indi import IndiLens
from aif_ros.devices.indi_client import IndiAddress, IndiClient
from aif_ros.devices.micro_manager import DEMO, MicroManagerStage, StageSettings
from aif_ros.devices.moonlite import MoonliteLens, MoonliteSettings
from aif_ros.devices.motor_lens import MotorLens
from aif_ros.devices.optotune import OptotuneLens
from aif_ros.devices.simulators.alpaca import SimulatedAlpaca
from aif_ros.devices.simulators.gcode import SimulatedGrbl, SimulatedMarlin
from aif_ros.devices.simulators.indi import indi_server
from aif_ros.devices.simulators.moonlite import SimulatedMoonlite
from aif_ros.devices.simulators.motor import SimulatedMotor
from aif_ros.devices.simulators.optotune import SimulatedOptotune
from aif_ros.devices.simulators.serial_line import SerialDevice, SerialSimulator

BACKENDS = ("moonlite", "optotune", "grbl", "marlin", "alpaca", "indi", "micro_manager")
"""Backends of which there is a simulated device. There is none for V4L2: it is a kernel driver."""

_SETTLE_TIMEOUT = 10.0
"""Seconds that a simulated move may take on a busy computer; it takes a tenth of one."""


class _TimedMotor(SimulatedMotor):
    """A motor that notes when its last move began."""

    begun = 0.0

    def move(self, target: float) -> None:
        self.begun = time.monotonic()
        super().move(target)


class _TimedOptotune(SimulatedOptotune):
    """A lens driver that notes when its focal power has changed last."""

    begun = 0.0

    def receive(self, byte: bytes) -> bytes:
        before = self.focal_power
        reply = super().receive(byte)
        if self.focal_power != before:
            self.begun = time.monotonic()
        return reply


class _TimedStage(MicroManagerStage):
    """A stage that notes when it has taken its last position."""

    begun = 0.0

    def _command(self, target: float) -> None:
        super()._command(target)
        self.begun = time.monotonic()


def reaction_times(name: str, commands: int, rng: np.random.Generator) -> list[float]:
    """Return the time from command to motion, milliseconds, of each of so many moves.

    Args:
        name: of the backend, see `BACKENDS`.
        commands: number of moves, each to a random position, from rest.
        rng: picks the positions.
    """
    times = []
    with _opened(name) as (lens, begun):
        low, high = lens.limits
        for share in rng.uniform(0.1, 0.9, commands):
            _wait(lens)
            called = time.monotonic()
            lens.move_to(low + share * (high - low))
            _wait(lens)
            deadline = called + _SETTLE_TIMEOUT
            while begun() < called and time.monotonic() < deadline:
                time.sleep(0.002)  # the report of another process has not come yet
            times.append((begun() - called) * 1e3)
    return times


_Opened = tuple[MotorLens, Callable[[], float]]
"""A simulated lens, and what returns the time at which its last move began, monotonic seconds."""


@contextmanager
def _opened(name: str) -> Iterator[_Opened]:
    """Open a simulated lens."""
    openers = {"alpaca": _open_alpaca, "indi": _open_indi, "micro_manager": _open_micro_manager}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aif_")))
        lens, begun = openers.get(name, partial(_open_serial, name))(stack, folder)
        stack.callback(lens.close)
        yield lens, begun


def _open_alpaca(stack: ExitStack, folder: Path) -> _Opened:
    motor = _TimedMotor(position=1000, speed=200_000.0)
    server = stack.enter_context(SimulatedAlpaca(motor))
    return AlpacaLens(server.address, SystemClock()), lambda: motor.begun


def _open_serial(name: str, stack: ExitStack, folder: Path) -> _Opened:
    device, timed = _serial_device(name)
    path, clock = str(folder / name), SystemClock()
    stack.enter_context(SerialSimulator(device, path))
    if name == "moonlite":
        return MoonliteLens(path, clock, MoonliteSettings(high=8000)), lambda: timed.begun
    kinds = {"optotune": OptotuneLens, "grbl": GrblLens, "marlin": MarlinLens}
    return kinds[name](path, clock), lambda: timed.begun


def _open_indi(stack: ExitStack, folder: Path) -> _Opened:
    address = stack.enter_context(indi_server(folder))
    observer = IndiClient(IndiAddress.parse(address), "observer")
    stack.callback(observer.close)
    lens = IndiLens(address, SystemClock())
    # The end of a move is reported by both connections, the beginning before it.
    return lens, lambda: float(observer.vector("MOTION").values["BEGUN"])


def _open_micro_manager(stack: ExitStack, folder: Path) -> _Opened:
    stage = _TimedStage(DEMO, SystemClock(), StageSettings(low=-50, high=50))
    return stage, lambda: stage.begun


def _serial_device(name: str) -> tuple[SerialDevice, Any]:
    """Return a simulated device, and what notes when it moves."""
    if name == "optotune":
        timed = _TimedOptotune()
        return timed, timed
    makers: dict[str, tuple[Callable[[SimulatedMotor], SerialDevice], _TimedMotor]] = {
        "moonlite": (SimulatedMoonlite, _TimedMotor(position=1000, speed=200_000.0)),
        "grbl": (SimulatedGrbl, _TimedMotor(position=-5.0, speed=200.0)),
        "marlin": (SimulatedMarlin, _TimedMotor(position=5.0, speed=200.0)),
    }
    make, motor = makers[name]
    return make(motor), motor


def _wait(lens: MotorLens) -> None:
    deadline = time.monotonic() + _SETTLE_TIMEOUT
    while lens.state().moving and time.monotonic() < deadline:
        time.sleep(0.002)
