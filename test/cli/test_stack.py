import json

import cv2
import numpy as np
import PIL.Image
import pytest
from PIL import ImageCms
from PIL.ExifTags import IFD, Base

from aif_ros.__main__ import main
from aif_ros.devices.image_files import Metadata, read_image, read_metadata, write_image
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import to_float

SHARP = texture((160, 120), np.random.default_rng(3))


@pytest.fixture
def stack(tmp_path):
    """Three 8-bit slices, each sharp in one third, named so that 10 comes after 9."""
    folder = tmp_path / "stack"
    folder.mkdir()
    soft = cv2.GaussianBlur(SHARP, (0, 0), 3.0)
    for index in range(3):
        slice_ = soft.copy()
        slice_[:, index * 53 : (index + 1) * 54] = SHARP[:, index * 53 : (index + 1) * 54]
        write(folder / f"{8 + index}.png", slice_)
    return folder


def write(path, image, dtype=np.uint8):
    full = np.iinfo(dtype).max
    cv2.imwrite(str(path), (image[..., ::-1] * full).round().astype(dtype))


def test_folder_to_picture(stack, tmp_path):
    out, map_, results = tmp_path / "out.png", tmp_path / "map.png", tmp_path / "r.json"
    arguments = ["stack", str(stack), "-o", str(out), "--focus-map", str(map_)]
    assert main([*arguments, "--json", str(results)]) == 0
    assert psnr(to_float(read_image(out)), SHARP) > 30
    which = read_image(map_)
    assert np.median(which[:, :45]) == 0
    assert np.median(which[:, 115:]) == 255
    result = json.loads(results.read_text())
    assert (result["slices"], result["width"], result["height"]) == (3, 160, 120)


def test_files_in_the_order_given(stack, tmp_path):
    files = [str(stack / name) for name in ("10.png", "9.png")]
    assert main(["stack", *files, "-o", str(tmp_path / "o.jpg"), "--no-align"]) == 0
    assert read_image(tmp_path / "o.jpg").shape == (120, 160, 3)


def test_sixteen_bits_stay_sixteen_bits(tmp_path):
    for index in range(2):
        write(tmp_path / f"{index}.tif", SHARP, np.uint16)
    out = tmp_path / "out.tif"
    assert main(["stack", str(tmp_path / "0.tif"), str(tmp_path / "1.tif"), "-o", str(out)]) == 0
    assert read_image(out).dtype == np.uint16


def test_a_stack_of_one(stack, tmp_path):
    out = tmp_path / "out.png"
    assert main(["stack", str(stack / "8.png"), "-o", str(out)]) == 0
    np.testing.assert_array_equal(read_image(out), read_image(stack / "8.png"))


class TestBadInput:
    def said(self, capsys, *arguments):
        assert main(["stack", *map(str, arguments)]) == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return error

    def test_slices_of_different_sizes(self, stack, tmp_path, capsys):
        write(stack / "11.png", SHARP[:50])
        said = self.said(capsys, stack, "-o", tmp_path / "o.png")
        assert "11.png" in said
        assert not (tmp_path / "o.png").exists()

    def test_grey_and_colour_together(self, stack, tmp_path, capsys):
        cv2.imwrite(str(stack / "9.png"), cv2.imread(str(stack / "9.png"), cv2.IMREAD_GRAYSCALE))
        assert "9.png has shape (120, 160)" in self.said(capsys, stack, "-o", tmp_path / "o.png")

    @pytest.mark.parametrize("kept", [0, 100])
    def test_truncated_slice(self, stack, tmp_path, capsys, kept):
        (stack / "9.png").write_bytes((stack / "9.png").read_bytes()[:kept])
        assert "9.png" in self.said(capsys, stack, "-o", tmp_path / "o.png")

    def test_missing_folder(self, tmp_path, capsys):
        said = self.said(capsys, tmp_path / "nowhere", "-o", tmp_path / "o.png")
        assert "nowhere" in said

    def test_empty_folder(self, tmp_path, capsys):
        assert "no picture" in self.said(capsys, tmp_path, "-o", tmp_path / "o.png")

    def test_unknown_method(self, stack, tmp_path, capsys):
        said = self.said(capsys, stack, "-o", tmp_path / "o.png", "--method", "magic")
        assert "laplacian" in said

    def test_unknown_format(self, stack, tmp_path, capsys):
        assert ".xyz" in self.said(capsys, stack, "-o", tmp_path / "o.xyz")


class TestMetadata:
    """What the camera wrote stays with the picture."""

    @pytest.fixture
    def slices(self, tmp_path):
        exif = PIL.Image.Exif()
        exif[Base.Make] = "Maker"
        exif[Base.Orientation] = 6
        exif.get_ifd(IFD.Exif)[Base.FocalLength] = 50.0
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        files = [tmp_path / f"{index}.jpg" for index in range(2)]
        for file in files:
            picture = PIL.Image.fromarray((SHARP * 255).round().astype(np.uint8))
            picture.save(file, exif=exif, icc_profile=profile, quality=95)
        return files

    @pytest.mark.parametrize("name", ["o.jpg", "o.png", "o.tif"])
    def test_is_kept(self, slices, tmp_path, name):
        out = tmp_path / name
        assert main(["stack", *map(str, slices), "-o", str(out)]) == 0
        before, after = read_metadata(slices[0]), read_metadata(out)
        assert after.icc_profile == before.icc_profile != b""
        assert after.exif[Base.Make] == "Maker"
        # The pixels have been turned, so nobody must turn them again.
        assert read_image(out).shape == (160, 120, 3)
        assert Base.Orientation not in after.exif
        if not name.endswith("tif"):
            assert after.exif.get_ifd(IFD.Exif)[Base.FocalLength] == 50.0

    def test_sixteen_bits_keep_it_too(self, tmp_path):
        write(tmp_path / "0.png", SHARP, np.uint16)
        deep = read_image(tmp_path / "0.png")
        exif = PIL.Image.Exif()
        exif[Base.Model] = "Camera"
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        metadata = Metadata(exif, profile)
        for name in ("deep.png", "deep.tif"):
            write_image(tmp_path / name, to_float(deep), deep=True, metadata=metadata)
            np.testing.assert_array_equal(read_image(tmp_path / name), deep)
            assert read_metadata(tmp_path / name).icc_profile == profile
            assert read_metadata(tmp_path / name).exif[Base.Model] == "Camera"
