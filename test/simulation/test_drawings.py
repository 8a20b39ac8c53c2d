import numpy as np
import pytest

from aif_ros.simulation.drawings import DRAWINGS
from aif_ros.simulation.photos import sharpness


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_are_sharp_pictures_of_their_size(name) -> None:
    image = DRAWINGS[name](128, np.random.default_rng(0))
    assert image.shape == (128, 128) and image.dtype == np.float32
    assert image.min() >= 0 and np.isfinite(image).all()
    textured, sharp = sharpness(image, 32)
    assert textured.any() and sharp.sum() >= 0.5 * textured.sum()


def test_same_seed_same_drawing() -> None:
    for draw in DRAWINGS.values():
        first, second = (draw(64, np.random.default_rng(5)) for _ in range(2))
        assert (first == second).all()
