"""Base class of the lenses that are driven over a protocol and count in a unit of their own.

A backend implements short methods (`_connect`, `_read`, `_command`, `_halt`, `_disconnect`) in the
unit of its device. The base class does what all of them need: conversion to metres of travel,
limits, settling and stall detection (`MoveMonitor`), and reconnection after the device was
unplugged.
"""

import contextlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal, TypeVar

from aif_ros.devices.clock import Clock
from aif_ros.devices.connection import Connection
from aif_ros.devices.device import DeviceError
from aif_ros.devices.motor_axis import Axis, Reading
from aif_ros.devices.motor_settings import MotorSettings
from aif_ros.devices.move_monitor import MoveMonitor, WrongDirectionError
from aif_ros.devices.travel_limits import CALIBRATION, DEVICE, URI, Source, TravelLimits
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.frame import LensState
from aif_ros.types.units import position_within

T = TypeVar("T")

SAME_SCALE = 0.01
"""Share by which two travels of a step may differ: more than the rounding of what users type."""


class MotorLens(ABC):
    """A `FocusLens` on a device that counts in a unit of its own.

    The subclass calls `super().__init__` last: it connects.

    Args:
        label: of the device in messages, such as "Moonlite focuser at /dev/ttyUSB0".
        clock: source of the stamps.
        settings: scale, limits and times.
        limits: lowest and highest position, metres, for instance of the lens calibration; the lens
            never leaves the intersection of these, those of the settings, and those of the device.

    Raises:
        DeviceError: the device does not answer, or the limits are unknown or empty.
    """

    finishes_moves: ClassVar[bool] = False
    """Whether the device may finish a move before it starts the next one; it cannot be seen then
    whether it moves the wrong way."""

    reports_limits: ClassVar[bool] = True
    """Whether its limits as a device are those of the lens, and not only what its protocol can
    express."""

    unit: str = "steps"
    """Unit of the device, for people."""

    higher_unit_is_nearer: ClassVar[bool] = False
    """Whether the unit of the device is defined so that higher values focus nearer objects; steps
    of a motor are not."""

    def __init__(
        self,
        label: str,
        clock: Clock,
        settings: MotorSettings,
        *,
        limits: tuple[float, float] | None = None,
    ) -> None:
        self.label = label
        self._clock = clock
        self._settings = settings
        self._lock = threading.RLock()
        self._closed = False
        self._connection = Connection(self._connect, self._disconnect)
        self._move = MoveMonitor(
            label,
            settings.metres_per_unit,
            settings.stall_timeout,
            checks_direction=not self.finishes_moves,
        )
        try:
            self._axis = self._connection.use(lambda axis: axis)
            self.travel = self._intersection(limits)
            """Limits of the motor."""
        except DeviceError:
            self.close()
            raise

    # What a backend implements, in the unit of its device.

    @abstractmethod
    def _connect(self) -> Axis:
        """Open the connection, also to reconnect, and return a new `Axis` of the device."""

    @abstractmethod
    def _read(self) -> Reading:
        """Ask whether the device moves and *then* where it is."""

    @abstractmethod
    def _command(self, target: float) -> None:
        """Start a move to `target`, replacing an unfinished one, and return."""

    @abstractmethod
    def _halt(self) -> None:
        """Stop the motor."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Close the connection; called at any time, also twice."""

    # `FocusLens`.

    @property
    def limits(self) -> tuple[float, float]:
        """Lowest and highest position, metres."""
        return self.travel.metres

    def limits_report(self, lens_model: LensModel | None = None) -> list[str]:
        """Return the limits with what sets them, and what contradicts the calibration."""
        lines = [f"limits of the {self.label}: {self.travel}"]
        if not self.reports_limits and self.travel.high_from == DEVICE:
            lines.append(
                "the device does not report where its travel ends: give it, in "
                f"{self.unit} (?high=...), or the motor may run against its end"
            )
        if self.travel.doubt:
            lines.append(self.travel.doubt)
        if lens_model is not None and self._axis.resolution:
            ratio = self.metres_per_step / lens_model.metres_per_step
            if abs(ratio - 1.0) > SAME_SCALE:
                lines.append(
                    f"a step of the lens is {self.metres_per_step:g} m, by the calibration "
                    f"'{lens_model.name}' {lens_model.metres_per_step:g} m: see that it is of this "
                    "lens, with the metres_per_unit that it was made with"
                )
        return lines

    @property
    def higher_focuses(self) -> Literal["near", "far"] | None:
        """Which objects are in focus at the higher positions, as the unit is defined; None: open.

        They must be the near ones: a negative `metres_per_unit` turns the direction.
        """
        if not self.higher_unit_is_nearer:
            return None
        return "near" if self._settings.metres_per_unit > 0 else "far"

    @property
    def metres_per_step(self) -> float:
        """Smallest step, metres; of a device without steps, its resolution."""
        step = self._axis.resolution or self._axis.tolerance
        return abs(self._metres(step))

    def move_to(self, position: float) -> None:
        """Start moving to `position` (metres), rounded to the resolution of the device.

        Raises:
            ConnectionLostError: the device is gone.
            DeviceError: the lens is closed, or the device refuses the move.
            ValueError: `position` is not finite or lies outside the limits; nothing moves.
        """
        with self._lock:
            self._check_open()
            target = self._checked(position)
            self._ask(lambda: self._command(target))
            self._move.begin(target, self._clock.now())

    def stop(self) -> None:
        """Stop the motor; the lens stays where it comes to rest.

        Raises:
            ConnectionLostError: the device is gone.
            DeviceError: the lens is closed, or the device reports an error.
        """
        with self._lock:
            self._check_open()
            self._ask(self._halt)
            self._move.forget()

    def state(self) -> LensState:
        """Return where the lens is and whether it moves or settles.

        Raises:
            ConnectionLostError: the device is gone.
            DeviceError: the lens is closed, has stalled or moves the wrong way, or the device
                reports an error.
        """
        with self._lock:
            self._check_open()
            before = self._clock.now()
            reading = self._ask(self._read)
            now = (before + self._clock.now()) // 2
            try:
                limits = self.travel.low, self.travel.high
                moves = self._move.moves(now, reading, self._axis, limits, self._settling_time())
            except WrongDirectionError:
                self.stop()
                raise
            return LensState(now, self._metres(reading.position), moves)

    def close(self) -> None:
        """Stop a move that has not ended, and close the connection."""
        with self._lock:
            if not self._closed and self._move.unfinished and self._connection.is_open:
                # Who ends a program in mid-move may want just that: the lens to stop.
                with contextlib.suppress(DeviceError):
                    self._connection.use(lambda axis: self._halt())
            self._closed = True
            self._connection.close()

    # Shared behaviour.

    def _settling_time(self) -> float:
        """Seconds after a move during which the optics still vibrate."""
        return self._settings.settling_time

    def _ask(self, request: Callable[[], T]) -> T:
        """Run `request` on an open connection; opens a lost one again."""

        def ask(axis: Axis) -> T:
            if axis is not self._axis:
                # The device may have restarted, so its last command no longer holds.
                self._axis = axis
                self._move.forget()
            return request()

        return self._connection.use(ask)

    def _intersection(self, limits: tuple[float, float] | None) -> TravelLimits:
        """Return what device, settings and calibration all allow."""
        axis, settings = self._axis, self._settings
        wanted = sorted(limit / settings.metres_per_unit for limit in limits or ())
        sources = (
            Source(DEVICE, axis.low, axis.high),
            Source(URI, settings.low, settings.high),
            Source(CALIBRATION, *wanted),
        )
        try:
            return TravelLimits.intersection(
                sources,
                self.unit,
                settings.metres_per_unit,
                step=axis.resolution,
                least=axis.resolution or axis.tolerance,
            )
        except ValueError as error:
            raise DeviceError(f"{self.label} {error}") from error

    def _checked(self, position: float) -> float:
        """Return the target in the unit of the device."""
        low, high = self.limits
        within = position_within(position, (low, high))
        if within is None:
            raise ValueError(
                f"lens position {position} m does not lie within the limits {low} to {high} m"
            )
        target = within / self._settings.metres_per_unit
        if self._axis.resolution:
            target = round(target / self._axis.resolution) * self._axis.resolution
        return min(max(target, self.travel.low), self.travel.high)

    def _metres(self, unit: float) -> float:
        return unit * self._settings.metres_per_unit

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceError(f"{self.label} is closed: open it again")
