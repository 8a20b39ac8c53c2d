"""Which way a lens travels: whether its higher positions focus near or far objects.

Everything here takes near objects to be in focus at the higher positions. A motor whose counts grow
the other way looks the same in the blur of a flat scene. What shows the direction, best first:

- An object that is known to be nearer than the rest, and comes into focus at another position.
- The user, who has looked through the lens.
- The definition of the unit of the device: dioptres, or the V4L2 control `focus_absolute`.
- Magnification. A lens that moves as a whole is farther from the sensor the nearer it focuses, and
  the image grows. Lenses with internal focusing may do the opposite: a hint, no proof.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Towards = Literal["near", "far", "unknown"]
Evidence = Literal["near object", "stated", "device", "magnification", ""]


@dataclass(frozen=True)
class TravelDirection:
    """Which objects are in focus at the higher positions.

    Attributes:
        towards: near as it must be, far, or unknown.
        evidence: what shows it.
    """

    towards: Towards
    evidence: Evidence = ""

    def __str__(self) -> str:
        match self.evidence:
            case "near object":
                return f"{self.towards} objects are in focus at the higher positions"
            case "stated":
                return f"{self.towards} objects are in focus at the higher positions, as you state"
            case "device":
                return (
                    f"{self.towards} objects are in focus at the higher positions, as the unit of "
                    "the device is defined"
                )
            case "magnification":
                return (
                    f"{self.towards} objects are in focus at the higher positions, as far as the "
                    "growth of the image shows it (lenses with internal focusing can differ)"
                )
        return (
            "unknown: the image does not grow; show something nearer than the rest (--near), or "
            "state it (--higher-focuses)"
        )


UNKNOWN = TravelDirection("unknown")
"""Of images that do not show it."""


_BEST_FIRST: tuple[Evidence, ...] = ("near object", "stated", "device", "magnification")


def most_certain(directions: Iterable[TravelDirection]) -> TravelDirection:
    """Return the direction with the best evidence."""
    known = {direction.evidence: direction for direction in directions}
    return next((known[evidence] for evidence in _BEST_FIRST if evidence in known), UNKNOWN)


def from_magnification(low: float, high: float, least: float = 0.0) -> TravelDirection:
    """Return the direction by the growth of the image.

    Args:
        low: of the 95 % interval of the relative change of magnification per metre.
        high: of the interval.
        least: smaller changes per metre show nothing, however narrow the interval is.
    """
    if low <= 0 <= high or abs(low + high) / 2 < least:
        return UNKNOWN
    return TravelDirection("near" if low > 0 else "far", "magnification")


def from_near_object(near: float, others: float, least: float) -> TravelDirection:
    """Return the direction by an object that is nearer than the rest.

    Args:
        near: focus position of the object, metres.
        others: that of the rest.
        least: smaller differences decide nothing.
    """
    if abs(near - others) < least:
        return UNKNOWN
    return TravelDirection("near" if near > others else "far", "near object")
