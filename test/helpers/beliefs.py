"""Defocus readings and focus beliefs of small worlds."""

import numpy as np
from world import LENS, World

from aif_ros.control.focus_belief import DefocusReadings, FocusBelief


def readings(*observations):
    """Readings of one observation of each scene."""

    def rows(values):
        return np.stack([each.ravel() for each in values])

    return DefocusReadings(
        rows(each.frame.radius for each in observations),
        rows(each.frame.uncertainty for each in observations),
        rows(each.fused.radius for each in observations),
        rows(each.fused.uncertainty for each in observations),
        rows(each.fused.in_focus for each in observations),
        rows(each.fused.contrast for each in observations),
        np.stack([each.source_position[16::32, 16::32].reshape(-1, 1) for each in observations]),
        np.array([each.position for each in observations]),
        np.array([each.stamp * 1e-9 for each in observations]),
    )


def belief_of(focus, positions, *, dynamic=False):
    """Belief about a world of cells, seen from the lens positions `positions`."""
    world = World(focus)
    belief = FocusBelief(LENS, 640, 1, focus.size, dynamic)
    for position in positions:
        belief.update(readings(world.observe(position)))
    return belief


def uniform(cells, position, seconds, radius=1.0, fused=1.0):
    """All of a scene looks the same."""
    values = np.ones((1, cells))
    return DefocusReadings(
        radius * values,
        values,
        fused * values,
        values,
        values,
        0.07 * values,
        position * values[..., None],
        np.array([position]),
        np.array([seconds]),
    )
