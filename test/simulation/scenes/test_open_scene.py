import cv2
import numpy as np
import pytest

from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.simulation.scenes.open_scene import SCENES, open_scene
from aif_ros.simulation.scenes.photo import read_depth
from aif_ros.simulation.scenes.scene import SceneError

LENS = LensModel.load(DEFAULT_CALIBRATION)


def write_photo(folder, depth, image=None):
    folder.mkdir(parents=True, exist_ok=True)
    image = np.full((24, 32, 3), 90, np.uint8) if image is None else image
    cv2.imwrite(str(folder / "image.png"), image)
    if depth.dtype == np.uint16:
        cv2.imwrite(str(folder / "depth.png"), depth)
    else:
        np.save(folder / "depth.npy", depth)
    return folder


@pytest.fixture
def slope():
    return np.linspace(1000, 3000, 32).astype(np.uint16)[None].repeat(24, axis=0)


@pytest.fixture
def video(tmp_path):
    for index in range(4):
        (tmp_path / "rgb").mkdir(exist_ok=True)
        (tmp_path / "depth").mkdir(exist_ok=True)
        gray = np.full((24, 32, 3), 40 * (index + 1), np.uint8)
        cv2.imwrite(str(tmp_path / "rgb" / f"{index}.png"), gray)
        depth = np.full((24, 32), 1000 + 500 * index, np.uint16)
        cv2.imwrite(str(tmp_path / "depth" / f"{index}.png"), depth)
    return tmp_path


@pytest.mark.parametrize("name", SCENES)
def test_named_scenes_are_complete(name):
    scene = open_scene(name, LENS, width=160)
    view = scene.view(0.5)
    assert scene.size[0] == 160
    assert view.image.shape == (scene.size[1], 160, 3)
    assert view.image.dtype == view.focus_position.dtype == np.float32
    assert 0 <= view.image.min() < view.image.max() <= 1
    assert LENS.limits[0] <= view.focus_position.min() < view.focus_position.max() <= LENS.limits[1]


def test_the_motorcycle_really_defocuses():
    view = open_scene("", LENS).view(0.0)
    width = view.image.shape[1]
    span = float(view.focus_position.max() - view.focus_position.min())
    assert width == 741
    assert 18 < LENS.blur_radius(span, 0.0, width) < 22


def test_folder_of_photo_and_depth(tmp_path, slope):
    in_millimetres = open_scene(str(write_photo(tmp_path / "mm", slope)), LENS).view(0.0)
    in_metres = write_photo(tmp_path / "m", (slope / 1000.0).astype(np.float64))
    focus = open_scene(str(in_metres), LENS).view(0.0).focus_position
    np.testing.assert_allclose(in_millimetres.focus_position, focus, rtol=1e-4)
    assert (np.diff(focus[0]) <= 0).all()  # farther is lower


def test_photo_is_scaled_with_its_depth(tmp_path, slope):
    view = open_scene(str(write_photo(tmp_path, slope)), LENS, width=64).view(0.0)
    assert view.image.shape == (48, 64, 3)
    assert view.focus_position.shape == (48, 64)


def test_video_plays_to_and_fro(video):
    scene = open_scene(str(video), LENS)
    assert scene.moving
    levels = [round(255 * scene.view(0.05 + 0.1 * i).image.mean() / 40) for i in range(8)]
    assert levels == [1, 2, 3, 4, 3, 2, 1, 2]


def test_views_of_equal_pictures_share_their_arrays(video):
    scene = open_scene(str(video), LENS)
    assert scene.view(0.01).image is scene.view(0.02).image
    shaken = open_scene("planes", LENS, width=64, shake=3.0)
    assert shaken.view(0.1).image is shaken.view(0.2).image
    assert shaken.view(0.1).shift != shaken.view(0.2).shift


class TestUnusable:
    def said(self, name):
        with pytest.raises(SceneError) as error:
            open_scene(str(name), LENS)
        return str(error.value)

    def test_unknown_name(self):
        assert "motorcycle" in self.said("no_such_scene")

    def test_folder_of_something_else(self, tmp_path):
        assert str(tmp_path) in self.said(tmp_path)

    def test_sizes_that_differ(self, tmp_path, slope):
        said = self.said(write_photo(tmp_path, slope[:20]))
        assert "32x24" in said
        assert "32x20" in said

    @pytest.mark.parametrize("value", [0.0, np.nan])
    def test_depth_without_measurement(self, tmp_path, value):
        said = self.said(write_photo(tmp_path, np.full((24, 32), value)))
        assert "no measurement" in said
        assert tmp_path.name in said

    def test_depth_of_eight_bits(self, tmp_path, slope):
        write_photo(tmp_path, slope)
        cv2.imwrite(str(tmp_path / "depth.png"), np.zeros((24, 32), np.uint8))
        assert "uint8" in self.said(tmp_path)

    def test_depth_of_three_channels(self, tmp_path, slope):
        write_photo(tmp_path, slope)
        cv2.imwrite(str(tmp_path / "depth.png"), np.zeros((24, 32, 3), np.uint8))
        assert "one channel" in self.said(tmp_path)

    @pytest.mark.parametrize("name", ["image.png", "depth.png"])
    def test_truncated_and_empty_files_are_named(self, tmp_path, slope, name):
        write_photo(tmp_path, slope)
        content = (tmp_path / name).read_bytes()
        for broken in (b"", content[:20]):
            (tmp_path / name).write_bytes(broken)
            assert name in self.said(tmp_path)

    def test_missing_and_ambiguous_pictures(self, tmp_path, slope):
        write_photo(tmp_path, slope)
        (tmp_path / "image.jpg").write_bytes(b"x")
        assert "more than one image.*" in self.said(tmp_path)
        (tmp_path / "image.jpg").unlink()
        (tmp_path / "image.png").unlink()
        assert "no image.*" in self.said(tmp_path)

    def test_video_of_unequal_numbers(self, video):
        (video / "depth" / "3.png").unlink()
        said = self.said(video)
        assert "4 images" in said
        assert "3 in depth/" in said

    def test_video_without_files(self, video):
        for file in (video / "rgb").iterdir():
            file.unlink()
        assert "empty" in self.said(video)


@pytest.mark.parametrize("shape", [(10**7, 10**7), (50, 60)])
def test_depth_array_that_claims_more_than_it_holds_is_refused(tmp_path, shape):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    content = b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header.encode()
    (tmp_path / "depth.npy").write_bytes(content + bytes(100))
    with pytest.raises(SceneError, match=r"cannot read depth .*depth\.npy"):
        read_depth(tmp_path / "depth.npy")


def test_pickled_depth_is_refused(tmp_path):
    np.save(tmp_path / "depth.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(SceneError, match=r"cannot read depth .*depth\.npy"):
        read_depth(tmp_path / "depth.npy")
