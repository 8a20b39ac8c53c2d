"""Where one depth ends and another begins: the hard places of all fusion."""

import cv2
import numpy as np
from numpy.typing import NDArray

EDGE_REACH = 12
"""Pixels around a depth edge that count as near it."""
# An edge is a step by this share of the lens's travel.
_STEP = 0.1


def near_depth_edges(
    focus_position: NDArray[np.float32], limits: tuple[float, float]
) -> NDArray[np.bool_]:
    """Return which pixels are within `EDGE_REACH` of a step in depth.

    Args:
        focus_position: (H, W), metres.
        limits: of the lens's travel, metres.
    """
    kernel = np.ones((3, 3), np.uint8)
    steps = cv2.dilate(focus_position, kernel) - cv2.erode(focus_position, kernel)
    edges = steps > _STEP * (limits[1] - limits[0])
    reach = np.ones((2 * EDGE_REACH + 1, 2 * EDGE_REACH + 1), np.uint8)
    return np.asarray(cv2.dilate(edges.astype(np.uint8), reach) > 0)
