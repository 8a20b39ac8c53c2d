"""Where one depth ends and another begins."""

import numpy as np
import pytest

from aif_ros.simulation.scenes.depth_edges import EDGE_REACH, near_depth_edges

LIMITS = (0.0, 1e-3)


def test_pixels_within_reach_of_a_step():
    focus = np.full((50, 80), 2e-4, np.float32)
    focus[:, 40:] = 6e-4
    columns = np.flatnonzero(near_depth_edges(focus, LIMITS)[25])
    # A step shows in both pixels beside it.
    assert (columns.min(), columns.max()) == (39 - EDGE_REACH, 40 + EDGE_REACH)
    assert len(columns) == 2 * EDGE_REACH + 2


def test_a_slope_is_no_edge_however_far_it_goes():
    slope = np.tile(np.linspace(0, 1e-3, 100, dtype=np.float32), (60, 1))
    assert not near_depth_edges(slope, LIMITS).any()


@pytest.mark.parametrize("step, found", [(0.9e-4, False), (1.1e-4, True)])
def test_a_step_counts_by_the_share_of_the_travel(step, found):
    focus = np.zeros((40, 40), np.float32)
    focus[20:] = step
    assert near_depth_edges(focus, LIMITS).any() == found
    assert not near_depth_edges(focus, (0.0, 2e-3)).any()
