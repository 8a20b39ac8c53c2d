"""Base class of the lenses that are driven over a protocol and count in a unit of their own.

A backend implements short methods (`_connect`, `_read`, `_command`, `_halt`, `_disconnect`) in the
unit of its device. The base class does what all of them need: conversion to metres of travel,
limits, settling, stall detection, and reconnection after the device was unplugged.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeVar

from typing_extensions import Doc

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import ConnectionLostError, DeviceError
from aif_ros.devices.travel_limits import CALIBRATION, DEVICE, TEXT, Source, TravelLimits
from aif_ros.optics.lens_model import LensModel
from aif_ros.settings.declaration import Limits, declared
from aif_ros.types.frame import LensState

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")

RECONNECT_INTERVAL = 0.5
"""Seconds between two attempts to open a lost connection. Short enough to resume soon after a cable
is plugged in again, long enough not to keep a USB hub busy."""

ROUNDING = 1e-9
"""Share of the travel by which a position may lie outside the limits: -15 times 1e-6 is not -15e-6
in floating point. The device is sent to the limit then."""

SAME_SCALE = 0.01
"""Share by which two travels of a step may differ: more than the rounding of what users type."""

WRONG_WAY = 0.05
"""Share of the whole travel by which a lens may move away from its target before it is stopped:
more than the overshoot and backlash compensation of usual focusers."""


MetresPerUnit = Annotated[
    float,
    Doc(
        "Travel of one unit of the device, metres. Negative if the device counts towards far "
        "objects: near objects must be in focus at the higher positions."
    ),
]


@dataclass(frozen=True)
class MotorSettings:
    """Settings that all motorised lenses share.

    Raises:
        ValueError: a value is not allowed.
    """

    metres_per_unit: MetresPerUnit = 1e-6
    low: Annotated[
        float | None, Doc("Lowest position in the unit of the device. None: as it reports it.")
    ] = None
    high: Annotated[
        float | None, Doc("Highest position in the unit of the device. None: as it reports it.")
    ] = None
    settling_time: Annotated[
        float, Limits(0.0, 60.0), Doc("Seconds after a move during which the optics still vibrate.")
    ] = 0.02
    stall_timeout: Annotated[
        float,
        Limits(0.0, 600.0),
        Doc("Seconds without progress after which an unfinished move is an error."),
    ] = 2.0

    def __post_init__(self) -> None:
        check_settings(self)
        if self.metres_per_unit == 0:
            raise ValueError("metres_per_unit must not be 0")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low must be below high, got low={self.low:g} and high={self.high:g}")


def check_settings(settings: "DataclassInstance") -> None:
    """Check the values of a settings dataclass against its declaration.

    Raises:
        ValueError: a value is not allowed.
    """
    for setting in declared(type(settings)):
        value = getattr(settings, setting.name)
        problem = None if value is None else setting.problem(value)
        if problem is not None:
            raise ValueError(problem)


@dataclass(frozen=True)
class Axis:
    """What a device reports of its axis when it is connected, in its own unit.

    Attributes:
        low: lowest position; None: it has no lower limit of its own.
        high: highest position; None: it has no upper limit of its own.
        resolution: smallest step; targets are rounded to it. 0: none.
        tolerance: distance from the target that counts as having arrived.
    """

    low: float | None = None
    high: float | None = None
    resolution: float = 1.0
    tolerance: float = 0.5


@dataclass(frozen=True)
class Reading:
    """What a device reports at one time.

    Attributes:
        position: in the unit of the device.
        moving: whether the device says that it moves.
    """

    position: float
    moving: bool


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
        self._connected = False
        self._retry_at = 0
        self._fault = ""
        self._target: float | None = None
        self._start: float | None = None
        self._progress: tuple[int, float | None] | None = None
        self._rest_since: int | None = 0  # at rest until it is sent somewhere
        try:
            self._axis = self._open()
            self.travel = self._intersection(limits)
            """Limits of the motor."""
        except DeviceError:
            self.close()
            raise

    # What a backend implements, in the unit of its device.

    @abstractmethod
    def _connect(self) -> Axis:
        """Open the connection, also to reconnect, and return what the device reports of itself."""

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
        """Start moving to `position` (metres), rounded to the resolution of the device."""
        with self._lock:
            self._check_open()
            target = self._checked(position)
            self._ask(lambda: self._command(target))
            self._target = target
            # Measured from the first reading on: the lens may have moved since the last one.
            self._start = self._rest_since = None
            self._progress = (self._clock.now(), None)

    def stop(self) -> None:
        """Stop the motor; the lens stays where it comes to rest."""
        with self._lock:
            self._check_open()
            self._ask(self._halt)
            self._forget_move()

    def state(self) -> LensState:
        """Return where the lens is and whether it moves or settles."""
        with self._lock:
            self._check_open()
            before = self._clock.now()
            reading = self._ask(self._read)
            now = (before + self._clock.now()) // 2
            return LensState(now, self._metres(reading.position), self._moves(now, reading))

    def close(self) -> None:
        """Close the connection. The device finishes a move that has begun."""
        with self._lock:
            self._closed = True
            self._connected = False
            self._disconnect()

    # Shared behaviour.

    def _moves(self, now: int, reading: Reading) -> bool:
        """Return whether the lens moves or settles.

        Raises:
            DeviceError: it makes no progress towards its target, or moves the wrong way.
        """
        position = reading.position
        arrived = self._target is None or abs(position - self._target) <= self._axis.tolerance
        if arrived and not reading.moving:
            self._progress = None
            if self._rest_since is None:
                self._rest_since = now
            settles = now - self._rest_since < self._settling_time() * 1e9
            if not settles:
                # The move is complete: if something else moves the lens now, that is no fault.
                self._target = self._start = None
            return settles
        self._rest_since = None
        self._check_direction(position)
        if (
            self._progress is None
            or self._progress[1] is None
            or abs(position - self._progress[1]) > self._axis.tolerance
        ):
            self._progress = (now, position)
        if now - self._progress[0] > self._settings.stall_timeout * 1e9:
            raise DeviceError(self._stalled(position))
        return True

    def _settling_time(self) -> float:
        """Seconds after a move during which the optics still vibrate."""
        return self._settings.settling_time

    def _stalled(self, position: float) -> str:
        where = f"{self._metres(position):.6g} m"
        if self._target is None:
            return f"{self.label} reports motion but stays at {where}: switch it off and on"
        return (
            f"{self.label} has stalled at {where} on the move to {self._metres(self._target):.6g} "
            "m: see that nothing blocks it and that its limits are right, then command it again"
        )

    def _check_direction(self, position: float) -> None:
        """Stop a lens that moves away from its target or leaves the limits."""
        if self._target is None or self.finishes_moves:
            return
        if self._start is None:
            self._start = position
        low, high = self.travel.low, self.travel.high
        slack = max(WRONG_WAY * (high - low), 2 * self._axis.tolerance)
        behind = abs(position - self._target) - abs(self._start - self._target)
        outside = max(low - position, position - high) - max(low - self._start, self._start - high)
        beyond = max(low - position, position - high) > 2 * self._axis.tolerance and outside > 0
        if behind > slack or beyond:
            target = self._target
            self.stop()
            raise DeviceError(
                f"{self.label} was sent to {self._metres(target):.6g} m but moves away from it, at "
                f"{self._metres(position):.6g} m: it has been stopped. See that the direction of "
                "its motor matches its counts"
            )

    def _open(self) -> Axis:
        self._retry_at = self._clock.now() + round(RECONNECT_INTERVAL * 1e9)
        axis = self._guarded(self._connect)
        self._connected = True
        return axis

    def _ask(self, request: Callable[[], T]) -> T:
        """Run `request` on an open connection; opens a lost one again."""
        if not self._connected:
            if self._clock.now() < self._retry_at:
                raise ConnectionLostError(self._fault)
            self._axis = self._open()
            # The device may have restarted, so its last command no longer holds.
            self._forget_move()
        return self._guarded(request)

    def _guarded(self, request: Callable[[], T]) -> T:
        try:
            return request()
        except ConnectionLostError as fault:
            self._fault = str(fault)
            self._connected = False
            self._disconnect()
            raise

    def _forget_move(self) -> None:
        self._target = self._start = self._progress = self._rest_since = None

    def _intersection(self, limits: tuple[float, float] | None) -> TravelLimits:
        """Return what device, settings and calibration all allow."""
        axis, settings = self._axis, self._settings
        wanted = sorted(limit / settings.metres_per_unit for limit in limits or ())
        sources = (
            Source(DEVICE, axis.low, axis.high),
            Source(TEXT, settings.low, settings.high),
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
        rounding = ROUNDING * (high - low)
        if not low - rounding <= position <= high + rounding:  # NaN fails as well
            raise ValueError(
                f"lens position {position} m does not lie within the limits {low} to {high} m"
            )
        target = position / self._settings.metres_per_unit
        if self._axis.resolution:
            target = round(target / self._axis.resolution) * self._axis.resolution
        return min(max(target, self.travel.low), self.travel.high)

    def _metres(self, unit: float) -> float:
        return unit * self._settings.metres_per_unit

    def _check_open(self) -> None:
        if self._closed:
            raise DeviceError(f"{self.label} is closed: open it again")
