"""Fog and blotches in results without ground truth."""

import cv2
import numpy as np
import pytest

from aif_ros.benchmarks.stack_fidelity import stack_fidelity

SHAPE = (192, 256)


def letter():
    """A bright bar on dark ground, with the fine texture of paper."""
    scene = np.full(SHAPE, 0.1, np.float32)
    scene[40:150, 60:200] = 0.9
    noise = np.random.default_rng(0).standard_normal(SHAPE, np.float32)
    return np.clip(scene + np.float32(0.01) * noise, 0, 1)


SHARP = letter()
SOFT = cv2.GaussianBlur(SHARP, (0, 0), 12.0)


def test_the_sharp_slice_is_perfect():
    assert max(stack_fidelity(SHARP, [SOFT, SHARP])) == 0


@pytest.mark.parametrize("colours", [1, 3])
def test_fog_in_flat_parts_is_measured(colours):
    foggy = SHARP.copy()
    foggy[60:130, 80:180] = SOFT[60:130, 80:180] - 0.1
    slices = [np.repeat(each[..., None], colours, 2).squeeze() for each in (SOFT, SHARP)]
    fidelity = stack_fidelity(np.repeat(foggy[..., None], colours, 2).squeeze(), slices)
    assert fidelity.worst_fog > 20
    assert fidelity.fog > 2


def test_blotches_are_measured():
    blotched = SHARP.copy()
    blotched[64:128, 64:192][::2] -= 0.2
    assert stack_fidelity(blotched, [SOFT, SHARP]).contrast > 2
