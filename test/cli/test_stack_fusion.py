"""What `aif stack` writes, prints and returns of one stack."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from aif_ros.cli import CommandError
from aif_ros.cli._stack_arguments import Arguments
from aif_ros.cli._stack_fusion import fuse
from aif_ros.devices.image_files import read_image
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import to_uint8

SCENE = to_uint8(texture((96, 72), np.random.default_rng(3)))


@pytest.fixture
def stack(tmp_path):
    """Two slices, sharp on the left and on the right."""
    folder = tmp_path / "stack"
    folder.mkdir()
    soft = cv2.GaussianBlur(SCENE, (0, 0), 2.5)
    for index, part in enumerate((np.s_[:, :48], np.s_[:, 48:])):
        image = soft.copy()
        image[part] = SCENE[part]
        cv2.imwrite(str(folder / f"{index}.png"), image[..., ::-1])
    return folder


def arguments(stack, tmp_path, **others):
    output = str(tmp_path / "out" / "fused.png")
    (tmp_path / "out").mkdir(exist_ok=True)
    return Arguments((str(stack),), output=output, no_align=True, **others)


def test_the_result_agrees_with_the_files(stack, tmp_path, capsys):
    map_ = tmp_path / "out" / "map.png"
    result = fuse(arguments(stack, tmp_path, focus_map=str(map_)), [stack])
    assert (result["slices"], result["width"], result["height"]) == (2, 96, 72)
    assert (result["aligned"], result["sixteen_bits"], result["undecided"]) == (False, False, False)
    assert result["misfits"] == [0.0, 0.0] and result["left_out"] == []
    assert [name.rpartition("/")[2] for name in result["files"]] == ["0.png", "1.png"]
    assert read_image(result["output"]).shape == (72, 96, 3)
    depth = read_image(result["focus_map"])
    assert np.median(depth[:, :36]) < 0.3 * 65535 < 0.5 * 65535 < np.median(depth[:, 60:])
    assert "preview" not in result and "relief" not in result
    assert "2 slices of 96x72 fused" in capsys.readouterr().out


def test_a_preview_comes_first(stack, tmp_path, capsys):
    result = fuse(arguments(stack, tmp_path, preview=True), [stack])
    assert read_image(result["preview"]).shape == (18, 24, 3)
    assert capsys.readouterr().out.startswith("preview after")


def test_one_slice_is_only_converted(stack, tmp_path, capsys):
    result = fuse(arguments(stack, tmp_path), [stack / "0.png"])
    assert "0.png is one slice, no stack" in capsys.readouterr().err
    np.testing.assert_array_equal(read_image(result["output"]), read_image(stack / "0.png"))


def test_a_black_slice_is_left_out_with_a_warning(stack, tmp_path, capsys):
    cv2.imwrite(str(stack / "2.png"), np.zeros_like(SCENE))
    result = fuse(arguments(stack, tmp_path), [stack])
    assert [name.rpartition("/")[2] for name in result["left_out"]] == ["2.png"]
    assert list(result["blank"].values()) == ["black"]
    assert "left out 1 slice that shows nothing" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["0.png", "2.png", "9.tif", "9.jpg"])
def test_a_damaged_slice_is_left_out_with_a_warning(stack, tmp_path, capsys, name):
    cv2.imwrite(str(stack / "2.png"), cv2.GaussianBlur(SCENE, (0, 0), 3.0)[..., ::-1])
    whole = cv2.imencode(Path(name).suffix, SCENE)[1].tobytes()
    (stack / name).write_bytes(whole[: len(whole) // 2])
    result = fuse(arguments(stack, tmp_path, report=str(tmp_path / "report")), [stack])
    assert [Path(each).name for each in result["left_out"]] == [name]
    assert list(result["damaged"]) == result["left_out"]
    assert result["slices"] == len(list(stack.iterdir())) - 1
    said = capsys.readouterr().err
    assert "left out 1 slice that cannot be read" in said and said.count(name) == 1
    assert "cannot be read" in (tmp_path / "report" / "report.html").read_text()


def test_no_slice_is_overwritten(stack, tmp_path):
    args = Arguments((str(stack),), output=str(stack / "0.png"))
    with pytest.raises(CommandError, match="is one of the slices: name another file"):
        fuse(args, [stack])
