"""Scenes and recorded stacks by name."""

import cv2
import numpy as np

from aif_ros.simulation.open_subject import open_subject


def test_a_width_for_a_stack_is_reported(tmp_path, caplog):
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.full((48, 64, 3), 80 * index, np.uint8))
    assert open_subject(str(tmp_path)).subject.size == (64, 48)
    assert "width" not in caplog.text
    assert open_subject(str(tmp_path), width=32).subject.size == (64, 48)
    assert "width 32 is not used" in caplog.text
