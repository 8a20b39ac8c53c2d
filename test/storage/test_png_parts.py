import cv2
import numpy as np
import pytest

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files.slices import open_slices
from aif_ros.storage.png_parts import has_sound_parts, has_whole_parts

PICTURE = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
# Places of the lengths of a part: of the header, and of the first with pixels.
PLACES = (8, 33)


@pytest.mark.parametrize("picture", [PICTURE, PICTURE[..., 0], PICTURE.astype(np.uint16)])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
def test_sound_files_are_whole(picture, suffix):
    code = cv2.imencode(suffix, picture)[1]
    assert has_whole_parts(code) and has_sound_parts(code)
    # Behind the end there may be anything.
    assert has_whole_parts(np.append(code, np.uint8([255] * 12)))


@pytest.mark.parametrize("place", PLACES)
def test_a_part_that_is_longer_than_the_file(place, tmp_path, monkeypatch):
    code = cv2.imencode(".png", PICTURE)[1]
    code[place] = 255
    assert not has_whole_parts(code)
    path = tmp_path / "a.png"
    path.write_bytes(code.tobytes())
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("memory has been allocated for it"))
    with pytest.raises(DeviceError, match=r"a\.png"):
        open_slices([path]).read(0)


def test_a_file_that_is_cut_off():
    code = cv2.imencode(".png", PICTURE)[1]
    assert not has_whole_parts(code[:-20])


def test_a_part_that_has_changed():
    code = cv2.imencode(".png", PICTURE)[1]
    code[len(code) // 2] ^= 1
    assert has_whole_parts(code) and not has_sound_parts(code)
