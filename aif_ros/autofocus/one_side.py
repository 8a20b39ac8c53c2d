"""Approach of all lens positions from the same side, for motors with unknown backlash."""

from aif_ros.optics.lens_model import LensModel

_RUN_UP = 6.0
"""Half depths of focus from which a position is approached at first: more than the backlash of most
motors. Doubled where that was too little."""
_RUN_UPS = 3
"""How often a search begins at most, each time with a longer run-up."""


class OneSide:
    """Says where to move first, so that backlash is always taken up in one direction.

    A lens whose calibration has the backlash is approached from one side in any case (see
    `BacklashCompensation`): it needs nothing.

    Args:
        lens_model: of the lens.
        start: where the search begins, metres; from which side the lens has come is not known.
        limits: of the search, metres.
        half_depth_of_focus: metres.
    """

    def __init__(
        self,
        lens_model: LensModel,
        start: float,
        limits: tuple[float, float],
        half_depth_of_focus: float,
    ) -> None:
        self.needed = not lens_model.backlash
        self._limits = limits
        self._shortest = _RUN_UP * half_depth_of_focus
        # Towards the farther limit: those moves need no run-up.
        self.side = 1 if start < sum(limits) / 2 else -1
        """1: positions are approached upwards, -1: downwards."""
        self.run_up = self._shortest
        """Distance from which a position is approached, metres."""

    def via(self, current: float, target: float, *, again: bool = False) -> float | None:
        """Position to move to first, metres; None: none.

        Args:
            current: where the lens is, metres.
            target: where it is to go, metres.
            again: whether to approach it though the lens is there, or has come from that side.
        """
        if not self.needed or (self.side * (target - current) >= 0 and not again):
            return None
        low, high = self._limits
        via = min(max(target - self.side * self.run_up, low), high)
        return None if via == target else via

    def takes_up(self, current: float, target: float) -> bool:
        """Whether a move takes up the backlash, from whichever side the lens has come before."""
        return self.side * (target - current) >= self.run_up

    def lengthen(self) -> bool:
        """Double the run-up; return whether it may be that long."""
        if self.run_up >= 2 ** (_RUN_UPS - 1) * self._shortest:
            return False
        self.run_up *= 2
        return True
