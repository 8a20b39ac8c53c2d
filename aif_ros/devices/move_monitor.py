"""How a motorised lens moves: in motion, settling, at rest, stalled, or in the wrong direction."""

from aif_ros.devices.device import DeviceError
from aif_ros.devices.motor_axis import Axis, Reading

WRONG_WAY = 0.05
"""Share of the whole travel by which a lens may move away from its target before it is stopped:
more than the overshoot and backlash compensation of usual focusers."""


class WrongDirectionError(DeviceError):
    """A lens moves away from its target, or has left its limits: stop it."""


class MoveMonitor:
    """Follows a lens from a command to rest, by what its device reports.

    Args:
        label: of the device in messages.
        metres_per_unit: travel of one unit of the device, metres.
        stall_timeout: seconds without progress after which an unfinished move is an error.
        checks_direction: whether a lens that moves away from its target is an error.
    """

    def __init__(
        self, label: str, metres_per_unit: float, stall_timeout: float, *, checks_direction: bool
    ) -> None:
        self._label = label
        self._metres_per_unit = metres_per_unit
        self._stall_timeout = stall_timeout
        self._checks_direction = checks_direction
        self._target: float | None = None
        self._start: float | None = None
        self._progress: tuple[int, float | None] | None = None
        self._rest_since: int | None = 0  # at rest until it is sent somewhere

    def begin(self, target: float, now: int) -> None:
        """Note that the device has been sent to `target`, at time `now` (nanoseconds)."""
        self._target = target
        # Measured from the first reading on: the lens may have moved since the last one.
        self._start = self._rest_since = None
        self._progress = (now, None)

    def forget(self) -> None:
        """Discard the move: the device was stopped, or may have restarted."""
        self._target = self._start = self._progress = self._rest_since = None

    @property
    def unfinished(self) -> bool:
        """Whether a move has begun and was not seen to end."""
        return self._target is not None

    def moves(
        self,
        now: int,
        reading: Reading,
        axis: Axis,
        limits: tuple[float, float],
        settling_time: float,
    ) -> bool:
        """Return whether the lens moves or settles.

        Args:
            now: time of the reading, nanoseconds.
            reading: what the device reports.
            axis: its tolerance counts.
            limits: lowest and highest position, in the unit of the device.
            settling_time: seconds after a move during which the optics still vibrate.

        Raises:
            WrongDirectionError: it moves away from its target, or has left the limits.
            DeviceError: it has stalled: it makes no progress towards its target.
        """
        position = reading.position
        arrived = self._target is None or abs(position - self._target) <= axis.tolerance
        if arrived and not reading.moving:
            self._progress = None
            if self._rest_since is None:
                self._rest_since = now
            settles = now - self._rest_since < settling_time * 1e9
            if not settles:
                # The move is complete: if something else moves the lens now, that is no fault.
                self._target = self._start = None
            return settles
        self._rest_since = None
        if self._checks_direction:
            self._check_direction(position, axis, limits)
        if (
            self._progress is None
            or self._progress[1] is None
            or abs(position - self._progress[1]) > axis.tolerance
        ):
            self._progress = (now, position)
        if now - self._progress[0] > self._stall_timeout * 1e9:
            raise DeviceError(self._stalled(position))
        return True

    def _stalled(self, position: float) -> str:
        where = f"{self._metres(position)} m"
        if self._target is None:
            return f"{self._label} reports motion but stays at {where}: switch it off and on"
        return (
            f"{self._label} has stalled at {where} on the move to {self._metres(self._target)} "
            "m: see that nothing blocks it and that its limits are right, then command it again"
        )

    def _check_direction(self, position: float, axis: Axis, limits: tuple[float, float]) -> None:
        if self._target is None:
            return
        if self._start is None:
            self._start = position
        low, high = limits
        slack = max(WRONG_WAY * (high - low), 2 * axis.tolerance)
        behind = abs(position - self._target) - abs(self._start - self._target)
        outside = max(low - position, position - high) - max(low - self._start, self._start - high)
        beyond = max(low - position, position - high) > 2 * axis.tolerance and outside > 0
        if behind > slack or beyond:
            raise WrongDirectionError(
                f"{self._label} was sent to {self._metres(self._target)} m but moves away from "
                f"it, at {self._metres(position)} m: it has been stopped. See that the direction "
                "of its motor matches its counts"
            )

    def _metres(self, position: float) -> str:
        return f"{position * self._metres_per_unit:.6g}"
