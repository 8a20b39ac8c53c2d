"""Rows and columns that sensor, cable or file have lost."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion.line_profile import FrameLines
from aif_ros.fusion.lost_lines import StackLines, lost_lines
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import to_uint8

SIZE = (320, 240)
BAND = np.s_[100:106]


def frame(blur=0.0, seed=0, noise=0.01, level=0.0):
    """A frame of a scene out of focus by `blur`, with noise of its own."""
    image = texture(SIZE, np.random.default_rng(0))
    image = cv2.GaussianBlur(image, (0, 0), blur) if blur else image
    grain = np.random.default_rng(seed).normal(level, noise, image.shape)
    return to_uint8(np.asarray(image + grain, np.float32))


def black(image):
    image[BAND] = 0


def grey(image):
    image[BAND] = 128


def repeated(image):
    image[BAND] = image[BAND.start - 1]


def shifted(image):
    image[100:130] = np.roll(image[100:130], 70, axis=1)


def cut_off(image):
    image[150:] = 128


def compressed(image):
    """A black band in a JPEG: none of its rows is of one colour."""
    image[BAND] = 0
    _, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    image[:] = cv2.imdecode(content, cv2.IMREAD_COLOR)


def lost(own, *others):
    return lost_lines(FrameLines.of(own), [FrameLines.of(other) for other in others])


@pytest.mark.parametrize("damage", [black, grey, repeated, shifted, cut_off, compressed])
@pytest.mark.parametrize("others", [1, 3])
@pytest.mark.parametrize("blur", [0.0, 3.0])
@pytest.mark.parametrize("turned", [False, True])
def test_lost_lines_are_found(damage, others, blur, turned):
    own, intact = frame(blur, seed=1), frame(blur, seed=1)
    damage(own)
    beside = [frame(2.0 + n, seed=2 + n) for n in range(others)]
    expected = (own != intact).any(axis=(1, 2))
    if damage is compressed:
        expected = np.zeros(len(own), np.bool_)
        expected[BAND] = True
    if turned:
        own, *beside = (np.ascontiguousarray(each.swapaxes(0, 1)) for each in (own, *beside))
    found = lost(own, *beside)
    lines, across = (found.columns, found.rows) if turned else (found.rows, found.columns)
    assert lines[expected].all()
    assert lines.sum() <= expected.sum() + 10
    assert not across.any()
    assert not any(lost(beside[0], own, *beside[1:]).rows)


@pytest.mark.parametrize("blurs", [(0.0, 2.0, 4.0), (8.0, 0.0, 3.0), (0.0, 0.0, 0.0)])
def test_defocus_is_no_loss(blurs):
    own, *others = (frame(blur, seed) for seed, blur in enumerate(blurs))
    assert not lost(own, *others)


def test_black_lines_of_a_scene_that_is_mostly_dark():
    frames = [frame(1.0 + seed, seed) for seed in range(3)]
    for image in frames:
        image[:, 110:] //= 20
    black(frames[0])
    assert lost(*frames).rows[BAND].all()


def test_clipped_highlights_are_no_loss():
    """White rows in a frame that is a little brighter than the others."""
    sky = [np.clip(frame(1.0, seed).astype(int), 0, 255) for seed in range(3)]
    for seed, image in enumerate(sky):
        noise = np.random.default_rng(seed).normal(246, 2, image[:40].shape)
        image[:40] = 255 if seed == 0 else noise
    assert not lost(*(image.astype(np.uint8) for image in sky))


@pytest.mark.parametrize("blur", [2.0, 5.0])
def test_plain_lines_of_a_drawing_are_no_loss(blur):
    """Without noise: lines of text, and a rule of the whole width, in focus and out of it."""
    page = np.full((240, 320, 3), 255, np.uint8)
    for row in range(30, 240, 40):
        cv2.putText(page, "all in focus", (10, row), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (0, 0, 0), 2)
    page[118:124] = 0
    soft = cv2.GaussianBlur(page, (0, 0), blur)
    assert not lost(page, soft, soft)
    assert not lost(soft, page, page)


def test_lines_that_all_frames_lack_belong_to_the_camera():
    frames = [frame(1.0, seed) for seed in range(3)]
    for image in frames:
        black(image)
    assert not lost(*frames)


def test_displaced_frames():
    """Their rows differ where they are displaced; that is no loss."""
    frames = [np.roll(frame(1.0, seed), 2 * seed, axis=0)[8:-8] for seed in range(3)]
    assert not lost(*frames)


def test_a_frame_without_others_and_of_another_size():
    own = frame()
    black(own)
    assert not lost(own)
    assert not lost(own, frame()[:200])


@pytest.mark.parametrize("place", range(6))
def test_slices_are_compared_with_their_neighbours(place):
    lines = StackLines()
    for index in range(6):
        image = frame(1.0 + index, seed=index)
        if index == place:
            black(image)
        lines.add(image)
    assert [bool(each) for each in lines.found()] == [index == place for index in range(6)]


def test_one_slice():
    lines = StackLines()
    lines.add(frame())
    assert [bool(each) for each in lines.found()] == [False]


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1, 3), (7, 9), (2, 2, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_small_frames_and_all_types(shape, dtype):
    own = (255 * np.random.default_rng(0).random(shape)).astype(dtype)
    assert not lost(own, own[::-1].copy(), own)
