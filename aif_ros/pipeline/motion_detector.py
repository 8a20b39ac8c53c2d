"""Whether a lens moves, from what an encoder or a joint state reports."""

from collections import deque

from aif_ros.types.frame import LensState

# A lens that travels less than its resolution in this time is at rest, seconds: several exposures.
_REST = 0.1
# Positions are compared over this time, nanoseconds: a usual exposure. States at a high rate differ
# by less than the resolution from one to the next though the lens moves.
_WINDOW = 8_000_000
# Changes of position in a row at a reported velocity of 0 after which it counts as not measured: a
# quick lens can complete a move between two states, but hardly two moves.
_MOST_CHANGES = 2


class MotionDetector:
    """Turns positions and velocities into lens states.

    A velocity that matters means motion, and one of 0 means rest. Otherwise (it is missing, NaN or
    mere noise) motion is judged from the positions; also where a driver does not measure velocity
    and reports 0 all the time, which shows as soon as the position changes twice in a row.

    Args:
        resolution: metres by which the reported positions of a lens at rest may differ; see
            `LensModel.position_resolution`.

    Example:
        >>> detector = MotionDetector(resolution=1e-6)
        >>> detector.state(stamp=0, position=0.0, velocity=None).moving
        False
        >>> detector.state(stamp=5_000_000, position=20e-6, velocity=None).moving
        True
    """

    def __init__(self, resolution: float) -> None:
        self._resolution = resolution
        self._recent: deque[tuple[int, float]] = deque()
        # Whether the driver has reported motion; changes of position in a row at velocity 0.
        self._measured = False
        self._changes = 0

    def state(self, stamp: int, position: float, velocity: float | None) -> LensState:
        """Return the lens state.

        Args:
            stamp: nanoseconds.
            position: metres.
            velocity: metres per second; None or NaN: unknown.
        """
        changed = self._position_changed(stamp, position)
        if velocity == 0.0 and self._is_believed(changed):
            return LensState(stamp, position, moving=False)
        reported = velocity is not None and abs(velocity) > self._resolution / _REST
        self._measured = self._measured or reported
        return LensState(stamp, position, moving=reported or changed)

    def _is_believed(self, changed: bool) -> bool:
        """Whether a velocity of 0 means rest, given whether the position has changed."""
        if not self._measured and self._changes < _MOST_CHANGES:
            self._changes = self._changes + 1 if changed else 0
        return self._measured or self._changes < _MOST_CHANGES

    def _position_changed(self, stamp: int, position: float) -> bool:
        recent = self._recent
        while recent and recent[-1][0] > stamp:  # the clock has jumped back, or a state is late
            recent.pop()
        recent.append((stamp, position))
        while len(recent) > 2 and recent[0][0] < stamp - _WINDOW:
            recent.popleft()
        return any(abs(position - other) > self._resolution for _, other in recent)
