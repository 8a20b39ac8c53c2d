"""What is in a TIFF: pages, planes, colours, depth, distances."""

import numpy as np
import PIL.Image
import pytest
import tifffile
from image_samples import colours, ink_profile, ramp, tiff_header

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import read_image
from aif_ros.devices.image_files.slices import is_multi_page, open_slices
from aif_ros.devices.image_files.stack_axes import AmbiguousError, Selection

MONO = ramp()
RGB = colours()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.tif"


class TestOnePage:
    @pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits", "zstd"])
    @pytest.mark.parametrize("planes", ["contig", "separate"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_colour_planes_and_compressions(self, file, compression, planes, dtype):
        image = RGB if dtype == np.uint16 else (RGB >> 8).astype(np.uint8)
        stored = image if planes == "contig" else np.ascontiguousarray(image.transpose(2, 0, 1))
        tifffile.imwrite(
            file, stored, photometric="rgb", planarconfig=planes, compression=compression
        )
        np.testing.assert_array_equal(read_image(file), image)

    @pytest.mark.parametrize("byteorder", ["<", ">"])
    @pytest.mark.parametrize("predictor", [False, True])
    def test_byte_order_and_predictor(self, file, byteorder, predictor):
        tifffile.imwrite(
            file, MONO, byteorder=byteorder, predictor=predictor, compression="zlib", tile=(16, 16)
        )
        np.testing.assert_array_equal(read_image(file), MONO)

    def test_white_is_zero(self, file):
        tifffile.imwrite(file, 65535 - MONO, photometric="miniswhite")
        np.testing.assert_array_equal(read_image(file), MONO)

    @pytest.mark.parametrize("factor", [1, 257])
    def test_palette(self, file, factor):
        table = np.random.default_rng(0).integers(0, 256, (3, 256)).astype(np.uint16)
        index = (MONO >> 8).astype(np.uint8)
        tifffile.imwrite(file, index, photometric="palette", colormap=table * factor)
        np.testing.assert_array_equal(read_image(file), table.T[index])

    @pytest.mark.parametrize("compression", [None, "group4", "packbits"])
    def test_one_bit(self, file, compression):
        bits = np.random.default_rng(1).random((24, 32)) > 0.5
        PIL.Image.fromarray(bits).save(file, compression=compression)
        np.testing.assert_array_equal(read_image(file), 255 * bits.astype(np.uint8))

    @pytest.mark.parametrize("bits", [12, 14, 16])
    def test_white_is_zero_of_fewer_bits_than_the_file_has(self, file, bits):
        full = 2**bits - 1
        tifffile.imwrite(file, full - ramp(largest=full), photometric="miniswhite")
        np.testing.assert_allclose(read_image(file), MONO, atol=65535 / full)

    def test_white_is_zero_in_floating_point(self, file):
        tifffile.imwrite(file, 1 - np.float32(MONO / 65535), photometric="miniswhite")
        np.testing.assert_allclose(read_image(file), MONO, atol=1)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    @pytest.mark.parametrize("kind", ["cielab", "icclab"])
    def test_lab_colours(self, file, kind, dtype):
        """Values by the formulas of IEC 61966-2-1 and ICC.1: grey, primaries of sRGB."""
        expected = np.array([[0, 0, 0], [119, 119, 119], [255, 255, 255]], np.uint8)
        lab = np.array([[0, 0, 0], [50.0, 0, 0], [100, 0, 0]])
        expected = np.vstack([expected, [[255, 0, 0], [0, 255, 0], [0, 0, 255]]])
        lab = np.vstack([lab, [[54.29, 80.80, 69.89], [87.82, -79.27, 80.99]]])
        lab = np.vstack([lab, [[29.57, 68.30, -112.03]]])
        unit = 256 if dtype == np.uint16 else 1
        full = 0xFF00 if (kind, unit) == ("icclab", 256) else np.iinfo(dtype).max
        stored = lab * [full / 100, unit, unit] + [0, *[0 if kind == "cielab" else 128 * unit] * 2]
        pixels = (stored.round().astype(np.int64) % (256 * unit)).astype(dtype)[None]
        tifffile.imwrite(file, pixels, photometric=kind)
        read = read_image(file)
        assert read.dtype == dtype
        # Eight bits hold whole units of colour, to which dark colours respond strongly.
        np.testing.assert_allclose(read[0] / np.iinfo(dtype).max, expected / 255, atol=0.05)

    @pytest.mark.parametrize("kind", ["cielab", "icclab"])
    def test_dark_lab_colours_of_16_bits_stay_dark(self, file, kind):
        """Their scale is known: it must not be taken for that of 12 bits."""
        pixels = np.zeros((2, 3, 3), np.uint16)
        pixels[..., 0] = 0.01 * 65535
        pixels[..., 1:] = 0 if kind == "cielab" else 128 * 256
        tifffile.imwrite(file, pixels, photometric=kind)
        assert 0 < read_image(file).max() < 0.02 * 65535

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_inks_without_a_profile_are_converted_and_that_is_noted(self, file, dtype):
        full = np.iinfo(dtype).max
        inks = np.array([[[0, 0, 0, 0], [full, 0, 0, 0], [0, 0, 0, full]]], dtype)
        tifffile.imwrite(file, inks, photometric="separated")
        slices = open_slices([file])
        assert slices.read(0).pixels.tolist() == [[[255] * 3, [0, 255, 255], [0] * 3]]
        assert any("without a profile" in note for note in slices.notes)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_inks_with_a_profile(self, file, dtype):
        """The profile says that cyan prints as a middle grey."""
        full = np.iinfo(dtype).max
        inks = np.array([[[0, 0, 0, 0], [full, 0, 0, 0]]], dtype)
        tifffile.imwrite(file, inks, photometric="separated", iccprofile=ink_profile())
        slices = open_slices([file])
        np.testing.assert_allclose(slices.read(0).pixels, [[[255] * 3, [119] * 3]], atol=2)
        assert not any("without a profile" in note for note in slices.notes)

    @pytest.mark.parametrize(
        ("kind", "dtype", "channels"),
        [("separated", np.uint8, 4), ("itulab", np.uint8, 3), ("cielab", np.float32, 3)],
    )
    def test_other_colours_are_refused_with_what_to_do(self, file, kind, dtype, channels):
        """InkSet 2: inks other than cyan, magenta, yellow and black."""
        pixels = np.zeros((8, 9, channels), dtype)
        tifffile.imwrite(file, pixels, photometric=kind, extratags=[(332, "H", 1, 2, True)])
        with pytest.raises(DeviceError, match=rf"{kind.upper()} colours .*: save it as RGB"):
            read_image(file)

    def test_channels_without_a_meaning_are_left_out_and_noted(self, file):
        tifffile.imwrite(file, np.dstack([MONO] * 5), planarconfig="contig")
        slices = open_slices([file])
        np.testing.assert_array_equal(slices.read(0).pixels, MONO)
        assert any("no colours are left out: 4" in note for note in slices.notes)

    def test_jpeg_within_a_tiff(self, file):
        smooth = np.dstack([np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))] * 3)
        PIL.Image.fromarray(smooth).save(file, compression="jpeg", quality=95)
        assert np.abs(read_image(file).astype(int) - smooth).max() < 6

    @pytest.mark.parametrize("bits", [10, 12, 14])
    def test_packed_bits_fill_the_range(self, file, bits):
        image = ramp(largest=2**bits - 1)
        tifffile.imwrite(file, image, bitspersample=bits)
        read = read_image(file)
        assert read.dtype == np.uint16
        assert read.max() == 65535
        np.testing.assert_allclose(read, image * (65535 / (2**bits - 1)), atol=0.5)

    @pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
    def test_floating_point_from_zero_to_one(self, file, kind):
        image = np.linspace(0, 1, 30).reshape(5, 6).astype(kind)
        tifffile.imwrite(file, image)
        np.testing.assert_allclose(read_image(file), image.astype(float) * 65535, atol=0.51)

    def test_large_floating_point_values_are_scaled_and_reported(self, file, caplog):
        tifffile.imwrite(file, np.linspace(0, 4000, 30).reshape(5, 6).astype(np.float32))
        assert read_image(file).max() == round(4000 / 4095 * 65535)
        assert "4095, which is taken for white" in caplog.text

    def test_negative_values_among_large_ones_are_reported(self, file, caplog):
        tifffile.imwrite(file, np.linspace(-50, 4000, 30).reshape(5, 6).astype(np.float32))
        read = read_image(file)
        assert (read.min(), read.max()) == (0, round(4000 / 4095 * 65535))
        assert "values below 0 are clipped" in caplog.text
        assert "values above 1" not in caplog.text
        assert "no sample is above 4095, which is taken for white" in caplog.text

    @pytest.mark.parametrize("low, high, clipped", [(-0.2, 0.9, "below 0"), (0.0, 1.3, "above 1")])
    def test_clipped_floating_point_values_are_reported(self, file, caplog, low, high, clipped):
        tifffile.imwrite(file, np.linspace(low, high, 30).reshape(5, 6).astype(np.float32))
        read = read_image(file)
        assert read.min() == 0
        assert read.max() == pytest.approx(min(high, 1) * 65535, abs=1)
        assert f"values {clipped} are clipped" in caplog.text

    def test_faint_floating_point_values_are_scaled_and_reported(self, file, caplog):
        tifffile.imwrite(file, np.linspace(0, 1e-3, 30).reshape(5, 6).astype(np.float32))
        assert read_image(file).max() == 65535
        assert "0.001, which is taken for white" in caplog.text

    def test_values_that_are_not_finite_are_no_data(self, file):
        image = np.full((5, 6), 0.5, np.float32)
        image[1, 2] = np.nan
        image[3, 4] = np.inf
        tifffile.imwrite(file, image)
        valid = open_slices([file]).read(0).valid
        assert valid is not None
        assert np.argwhere(~valid).tolist() == [[1, 2], [3, 4]]

    @pytest.mark.parametrize(
        "dtype, largest", [(np.int8, 127), (np.int16, 32767), (np.int16, 4095)]
    )
    def test_signed_samples_are_as_bright_as_unsigned_ones(self, file, dtype, largest):
        values = np.linspace(0, largest, 30).round().reshape(5, 6).astype(dtype)
        tifffile.imwrite(file, values)
        read = read_image(file)
        assert read.dtype == (np.uint8 if dtype == np.int8 else np.uint16)
        full = np.iinfo(read.dtype).max
        np.testing.assert_allclose(read / full, values / largest, atol=0.5 / full)

    def test_signed_samples_below_zero_are_refused(self, file):
        tifffile.imwrite(file, np.full((4, 5), -3, np.int16))
        with pytest.raises(DeviceError, match="below zero"):
            read_image(file)

    def test_alpha_is_no_colour(self, file):
        alpha = np.full((24, 32), 65535, np.uint16)
        alpha[:, :10] = 0
        tifffile.imwrite(
            file, np.dstack([RGB, alpha]), photometric="rgb", extrasamples=["unassalpha"]
        )
        picture = open_slices([file]).read(0)
        np.testing.assert_array_equal(picture.pixels, RGB)
        assert picture.valid is not None
        np.testing.assert_array_equal(picture.valid, alpha > 0)

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
    def test_premultiplied_colours_are_divided_by_alpha(self, file, dtype):
        full = 1.0 if dtype == np.float32 else np.iinfo(dtype).max
        alpha = np.full((24, 32), 0.6)
        alpha[:, :10] = 1.0
        stored = np.dstack([RGB / 65535 * alpha[..., None], alpha]) * full
        stored = stored if dtype == np.float32 else stored.round()
        tifffile.imwrite(file, stored.astype(dtype), photometric="rgb", extrasamples=["assocalpha"])
        read = read_image(file)
        np.testing.assert_allclose(read / np.iinfo(read.dtype).max, RGB / 65535, atol=0.006)

    def test_further_channel_of_unknown_meaning_is_dropped(self, file):
        stored = np.dstack([RGB, np.zeros_like(MONO)])
        tifffile.imwrite(file, stored, photometric="rgb", extrasamples=["unspecified"])
        picture = open_slices([file]).read(0)
        np.testing.assert_array_equal(picture.pixels, RGB)
        assert picture.valid is None

    def test_orientation_is_applied(self, file):
        tifffile.imwrite(file, MONO, extratags=[(274, "H", 1, 6, True)])
        np.testing.assert_array_equal(read_image(file), np.rot90(MONO, -1))

    def test_preview_is_left_out(self, file, caplog):
        with tifffile.TiffWriter(file) as writer:
            writer.write(MONO, metadata=None)
            writer.write(MONO[:9, :8], metadata=None)
        np.testing.assert_array_equal(read_image(file), MONO)
        assert "previews are left out" in caplog.text

    def test_preview_in_front_is_left_out(self, file):
        with tifffile.TiffWriter(file) as writer:
            writer.write(MONO[::2, ::2], subfiletype=1, metadata=None)
            writer.write(MONO, metadata=None)
        np.testing.assert_array_equal(read_image(file), MONO)


Z = np.stack([MONO // (k + 1) for k in range(5)])


class TestManyPages:
    @pytest.mark.parametrize("compression", [None, "zlib"])
    @pytest.mark.parametrize("bigtiff", [False, True])
    def test_every_page_is_a_slice(self, file, compression, bigtiff):
        tifffile.imwrite(
            file,
            Z,
            metadata=None,
            photometric="minisblack",
            compression=compression,
            bigtiff=bigtiff,
        )
        slices = open_slices([file])
        assert len(slices) == 5
        assert slices.z_step is None
        for index in (0, 4, 2):
            np.testing.assert_array_equal(slices.read(index).pixels, Z[index])

    @pytest.mark.parametrize("compression", [None, "zlib"])
    @pytest.mark.parametrize("planes", ["contig", "separate"])
    @pytest.mark.parametrize("byteorder", ["<", ">"])
    def test_pages_written_one_by_one(self, file, compression, planes, byteorder):
        images = [RGB, RGB[::-1], RGB[:, ::-1]]
        with tifffile.TiffWriter(file, byteorder=byteorder) as writer:
            for image in images:
                stored = image if planes == "contig" else image.transpose(2, 0, 1)
                writer.write(
                    np.ascontiguousarray(stored),
                    photometric="rgb",
                    planarconfig=planes,
                    compression=compression,
                )
            writer.write(MONO[:6, :8])  # a preview
        slices = open_slices([file])
        assert is_multi_page(file)
        assert len(slices) == 3
        for index, image in enumerate(images):
            np.testing.assert_array_equal(slices.read(index).pixels, image)
        assert "page 3" in slices.name(2)

    def test_pages_in_colour(self, file):
        tifffile.imwrite(file, np.stack([RGB, RGB[::-1]]), photometric="rgb", metadata=None)
        slices = open_slices([file])
        np.testing.assert_array_equal(slices.read(1).pixels, RGB[::-1])

    @pytest.mark.parametrize("unit, factor", [("um", 1e-6), ("micron", 1e-6), ("mm", 1e-3)])
    def test_imagej_stack(self, file, unit, factor):
        tifffile.imwrite(
            file,
            Z,
            imagej=True,
            resolution=(5.0, 5.0),
            metadata={"axes": "ZYX", "spacing": 0.5, "unit": unit},
        )
        slices = open_slices([file])
        assert slices.z_step == pytest.approx(0.5 * factor)
        assert slices.pixel_size == pytest.approx(0.2 * factor)
        np.testing.assert_array_equal(slices.read(3).pixels, Z[3])

    def test_imagej_stack_with_a_single_directory(self, file):
        """ImageJ writes one directory entry for stacks beyond 4 GB."""
        content = "ImageJ=1.54f\nimages=5\nslices=5\nunit=um\nspacing=0.5\n"
        tifffile.imwrite(file, Z[0], description=content, metadata=None, byteorder=">")
        with file.open("ab") as stream:
            stream.write(Z[1:].astype(">u2").tobytes())
        with tifffile.TiffFile(file) as content:
            contiguous = content.pages.first.dataoffsets[0] + Z[0].nbytes
        if contiguous != file.stat().st_size - Z[1:].nbytes:
            pytest.skip("the writer has put something behind the pixels")
        slices = open_slices([file])
        assert len(slices) == 5
        np.testing.assert_array_equal(slices.read(4).pixels, Z[4])

    @pytest.mark.parametrize("axes", ["ZCYX", "CZYX"])
    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_ome_channels_must_be_chosen(self, tmp_path, axes, compression):
        file = tmp_path / "cells.ome.tif"
        planes = np.stack([Z, Z[:, ::-1]], axis=axes.index("C"))
        metadata = {"axes": axes, "Channel": {"Name": ["DAPI", "GFP"]}}
        metadata |= {"PhysicalSizeZ": 250, "PhysicalSizeZUnit": "nm", "PhysicalSizeX": 0.1}
        tifffile.imwrite(file, planes, ome=True, metadata=metadata, compression=compression)
        with pytest.raises(AmbiguousError, match=r"2 channels, choose one: 0 \(DAPI\), 1 \(GFP\)"):
            open_slices([file])
        assert is_multi_page(file)
        for channel in ("GFP", "1"):
            slices = open_slices([file], selection=Selection(channel))
            assert (len(slices), slices.z_step) == (5, pytest.approx(250e-9))
            assert slices.pixel_size == pytest.approx(1e-7)
            np.testing.assert_array_equal(slices.read(2).pixels, Z[2, ::-1])
        for channel in ("RFP", "2", "-1"):
            with pytest.raises(DeviceError, match="no channel"):
                open_slices([file], selection=Selection(channel))

    def test_positions_on_the_specimen_must_be_chosen(self, tmp_path):
        file = tmp_path / "a.ome.tif"
        with tifffile.TiffWriter(file) as writer:
            for _ in range(2):
                writer.write(Z, metadata={"axes": "ZYX"})
        with pytest.raises(AmbiguousError, match=r"2 series, such as positions.*0 .*, 1 "):
            open_slices([file])

    def test_time_points_must_be_chosen(self, file):
        hyperstack = np.stack([Z, Z[:, ::-1], Z[..., ::-1]])
        tifffile.imwrite(file, hyperstack, imagej=True, metadata={"axes": "TZYX"})
        with pytest.raises(AmbiguousError, match="3 time points, choose one: 0 to 2"):
            open_slices([file])
        slices = open_slices([file], selection=Selection(time=1))
        np.testing.assert_array_equal(slices.read(4).pixels, Z[4, ::-1])
        with pytest.raises(DeviceError, match="no time point 3"):
            open_slices([file], selection=Selection(time=3))

    @pytest.mark.parametrize("chosen", [Selection("GFP"), Selection("1"), Selection(time=1)])
    def test_a_choice_that_the_file_does_not_offer(self, file, chosen):
        tifffile.imwrite(file, Z, imagej=True, metadata={"axes": "ZYX"})
        with pytest.raises(DeviceError, match=r"choose one: 0$"):
            open_slices([file], selection=chosen)
        assert len(open_slices([file], selection=Selection("0", 0))) == 5

    def test_time_points_alone_are_slices_and_that_is_reported(self, file, caplog):
        tifffile.imwrite(file, Z, imagej=True, metadata={"axes": "TYX"})
        assert len(open_slices([file])) == 5
        assert "time points are taken as slices" in caplog.text

    def test_significant_bits_of_ome_are_used(self, tmp_path):
        file = tmp_path / "a.ome.tif"
        tifffile.imwrite(file, Z >> 8, ome=True, metadata={"axes": "ZYX", "SignificantBits": 12})
        assert open_slices([file]).read(0).pixels.max() == round(255 / 4095 * 65535)

    def test_twelve_bits_are_recognised_over_the_whole_stack(self, file, caplog):
        dark_first = np.stack([MONO >> 7, MONO >> 4, MONO >> 6])
        tifffile.imwrite(file, dark_first, photometric="minisblack", metadata=None)
        slices = open_slices([file])
        assert slices.read(0).pixels.max() == round(511 / 4095 * 65535)
        assert slices.read(1).pixels.max() == 65535
        assert caplog.text.count("4095") == 1

    def test_bits_can_be_given(self, file):
        tifffile.imwrite(file, MONO >> 4, metadata=None)
        assert open_slices([file], bits=16).read(0).pixels.max() == 4095

    def test_pages_of_several_sizes_are_refused(self, file):
        with tifffile.TiffWriter(file) as writer:
            writer.write(MONO, metadata=None)
            writer.write(MONO[:20], metadata=None)
        with pytest.raises(DeviceError, match="different kinds or sizes"):
            open_slices([file])

    def test_pages_of_different_kinds_are_refused(self, file):
        with tifffile.TiffWriter(file) as writer:
            for image in (MONO, MONO, RGB):
                writer.write(image)
        kinds = "32x24 uint16 MINISBLACK, 32x24 uint16 RGB"
        with pytest.raises(DeviceError, match=f"different kinds or sizes \\({kinds}\\)"):
            open_slices([file])

    def test_more_bits_than_stated_are_reported(self, file, caplog):
        tifffile.imwrite(file, (MONO >> 4).astype(np.uint16))
        assert open_slices([file], bits=8).read(0).pixels.max() == 65535
        assert "samples above those of 8 bits are clipped to white" in caplog.text
        assert "some of 12 bits" in caplog.text

    def test_named_files_are_one_stack(self, tmp_path, caplog):
        paths = [tmp_path / name for name in ("b.tif", "a.tif", "c.tif")]
        for path, pages in zip(paths, (Z[:2], Z[2:4], Z[4]), strict=True):
            tifffile.imwrite(path, pages, metadata=None, photometric="minisblack")
        slices = open_slices(paths)
        assert len(slices) == len(Z)
        for index, expected in enumerate(Z):
            np.testing.assert_array_equal(slices.read(index).pixels, expected)
        assert "the pages of all 3 files are taken as one stack" in caplog.text

    def test_two_stacks_in_a_folder_are_refused(self, tmp_path):
        for name in ("a.tif", "b.tif"):
            tifffile.imwrite(tmp_path / name, Z, metadata=None, photometric="minisblack")
        with pytest.raises(DeviceError, match=r"a\.tif holds 5 slices by itself"):
            open_slices([tmp_path])
        with pytest.raises(DeviceError, match="holds 5 images"):
            read_image(tmp_path / "a.tif")


class TestDamaged:
    @pytest.mark.parametrize("compression", [None, "zlib"])
    def test_cut_off(self, file, compression):
        tifffile.imwrite(file, MONO, compression=compression, metadata=None)
        file.write_bytes(file.read_bytes()[:-20])
        with pytest.raises(DeviceError, match=r"a\.tif"):
            read_image(file)

    def test_stack_that_is_cut_off(self, file):
        tifffile.imwrite(file, Z, metadata=None, photometric="minisblack")
        file.write_bytes(file.read_bytes()[: -Z[0].nbytes])
        with pytest.raises(DeviceError, match=r"a\.tif"):
            [open_slices([file]).read(index) for index in range(5)]

    @pytest.mark.parametrize("size", [(2**31, 2**31), (60_000, 60_000), (0, 5)])
    def test_claim_of_a_giant_picture(self, file, size):
        file.write_bytes(tiff_header(*size))
        with pytest.raises(DeviceError, match=r"a\.tif"):
            read_image(file)

    def test_claim_of_much_more_than_the_file_can_hold(self, file):
        """Decoding it would take gigabytes, for what a few kilobytes leave to zeros."""
        tifffile.imwrite(file, MONO, compression="lzw", metadata=None)
        with tifffile.TiffFile(file, mode="r+") as stored:
            stored.pages[0].tags["ImageLength"].overwrite(4_000_000)
        with pytest.raises(DeviceError, match=r"a\.tif is damaged: it holds too little for 32x4"):
            read_image(file)

    def test_the_message_about_colours_is_short(self, file):
        tifffile.imwrite(file, MONO, metadata=None)
        with tifffile.TiffFile(file, mode="r+") as stored:
            stored.pages[0].tags["PhotometricInterpretation"].overwrite(tuple(range(9000, 9500)))
        with pytest.raises(DeviceError, match=r"a\.tif has \(9000, ") as error:
            read_image(file)
        assert len(str(error.value)) < 300

    @pytest.mark.parametrize("content", [b"", b"II*\0", b"\x89PNG\r\n\x1a\n", b"II*\0\x08\0\0\0"])
    def test_no_tiff(self, file, content):
        file.write_bytes(content)
        with pytest.raises(DeviceError, match=r"a\.tif"):
            read_image(file)
