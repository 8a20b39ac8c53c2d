"""Frames that are left out of J because they do not belong to its scene."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# Lens positions that are listed in a warning.
_LISTED = 5


@dataclass(frozen=True)
class LeftOut:
    """Frames of a static scene that are not fused: they show another scene, or nothing.

    Attributes:
        positions: lens positions of these frames, metres, ascending.
        reasons: why they are not fused, for people, each once.

    Raises:
        ValueError: a position is not finite, or a reason is no text.
    """

    positions: tuple[float, ...] = ()
    reasons: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(
            isinstance(each, int | float) and math.isfinite(each) for each in self.positions
        ):
            raise ValueError("positions of frames that are left out must be finite numbers")
        if not all(isinstance(each, str) for each in self.reasons):
            raise ValueError("reasons for leaving out frames must be text")

    @classmethod
    def of(cls, reasons: Mapping[float, str]) -> "LeftOut":
        """Return what is left out, from the reason for each lens position, metres.

        Example:
            >>> LeftOut.of({2e-4: "it shows nothing", 1e-4: "it shows nothing"})
            LeftOut(positions=(0.0001, 0.0002), reasons=('it shows nothing',))
        """
        return cls(tuple(sorted(reasons)), tuple(dict.fromkeys(reasons.values())))

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> "LeftOut":
        """Read the fields of its JSON object.

        Raises:
            ValueError: they are not those of this class.
        """
        try:
            return cls(tuple(fields["positions"]), tuple(fields["reasons"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a list of frames that are left out: {error}") from error

    @property
    def warning(self) -> str:
        """For people; empty: no frame is left out.

        Example:
            >>> LeftOut((1e-4,), ("it shows nothing",)).warning
            '1 frames are not fused (it shows nothing): those at 0.0001 m'
        """
        if not self.positions:
            return ""
        places = ", ".join(f"{position:.6g} m" for position in self.positions[:_LISTED])
        more = ", ..." if len(self.positions) > _LISTED else ""
        why = "; ".join(self.reasons)
        return f"{len(self.positions)} frames are not fused ({why}): those at {places}{more}"
