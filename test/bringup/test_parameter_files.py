"""Values of parameters as the files say them."""

import pytest

from aif_ros.bringup.graph import Graph, NodeSpec
from aif_ros.bringup.parameter_files import parameter
from aif_ros.storage.read_yaml import YamlError

CAMERA = NodeSpec("camera", "camera_node")
SET = "ros__parameters: {frame_id: eye}"


def value(tmp_path, *texts, node=CAMERA, namespace="/left/arm"):
    files = []
    for index, text in enumerate(texts):
        files.append(tmp_path / f"{index}.yaml")
        files[-1].write_text(text)
    return parameter(Graph((node,), namespace, tuple(files)), node, "frame_id")


@pytest.mark.parametrize(
    "names",
    ["/**", "/**/camera", "/left/arm/camera", "/left/*/camera", "/left/**", "/left/**/camera"],
)
def test_names_that_fit(tmp_path, names):
    assert value(tmp_path, f"{names}: {{{SET}}}") == "eye"


@pytest.mark.parametrize(
    "names", ["/camera", "camera", "/*/camera", "/**/lens", "/right/**", "/left/arm/cam.ra"]
)
def test_names_that_do_not(tmp_path, names):
    assert value(tmp_path, f"{names}: {{{SET}}}") == "camera_optical_frame"


def test_nested_names_and_no_namespace(tmp_path):
    assert value(tmp_path, f"left: {{arm: {{camera: {{{SET}}}}}}}") == "eye"
    assert value(tmp_path, f"camera: {{{SET}}}", namespace="") == "eye"
    assert value(tmp_path, f"/**/camera: {{{SET}}}", namespace="") == "eye"


def test_later_ones_win_and_the_node_s_own_all(tmp_path):
    texts = f"/**: {{{SET}}}", "/**: {ros__parameters: {frame_id: hand}}", "other: 1"
    assert value(tmp_path, *texts) == "hand"
    node = NodeSpec("camera", "camera_node", {"frame_id": "own"})
    assert value(tmp_path, *texts, node=node) == "own"


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(YamlError):
        value(tmp_path, "[")
