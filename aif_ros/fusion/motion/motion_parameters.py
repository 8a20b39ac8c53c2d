"""Parameters of the motion of an image: shift, magnification, rotation and shear."""

import math

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.motion.blocks import block_grid
from aif_ros.fusion.motion.geometry import Transform

Parameters = NDArray[np.float64]
"""(6,) of a motion about the middle of the image, each in pixels by which it moves the middle or a
corner: shift right, shift down, magnification, rotation, two of shear."""

Group = tuple[int, ...]
"""Parameters that belong together."""

SHIFT: Group = (0, 1)
MAGNIFICATION: Group = (2,)
ROTATION: Group = (3,)
SHEAR: Group = (4, 5)
SIMILARITY: Group = (*SHIFT, *MAGNIFICATION, *ROTATION)


def motion_matrix(parameters: Parameters, shape: tuple[int, ...]) -> Transform:
    """Return the transform of a motion of an image of that shape (H, W, ...)."""
    magnification, rotation, stretch, skew = parameters[2:] / _radius(shape)
    linear = np.array(
        [
            [1 + magnification + stretch, skew - rotation],
            [skew + rotation, 1 + magnification - stretch],
        ]
    )
    middle = _middle(shape)
    transform = np.eye(3)
    transform[:2, :2], transform[:2, 2] = linear, middle + parameters[:2] - linear @ middle
    return transform


def motion_parameters(transform: Transform, shape: tuple[int, ...]) -> Parameters:
    """Return the parameters of a transform of an image of that shape (H, W, ...)."""
    (xx, xy), (yx, yy) = transform[:2, :2]
    middle, radius = _middle(shape), _radius(shape)
    shift = transform[:2, :2] @ middle + transform[:2, 2] - middle
    rest = np.array([xx + yy - 2, yx - xy, xx - yy, yx + xy]) * (radius / 2)
    return np.concatenate([shift, rest])


def expanded(values: NDArray[np.float64], group: Group) -> Parameters:
    """Return all parameters, given those of a group; the others are 0."""
    parameters = np.zeros(6)
    parameters[list(group)] = values
    return parameters


def block_jacobians(shape: tuple[int, ...]) -> NDArray[np.float64]:
    """(n, 2, 6), by how much each parameter moves each block of an image (H, W, ...)."""
    across, down = block_grid(shape)
    x, y = (
        ((np.arange(count) + 0.5) * side / count - side / 2) / _radius(shape)
        for count, side in ((across, shape[1]), (down, shape[0]))
    )
    right, below = (each.ravel() for each in np.meshgrid(x, y))
    one, none = np.ones_like(right), np.zeros_like(right)
    return np.stack(
        [
            np.stack([one, none, right, -below, right, below], axis=-1),
            np.stack([none, one, below, right, -below, right], axis=-1),
        ],
        axis=1,
    )


def _middle(shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2])


def _radius(shape: tuple[int, ...]) -> float:
    return math.hypot(shape[0], shape[1]) / 2
