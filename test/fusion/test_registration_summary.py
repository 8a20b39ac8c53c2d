"""Transforms of the slices of a stack, for people."""

import numpy as np
import pytest

from aif_ros.fusion.motion.geometry import translation
from aif_ros.fusion.registration_summary import describe_registration

SIZE = (101, 81)


def about_the_middle(linear):
    middle = np.array([(SIZE[0] - 1) / 2, (SIZE[1] - 1) / 2])
    transform = np.eye(3)
    transform[:2, :2], transform[:2, 2] = linear, middle - np.asarray(linear) @ middle
    return transform


def test_shift_magnification_and_rotation_are_named():
    angle = np.radians(2.0)
    turned = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    transforms = [
        translation(3.0, -4.0),
        about_the_middle(1.02 * np.eye(2)),
        about_the_middle(turned),
    ]
    found = describe_registration(transforms, SIZE)
    np.testing.assert_allclose(found.shifts, [(3, -4), (0, 0), (0, 0)], atol=1e-9)
    assert found.magnifications == pytest.approx([1.0, 1.02, 1.0])
    assert found.rotations == pytest.approx([0.0, 0.0, 2.0])
    assert str(found) == (
        "shifts up to 5.0 px, magnification 1.0000 to 1.0200, rotation up to 2.00 degrees"
    )
