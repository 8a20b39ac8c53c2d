"""Defocus readings and focus beliefs of small worlds."""

import numpy as np
from world import LENS, World

from aif_ros.control.focus_belief import DefocusReadings, FocusBelief


def readings(*looks):
    """Readings of one look at each scene."""

    def rows(values):
        return np.stack([each.ravel() for each in values])

    return DefocusReadings(
        rows(look.frame.radius for look in looks),
        rows(look.frame.uncertainty for look in looks),
        rows(look.fused.radius for look in looks),
        rows(look.fused.uncertainty for look in looks),
        rows(look.fused.in_focus for look in looks),
        rows(look.fused.contrast for look in looks),
        np.stack([look.source_position[16::32, 16::32].reshape(-1, 1) for look in looks]),
        np.array([look.position for look in looks]),
        np.array([look.stamp * 1e-9 for look in looks]),
    )


def belief_of(focus, looks, *, dynamic=False):
    """Belief about a world of cells, seen from the positions `looks`."""
    world = World(focus)
    belief = FocusBelief(LENS, 640, 1, focus.size, dynamic)
    for position in looks:
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
