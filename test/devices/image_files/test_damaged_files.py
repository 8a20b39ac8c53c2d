"""Damaged files of every format are read or refused in one line, whatever is wrong with them.

The number of files per format is small here; `AIF_ROS_FUZZ=20000 pytest -k damaged` tries more.
"""

import os
import random

import pytest
from damage import PICTURES, damaged, read_picture

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.slices import open_slices

COUNT = int(os.environ.get("AIF_ROS_FUZZ", "15"))


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_are_read_or_refused_in_one_line(tmp_path, name):
    chance = random.Random(name)
    file = tmp_path / name
    for number in range(COUNT):
        file.write_bytes(damaged(PICTURES[name], chance))
        try:
            read_picture(file)
        except DeviceError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
        except BaseException:
            (tmp_path / f"kept{number}_{name}").write_bytes(file.read_bytes())
            print(f"kept as {tmp_path}/kept{number}_{name}")
            raise


# No camera has written raw.nef: it can only be refused.
@pytest.mark.parametrize("name", sorted(PICTURES.keys() - {"raw.nef"}))
def test_the_whole_files_can_be_read(tmp_path, name):
    (tmp_path / name).write_bytes(PICTURES[name])
    assert open_slices([tmp_path / name]).read(0).pixels.size
