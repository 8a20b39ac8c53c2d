"""Whether blur is least at the last position, although it is larger there than in focus.

That is so where the subject or the lens is soft itself: beads, thick objects, haze, aberrations.
The readings then never reach that of focus, but rise from the focus position to both sides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aif_ros.autofocus.search import FocusMeasurement


@dataclass(frozen=True)
class LeastBlur:
    """When readings count as rising; chosen by hand.

    Attributes:
        rise: least ratio of the highest reading on a side to the last one.
        disorder: least ratio of a reading to those between it and the last position.
    """

    rise: float = 1.5
    disorder: float = 0.85


LEAST_BLUR = LeastBlur()


def blur_rises(measurements: Sequence[FocusMeasurement], side: int, apart: float) -> bool | None:
    """Return whether readings rise from the last measurement on; None: none is far enough away.

    Args:
        measurements: scores are blur radii, pixels, or NaN.
        side: -1 or 1, where to look.
        apart: measurements closer to the last one than this, metres, are not counted.
    """
    last = measurements[-1]
    beside = sorted(
        (side * (each.position - last.position), each.score)
        for each in measurements
        if np.isfinite(each.score) and side * (each.position - last.position) > apart
    )
    highest = last.score
    for _, score in beside:
        if score < LEAST_BLUR.disorder * highest:
            return False
        highest = max(highest, score)
    return True if highest >= LEAST_BLUR.rise * last.score else None
