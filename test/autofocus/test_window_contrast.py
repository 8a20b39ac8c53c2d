import cv2
import numpy as np
import pytest

from aif_ros.autofocus.window_contrast import WindowContrast
from aif_ros.defocus.sharpness import tenengrad
from aif_ros.types.image import ImageError

RANDOM = np.random.default_rng(0)
TEXTURE = (0.2 + 0.5 * RANDOM.random((128, 128))).astype(np.float32)


def blurred(image, sigma):
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image


def contrasts(images):
    contrast = WindowContrast()
    for image in images:
        contrast.add(image)
    return contrast


def test_without_saturation_it_is_tenengrad_of_the_light():
    images = [blurred(TEXTURE, sigma) for sigma in (0, 1, 3)]
    lights = [image * (image + np.float32(0.05)) for image in images]
    expected = [tenengrad(light / light.mean()) for light in lights]
    np.testing.assert_allclose(contrasts(images).values, expected, rtol=1e-3)


def test_exposure_does_not_matter():
    values = contrasts([blurred(TEXTURE, 1), 0.5 * blurred(TEXTURE, 1)]).values
    assert values[0] == pytest.approx(values[1], rel=0.1)


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_contrast_of_points_falls_with_their_blur(radius):
    """Encoded, the gradients of points on black grow for a pixel or two of blur."""
    light = np.full((256, 256), 1e-3, np.float32)
    for x, y in RANDOM.integers(16, 240, (12, 2)):
        cv2.circle(light, (int(x), int(y)), radius, 0.8, -1)
    images = [blurred(light, sigma) ** np.float32(1 / 2.4) for sigma in (0, 0.5, 1, 1.5, 2, 3)]
    values = contrasts(images).values
    assert (np.diff(values) < 0).all()
    if radius == 0:
        encoded = [tenengrad(image) for image in images]
        assert np.argmax(encoded) != 0


def test_saturated_parts_are_left_out_of_all_looks():
    with_lamp = []
    for sigma in (3.0, 0.0, 3.0):
        image = blurred(TEXTURE, sigma).copy()
        # A lamp that is sharp where the texture is not.
        image[20:60, 20 : 60 + (20 if sigma else 0)] = 1.0
        with_lamp.append(image)
    measured = contrasts(with_lamp)
    assert measured.values.argmax() == 1
    assert measured.values[0] == pytest.approx(measured.values[2])
    assert measured.masked
    assert measured.saturated(0) > 0.5


def test_single_bright_pixels_are_no_lamp():
    image = TEXTURE.copy()
    image[::16, ::16] = 1.0
    assert contrasts([image]).saturated(0) == 0


def test_saturated_parts_count_where_nothing_else_has_texture():
    """Black and white squares, at full scale."""
    squares = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((16, 16))).astype(np.float32)
    measured = contrasts([blurred(squares, sigma) for sigma in (4, 0, 2)])
    assert measured.varies and not measured.masked
    assert measured.values.argmax() == 1


def test_points_count_that_saturate_only_in_focus():
    """Points on dark ground: what surrounds them is brightest out of focus."""
    points = np.zeros((128, 128), np.float32)
    points[8::24, 8::24] = 40.0
    light = [np.minimum(blurred(points, sigma), 1) for sigma in (1.0, 3.0, 4.0, 6.0)]
    assert (light[0] == 1).sum() > 4 * 25 and (light[1] < 1).all()
    measured = contrasts(light)
    assert measured.values.argmax() == 0
    assert not measured.masked


def noise(count, amplitude=0.01, size=128):
    return [
        (0.5 + amplitude * RANDOM.standard_normal((size, size))).astype(np.float32)
        for _ in range(count)
    ]


@pytest.mark.parametrize("size", [32, 64, 256])
def test_noise_does_not_vary(size):
    assert not contrasts(noise(12, size=size)).varies


def test_faint_texture_is_detected_in_noise():
    """A tenth of the contrast of the noise; its grain is 4 px."""
    grain = cv2.resize(RANDOM.standard_normal((64, 64)).astype(np.float32), (256, 256))
    images = [
        clean + 0.006 * blurred(grain, sigma)
        for clean, sigma in zip(noise(5, size=256), (8, 4, 0, 4, 8), strict=True)
    ]
    measured = contrasts(images)
    assert measured.varies
    assert measured.values.argmax() == 2


def test_unusable_images_are_refused():
    with pytest.raises(ImageError):
        contrasts([np.full((64, 64), np.nan, np.float32)])
