import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import PIL.Image
import pytest
import tifffile
from PIL import ImageCms
from PIL.ExifTags import IFD, Base

from aif_ros.__main__ import main
from aif_ros.devices.image_files import Metadata, read_image, read_metadata, write_image
from aif_ros.devices.image_files.slices import open_slices
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
    assert np.median(which[:, :45]) < 0.005 * 65535
    assert which.dtype == np.uint16
    assert np.median(which[:, 115:]) > 0.995 * 65535
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


@pytest.mark.parametrize("options", [[], ["--no-align"], ["--preview"]])
def test_a_picture_of_another_scene_is_left_out_and_named(stack, tmp_path, capsys, options):
    """As if it were not there: it would also be in the way of the registration."""
    arguments = ["stack", str(stack), *options, "-o"]
    assert main([*arguments, str(tmp_path / "right.png")]) == 0
    shape = cv2.imread(str(stack / "8.png")).shape
    write(stack / "8b.png", texture((shape[1], shape[0]), np.random.default_rng(77)))
    capsys.readouterr()
    results = tmp_path / "out.json"
    assert main([*arguments, str(tmp_path / "out.png"), "--json", str(results)]) == 0
    said = capsys.readouterr().err
    assert "left out 1 slice that does not match the other 3" in said
    assert str(stack / "8b.png") in said
    left_out = json.loads(results.read_text())["left_out"]
    assert left_out == [str(stack / "8b.png")]
    images = [cv2.imread(str(tmp_path / name)) for name in ("right.png", "out.png")]
    np.testing.assert_array_equal(*images)


def test_rows_that_were_not_transmitted_are_left_out_and_named(stack, tmp_path, capsys):
    """Of one slice of five; the others are registered and fused as they are without it."""
    for index, sigma in ((6, 2.0), (7, 1.0)):
        write(stack / f"{index}.png", cv2.GaussianBlur(SHARP, (0, 0), sigma))
    damaged = cv2.imread(str(stack / "8.png"))
    damaged[70:94] = 0
    cv2.imwrite(str(stack / "8.png"), damaged)
    arguments = ["stack", str(stack), "-o", str(tmp_path / "out.png")]
    assert main([*arguments, "--json", str(tmp_path / "out.json")]) == 0
    assert "left out parts of 1 slice, which differ" in capsys.readouterr().err
    found = json.loads((tmp_path / "out.json").read_text())
    assert [share > 0 for share in found["misfits"]] == [False, False, True, False, False]
    image = to_float(read_image(tmp_path / "out.png"))
    right = np.s_[8:-8, 60:-8]
    assert psnr(image[right], SHARP[right]) > 30


def test_slices_that_show_nothing_are_left_out_and_named(stack, tmp_path, capsys):
    write(stack / "7.png", np.zeros_like(SHARP))
    write(stack / "11.png", np.ones_like(SHARP))
    assert main(["stack", str(stack), "-o", str(tmp_path / "out.png")]) == 0
    said = capsys.readouterr().err
    assert f"{stack / '7.png'} (black)" in said
    assert f"{stack / '11.png'} (white)" in said


def test_two_slices_of_different_scenes_are_reported(tmp_path, capsys):
    for index in range(2):
        write(tmp_path / f"{index}.png", texture((96, 64), np.random.default_rng(index)))
    assert main(["stack", str(tmp_path), "-o", str(tmp_path / "out.jpg")]) == 0
    assert "the slices show different scenes" in capsys.readouterr().err


def test_one_slice_is_no_stack_and_is_only_converted(stack, tmp_path, capsys):
    out = tmp_path / "out.png"
    assert main(["stack", str(stack / "8.png"), "-o", str(out)]) == 0
    printed = capsys.readouterr()
    assert "8.png is one slice, no stack: it is only converted" in printed.err
    assert "1 slice of 160x120" in printed.out
    np.testing.assert_array_equal(read_image(out), read_image(stack / "8.png"))


def test_a_device_without_effect_is_named(stack, tmp_path, capsys):
    arguments = ["stack", str(stack), "-o", str(tmp_path / "o.png"), "--method", "pyramid"]
    assert main([*arguments, "--device", "cuda"]) == 0
    assert "--device cuda has no effect: no network runs (pyramid)" in capsys.readouterr().err


def test_relief_as_a_page(stack, tmp_path):
    page = tmp_path / "r.html"
    assert main(["stack", str(stack), "-o", str(tmp_path / "o.png"), "--relief", str(page)]) == 0
    assert page.read_text().startswith("<!DOCTYPE html>")


class TestBadInput:
    def said(self, capsys, *arguments):
        assert main(["stack", *map(str, arguments)]) == 2
        error = capsys.readouterr().err
        assert "Traceback" not in error
        return error

    def test_slices_of_different_sizes(self, stack, tmp_path, capsys):
        write(stack / "11.png", SHARP[:50])
        said = self.said(capsys, stack, "-o", tmp_path / "o.png")
        assert f"{stack / '11.png'} is 160x50 in colour" in said
        assert not (tmp_path / "o.png").exists()

    def test_grey_and_colour_together(self, stack, tmp_path, capsys):
        cv2.imwrite(str(stack / "9.png"), cv2.imread(str(stack / "9.png"), cv2.IMREAD_GRAYSCALE))
        said = self.said(capsys, stack, "-o", tmp_path / "o.png", "--report", tmp_path / "r")
        assert f"{stack / '8.png'} is 160x120 in colour, " in said
        assert f"{stack / '9.png'} is 160x120 in grey: all slices" in said

    @pytest.mark.parametrize("kept", [0, 100])
    def test_too_few_slices_that_can_be_read(self, stack, tmp_path, capsys, kept):
        for name in ("8.png", "9.png"):
            (stack / name).write_bytes((stack / name).read_bytes()[:kept])
        assert "8.png" in self.said(capsys, stack, "-o", tmp_path / "o.png")
        assert not (tmp_path / "o.png").exists()

    def test_a_channel_of_files_that_have_none(self, stack, tmp_path, capsys):
        code = main(["stack", str(stack), "--channel", "GFP", "-o", str(tmp_path / "out.png")])
        assert code == 2
        assert "--channel GFP" in capsys.readouterr().err

    def test_missing_folder(self, tmp_path, capsys):
        said = self.said(capsys, tmp_path / "nowhere", "-o", tmp_path / "o.png")
        assert "nowhere" in said

    @pytest.mark.parametrize(
        ("names", "problem"), [(("", "o.png"), "empty"), (("stack", ""), "to write to (-o)")]
    )
    def test_an_empty_name(self, capsys, names, problem):
        """Of a variable of the shell that is not set; it would be the folder one is in."""
        assert problem in self.said(capsys, names[0], "-o", names[1])

    def test_empty_folder(self, tmp_path, capsys):
        assert "no image" in self.said(capsys, tmp_path, "-o", tmp_path / "o.png")

    def test_unknown_method(self, stack, tmp_path, capsys):
        said = self.said(capsys, stack, "-o", tmp_path / "o.png", "--method", "magic")
        assert "laplacian" in said

    def test_unknown_format(self, stack, tmp_path, capsys):
        assert ".xyz" in self.said(capsys, stack, "-o", tmp_path / "o.xyz")

    @pytest.mark.parametrize(
        "outputs",
        [
            ["-o", "o.heic"],
            ["-o", "o"],
            ["-o", "{file}/o.png"],
            ["-o", "/proc/nope/o.png"],
            ["-o", "new/o.png"],
            ["-o", "o.png", "--focus-map", "m.xyz"],
            ["-o", "o.png", "--focus-map", "/proc/nope/m.png"],
            ["-o", "o.png", "--relief", "r.obj"],
            ["-o", "o.png", "--report", "/proc/nope"],
            ["-o", "o.png", "--json", "/proc/nope/r.json"],
        ],
    )
    def test_outputs_are_checked_before_the_slices_are_read(
        self, stack, tmp_path, capsys, monkeypatch, outputs
    ):
        monkeypatch.chdir(tmp_path)
        for file in stack.iterdir():
            file.write_bytes(b"no picture")
        outputs = [output.format(file=stack / "8.png") for output in outputs]
        assert "no readable image" not in self.said(capsys, stack, *outputs)
        assert {path.name for path in tmp_path.iterdir()} == {"stack"}

    def test_an_interrupt_is_no_success(self, stack, tmp_path, capsys, monkeypatch):
        def interrupted(*_, **__):
            raise KeyboardInterrupt

        monkeypatch.setattr("aif_ros.cli._stack_fusion.write_image", interrupted)
        output = tmp_path / "fused.png"
        assert main(["stack", str(stack), "-o", str(output), "--method", "laplacian"]) == 130
        assert "interrupted before everything was written" in capsys.readouterr().err
        assert not output.exists()

    def test_too_little_space(self, stack, tmp_path, capsys, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
        assert "are needed" in self.said(capsys, stack, "-o", tmp_path / "o.png")

    @pytest.mark.parametrize("option", ["-o", "--focus-map", "--json"])
    def test_slices_are_not_overwritten(self, stack, tmp_path, capsys, option):
        before = (stack / "9.png").read_bytes()
        (tmp_path / "link.png").symlink_to(stack / "9.png")
        outputs = ["-o", tmp_path / "o.png"] if option != "-o" else []
        for target in (stack / "9.png", tmp_path / "link.png"):
            said = self.said(capsys, stack, *outputs, option, target)
            assert "is one of the slices" in said
        assert (stack / "9.png").read_bytes() == before

    @pytest.mark.parametrize(
        "option", [["--preview"], ["--report", "report"]], ids=["preview", "report"]
    )
    def test_unnamed_files_are_not_overwritten(self, stack, tmp_path, capsys, monkeypatch, option):
        monkeypatch.chdir(tmp_path)
        foreign = tmp_path / ("o.preview.jpg" if len(option) == 1 else "report/slices/000.jpg")
        foreign.parent.mkdir(parents=True, exist_ok=True)
        write(foreign, SHARP)
        before = foreign.read_bytes()
        said = self.said(capsys, stack, "-o", "o.png", *option)
        assert "was not written by aif_ros" in said
        assert foreign.read_bytes() == before

    def test_one_file_for_two_outputs(self, stack, tmp_path, capsys):
        out = tmp_path / "o.png"
        assert "named twice" in self.said(capsys, stack, "-o", out, "--focus-map", out)

    def test_a_folder_that_does_not_exist(self, stack, tmp_path, capsys):
        said = self.said(capsys, stack, "-o", tmp_path / "new" / "o.png")
        assert f"make it first, mkdir -p {tmp_path / 'new'}" in said

    def test_several_channels(self, tmp_path, capsys):
        planes = np.zeros((3, 2, 20, 30), np.uint16)
        metadata = {"axes": "ZCYX", "Channel": {"Name": ["DAPI", "GFP"]}}
        tifffile.imwrite(tmp_path / "z.ome.tif", planes, ome=True, metadata=metadata)
        said = self.said(capsys, tmp_path / "z.ome.tif", "-o", tmp_path / "o.tif")
        assert "choose one: 0 (DAPI), 1 (GFP) (--channel)" in said

    def test_several_series(self, tmp_path, capsys):
        path = self.positions(tmp_path, np.zeros((2, 20, 30), np.uint8))
        said = self.said(capsys, path, "-o", tmp_path / "o.tif")
        assert "has 2 series, such as positions" in said
        assert "choose one: 0 (left), 1 (right) (--series)" in said
        said = self.said(capsys, path, "--series", "middle", "-o", tmp_path / "o.tif")
        assert "has no series 'middle' (--series), choose one: 0 (left), 1 (right)" in said

    @staticmethod
    def positions(folder, planes):
        """An OME-TIFF of two positions on the specimen, of which the second one is brighter."""
        with tifffile.TiffWriter(folder / "positions.ome.tif", ome=True) as file:
            for index, name in enumerate(("left", "right")):
                file.write(planes + np.uint8(index), metadata={"axes": "ZYX", "Name": name})
        return folder / "positions.ome.tif"

    @pytest.mark.parametrize("series", ["1", "right"])
    def test_a_series_can_be_chosen(self, tmp_path, series):
        path = self.positions(tmp_path, np.full((2, 20, 30), 7, np.uint8))
        arguments = ["stack", str(path), "--series", series, "-o", str(tmp_path / "o.png")]
        assert main([*arguments, "--no-align"]) == 0
        assert (read_image(tmp_path / "o.png") == 8).all()


def test_one_file_with_all_slices(tmp_path):
    soft = cv2.GaussianBlur(SHARP, (0, 0), 3.0)
    left, right = soft.copy(), soft.copy()
    left[:, :80], right[:, 80:] = SHARP[:, :80], SHARP[:, 80:]
    gray = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (left, right)]
    planes = np.stack([np.stack([image * 0, image]) for image in gray])
    metadata = {"axes": "ZCYX", "PhysicalSizeZ": 2.0, "PhysicalSizeX": 0.5}
    samples = (planes * 4095).round().astype(np.uint16)
    tifffile.imwrite(tmp_path / "z.ome.tif", samples, ome=True, metadata=metadata)
    out, results = tmp_path / "o.tif", tmp_path / "r.json"
    arguments = ["stack", str(tmp_path / "z.ome.tif"), "--channel", "1", "--no-align"]
    assert main([*arguments, "-o", str(out), "--json", str(results)]) == 0
    fused = read_image(out)
    assert fused.dtype == np.uint16
    sharp = cv2.cvtColor(SHARP, cv2.COLOR_RGB2GRAY)
    # Twelve bits fill the range of sixteen.
    assert psnr(to_float(fused), sharp) > 30
    result = json.loads(results.read_text())
    assert (result["slices"], result["z_step"], result["pixel_size"]) == (2, 2e-6, 5e-7)
    with tifffile.TiffFile(out) as file:
        assert file.pages.first.tags["XResolution"].value[0] > 1


def test_transparent_areas_are_neither_fused_nor_registered(tmp_path):
    scene = texture((280, 200), np.random.default_rng(5))
    checks = (np.indices((40, 240)).sum(0) // 4 % 2).astype(np.float32)[..., None]
    offsets = [(0, 0), (8, 60), (16, 120)]
    for index, (x, y) in enumerate([(8 * index, 12 * index) for index in range(3)]):
        slice_ = scene[y : y + 160, x : x + 240].copy()
        alpha = np.ones((160, 240, 1), np.float32)
        # A watermark that does not move with the scene, at another place in each slice.
        rows = slice(offsets[index][1], offsets[index][1] + 40)
        slice_[rows], alpha[rows] = checks, 0
        rgba = np.dstack([slice_, alpha])
        PIL.Image.fromarray((rgba * 255).round().astype(np.uint8)).save(tmp_path / f"{index}.png")
    out, results = tmp_path / "o.png", tmp_path / "r.json"
    assert main(["stack", str(tmp_path), "-o", str(out), "--json", str(results)]) == 0
    shifts = np.array(json.loads(results.read_text())["registration"]["shifts"])
    np.testing.assert_allclose(np.diff(shifts, axis=0), [[-8, -12]] * 2, atol=0.7)
    reference = int(np.abs(shifts).sum(1).argmin())
    x, y = 8 * reference, 12 * reference
    fused, truth = to_float(read_image(out)), scene[y : y + 160, x : x + 240]
    # The outermost rows are transparent in the only slice that shows them.
    assert psnr(fused[30:-30, 20:-20], truth[30:-30, 20:-20]) > 24


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("name", ["o.png", "o.tif", "o.webp", "o.jpg"])
def test_what_no_slice_shows_is_transparent(tmp_path, capsys, name, colours):
    for index, hole in enumerate((np.s_[30:60, 40:90], np.s_[40:70, 40:80])):
        slice_ = np.dstack([np.round(SHARP[..., :colours] * 255), np.full(SHARP.shape[:2], 255)])
        slice_[hole] = [255] * colours + [0]
        pixels = slice_.astype(np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / f"{index}.png")
    out, results = tmp_path / name, tmp_path / "r.json"
    assert main(["stack", str(tmp_path), "-o", str(out), "--json", str(results)]) == 0
    common = np.zeros(SHARP.shape[:2], bool)
    common[40:60, 40:80] = True
    assert json.loads(results.read_text())["holes"] == pytest.approx(common.mean(), rel=0.2)
    printed = capsys.readouterr().out
    if name == "o.jpg":
        assert "black in the result" in printed
        assert np.median(read_image(out)[common]) == 0
    else:
        assert "transparent in the result" in printed
        picture = open_slices([out]).read(0)
        assert picture.valid is not None
        assert (picture.valid == ~common).mean() > 0.99


def test_a_failed_stack_leaves_no_folder_behind(stack, tmp_path):
    broken = tmp_path / "all" / "broken"
    broken.mkdir(parents=True)
    shutil.copytree(stack, tmp_path / "all" / "good")
    (broken / "0.png").write_bytes(b"no picture")
    (broken / "1.png").write_bytes(b"no picture")
    arguments = ["stack", str(tmp_path / "all"), "-o", str(tmp_path / "o" / "{name}" / "f.png")]
    assert main([*arguments, "--report", str(tmp_path / "reports")]) == 1
    assert [folder.name for folder in (tmp_path / "o").iterdir()] == ["good"]
    assert [folder.name for folder in (tmp_path / "reports").iterdir()] == ["good"]


def test_a_folder_named_as_one_is_made(stack, tmp_path):
    assert main(["stack", str(stack), "-o", f"{tmp_path / 'new'}/"]) == 0
    assert (tmp_path / "new" / "stack.png").is_file()


@pytest.mark.parametrize("again", ["", "8.png"])
def test_a_slice_that_is_named_twice_is_used_once(stack, tmp_path, capsys, caplog, again):
    arguments = ["stack", str(stack), str(stack / again), "-o", str(tmp_path / "o.png")]
    assert main([*arguments, "--no-align"]) == 0
    assert "3 slices of 160x120" in capsys.readouterr().out
    assert "is named twice: it is used once" in caplog.text


def test_own_results_in_the_folder_are_left_out(stack, capsys):
    arguments = ["stack", str(stack), "-o", str(stack / "fused1.png")]
    arguments += ["--focus-map", str(stack / "map1.png"), "--preview"]
    for _ in range(2):
        assert main(arguments) == 0
        assert "3 slices of 160x120" in capsys.readouterr().out


def test_preview_and_report(stack, tmp_path, capsys):
    arguments = ["stack", str(stack), "-o", str(tmp_path / "o.png"), "--preview"]
    assert main([*arguments, "--report", str(tmp_path / "report")]) == 0
    assert read_image(tmp_path / "o.preview.jpg").shape == (30, 40, 3)
    page = (tmp_path / "report" / "report.html").read_text()
    for source in re.findall(r'src="(.+?)"', page):
        assert (tmp_path / "report" / source).is_file()
    assert len(list((tmp_path / "report" / "slices").iterdir())) == 3
    assert '"10.png"' in page
    assert "registration: shifts up to" in capsys.readouterr().out


class TestBatch:
    @pytest.fixture
    def folder(self, stack, tmp_path):
        folder = tmp_path / "stacks"
        for name in ("a", "b"):
            shutil.copytree(stack, folder / name)
        (folder / "empty").mkdir()
        return folder

    def test_folder_of_folders(self, folder, tmp_path, capsys):
        assert main(["stack", str(folder), "-o", str(tmp_path / "out") + "/"]) == 0
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "b.png"]
        assert "2 of 2 stacks fused" in capsys.readouterr().out

    def test_names_in_all_outputs(self, folder, tmp_path):
        out, results = str(tmp_path / "{name}" / "o.tif"), tmp_path / "r.json"
        arguments = ["stack", str(folder), "-o", out, "--relief", str(tmp_path / "{name}.ply")]
        assert main([*arguments, "--json", str(results)]) == 0
        for name in ("a", "b"):
            assert (tmp_path / name / "o.tif").is_file()
            assert (tmp_path / f"{name}.ply").read_bytes().startswith(b"ply\n")
        assert set(json.loads(results.read_text())["stacks"]) == {"a", "b"}

    def test_results_are_one_file_for_all_stacks(self, folder, tmp_path, capsys):
        arguments = ["--json", str(tmp_path / "{name}.json")]
        assert main(["stack", str(folder), "-o", str(tmp_path) + "/", *arguments]) == 2
        assert "one file for all stacks" in capsys.readouterr().err
        assert main(["stack", str(folder / "a"), "-o", str(tmp_path) + "/", *arguments]) == 0
        assert (tmp_path / "a.json").is_file()

    def test_folders_beside_pictures_are_left_out_with_a_line(self, folder, stack, capsys):
        shutil.move(folder, stack / "stacks")
        shutil.copytree(stack / "stacks" / "a", stack / "other")
        assert main(["stack", str(stack), "-o", str(stack / "o.png")]) == 0
        assert "left out other (folders with images)" in capsys.readouterr().err

    def test_multi_page_files(self, tmp_path):
        folder = tmp_path / "stacks"
        folder.mkdir()
        planes = (np.stack([SHARP[..., 0], SHARP[..., 1]]) * 255).astype(np.uint8)
        for name in ("a.tif", "b.1.tif"):
            tifffile.imwrite(folder / name, planes, photometric="minisblack")
        assert main(["stack", str(folder), "-o", str(tmp_path) + "/"]) == 0
        assert (tmp_path / "a.png").is_file()
        assert (tmp_path / "b.1.png").is_file()

    def test_one_bad_stack_does_not_cost_the_others(self, folder, tmp_path, capsys):
        write(folder / "a" / "9.png", SHARP[:50])
        assert main(["stack", str(folder), "-o", str(tmp_path) + "/"]) == 1
        assert (tmp_path / "b.png").is_file()
        assert "aif stack: error: a: " in capsys.readouterr().err

    @pytest.mark.parametrize(
        "options, said",
        [
            (["-o", "one.png"], "there are 2 stacks (a, b, ...): name a folder"),
            (["-o", "out/", "--focus-map", "map.png"], "--focus-map is written for each stack"),
        ],
    )
    def test_outputs_must_differ(self, folder, tmp_path, capsys, monkeypatch, options, said):
        monkeypatch.chdir(tmp_path)
        assert main(["stack", str(folder), *options]) == 2
        assert said in capsys.readouterr().err


def test_odd_paths_without_home_and_utf8(stack, tmp_path):
    folder = tmp_path / "🦋 ü"
    shutil.copytree(stack, folder / "s")
    outputs = ["-o", str(folder / "o.png"), "--report", str(folder / "r"), "--json", "-"]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": "/proc/nope"}
    environment |= {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "MPLCONFIGDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", "aif_ros", "stack", str(folder / "s"), *outputs],
        capture_output=True,
        env=environment,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    assert read_image(folder / "o.png").shape == (120, 160, 3)
    assert (folder / "r" / "report.html").is_file()


def test_slices_of_megapixels_stay_within_memory(tmp_path):
    """Twenty slices of 24 megapixels must fit into 2 GB: here five times smaller in each way."""
    image = np.random.default_rng(0).integers(0, 256, (800, 1200, 3), np.uint8)
    for index in range(20):
        cv2.imwrite(str(tmp_path / f"{index}.jpg"), image)
    script = (
        "import resource, sys; from aif_ros.__main__ import main\n"
        "import aif_ros.cli.stack, aif_ros.fusion.stacking, matplotlib\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "assert main(sys.argv[1:]) == 0\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    arguments = ["stack", str(tmp_path), "-o", str(tmp_path / "o.png")]
    run = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    # Of 24 megapixels, 1.7 GB above what the libraries take themselves.
    assert int(run.stdout.split()[-1]) * 1024 < 1.7e9 * (800 * 1200 / 24e6) + 150e6


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
        # The pixels have been turned, so the orientation tag must not turn them again.
        assert read_image(out).shape == (160, 120, 3)
        assert Base.Orientation not in after.exif
        if not name.endswith("tif"):
            assert after.exif.get_ifd(IFD.Exif)[Base.FocalLength] == 50.0

    def test_slices_of_different_profiles_are_reported(self, stack, tmp_path, capsys):
        """The values of a wide gamut are other colours than those of sRGB."""
        wide = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
        name = "sRGB built-in".encode("utf-16-be")
        assert name in wide
        wide[wide.index(name) : wide.index(name) + len(name)] = "Wide built-in".encode("utf-16-be")
        arguments = ["stack", str(stack), "-o", str(tmp_path / "o.png")]
        assert main(arguments) == 0
        assert capsys.readouterr().err == ""
        odd = stack / "9.png"
        PIL.Image.open(odd).save(odd, icc_profile=bytes(wide))
        assert main(arguments) == 0
        said = capsys.readouterr().err
        assert "1 slice are of another profile (9.png: Wide built-in)" in said
        assert "sRGB, which is taken for all" in said

    def test_sixteen_bits_keep_it_too(self, tmp_path):
        write(tmp_path / "0.png", SHARP, np.uint16)
        written = read_image(tmp_path / "0.png")
        exif = PIL.Image.Exif()
        exif[Base.Model] = "Camera"
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        metadata = Metadata(exif, profile)
        for name in ("deep.png", "deep.tif"):
            write_image(tmp_path / name, to_float(written), sixteen_bit=True, metadata=metadata)
            np.testing.assert_array_equal(read_image(tmp_path / name), written)
            assert read_metadata(tmp_path / name).icc_profile == profile
            assert read_metadata(tmp_path / name).exif[Base.Model] == "Camera"
