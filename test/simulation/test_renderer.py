"""The renderer against slow references written here: direct convolution, and rays of light."""

import cv2
import numpy as np
import pytest

from aif_ros.optics.breathing import magnify
from aif_ros.optics.lens_model import LensModel
from aif_ros.optics.psf import Aperture
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.renderer import Renderer, Sensor, SensorNoise, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.types.image import DISPLAY_GAMMA

# 1000 px of blur radius per metre of travel at 120 px width: positions in mm are radii in px.
LENS = LensModel("test", 1e-6, (0.0, 16e-3), 1000.0, 120)
WIDTH, HEIGHT = 120, 96


def picture(seed):
    return texture((WIDTH, HEIGHT), np.random.default_rng(seed))


def flat(focus, seed=0):
    return SceneView(picture(seed), np.full((HEIGHT, WIDTH), focus, np.float32))


def by_rays(near, alpha, far, near_focus, far_focus, position):
    """Average over rays through the aperture: each meets the near plane or passes on to the far."""
    linear_near, linear_far = near**DISPLAY_GAMMA, far**DISPLAY_GAMMA
    axis = (np.arange(33) + 0.5) / 33 * 2 - 1
    points = [(u, v) for u in axis for v in axis if u * u + v * v <= 1]
    total = np.zeros_like(linear_near)

    def seen(plane, radius, u, v):
        matrix = np.array([[1.0, 0.0, radius * u], [0.0, 1.0, radius * v]])
        size = (WIDTH, HEIGHT)
        return cv2.warpAffine(plane, matrix, size, borderMode=cv2.BORDER_REFLECT_101)

    for u, v in points:
        near_radius = LENS.blur_radius(position, near_focus, WIDTH)
        far_radius = LENS.blur_radius(position, far_focus, WIDTH)
        hit = seen(alpha, near_radius, u, v)[..., None]
        total += hit * seen(linear_near, near_radius, u, v)
        total += (1 - hit) * seen(linear_far, far_radius, u, v)
    return (total / len(points)) ** (1 / DISPLAY_GAMMA)


def two_planes(near, far):
    """A near rectangle before a far plane, at 12 mm and 4 mm, and where the rectangle is."""
    inside = np.zeros((HEIGHT, WIDTH), np.bool_)
    inside[20:76, 30:80] = True
    view = SceneView(
        np.where(inside[..., None], near, far),
        np.where(inside, np.float32(12e-3), np.float32(4e-3)),
    )
    return view, inside.astype(np.float32)


def by_scattering(view, position):
    """Each pixel's light spread over a disk of its own radius; right where nothing is hidden."""
    pad = 24
    linear = np.pad(view.image**DISPLAY_GAMMA, ((pad, pad), (pad, pad), (0, 0)), "reflect")
    focus = np.pad(view.focus_position, pad, "reflect")
    kernels = {}
    light, weight = np.zeros((*focus.shape, 3)), np.zeros(focus.shape)
    for y, x in np.ndindex(*focus.shape):
        radius = round(abs(LENS.blur_radius(position, float(focus[y, x]), WIDTH)), 1)
        if radius not in kernels:
            kernels[radius] = Aperture().kernel(radius)
        kernel = kernels[radius]
        half = len(kernel) // 2
        if half <= y < focus.shape[0] - half and half <= x < focus.shape[1] - half:
            place = slice(y - half, y + half + 1), slice(x - half, x + half + 1)
            light[place] += kernel[..., None] * linear[y, x]
            weight[place] += kernel
    inner = slice(pad, -pad), slice(pad, -pad)
    return (light[inner] / weight[inner][..., None]) ** (1 / DISPLAY_GAMMA)


# 9 and 12 px are spread at half the resolution.
@pytest.mark.parametrize(
    "radius, at_least", [(1.0, 80), (2.5, 80), (4.0, 80), (6.0, 58), (9.0, 52), (12.0, 54)]
)
def test_one_plane_is_convolved_with_the_disk(radius, at_least):
    view = flat(3e-3)
    kernel = Aperture().kernel(radius)
    linear = view.image**DISPLAY_GAMMA
    direct = cv2.filter2D(linear, -1, kernel, borderType=cv2.BORDER_REFLECT_101)
    expected = direct ** (1 / DISPLAY_GAMMA)
    assert psnr(render(view, LENS, 3e-3 + radius * 1e-3), expected) > at_least


def test_in_focus_nothing_changes():
    view = flat(5e-3)
    np.testing.assert_allclose(render(view, LENS, 5e-3), view.image, atol=1e-4)


POSITIONS = pytest.mark.parametrize(
    "position",
    [4e-3, 8e-3, 12e-3, 0.0, 16e-3],
    ids=["far sharp", "between", "near sharp", "before both", "behind both"],
)


@POSITIONS
def test_near_plane_hides_as_rays_do(position):
    """Before a background whose hidden part is known (it is uniform) only rounding differs."""
    near, far = picture(1), np.full((HEIGHT, WIDTH, 3), 0.8, np.float32)
    view, alpha = two_planes(near, far)
    expected = by_rays(near, alpha, far, 12e-3, 4e-3, position)
    assert psnr(render(view, LENS, position), expected) > 55


@POSITIONS
def test_near_plane_uncovers_nearly_as_rays_do(position):
    """What is uncovered of a textured background is guessed: an error, but a small one."""
    near, far = picture(1), picture(2)
    view, alpha = two_planes(near, far)
    expected = by_rays(near, alpha, far, 12e-3, 4e-3, position)
    assert psnr(render(view, LENS, position), expected) > 41


@pytest.mark.parametrize("position", [0.0, 8e-3])
def test_slope_is_blurred_pixel_by_pixel(position):
    """Layers and the shares of pixels between them come near to a radius for each pixel."""
    focus = np.linspace(2e-3, 14e-3, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)
    view = SceneView(picture(3), focus)
    assert psnr(render(view, LENS, position), by_scattering(view, position)) > 48


def test_background_shows_behind_a_blurred_near_edge():
    """The rim of a black near object before a white background turns grey inside the object."""
    inside = np.zeros((HEIGHT, WIDTH), np.bool_)
    inside[:, :60] = True
    view = SceneView(
        np.where(inside, np.float32(0), np.float32(1)),
        np.where(inside, np.float32(12e-3), np.float32(4e-3)),
    )
    row = render(view, LENS, 4e-3)[HEIGHT // 2]
    # 4.5 px from the edge of a half plane, the share of a disk of 8 px that lies beyond it.
    beyond = (np.arccos(4.5 / 8) - 4.5 / 8 * np.sqrt(1 - (4.5 / 8) ** 2)) / np.pi
    assert row[55] == pytest.approx(beyond ** (1 / DISPLAY_GAMMA), abs=0.01)
    assert row[64] == pytest.approx((1 - beyond) ** (1 / DISPLAY_GAMMA), abs=0.01)
    assert row[40] < 1e-3
    assert row[80] > 1.0 - 1e-3


def test_sharp_near_edge_stays_sharp_before_a_blurred_background():
    inside = np.zeros((HEIGHT, WIDTH), np.bool_)
    inside[:, :60] = True
    view = SceneView(
        np.where(inside, np.float32(0), np.float32(1)),
        np.where(inside, np.float32(12e-3), np.float32(4e-3)),
    )
    row = render(view, LENS, 12e-3)[HEIGHT // 2]
    np.testing.assert_allclose(row[:59], 0.0, atol=1e-2)
    np.testing.assert_allclose(row[61:], 1.0, atol=1e-2)


def test_slope_keeps_its_brightness():
    """Light is neither lost nor gained between the layers of a tilted white plane."""
    focus = np.linspace(1e-3, 15e-3, WIDTH, dtype=np.float32)[None].repeat(HEIGHT, axis=0)
    view = SceneView(np.full((HEIGHT, WIDTH, 3), 0.7, np.float32), focus)
    for position in (0.0, 7e-3, 16e-3):
        np.testing.assert_allclose(render(view, LENS, position), 0.7, atol=2e-3)


def test_same_position_gives_the_same_image():
    renderer = Renderer(flat(3e-3), LENS)
    first = renderer.render(9e-3)
    renderer.render(1e-3)
    np.testing.assert_array_equal(renderer.render(9e-3), first)


def test_mono_stays_mono():
    view = flat(5e-3)
    mono = SceneView(view.image[..., 0].copy(), view.focus_position)
    assert render(mono, LENS, 8e-3).shape == (HEIGHT, WIDTH)


def test_breathing_magnifies_about_the_centre():
    lens = LensModel("test", 1e-6, (0.0, 16e-3), 1000.0, 120, breathing_per_metre=5.0)
    view = flat(8e-3)
    expected = magnify(view.image, 1.04)
    assert psnr(render(view, lens, 8e-3), expected) > 35


def test_no_black_rim_beside_highlights():
    """Interpolation overshoots: in linear light it would swallow the dark side altogether."""
    lens = LensModel("test", 1e-6, (0.0, 16e-3), 1000.0, 120, breathing_per_metre=5.0)
    image = np.full((HEIGHT, WIDTH), 0.2, np.float32)
    image[:, 60:] = 1.0
    view = SceneView(image, np.full((HEIGHT, WIDTH), 8e-3, np.float32))
    assert render(view, lens, 8e-3).min() > 0.08


def test_unusable_views_are_refused():
    view = flat(5e-3)
    with pytest.raises(ValueError, match="same size"):
        Renderer(SceneView(view.image[:50], view.focus_position), LENS)
    holes = view.focus_position.copy()
    holes[3, 4] = np.nan
    with pytest.raises(ValueError, match="finite"):
        Renderer(SceneView(view.image, holes), LENS)


class TestSensor:
    def test_noise_has_the_stated_deviation(self):
        gray = np.full((200, 200), 0.5, np.float32)
        exposed = Sensor(SensorNoise(read=3 / 255, shot=0.0)).expose(gray)
        assert exposed.dtype == np.uint8
        assert exposed.std() == pytest.approx(3.0, rel=0.05)
        assert exposed.mean() == pytest.approx(127.5, abs=0.1)

    def test_shot_noise_grows_with_the_square_root_of_light(self):
        sensor = Sensor(SensorNoise(read=0.0, shot=4 / 255))
        bright, dark = (
            sensor.expose(np.full((300, 300), level, np.float32)) for level in (0.8, 0.2)
        )
        # sqrt(x) of linear light, divided by the slope of x ** (1 / 2.4).
        ratio = (0.8 / 0.2) ** (2.4 / 2 - 1)
        assert dark.std() / bright.std() == pytest.approx(ratio, rel=0.05)
        assert bright.std() == pytest.approx(4 * 0.8**-0.2, rel=0.05)

    def test_frames_differ_by_independent_noise(self):
        gray = np.full((60, 80), 0.5, np.float32)
        sensor = Sensor()
        mean = np.mean([sensor.expose(gray) for _ in range(64)], axis=0)
        assert mean.std() == pytest.approx(sensor.expose(gray).std() / 8, rel=0.2)

    def test_noise_is_fresh_but_repeatable(self):
        gray = np.full((50, 50, 3), 0.5, np.float32)
        one, other = Sensor(seed=1), Sensor(seed=1)
        first = one.expose(gray)
        np.testing.assert_array_equal(first, other.expose(gray))
        assert (first != one.expose(gray)).any()

    def test_it_clips(self):
        white = np.full((50, 50), 1.0, np.float32)
        assert Sensor().expose(white).max() == 255
