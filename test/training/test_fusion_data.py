"""Finding photos, scenes and videos to train the fusion network on."""

import pytest
from training_data import write_photos

from aif_ros.simulation.photos import PhotosError
from aif_ros.simulation.scenes.scene import SceneError
from aif_ros.training.fusion_data import find_sources


@pytest.fixture
def data(tmp_path):
    write_photos(tmp_path / "photos", size=40)
    for name in ("chair", "table"):
        (tmp_path / "rgbd" / name).mkdir(parents=True)
        (tmp_path / "rgbd" / name / "depth.png").touch()
    for name in ("rgb", "depth"):
        (tmp_path / "videos" / "kitchen" / name).mkdir(parents=True)
    return tmp_path


def test_what_is_left_out_is_measured_on(data) -> None:
    trained, held_out = find_sources(
        data / "photos", data / "rgbd", data / "videos", ("chair", "kitchen")
    )
    assert (len(trained.photos), len(held_out.photos)) == (2, 1)
    assert [path.name for path in trained.measured] == ["table"]
    assert [path.name for path in held_out.measured] == ["chair"]
    assert not trained.videos
    assert [path.name for path in held_out.videos] == ["kitchen"]


def test_photos_alone_are_enough(data) -> None:
    trained, held_out = find_sources(data / "photos")
    assert not trained.measured and not held_out.videos


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"rgbd": "photos"}, "image"),
        ({"rgbd": "nowhere"}, "there is no folder"),
        ({"videos": "rgbd"}, "there is no video"),
    ],
)
def test_folder_without_scenes_is_refused(arguments, words, data) -> None:
    with pytest.raises(SceneError, match=words):
        find_sources(data / "photos", **{name: data / each for name, each in arguments.items()})


def test_unknown_scene_to_leave_out_is_refused(data) -> None:
    with pytest.raises(SceneError, match="sofa"):
        find_sources(data / "photos", data / "rgbd", leave_out=("chair", "sofa"))


def test_too_few_photos_are_refused(data) -> None:
    for path in sorted((data / "photos").iterdir())[1:]:
        path.unlink()
    with pytest.raises(PhotosError, match="too few photos"):
        find_sources(data / "photos")
