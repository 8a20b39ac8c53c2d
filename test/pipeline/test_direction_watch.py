from dataclasses import replace

import numpy as np
import pytest

from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.direction_watch import DirectionWatch
from aif_ros.simulation.renderer import Sensor, render
from aif_ros.simulation.scenes.planes import texture
from aif_ros.simulation.scenes.scene import SceneView
from aif_ros.types.frame import Frame

SIZE = (320, 240)
# 5 px of blur radius and 2.4 % of magnification over the travel.
LENS = LensModel("test", 1e-6, (0.0, 1e-3), 5e3, SIZE[0], breathing_per_metre=24.0)
PICTURE = texture(SIZE, np.random.default_rng(3))


def frames(breathing, shift=0.0):
    """Three frames over the travel, of a lens that breathes by `breathing` per metre."""
    lens = replace(LENS, breathing_per_metre=breathing)
    focus = np.full(SIZE[::-1], 4e-4, np.float32)
    for index, position in enumerate((0.0, 9e-4, 1e-3)):
        view = SceneView(PICTURE, focus, (index * shift, 0.0))
        image = Sensor(seed=index).expose(render(view.settled(), lens, position))
        yield Frame(image, index, position)


def warned(watched, breathing, **motion):
    watch = DirectionWatch(watched)
    for frame in frames(breathing, **motion):
        watch.add(frame)
    return watch.warning


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_lens_that_counts_the_other_way_is_noticed(shift):
    assert "counts in the other direction" in warned(LENS, -24.0, shift=shift)


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_a_lens_as_calibrated_is_not(shift):
    assert not warned(LENS, 24.0, shift=shift)


def test_a_lens_without_breathing_shows_nothing():
    assert not warned(replace(LENS, breathing_per_metre=0.0), -24.0)


def test_one_pair_does_not_decide():
    watch = DirectionWatch(LENS)
    first, second, _ = frames(-24.0)
    watch.add(first)
    watch.add(second)
    assert not watch.warning
