import numpy as np
import pytest
from scipy import fft

from aif_ros.optics.psf import Aperture
from aif_ros.optics.pupil import GaussianSpread, MicroscopePupil, Pupil

SHAPE = (128, 120)
LENSES = [
    Pupil(),
    Pupil(spherical=3),
    Pupil(coma=1.5, angle=1),
    Pupil(astigmatism=2, angle=0.5),
    Pupil(falloff=3),
    Pupil(obstruction=0.5),
    Pupil(vignetting=0.8, softness=0.4),
    GaussianSpread(0.3),
    MicroscopePupil(),
]


def point_image(lens, defocus):
    """The point-spread function, centred."""
    return fft.fftshift(fft.irfft2(lens.transfer_function(defocus, SHAPE), s=SHAPE))


def moments(image):
    """Centre (x, y) and the two second moments of a point image."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    centre = (image * x).sum(), (image * y).sum()
    return centre, (image * (x - centre[0]) ** 2).sum(), (image * (y - centre[1]) ** 2).sum()


@pytest.mark.parametrize("lens", LENSES)
@pytest.mark.parametrize("defocus", [-12.0, 0.0, 0.3, 5.0])
def test_light_is_kept_and_the_image_stays_in_place(lens, defocus) -> None:
    image = point_image(lens, defocus)
    assert image.sum() == pytest.approx(1, abs=1e-4)
    (x, y), _, _ = moments(image)
    assert (x, y) == pytest.approx((SHAPE[1] // 2, SHAPE[0] // 2), abs=0.1)


@pytest.mark.parametrize("defocus", [0.5, 4.0, 20.0])
def test_without_aberrations_it_is_the_disk(defocus) -> None:
    disk = Aperture().transfer_function(defocus, SHAPE)
    assert np.abs(Pupil().transfer_function(defocus, SHAPE) - disk).max() < 0.09
    assert Pupil().blur_radius(defocus) == pytest.approx(defocus, rel=0.01)


@pytest.mark.parametrize("lens", LENSES)
def test_equivalent_radius_is_that_of_the_disk_of_like_falloff(lens) -> None:
    radius = lens.blur_radius(12.0)
    disk = Aperture().transfer_function(radius, (256, 256))
    seen = np.abs(lens.transfer_function(12.0, (256, 256)))
    frequency = np.hypot(np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None])
    ring = np.abs(frequency - 0.2085 / radius) < 0.004
    softness = getattr(lens, "softness", 0.0)
    core = np.exp(-2 * (np.pi * softness * 0.2085 / radius) ** 2)
    assert seen[ring].mean() == pytest.approx(core * disk[ring].mean(), abs=0.04)


def test_gaussian_has_the_radius_of_twice_its_deviation() -> None:
    image = point_image(GaussianSpread(), 10.0)
    assert np.sqrt(moments(image)[1]) == pytest.approx(10 / 1.974, rel=0.01)


def test_spherical_aberration_distinguishes_the_sides_of_focus() -> None:
    lens = Pupil(spherical=6)
    before, behind = point_image(lens, -8.0), point_image(lens, 8.0)
    assert np.abs(before - behind).max() > 0.5 * behind.max()
    assert lens.blur_radius(0.0) > 1


def test_astigmatism_is_directed() -> None:
    _, along, across = moments(point_image(Pupil(astigmatism=4), 6.0))
    assert along > 4 * across


def test_obstruction_darkens_the_middle() -> None:
    image = point_image(Pupil(obstruction=0.6), 12.0)
    assert image[SHAPE[0] // 2, SHAPE[1] // 2] < 0.1 * image.max()


class TestMicroscope:
    def test_in_focus_it_is_the_airy_pattern(self) -> None:
        lens = MicroscopePupil(numerical_aperture=0.5, wavelength=0.5, pixel=0.1)
        kernel = lens.kernel(0.0)
        profile = kernel[kernel.shape[0] // 2, kernel.shape[1] // 2 :]
        # First dark ring at 0.61 wavelength / NA = 0.61 um.
        assert abs(int(profile[:9].argmin()) - 6) <= 1
        assert profile[6] < 0.01 * profile[0]

    def test_far_from_focus_it_is_the_geometric_disk(self) -> None:
        lens = MicroscopePupil(pixel=0.6)
        assert lens.blur_radius(20.0) == pytest.approx(20, rel=0.08)

    def test_depth_in_another_medium_makes_focus_asymmetric(self) -> None:
        lens = MicroscopePupil(0.8, pixel=0.2, immersion_index=1.518, depth=15)
        before, behind = lens.kernel(-6.0), lens.kernel(6.0)
        assert np.abs(before - behind).max() > 0.2 * behind.max()

    def test_impossible_aperture(self) -> None:
        with pytest.raises(ValueError, match="numerical_aperture"):
            MicroscopePupil(numerical_aperture=1.2)


@pytest.mark.parametrize("wrong", [{"obstruction": 1}, {"vignetting": -1}, {"softness": -1}])
def test_impossible_pupils(wrong) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Pupil(**wrong)
