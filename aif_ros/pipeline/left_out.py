"""Frames, and parts of them, that are left out of J because they do not show its scene."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aif_ros.types.wording import counted, listed


@dataclass(frozen=True)
class LeftOut:
    """Frames of a static scene that are not fused, or fused in part.

    Attributes:
        positions: lens positions of frames that are not fused, metres, ascending: they show
            another scene, or nothing.
        reasons: why they are not fused, for people, each once.
        damaged: lens position of each other frame, metres, ascending, of which parts are not
            fused: they are damaged or covered. Several frames may have one position.

    Raises:
        ValueError: a position is not finite, or a reason is no text.
    """

    positions: tuple[float, ...] = ()
    reasons: tuple[str, ...] = ()
    damaged: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not all(
            isinstance(each, int | float) and math.isfinite(each)
            for each in (*self.positions, *self.damaged)
        ):
            raise ValueError("positions of frames that are left out must be finite numbers")
        if not all(isinstance(each, str) for each in self.reasons):
            raise ValueError("reasons for leaving out frames must be text")

    @classmethod
    def of(cls, reasons: Mapping[float, str], damaged: Iterable[float] = ()) -> "LeftOut":
        """Return what is left out.

        Args:
            reasons: why a frame is not fused, by its lens position, metres.
            damaged: lens position of each frame that is not fused in part.

        Example:
            >>> LeftOut.of({2e-4: "it shows nothing", 1e-4: "it shows nothing"})
            LeftOut(positions=(0.0001, 0.0002), reasons=('it shows nothing',), damaged=())
        """
        places = tuple(sorted(reasons)), tuple(sorted(damaged))
        return cls(places[0], tuple(dict.fromkeys(reasons.values())), places[1])

    @classmethod
    def of_fields(cls, fields: Mapping[str, Any]) -> "LeftOut":
        """Read the fields of its JSON object.

        Raises:
            ValueError: they are not those of this class.
        """
        try:
            return cls(*(tuple(fields[name]) for name in ("positions", "reasons", "damaged")))
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a list of frames that are left out: {error}") from error

    @property
    def warning(self) -> str:
        """For people; empty: no frame is left out.

        Example:
            >>> LeftOut((1e-4,), ("it shows nothing",), (2e-4, 3e-4)).warning
            '1 frame is not fused (it shows nothing): at 0.0001 m; parts of 2 frames are not fused \
(damaged, or covered by something): at 0.0002 m, 0.0003 m'
        """
        parts = []
        if self.positions:
            fused = counted(len(self.positions), "frame is", "frames are")
            why = "; ".join(self.reasons)
            parts.append(f"{fused} not fused ({why}): at {_places(self.positions)}")
        if self.damaged:
            parts.append(
                f"parts of {counted(len(self.damaged), 'frame')} are not fused (damaged, or "
                f"covered by something): at {_places(self.damaged)}"
            )
        return "; ".join(parts)


def _places(positions: Sequence[float]) -> str:
    return listed([f"{position:.6g} m" for position in dict.fromkeys(positions)])
