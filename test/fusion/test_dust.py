"""Dust on the sensor of a drifting stack."""

import cv2
import numpy as np
import pytest
import tifffile

from aif_ros.devices.image_files.slices import open_slices
from aif_ros.fusion.dust import downscaled_log, find_dust
from aif_ros.fusion.motion.geometry import translation
from aif_ros.fusion.stacking import fuse_stack
from aif_ros.simulation.scenes.planes import texture

SIZE = (320, 240)
SPOTS = ((60, 50), (200, 90), (130, 170), (260, 200))


def stack(drift, *, dust=True, count=10, things=0):
    """Slices of a slanted scene of known sharp picture that drifts by so many pixels a slice."""
    random = np.random.default_rng(4)
    whole = texture((SIZE[0] + 80, SIZE[1] + 80), random)
    for _ in range(things):
        x, y, across, down = random.integers((0, 0, 3, 3), (400, 320, 40, 40))
        shade = random.random(3, np.float32).tolist()
        cv2.rectangle(whole, (x, y), (x + across, y + down), shade, -1)
    dimmed = np.ones(SIZE[::-1], np.float32)
    if dust:
        for x, y in SPOTS:
            cv2.circle(dimmed, (x, y), 4, 0.55, -1, cv2.LINE_AA)
        dimmed = cv2.GaussianBlur(dimmed, (0, 0), 1.0)
    columns = np.linspace(0, count - 1, whole.shape[1], dtype=np.float32)
    slices, transforms = [], []
    for index in range(count):
        blurred = [cv2.GaussianBlur(whole, (0, 0), 0.3 + 0.8 * step) for step in range(count)]
        away = np.abs(columns - index)
        low = np.minimum(away.astype(int), count - 2)
        share = (away - low)[None, :, None]
        mixed = np.stack(blurred)[low, :, np.arange(whole.shape[1])].swapaxes(0, 1)
        next_ = np.stack(blurred)[low + 1, :, np.arange(whole.shape[1])].swapaxes(0, 1)
        scene = mixed * (1 - share) + next_ * share
        shift = round(drift * index)
        view = scene[40 : 40 + SIZE[1], 40 - 20 + shift : 40 - 20 + shift + SIZE[0]]
        noise = np.random.default_rng(index).normal(0, 0.004, view.shape)
        slices.append(np.clip((view * dimmed[..., None] + noise) * 255, 0, 255).astype(np.uint8))
        transforms.append(translation(-shift, 0.0))
    return slices, transforms, whole


def found(drift, **options):
    slices, transforms, _ = stack(drift, **options)
    return find_dust([downscaled_log(each) for each in slices], transforms, slices[0].shape)


def test_every_spot_is_found_and_little_else():
    dust = found(3)
    assert dust.spots == len(SPOTS)
    assert not any(dust.clean[y, x] for x, y in SPOTS)
    assert dust.share < 0.015


def test_a_clean_sensor_has_none():
    assert found(3, dust=False) is None


@pytest.mark.parametrize(("drift", "count"), [(1, 6), (3, 6), (2, 12)])
def test_things_that_come_into_focus_are_no_dust(drift, count):
    assert found(drift, dust=False, count=count, things=150) is None


def test_without_drift_of_the_scene_dust_is_undecided():
    assert found(0) is None


def error(tmp_path, dust):
    slices, _, whole = stack(3, dust=dust)
    for index, image in enumerate(slices):
        tifffile.imwrite(tmp_path / f"{dust}{index}.tif", image)
    paths = [tmp_path / f"{dust}{index}.tif" for index in range(len(slices))]
    result = fuse_stack(open_slices(paths), "laplacian")
    image = result.fused.image[20:-20, 30:-30]
    # Where the fused image lies in the whole picture.
    match = cv2.matchTemplate(whole, image, cv2.TM_SQDIFF)
    x, y = cv2.minMaxLoc(match)[2]
    truth = whole[y : y + image.shape[0], x : x + image.shape[1]]
    return result, np.abs(image - truth).mean(axis=2)


def test_the_fused_image_has_no_trails(tmp_path, monkeypatch):
    result, cleaned = error(tmp_path, True)
    assert result.dust.spots == len(SPOTS)
    _, clean = error(tmp_path, False)
    monkeypatch.setattr("aif_ros.fusion.stack_comparison.find_dust", lambda *args: None)
    _, trails = error(tmp_path, True)
    assert np.quantile(trails, 0.995) > 0.1
    assert np.quantile(cleaned, 0.995) < 0.4 * np.quantile(trails, 0.995)
    assert cleaned.mean() == pytest.approx(clean.mean(), rel=0.3)
