"""PNG, JPEG and the like: depth, transparency, orientation, and what is refused."""

import io
import struct
import zlib

import cv2
import numpy as np
import PIL.Image
import pytest
from image_samples import colours, ink_profile, png_header, ramp

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import read_image
from aif_ros.devices.image_files.slices import open_slices
from aif_ros.simulation.scenes.planes import texture

PICTURE = texture((60, 40), np.random.default_rng(2))
RGB = (colours() >> 8).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "dtype", "tolerance"),
    [("a.jpg", np.uint8, 2), ("a.png", np.uint8, 1), ("a.png", np.uint16, 256)],
)
def test_luma_alone(tmp_path, name, dtype, tolerance):
    pixels = (PICTURE * np.iinfo(dtype).max).astype(dtype)
    cv2.imwrite(str(tmp_path / name), pixels)
    luma = read_image(tmp_path / name, mono=True)
    expected = cv2.cvtColor(read_image(tmp_path / name), cv2.COLOR_RGB2GRAY)
    assert luma.dtype == dtype
    # A JPEG's colours may lie beyond those of RGB, and are clipped.
    assert np.abs(np.subtract(luma, expected, dtype=np.float32)).mean() < tolerance


@pytest.mark.parametrize("suffix", [".png", ".jp2", ".ppm"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_colour_of_8_and_16_bits(tmp_path, suffix, dtype):
    file = tmp_path / f"a{suffix}"
    image = colours(80, 90) if dtype == np.uint16 else (colours(80, 90) >> 8).astype(np.uint8)
    cv2.imwrite(str(file), image[..., ::-1], [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000])
    read = read_image(file)
    assert read.dtype == image.dtype
    np.testing.assert_allclose(read.astype(int), image, atol=image.max() / 100)


def test_white_of_a_pgm_is_its_maximum(tmp_path):
    file = tmp_path / "a.pgm"
    file.write_bytes(b"P5 4 1 1000\n" + np.array([0, 250, 500, 1000], ">u2").tobytes())
    assert read_image(file).tolist() == [[0, 16384, 32768, 65535]]
    file.write_bytes(b"P5 4 1 100\n" + bytes([0, 25, 50, 100]))
    np.testing.assert_allclose(read_image(file)[0], [0, 64, 128, 255], atol=1)


@pytest.mark.parametrize(
    ("magic", "end", "text", "expected"),
    [
        ("P1", "", "1 0 0 1", [[0, 255], [255, 0]]),
        ("P2", "255", "0 9 99 128", [[0, 9], [99, 128]]),
        ("P3", "255", " ".join("123456789") + " 255 1 20", [[[1, 2, 3], [4, 5, 6]]]),
    ],
)
def test_pnm_as_text_may_end_with_its_last_number(tmp_path, magic, end, text, expected):
    file = tmp_path / "a.ppm"
    file.write_text(f"{magic}\n2 2\n{end}\n{text}")
    assert read_image(file).tolist()[: len(expected)] == expected


class TestInks:
    """JPEG of CMYK, as print shops deliver them."""

    INKS = np.dstack([*RGB.transpose(2, 0, 1), RGB[::-1, :, 0] // 2])

    def test_without_a_profile(self, tmp_path):
        file = tmp_path / "a.jpg"
        PIL.Image.fromarray(self.INKS, "CMYK").save(file, quality=100, subsampling=0)
        slices = open_slices([file])
        with PIL.Image.open(file) as picture:
            expected = np.asarray(picture.convert("RGB"))
        np.testing.assert_array_equal(slices.read(0).pixels, expected)
        assert any("without a profile" in note for note in slices.notes)
        assert slices.read(0, mono=True, reduction=2).pixels.shape == (12, 16)

    def test_with_a_profile(self, tmp_path):
        """The profile says that cyan prints as a middle grey."""
        file = tmp_path / "a.jpg"
        inks = np.zeros((16, 16, 4), np.uint8)
        inks[..., 0] = 255
        PIL.Image.fromarray(inks, "CMYK").save(file, quality=100, icc_profile=ink_profile())
        slices = open_slices([file])
        np.testing.assert_allclose(slices.read(0).pixels, 119, atol=2)
        assert slices.notes == []

    def test_a_damaged_profile_counts_as_none(self, tmp_path):
        file = tmp_path / "a.jpg"
        PIL.Image.fromarray(self.INKS, "CMYK").save(file, icc_profile=b"no profile" * 20)
        slices = open_slices([file])
        assert slices.shape == (24, 32, 3)
        assert any("without a profile" in note for note in slices.notes)


class TestTransparency:
    @pytest.fixture
    def alpha(self):
        alpha = np.full(RGB.shape[:2], 255, np.uint8)
        alpha[:, :9] = 0
        return alpha

    @pytest.mark.parametrize("suffix", [".png", ".webp"])
    def test_transparent_pixels_are_no_data(self, tmp_path, alpha, suffix):
        file = tmp_path / f"a{suffix}"
        PIL.Image.fromarray(np.dstack([RGB, alpha])).save(file, lossless=True, exact=True)
        picture = open_slices([file]).read(0)
        np.testing.assert_array_equal(picture.pixels, RGB)
        assert picture.valid is not None
        np.testing.assert_array_equal(picture.valid, alpha > 0)

    def test_of_16_bit_png(self, tmp_path, alpha):
        image = np.dstack([colours()[..., ::-1], alpha.astype(np.uint16) * 257])
        cv2.imwrite(str(tmp_path / "a.png"), image)
        picture = open_slices([tmp_path / "a.png"]).read(0)
        np.testing.assert_array_equal(picture.pixels, colours())
        assert picture.valid is not None
        np.testing.assert_array_equal(picture.valid, alpha > 0)

    def test_of_a_palette(self, tmp_path):
        index = PIL.Image.fromarray(np.tile(np.uint8([0, 1, 2]), (4, 2)), "P")
        index.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
        index.save(tmp_path / "a.png", transparency=1)
        picture = open_slices([tmp_path / "a.png"]).read(0)
        assert picture.pixels[0, :3].tolist() == [[10, 20, 30], [40, 50, 60], [70, 80, 90]]
        assert picture.valid is not None
        assert picture.valid[0].tolist() == [True, False, True] * 2

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_a_level_that_stands_for_no_data(self, tmp_path, dtype, channels):
        """A PNG with one level or colour that is transparent (chunk tRNS)."""
        file = tmp_path / "a.png"
        image = colours()[..., 0] if channels == 1 else colours()
        image = image if dtype == np.uint16 else (image >> 8).astype(np.uint8)
        image[5:9, 10:20] = level = 77
        cv2.imwrite(str(file), image[..., ::-1] if channels == 3 else image)
        content = file.read_bytes()
        body = b"tRNS" + struct.pack(">H", level) * channels
        chunk = struct.pack(">I", 2 * channels) + body + struct.pack(">I", zlib.crc32(body))
        start = content.index(b"IDAT") - 4
        file.write_bytes(content[:start] + chunk + content[start:])
        picture = open_slices([file]).read(0)
        same = (image == level).reshape(*image.shape[:2], -1).all(axis=2)
        np.testing.assert_array_equal(picture.pixels, image)
        np.testing.assert_array_equal(picture.valid, ~same)

    def test_opaque_alpha_is_dropped(self, tmp_path):
        PIL.Image.fromarray(RGB).convert("RGBA").save(tmp_path / "a.png")
        assert open_slices([tmp_path / "a.png"]).read(0).valid is None

    def test_wholly_transparent_picture_is_refused(self, tmp_path):
        PIL.Image.fromarray(np.dstack([RGB, 0 * RGB[..., 0]])).save(tmp_path / "a.png")
        with pytest.raises(DeviceError, match="transparent everywhere"):
            read_image(tmp_path / "a.png")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path, orientation):
    exif = PIL.Image.Exif()
    exif[274] = orientation
    for suffix in (".png", ".webp"):
        file = tmp_path / f"a{suffix}"
        PIL.Image.fromarray(RGB).save(file, exif=exif, lossless=True)
        with PIL.Image.open(file) as picture:
            expected = np.asarray(PIL.ImageOps.exif_transpose(picture))
        np.testing.assert_array_equal(read_image(file), expected)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
@pytest.mark.parametrize("reduction", [2, 4])
def test_reduced_picture_is_small_and_alike(tmp_path, suffix, reduction):
    file = tmp_path / f"a{suffix}"
    image = cv2.GaussianBlur((PICTURE * 255).astype(np.uint8), (0, 0), 4)[:39, :57]
    PIL.Image.fromarray(image).save(file)
    small = open_slices([file]).read(0, reduction=reduction).pixels
    assert small.shape[:2] == (-(-39 // reduction), -(-57 // reduction))
    expected = cv2.resize(image, small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - expected).mean() < 8


class TestRefused:
    @pytest.mark.parametrize("size", [(50_000, 50_000), (2**31 - 1, 2**31 - 1), (1, 2**31 - 1)])
    def test_bomb(self, tmp_path, size):
        (tmp_path / "a.png").write_bytes(png_header(*size))
        with pytest.raises(DeviceError, match=r"a\.png has \d+x\d+ pixels: more than 536 mega"):
            read_image(tmp_path / "a.png")

    @pytest.mark.parametrize("suffix", [".png", ".ppm", ".bmp"])
    def test_file_too_short_for_the_size_it_claims(self, tmp_path, suffix):
        """Nothing is allocated for it."""
        file = tmp_path / f"a{suffix}"
        content = {
            ".png": png_header(20_000, 20_000),
            ".ppm": b"P6 20000 20000 255\n" + bytes(100),
            ".bmp": cv2.imencode(".bmp", RGB)[1].tobytes(),
        }[suffix]
        if suffix == ".bmp":
            content = content[:18] + struct.pack("<ii", 20_000, 20_000) + content[26:]
        file.write_bytes(content)
        with pytest.raises(DeviceError, match="too short for 20000x20000"):
            read_image(file)

    def test_large_photograph_is_read(self, tmp_path):
        """Pillow alone refuses more than 179 megapixels."""
        image = np.zeros((13_500, 13_500), np.uint8)
        image[-1, -1] = 200
        cv2.imwrite(str(tmp_path / "a.png"), image)
        assert read_image(tmp_path / "a.png")[-1, -1] == 200

    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".jp2", ".bmp", ".ppm"])
    @pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
    def test_cut_off_file(self, tmp_path, suffix, share):
        file = tmp_path / f"a{suffix}"
        image = np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8)
        cv2.imwrite(str(file), image)
        file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
        with pytest.raises(DeviceError, match=rf"a\{suffix}"):
            read_image(file)

    def test_text(self, tmp_path):
        (tmp_path / "a.png").write_text("no picture")
        with pytest.raises(DeviceError, match="no readable image"):
            read_image(tmp_path / "a.png")

    @pytest.mark.parametrize(
        ("start", "said"),
        [
            (b"\0\0\0\x18ftypheic", "holds HEIC, which is not read: save it as PNG or TIFF"),
            (b"\0\0\0\x18ftypisom", "holds video, which is not read: save its images"),
            (b"\xff\x0a", "holds JPEG XL"),
            (b"8BPS\0\1", "holds Photoshop"),
            (b"\xff\xd8\xff\xe0\0\4ab\xff\xc3\0\x0b\x10\0\x08\0\x08\1\1\x11\0", "lossless JPEG"),
            (b"\xff\xd8\xff\xe0\0\4ab\xff\xc1\0\x0b\x0c\0\x08\0\x08\1\1\x11\0", "JPEG of 12 bits"),
        ],
    )
    def test_other_format_under_the_name_of_a_jpeg(self, tmp_path, start, said):
        (tmp_path / "a.jpg").write_bytes(start + bytes(range(256)) * 4)
        with pytest.raises(DeviceError, match=said):
            read_image(tmp_path / "a.jpg")

    def test_zeros_in_place_of_the_end_of_a_jpeg(self, tmp_path):
        """An interrupted copy; OpenCV shows grey where data are missing."""
        file = tmp_path / "a.jpg"
        image = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
        cv2.imwrite(str(file), cv2.GaussianBlur(image, (0, 0), 2))
        content = file.read_bytes()
        file.write_bytes(content + bytes(1000))
        assert read_image(file).shape == image.shape
        for kept in (len(content) // 2, len(content) * 3 // 4, len(content) - 2):
            file.write_bytes(content[:kept] + bytes(4096))
            with pytest.raises(DeviceError, match="cut off or damaged"):
                read_image(file)

    def test_animation(self, tmp_path):
        frames = [PIL.Image.fromarray(RGB), PIL.Image.fromarray(RGB[::-1])]
        frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
        with pytest.raises(DeviceError, match="animation of 2 images"):
            read_image(tmp_path / "a.webp")

    def test_damaged_exif_costs_nothing(self, tmp_path):
        buffer = io.BytesIO()
        exif = b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(range(200))
        PIL.Image.fromarray(RGB).save(buffer, "JPEG", exif=exif, quality=95)
        (tmp_path / "a.jpg").write_bytes(buffer.getvalue())
        assert read_image(tmp_path / "a.jpg").shape == RGB.shape


def test_twelve_bits_in_a_png_are_recognised(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), ramp(largest=4095))
    assert read_image(tmp_path / "a.png").max() == 65535
