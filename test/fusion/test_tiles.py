"""Merging tile by tile."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest

from aif_ros.fusion import tiles
from aif_ros.fusion.fusion import Fused
from aif_ros.fusion.tiles import crop, merge_tiles, places

MARGIN = 16


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(tiles, "_SIDE", 32)


@pytest.mark.parametrize("shape", [(1, 1), (32, 32), (33, 31), (70, 100)])
def test_places_cover_every_pixel_once(shape):
    count = np.zeros(shape, int)
    for place in places(shape):
        assert max(count[place].shape) <= 32
        count[place] += 1
    assert (count == 1).all()


def state(shape, *, memory=False, mismatch=False):
    random = np.random.default_rng(0)
    halved = -(-shape[0] // 2), -(-shape[1] // 2), 2
    return Fused(
        random.random((*shape, 3), np.float32),
        random.random(shape, np.float32),
        random.random(shape, np.float32),
        3,
        random.random(shape, np.float32) if mismatch else None,
        random.random(halved, np.float32) if memory else None,
    )


def smoothed(fused):
    """A merge that sees as far as the margin of a tile."""

    def blur(plane):
        return cv2.blur(plane, (2 * MARGIN + 1,) * 2, borderType=cv2.BORDER_REFLECT_101)

    memory = None if fused.memory is None else fused.memory + 1
    return replace(
        fused, image=blur(fused.image), sharpness=2 * blur(fused.sharpness), memory=memory
    )


def copied(fused):
    return Fused(fused.image.copy(), fused.sharpness.copy(), fused.source_position.copy(), 3)


@pytest.mark.parametrize("shape", [(20, 20), (64, 96), (71, 99)])
@pytest.mark.parametrize("in_place", [True, False])
def test_the_tiles_make_up_the_whole(shape, in_place):
    """Also in place: a tile is written when all its neighbours have seen what was there."""
    before = state(shape)
    expected = smoothed(before)
    after = before if in_place else copied(before)
    merge_tiles(lambda place, fused: smoothed(fused), before, after, MARGIN)
    np.testing.assert_allclose(after.image, expected.image, atol=1e-5)
    np.testing.assert_allclose(after.sharpness, expected.sharpness, atol=1e-5)


def test_several_at_a_time_are_the_same():
    before = state((71, 99))
    expected = smoothed(before)
    with ThreadPoolExecutor(3) as pool:
        merge_tiles(lambda place, fused: smoothed(fused), before, before, MARGIN, pool.map)
    np.testing.assert_allclose(before.image, expected.image, atol=1e-5)


@pytest.mark.parametrize("shape", [(64, 64), (71, 99)])
def test_memory_of_half_the_resolution_goes_along(shape):
    before = state(shape, memory=True)
    expected = before.memory + 1
    merge_tiles(lambda place, fused: smoothed(fused), before, before, MARGIN)
    np.testing.assert_array_equal(before.memory, expected)


def test_a_tile_sees_its_place_of_all_planes_and_the_margin():
    before, seen = state((64, 96), memory=True, mismatch=True), []

    def merge(place, fused):
        seen.append(place)
        np.testing.assert_array_equal(fused.image, before.image[place])
        np.testing.assert_array_equal(fused.mismatch, before.mismatch[place])
        assert fused.memory.shape[:2] == (fused.image.shape[0] // 2, fused.image.shape[1] // 2)
        return fused

    merge_tiles(merge, before, before, MARGIN)
    assert seen[0] == (slice(0, 48), slice(0, 48))
    assert seen[1] == (slice(0, 48), slice(16, 80))
    assert seen[-1] == (slice(16, 64), slice(48, 96))


def test_a_crop_leaves_out_what_is_kept_for_a_next_frame():
    part = crop(state((64, 64), memory=True, mismatch=True), (slice(8, 20), slice(0, 5)))
    assert part.image.shape == (12, 5, 3)
    assert part.sharpness.shape == part.source_position.shape == (12, 5)
    assert part.mismatch is part.memory is None
    assert part.frames == 3
