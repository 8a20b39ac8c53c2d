"""Positions that a lens may be sent to: those that all of device, URI and calibration allow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

DEVICE, URI, CALIBRATION = "the device", "low and high in its URI", "the calibration"
"""What sets limits."""

_ROUNDING = 0.01
"""Share of the travel of a device by which a calibration of it may exceed it."""


@dataclass(frozen=True)
class Source:
    """Limits from one source, in the unit of the device.

    Attributes:
        name: one of those above.
        low: lowest position; None: it sets none.
        high: highest position; None: it sets none.
    """

    name: str
    low: float | None = None
    high: float | None = None

    @property
    def known(self) -> bool:
        """Whether it sets any limit."""
        return self.low is not None or self.high is not None


@dataclass(frozen=True)
class TravelLimits:
    """Limits of a lens.

    Attributes:
        low: lowest position, in the unit of the device.
        high: highest position.
        low_from: what sets the lowest position.
        high_from: what sets the highest position.
        unit: of the device, for people.
        metres_per_unit: travel of one unit; negative: it counts towards far objects.
        sources: of which these are the intersection.
    """

    low: float
    high: float
    low_from: str
    high_from: str
    unit: str
    metres_per_unit: float
    sources: Sequence[Source]

    @classmethod
    def intersection(
        cls,
        sources: Sequence[Source],
        unit: str,
        metres_per_unit: float,
        *,
        step: float,
        least: float,
    ) -> "TravelLimits":
        """Return what all sources allow, in whole steps.

        Args:
            sources: in the unit of the device; the first of equal ones is named.
            unit: of the device, for people.
            metres_per_unit: travel of one unit.
            step: smallest one, in that unit; 0: positions are not rounded.
            least: travel that must be left, in that unit.

        Raises:
            ValueError: a limit is missing, or they leave less than `least`; the message says which
                source is to be corrected, and how.

        Example:
            >>> sources = [Source(DEVICE, 0, 8000), Source(CALIBRATION, 500, 9000)]
            >>> str(TravelLimits.intersection(sources, "steps", 4e-6, step=1, least=1))
            '0.002 to 0.032 m (500 to 8000 steps): low from the calibration, high from the device'
        """
        lows = [(each.low, each.name) for each in sources if each.low is not None]
        highs = [(each.high, each.name) for each in sources if each.high is not None]
        if not lows or not highs:
            raise ValueError(
                "does not report its limits: add them to the URI of the lens, in its own unit, "
                f"{unit} (?low=...&high=...), or give a lens calibration"
            )
        if step:
            # Whole steps within; calibrations carry rounding errors.
            lows = [(math.ceil(low / step - 1e-6) * step, name) for low, name in lows]
            highs = [(math.floor(high / step + 1e-6) * step, name) for high, name in highs]
        low, low_from = max(lows, key=lambda each: each[0])
        high, high_from = min(highs, key=lambda each: each[0])
        limits = cls(low, high, low_from, high_from, unit, metres_per_unit, sources)
        if not high - low >= least:
            raise ValueError(limits._nothing_left())
        return limits

    @property
    def metres(self) -> tuple[float, float]:
        """Lowest and highest position, metres."""
        low, high = self.low * self.metres_per_unit, self.high * self.metres_per_unit
        return (low, high) if low < high else (high, low)

    @property
    def doubt(self) -> str:
        """Why the calibration may be of another lens; empty: its limits give no reason."""
        by_name = {each.name: each for each in self.sources}
        device, calibration = by_name[DEVICE], by_name[CALIBRATION]
        if device.low is None or device.high is None:
            return ""
        slack = _ROUNDING * (device.high - device.low)
        below = calibration.low is not None and calibration.low < device.low - slack
        above = calibration.high is not None and calibration.high > device.high + slack
        if not (below or above):
            return ""
        return (
            f"the calibration allows {self._both(calibration.low, calibration.high)}, more than "
            f"the device, {self._both(device.low, device.high)}: see that it is of this lens"
        )

    def __str__(self) -> str:
        low_from, high_from = self.low_from, self.high_from
        if self.metres_per_unit < 0:
            low_from, high_from = high_from, low_from
        origin = f"low from {low_from}, high from {high_from}"
        if low_from == high_from:
            origin = f"from {low_from}"
        return f"{self._both(self.low, self.high)}: {origin}"

    def _both(self, low: float | None, high: float | None) -> str:
        """Return limits in metres and in the unit of the device, in ascending metres."""
        if self.metres_per_unit < 0:
            low, high = high, low
        metres, units = (
            " to ".join("any" if end is None else f"{end * scale + 0.0:.6g}" for end in (low, high))
            for scale in (self.metres_per_unit, 1.0)
        )
        return f"{metres} m ({units} {self.unit})"

    def _nothing_left(self) -> str:
        """Return what is wrong with limits that leave no travel, and what to do."""
        allowed = ", ".join(
            f"{self._both(each.low, each.high)} by {each.name}"
            for each in self.sources
            if each.known
        )
        return f"has nowhere to move: {allowed}. {self._remedy()}"

    def _remedy(self) -> str:
        by_name = {each.name: each for each in self.sources}
        device, uri = by_name.get(DEVICE, Source("")), by_name.get(URI, Source(""))
        calibration = by_name.get(CALIBRATION, Source(""))
        if uri.known and self._are_metres(uri):
            return (
                f"low and high are {self.unit}, not metres: {uri.high or uri.low:g} m are "
                f"{(uri.high or uri.low or 0.0) / abs(self.metres_per_unit):.6g} {self.unit}"
            )
        if calibration.known and not _overlap(calibration, device, uri):
            mirrored = Source("", *(-(end or 0.0) for end in (calibration.high, calibration.low)))
            if _overlap(mirrored, device, uri):
                return (
                    "The calibration was made with the other sign of metres_per_unit: give it in "
                    "the URI of the lens as then"
                )
            return (
                "Give the calibration of this lens, with the metres_per_unit that it was made with"
            )
        return "Correct low and high"

    def _are_metres(self, limits: Source) -> bool:
        """Whether limits are within a few units, but as metres would be a usual travel."""
        ends = [abs(end) for end in (limits.low, limits.high) if end]
        return bool(ends) and max(ends) < 1.0 <= max(ends) / abs(self.metres_per_unit)


def _overlap(*sources: Source) -> bool:
    lows = [each.low for each in sources if each.low is not None]
    highs = [each.high for each in sources if each.high is not None]
    return max(lows, default=-math.inf) < min(highs, default=math.inf)
