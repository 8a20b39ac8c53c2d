"""Which slices of a stack are fused."""

import numpy as np
from disk_stack import SIZE, slices

from aif_ros.fusion.slice_reader import SliceReader
from aif_ros.fusion.stack_selection import select_slices
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import to_uint8


def test_slices_of_other_scenes_are_not_selected(tmp_path):
    def edit(images):
        images[1][:] = 0
        images[3] = to_uint8(texture(SIZE, np.random.default_rng(8)))

    reader = SliceReader(slices(tmp_path, edit))
    selected = select_slices(reader, align=True, match_exposure=True)
    assert [name.rpartition("/")[2] for name in selected.left_out] == ["1.png", "3.png"]
    assert [name.rpartition("/")[2] for name in selected.blank] == ["1.png"]
    assert len(selected.reader) == len(selected.comparison.transforms) == 3
