"""Approach of all lens positions from the same side, for motors with unknown backlash."""

from dataclasses import dataclass

from aif_ros.optics.lens_model import LensModel


@dataclass(frozen=True)
class ApproachSettings:
    """Length of the approach, chosen by hand for a lens of depth of field 1 px.

    Attributes:
        distance: from which a position is approached at first, half depths of focus: as many pixels
            of blur, more than the backlash of most motors.
        searches: largest number of searches, each with twice the distance of the one before.
    """

    distance: float = 6.0
    searches: int = 3


APPROACH = ApproachSettings()


class OneSide:
    """Plans the approach of each position, so that backlash is always taken up in one direction.

    A lens whose calibration has the backlash is approached from one side in any case (see
    `BacklashCompensation`): it needs nothing.

    Args:
        lens_model: of the lens.
        start: where the search begins, metres; from which side the lens has come is not known.
        limits: of the search, metres.
        half_depth_of_focus: metres.
        settings: see `ApproachSettings`.
    """

    def __init__(
        self,
        lens_model: LensModel,
        start: float,
        limits: tuple[float, float],
        half_depth_of_focus: float,
        settings: ApproachSettings = APPROACH,
    ) -> None:
        self.needed = not lens_model.backlash
        self._limits = limits
        self._further_searches = settings.searches - 1
        # Towards the farther limit: those moves need no longer approach.
        self.side = 1 if start < sum(limits) / 2 else -1
        """1: positions are approached upwards, -1: downwards."""
        self.distance = settings.distance * half_depth_of_focus
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
        via = min(max(target - self.side * self.distance, low), high)
        return None if via == target else via

    def takes_up(self, current: float, target: float) -> bool:
        """Whether a move takes up the backlash, from whichever side the lens has come before.

        Args:
            current: where the lens is, metres.
            target: where it is to go, metres.
        """
        return self.side * (target - current) >= self.distance

    def lengthen(self) -> bool:
        """Double the distance for another search; return False if there may be none."""
        if not self._further_searches:
            return False
        self._further_searches -= 1
        self.distance *= 2
        return True
