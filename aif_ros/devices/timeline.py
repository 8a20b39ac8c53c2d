"""Where was the lens when a frame was exposed: frames and lens states meet by stamp."""

from bisect import bisect_left, bisect_right
from operator import attrgetter

import numpy as np

from aif_ros.devices.device import Capture
from aif_ros.frame import Frame, LensState

_stamp = attrgetter("stamp")


class LensTimeline:
    """The recent history of one lens.

    Motion between two states is judged carefully: the lens counts as still only where the states
    on both sides say so and agree on the position.

    Args:
        exposure_time: seconds that a frame is exposed, half of it before its stamp.
        resolution: metres by which the reported positions of a lens at rest may differ.
        capacity: number of states kept.
    """

    def __init__(
        self, exposure_time: float = 0.0, resolution: float = 0.0, capacity: int = 2000
    ) -> None:
        self._half_exposure = round(exposure_time * 0.5e9)
        self._resolution = resolution
        self._capacity = capacity
        self._states: list[LensState] = []

    @property
    def newest(self) -> LensState | None:
        """The state with the highest stamp; None before the first."""
        return self._states[-1] if self._states else None

    def add(self, state: LensState) -> None:
        """Take in a state; late ones are put in order, one of an equal stamp is replaced."""
        index = bisect_left(self._states, state.stamp, key=_stamp)
        if index < len(self._states) and self._states[index].stamp == state.stamp:
            self._states[index] = state
        else:
            self._states.insert(index, state)
        del self._states[: -self._capacity]

    def covers(self, capture: Capture) -> bool:
        """Whether the states reach to the end of that exposure."""
        return bool(self._states) and self._states[-1].stamp >= capture.stamp + self._half_exposure

    def position(self, stamp: int) -> float:
        """Return the lens position at `stamp`, metres, interpolated; ends are held.

        Raises:
            LookupError: no state is known yet.
        """
        if not self._states:
            raise LookupError("no lens state is known yet")
        after = bisect_left(self._states, stamp, key=_stamp)
        around = self._states[max(0, after - 1) : after + 1]
        # Relative to the stamp: nanoseconds since the epoch do not fit a float.
        times = [state.stamp - stamp for state in around]
        return float(np.interp(0, times, [state.position for state in around]))

    def frame(self, capture: Capture) -> Frame | None:
        """Return the capture with its lens position, or None while the states do not `cover` it.

        A frame older than every state counts as exposed in motion: nobody knows where the lens was.
        """
        if not self.covers(capture):
            return None
        position, moving = self.position(capture.stamp), self.moved(capture.stamp)
        return Frame(capture.image, capture.stamp, position, moving)

    def moved(self, stamp: int) -> bool:
        """Whether the lens may have moved during an exposure about `stamp`."""
        first = bisect_right(self._states, stamp - self._half_exposure, key=_stamp) - 1
        last = bisect_left(self._states, stamp + self._half_exposure, key=_stamp)
        around = self._states[max(0, first) : last + 1]
        positions = [state.position for state in around]
        return (
            first < 0
            or any(state.moving for state in around)
            or max(positions) - min(positions) > self._resolution
        )
