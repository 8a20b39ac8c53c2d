"""How the nodes are set up that make a recording's decisions again; see test_record_replay.py."""

from pathlib import Path

import pytest

from aif_ros.bringup import bag_replay_nodes
from aif_ros.bringup.bag_recording import RecordedSettings
from aif_ros.bringup.bag_replay import Parts, RecordedRun
from aif_ros.bringup.graph import BringupError
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.replay import Schedule

LENS = LensModel("test", 1e-6, (0.0, 1e-3), 9e4, 3840)
SETTINGS = RecordedSettings(
    "0.1.0",
    {
        "fusion": {"fusion_method": "laplacian", "save_path": "mine.png", "device": "cuda"},
        "autofocus": {"estimator": "gradient_ratio", "image_transport": "compressed"},
        "focus_controller": {"agent": "sweep", "patience": 2.0, "autostart": False},
    },
    LENS.to_yaml(),
)


@pytest.fixture
def run():
    return RecordedRun(None, "/left", SETTINGS, LENS, Schedule(frozenset(), [], []))


def parameters(run, parts):
    graph = bag_replay_nodes._graph(run, parts, Path("lens.yaml"))
    return {node.name: node.parameters for node in graph.nodes}


def test_the_nodes_are_set_up_as_recorded_except_for_files_devices_and_pace(run):
    found = parameters(run, Parts())
    assert found["fusion"]["fusion_method"] == "laplacian"
    assert found["autofocus"]["estimator"] == "gradient_ratio"
    assert found["focus_controller"]["agent"] == "sweep"
    # The file of the user is not written again, and a network runs on what is there.
    assert "save_path" not in found["fusion"]
    assert {each["device"] for each in found.values()} == {"auto"}
    assert {each["calibration"] for each in found.values()} == {"lens.yaml"}
    # The recording holds the raw images, and is fed slowly.
    assert found["autofocus"]["image_transport"] == "raw"
    assert found["focus_controller"]["autostart"] is True
    assert found["focus_controller"]["patience"] > 100


def test_other_parts_take_the_place_of_the_recorded_ones(run):
    found = parameters(run, Parts("planner", "pyramid", "neural"))
    assert found["fusion"]["fusion_method"] == "pyramid"
    assert found["autofocus"]["estimator"] == "neural"
    assert found["focus_controller"]["agent"] == "planner"


def test_a_recording_without_camera_info_cannot_be_replayed(run):
    with pytest.raises(BringupError, match="holds no camera info"):
        next(bag_replay_nodes.replay_by_nodes(run))
