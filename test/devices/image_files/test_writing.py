"""Writing pictures: depth, metadata, and that nothing costs the picture."""

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
from image_samples import colours
from PIL import ImageCms
from PIL.ExifTags import Base

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import (
    Metadata,
    check_image_output,
    read_image,
    read_metadata,
    write_image,
    writing,
)
from aif_ros.types.image import to_float

DEEP = colours()
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def exif(**tags):
    found = PIL.Image.Exif()
    for name, value in tags.items():
        found[Base[name]] = value
    return found


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
def test_sixteen_bits(tmp_path, suffix):
    write_image(tmp_path / f"a{suffix}", to_float(DEEP), sixteen_bit=True)
    read = read_image(tmp_path / f"a{suffix}")
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, DEEP)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".bmp"])
def test_formats_without_sixteen_bits_get_eight(tmp_path, suffix):
    write_image(tmp_path / f"a{suffix}", to_float(DEEP), sixteen_bit=True)
    assert read_image(tmp_path / f"a{suffix}").dtype == np.uint8


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg", ".webp"])
@pytest.mark.parametrize("sixteen_bit", [False, True])
class TestMetadata:
    def test_signs_beyond_ascii_do_not_cost_the_picture(self, tmp_path, suffix, sixteen_bit):
        metadata = Metadata(exif(Copyright="© 撮影者 🦋", Make="Maker"), PROFILE)
        write_image(
            tmp_path / f"a{suffix}", to_float(DEEP), sixteen_bit=sixteen_bit, metadata=metadata
        )
        assert read_image(tmp_path / f"a{suffix}").shape == DEEP.shape
        after = read_metadata(tmp_path / f"a{suffix}")
        assert after.exif[Base.Make] == "Maker"
        assert after.icc_profile == PROFILE

    def test_what_cannot_be_encoded_is_dropped_with_a_warning(
        self, tmp_path, suffix, sixteen_bit, caplog
    ):
        metadata = Metadata(exif(Artist="x" * 100_000), b"no profile" * 20)
        write_image(
            tmp_path / f"a{suffix}", to_float(DEEP), sixteen_bit=sixteen_bit, metadata=metadata
        )
        assert read_image(tmp_path / f"a{suffix}").shape == DEEP.shape
        if suffix == ".jpg":
            assert "its EXIF data cannot be written" in caplog.text

    def test_profile_of_other_colours_is_not_written(self, tmp_path, suffix, sixteen_bit):
        gray = PROFILE[:16] + b"GRAY" + PROFILE[20:]
        write_image(
            tmp_path / f"a{suffix}",
            to_float(DEEP),
            sixteen_bit=sixteen_bit,
            metadata=Metadata(icc_profile=gray),
        )
        assert read_metadata(tmp_path / f"a{suffix}").icc_profile == b""


def test_damaged_exif_is_dropped_with_a_warning(tmp_path, caplog):
    damaged = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x0f\0\x02\xff\xff\xff\xff\0\0\0\x26" + bytes(30)
    PIL.Image.fromarray((DEEP >> 8).astype(np.uint8)).save(tmp_path / "a.jpg", exif=damaged)
    assert Base.Make not in read_metadata(tmp_path / "a.jpg").exif
    assert "damaged EXIF data" in caplog.text


def test_pixel_size_becomes_the_resolution(tmp_path):
    write_image(
        tmp_path / "a.tif", to_float(DEEP), sixteen_bit=True, metadata=Metadata(pixel_size=2e-6)
    )
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        numerator, denominator = file.pages.first.tags["XResolution"].value
    assert numerator / denominator == pytest.approx(5000)


def test_without_metadata_support_of_opencv_the_picture_is_written(tmp_path, monkeypatch):
    monkeypatch.delattr(cv2, "imencodeWithMetadata")
    write_image(tmp_path / "a.png", to_float(DEEP), sixteen_bit=True)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), DEEP)


def test_failed_encoder_keeps_the_old_picture(tmp_path, monkeypatch):
    file = tmp_path / "a.tif"
    write_image(file, to_float(DEEP), sixteen_bit=True)

    def fail(*arguments, **options):
        raise MemoryError

    monkeypatch.setattr(writing.tifffile, "imwrite", fail)
    with pytest.raises(DeviceError, match="MemoryError"):
        write_image(file, to_float(DEEP[::-1]), sixteen_bit=True)
    np.testing.assert_array_equal(read_image(file), DEEP)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


class TestChecks:
    @pytest.mark.parametrize("name", ["a.heic", "a", "a.gif", "a.nef"])
    def test_unknown_format(self, tmp_path, name):
        with pytest.raises(DeviceError, match="name a format"):
            check_image_output(tmp_path / name)

    def test_too_large_for_the_format(self, tmp_path):
        with pytest.raises(DeviceError, match="65500 pixels a side"):
            check_image_output(tmp_path / "a.jpg", (70_000, 10))
        check_image_output(tmp_path / "a.png", (70_000, 10))

    def test_too_little_space(self, tmp_path):
        with pytest.raises(OSError, match="are needed"):
            check_image_output(tmp_path / "a.png", (10**8, 10**7))

    def test_colour_in_a_grey_format(self, tmp_path):
        with pytest.raises(DeviceError, match="holds no colours"):
            write_image(tmp_path / "a.pgm", to_float(DEEP), sixteen_bit=True)
