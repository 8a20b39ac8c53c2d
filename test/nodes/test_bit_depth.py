"""What goes in with 16 bits comes out with 16 bits."""

import cv2
import numpy as np
import pytest
from bench import World
from std_srvs.srv import Trigger

from aif_ros.nodes.autofocus_node import AutofocusNode
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.topics import DEFOCUS_MAPS, FUSED_IMAGE

SIZE = (96, 64)


def noise(bits, seed=0, share=1.0):
    samples = np.random.default_rng(seed).integers(0, 1 << bits, SIZE[::-1], dtype=np.uint16)
    return (samples * share).astype(np.uint16)


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_fused_image_and_file_have_the_depth_of_the_camera(bench, tmp_path, bits):
    path = tmp_path / "fused.tif"
    bench.active(FusionNode, save_path=str(path))
    fused, world = bench.listen(FUSED_IMAGE), World(bench)
    world.frame(noise(bits), 0.0)
    bench.spin_until(lambda: fused)
    assert fused[0].image.dtype == np.uint16
    # The whole range of 16 bits is used, whatever the camera uses of it.
    assert fused[0].image.max() > 60000
    assert len(np.unique(fused[0].image)) > 900
    assert bench.call(Trigger, "fusion/save").success
    saved = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(saved, fused[0].image)


def test_the_number_of_bits_can_be_given(bench):
    bench.active(FusionNode, bits_per_sample=12)
    fused, world = bench.listen(FUSED_IMAGE), World(bench)
    world.frame(noise(8), 0.0)
    bench.spin_until(lambda: fused)
    assert fused[0].image.max() == pytest.approx(255 * 65535 / 4095, rel=0.2)


def test_a_dark_beginning_is_corrected(bench):
    node = bench.active(FusionNode)
    fused, world = bench.listen(FUSED_IMAGE), World(bench)
    world.frame(noise(12, share=0.2), 0.0)
    bench.spin_until(lambda: fused)
    stamp = world.frame(noise(12), 5e-4)
    bench.spin_until(lambda: fused[-1].stamp == stamp)
    # Samples of both scales cannot be in one image.
    assert node._step.fused.frames == 1
    stamp = world.frame(noise(12), 9e-4)
    bench.spin_until(lambda: fused[-1].stamp == stamp)
    assert node._step.fused.frames == 2


def test_blur_is_the_same_whatever_the_depth(bench):
    node = bench.active(AutofocusNode)
    maps, world = bench.listen(DEFOCUS_MAPS), World(bench)
    image = cv2.GaussianBlur(noise(8).astype(np.float32), (0, 0), 1.5)
    image *= 255 / image.max()
    for index, frame in enumerate((image.astype(np.uint8), (image * 16).astype(np.uint16))):
        stamp = world.frame(frame, 5e-4 * index)
        bench.spin_until(lambda stamp=stamp: maps and maps[-1].maps.stamp == stamp)
    first, second = maps[0].maps.distance, maps[-1].maps.distance
    assert node.value("bits_per_sample") == 0
    known = np.isfinite(first) & np.isfinite(second)
    assert known.any()
    assert second[known] == pytest.approx(first[known], rel=0.2)
