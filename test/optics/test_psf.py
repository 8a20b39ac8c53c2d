import numpy as np
import pytest
from scipy import fft, special

from aif_ros.optics.psf import _AIRY_TABLE, _TABLE_STEP, Aperture

SIZE = 96


def point_spread(aperture: Aperture, radius: float) -> np.ndarray:
    transfer = aperture.transfer_function(radius, (SIZE, SIZE))
    return np.roll(fft.irfft2(transfer, s=(SIZE, SIZE)), (SIZE // 2, SIZE // 2), (0, 1))


@pytest.mark.parametrize("blades", [0, 3, 5, 6, 9])
@pytest.mark.parametrize("radius", [0.0, 0.3, 1.0, 4.7, 18.0])
def test_light_is_neither_lost_nor_gained(blades: int, radius: float) -> None:
    aperture = Aperture(blades, rotation=0.2, softness=0.3)
    assert aperture.transfer_function(radius, (SIZE, SIZE))[0, 0] == pytest.approx(1, abs=1e-4)
    kernel = aperture.kernel(radius)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert kernel.min() >= 0
    assert kernel.shape[0] == kernel.shape[1] and kernel.shape[0] % 2 == 1


def test_the_transfer_function_of_a_disk_is_that_of_scipy() -> None:
    x = np.maximum(np.arange(len(_AIRY_TABLE)) * _TABLE_STEP, 1e-9)
    np.testing.assert_allclose(_AIRY_TABLE, 2 * special.j1(x) / x, rtol=0, atol=1e-7)


def test_radius_zero_changes_nothing() -> None:
    assert (Aperture().transfer_function(0.0, (8, 10)) == 1).all()
    assert Aperture().kernel(0.0).tolist() == [[1.0]]


@pytest.mark.parametrize("radius", [3.0, 10.0])
def test_disk_has_its_first_zero_where_theory_puts_it(radius: float) -> None:
    transfer = Aperture().transfer_function(radius, (2048, 2))[:1024, 0]
    first_zero = np.argmax(transfer < 0) / 2048
    assert first_zero == pytest.approx(3.8317 / (2 * np.pi * radius), abs=1 / 2048)


@pytest.mark.parametrize("blades", [0, 5, 6, 8])
def test_kernel_and_transfer_function_describe_the_same_aperture(blades: int) -> None:
    aperture = Aperture(blades, rotation=0.4, softness=0.8)
    kernel = aperture.kernel(9.0)
    half = kernel.shape[0] // 2
    centre = slice(SIZE // 2 - half, SIZE // 2 + half + 1)
    expected = point_spread(aperture, 9.0)[centre, centre]
    assert np.abs(kernel - expected).max() < 0.07 * expected.max()


@pytest.mark.parametrize("blades", [3, 4, 7])
def test_polygon_has_the_area_of_the_disk(blades: int) -> None:
    kernel = Aperture(blades).kernel(12.0)
    assert 1 / kernel.max() == pytest.approx(np.pi * 12**2, rel=0.01)


@pytest.mark.parametrize("radius", [2.0, 5.5])
def test_disk_spreads_by_half_its_radius(radius: float) -> None:
    kernel = Aperture().kernel(radius)
    offset = np.arange(len(kernel)) - len(kernel) // 2
    variance = (kernel.sum(axis=0) * offset**2).sum()
    # Along one axis a disk has the variance radius^2 / 4, and a pixel about 1 / 12.
    assert variance == pytest.approx(radius**2 / 4 + 1 / 12, abs=0.05)


def test_impossible_apertures_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 3 blades"):
        Aperture(blades=2)
    with pytest.raises(ValueError, match="softness"):
        Aperture(softness=-1)


@pytest.mark.parametrize("blades", [0, 3, 5, 6])
def test_kernels_of_tiny_radii_sum_to_one(blades):
    for radius in np.geomspace(1e-4, 0.2, 200):
        assert Aperture(blades=blades).kernel(float(radius)).sum() == pytest.approx(1.0)
