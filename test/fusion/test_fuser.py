"""All fusion methods, and the fuser that holds J."""

import cv2
import numpy as np
import pytest

from aif_ros.fusion import pyramid
from aif_ros.fusion.fuser import FUSION_METHODS, Fuser, make_fuser
from aif_ros.optics.psf import Aperture
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import ImageError

SHARP = texture((160, 120), np.random.default_rng(3))
LEFT = np.arange(160)[None, :, None] < 80


def blurred(image, sigma=3.0):
    return cv2.GaussianBlur(image, (0, 0), sigma)


def frames():
    """Two frames, each sharp in one half."""
    soft = blurred(SHARP)
    return np.where(LEFT, SHARP, soft), np.where(LEFT, soft, SHARP)


@pytest.fixture(params=FUSION_METHODS)
def fuser(request):
    return make_fuser(request.param)


def test_takes_the_sharp_half_of_each_frame(fuser):
    first, second = frames()
    fuser.add(first, 1e-3)
    fused = fuser.add(second, 2e-3)
    best = max(psnr(first, SHARP), psnr(second, SHARP))
    assert psnr(fused.image, SHARP) > best + 6
    assert fused.frames == 2
    # Away from the seam the source is known.
    assert (fused.source_position[:, :60] == np.float32(1e-3)).mean() > 0.95
    assert (fused.source_position[:, 100:] == np.float32(2e-3)).mean() > 0.95


def test_order_does_not_matter_much(fuser):
    first, second = frames()
    fuser.add(second, 2e-3)
    assert psnr(fuser.add(first, 1e-3).image, SHARP) > psnr(first, SHARP) + 6


def test_first_frame_is_taken_as_it_is(fuser):
    fused = fuser.add(SHARP, 1e-3)
    np.testing.assert_array_equal(fused.image, SHARP)
    assert fused.frames == 1
    assert fused is fuser.fused


def test_same_frame_again_changes_nothing(fuser):
    fuser.add(SHARP, 1e-3)
    np.testing.assert_allclose(fuser.add(SHARP, 1e-3).image, SHARP, atol=1e-6)


# Pyramids overshoot beside edges, by their nature.
@pytest.mark.parametrize("method", [name for name in FUSION_METHODS if name != "pyramid"])
def test_nothing_is_invented(method):
    fuser = make_fuser(method)
    first, second = frames()
    fuser.add(first, 1e-3)
    image = fuser.add(second, 2e-3).image
    assert (image >= np.minimum(first, second) - 1e-5).all()
    assert (image <= np.maximum(first, second) + 1e-5).all()


def test_reset_begins_anew(fuser):
    fuser.add(SHARP, 1e-3)
    fuser.reset()
    assert fuser.fused is None
    assert fuser.add(SHARP[:50], 1e-3).image.shape == (50, 160, 3)


def test_another_size_is_refused_and_nothing_lost(fuser):
    fuser.add(SHARP, 1e-3)
    with pytest.raises(ImageError, match="reset"):
        fuser.add(SHARP[:50], 2e-3)
    np.testing.assert_array_equal(fuser.fused.image, SHARP)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (3, 5, 3), (7, 1), (33, 47)])
def test_any_size_mono_or_colour(fuser, shape):
    random = np.random.default_rng(0)
    for position in (1e-3, 2e-3):
        fused = fuser.add(random.random(shape, dtype=np.float32), position)
    assert fused.image.shape == shape
    assert fused.image.dtype == np.float32
    assert fused.sharpness.shape == fused.source_position.shape == shape[:2]
    assert np.isfinite(fused.image).all()


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_saturated_frames_do_no_harm(fuser, level):
    fuser.add(SHARP, 1e-3)
    fused = fuser.add(np.full_like(SHARP, level), 2e-3)
    assert psnr(fused.image, SHARP) > 30
    assert np.isfinite(fused.image).all()


@pytest.mark.parametrize("factors", [1.1, 0.9, (0.95, 1.0, 1.08)])
def test_a_change_of_exposure_leaves_no_trace(fuser, factors):
    dim = 0.8 * SHARP
    first, second = (np.where(mask, dim, blurred(dim)) for mask in (LEFT, ~LEFT))
    fuser.add(first, 1e-3)
    alike = make_fuser_like(fuser, [first, second])
    fused = fuser.add(np.float32(second * factors), 2e-3)
    assert psnr(fused.image, dim) > min(psnr(alike.image, dim), 42) - 1


def test_what_a_brighter_frame_has_clipped_is_not_used(fuser):
    """Highlights would turn grey, or white with rims around them."""
    bright = np.minimum(SHARP * np.float32(0.9), 0.8)
    first, second = (np.where(mask, bright, blurred(bright)) for mask in (LEFT, ~LEFT))
    fuser.add(first, 1e-3)
    second = np.minimum(second * np.float32(1.5), 1)
    clipped = (second >= 0.99).any(axis=2)
    fused = fuser.add(second, 2e-3)
    assert clipped.mean() > 0.02
    assert np.abs(fused.image - bright)[clipped & LEFT[..., 0]].max() < 0.05


def make_fuser_like(fuser, frames):
    """J of frames of one exposure, by the method of a fuser."""
    other = Fuser(fuser._method)
    for index, frame in enumerate(frames, 1):
        fused = other.add(frame, 1e-3 * index)
    return fused


def test_unknown_method_is_named():
    with pytest.raises(ValueError, match="laplacian"):
        make_fuser("magic")


@pytest.mark.parametrize("method", FUSION_METHODS)
def test_wide_dark_bars_stay_dark(method):
    """Blurred over their surroundings they are grey, and noisier."""
    rng = np.random.default_rng(6)
    bars = np.where(np.arange(400) % 64 < 32, np.float32(0.03), np.float32(0.7))
    sharp = np.broadcast_to(bars, (300, 400))
    fuser = make_fuser(method)
    for index, sigma in enumerate((24.0, 12.0, 0.3, 12.0)):
        noise = rng.standard_normal(sharp.shape).astype(np.float32)
        scene = blurred(sharp, sigma)
        fuser.add(np.clip(scene + 0.01 * np.sqrt(scene) * noise, 0, 1), index * 1e-4)
    middle = np.broadcast_to(np.abs(np.arange(400) % 64 - 16) < 10, sharp.shape)
    fog = cv2.blur(fuser.fused.image - sharp, (5, 5))[middle]
    assert np.quantile(np.abs(fog), 0.999) < 0.03


@pytest.mark.parametrize("height", [120, 121])
def test_pyramids_are_merged_in_strips_without_seams(height, monkeypatch):
    first, second = (image[:height] for image in np.pad(frames(), [(0, 0), (0, 1), (0, 0), (0, 0)]))
    merged = []
    for rows in (512, 32):
        monkeypatch.setattr(pyramid, "_ROWS", rows)
        fuser = make_fuser("pyramid")
        fuser.add(first, 1e-3)
        merged.append(fuser.add(second, 2e-3).image)
    np.testing.assert_allclose(*merged, atol=1e-6)


@pytest.mark.parametrize("near_first", [True, False])
def test_rings_around_strong_contrast_are_narrow(near_first):
    """Faint detail beside a thing of seventeen times its contrast comes from its own frame."""
    random = np.random.default_rng(5)
    faint = (0.5 + 0.06 * (texture((480, 360), random) - 0.5)).astype(np.float32)
    strong = texture((480, 360), random)
    near = cv2.GaussianBlur(faint, (0, 0), 8)
    near[:, :200] = strong[:, :200]
    far = faint.copy()
    far[:, :200] = cv2.GaussianBlur(strong, (0, 0), 8)[:, :200]
    fuser = make_fuser("laplacian")
    for position in (0.0, 1.0) if near_first else (1.0, 0.0):
        fused = fuser.add(far if position else near, position)
    # Averages of squares give 14.2 px.
    assert (fused.source_position[:, 200:280] < 0.5).mean(axis=0).sum() < 12.5


@pytest.mark.parametrize("wires_first", [True, False])
def test_wires_before_a_bright_panel_have_no_gaps(wires_first):
    """Lettering around a wire, in focus in another frame, must not outweigh the wire."""
    random = np.random.default_rng(1)
    wires = np.zeros((360, 480), np.float32)
    for x in range(60, 480, 90):
        cv2.line(wires, (x - 20, 0), (x + 20, 360), 1.0, 3, cv2.LINE_AA)
    panel = np.full(wires.shape, 0.8, np.float32)
    for y in range(12, 360, 24):
        text = "lettering on a panel 0123456789"
        cv2.putText(panel, text, (0, y), cv2.FONT_HERSHEY_SIMPLEX, 0.8, 0.5, 2, cv2.LINE_AA)

    def photograph(wire_radius, panel_radius):
        spread, ground = (
            cv2.filter2D(image, -1, Aperture().kernel(radius), borderType=cv2.BORDER_REFLECT_101)
            for image, radius in ((wires, wire_radius), (panel, panel_radius))
        )
        noise = random.standard_normal(wires.shape).astype(np.float32)
        return np.clip(0.05 * spread + (1 - spread) * ground + 0.004 * noise, 0, 1)

    # Blur radii, pixels; the wires lie a little beside the focus of their frame.
    taken = [(photograph(2.0, 14.0), 1e-3), (photograph(14.0, 0.5), 2e-3)]
    fuser = make_fuser("laplacian")
    for image, position in taken if wires_first else reversed(taken):
        fused = fuser.add(image, position)
    # Without the narrow window a third is lost.
    lost = fused.source_position[wires > 0.95] > 1.5e-3
    assert lost.mean() < 0.05
