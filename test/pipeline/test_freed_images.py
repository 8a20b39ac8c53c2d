"""The loop leaves no images to the garbage collector.

Python collects reference cycles once in many frames, and does not count the size of arrays that
are held by them: the memory of a process then rises and falls by many images.
"""

import gc

import numpy as np
import pytest

from aif_ros.fusion.fuser import make_fuser
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.pipeline.fuse_step import FuseStep
from aif_ros.pipeline.reference_frame import ReferenceFrame
from aif_ros.types.frame import Frame

SIZE, FRAMES, STEP = (96, 128), 3, 4


def frames(lens_model):
    """A camera that moves sideways over a random texture while the lens moves."""
    texture = np.random.default_rng(0).random((SIZE[0], SIZE[1] + 2 * FRAMES * STEP), np.float32)
    texture = np.repeat(np.repeat(texture[::8, ::8], 8, axis=0), 8, axis=1)
    for index, position in enumerate(np.linspace(*lens_model.limits, 2 * FRAMES)):
        view = texture[: SIZE[0], index * STEP : index * STEP + SIZE[1]]
        image = np.repeat((255 * view).astype(np.uint8)[..., None], 3, axis=2)
        yield Frame(image, (index + 1) * 10**8, float(position), 0.0)


@pytest.mark.parametrize("dynamic", [False, True])
def test_images_are_freed_without_garbage_collection(dynamic):
    lens_model = LensModel.load(DEFAULT_CALIBRATION)
    step = FuseStep(
        make_fuser("laplacian", lens_model if dynamic else None), lens_model, dynamic=dynamic
    )
    given = iter(frames(lens_model))
    for _ in range(FRAMES):
        step.add(ReferenceFrame(next(given), lens_model))
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for frame in given:
            step.add(ReferenceFrame(frame, lens_model))
        gc.collect()
        # Other threads of the tests leave garbage, too.
        left = {type(each) for each in gc.garbage if type(each).__module__.startswith("aif_ros.")}
        assert left == set()
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
