"""Fusing a stack from disk."""

import numpy as np
import pytest
from disk_stack import SCENE, slices

from aif_ros.fusion.stacking import fuse_stack
from aif_ros.simulation.metrics import psnr


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_each_part_comes_from_its_sharpest_slice(tmp_path, dtype):
    stack = fuse_stack(slices(tmp_path, dtype=dtype), "laplacian")
    assert psnr(stack.fused.image, SCENE) > 28
    assert stack.sixteen_bit == (dtype == np.uint16)
    assert stack.left_out == [] and stack.holes is None
    assert stack.excluded_shares == [0.0] * 5
    middle = stack.fused.source_position[:, 70:90]
    assert np.median(middle) == 2
