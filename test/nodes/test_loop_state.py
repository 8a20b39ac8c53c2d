import json
from dataclasses import replace

import pytest

from aif_ros.nodes.loop_state import RUNNING, LoopState
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.types.frame import Window

FULL = LoopState(
    RUNNING,
    "over there",
    "sweep",
    3,
    0.25,
    5e-4,
    4e-4,
    10**18,
    10**18,
    Window(1, 2, 3, 4),
    left_out=LeftOut((1e-4,), ("it shows nothing",)),
)


@pytest.mark.parametrize("state", [FULL, LoopState("idle", "switched off", "learned")], ids=str)
def test_there_and_back(state):
    assert LoopState.from_json(state.to_json()) == state


def test_warnings_are_what_a_user_should_know():
    doubtful = replace(FULL, doubt="too few images")
    assert doubtful.warnings == [FULL.left_out.warning, "too few images"]
    assert LoopState("idle", "switched off", "learned").warnings == []


def test_is_plain_json():
    content = json.loads(FULL.to_json())
    assert content["stamp"] == 10**18
    assert content["window"] == {"x": 1, "y": 2, "width": 3, "height": 4}


@pytest.mark.parametrize(
    "change",
    [
        {"state": "asleep"},
        {"frames_captured": "3"},
        {"position": "far"},
        {"window": {"x": 1}},
        {"window": [1, 2, 3, 4]},
        {"reason": None},
        {"left_out": None},
        {"left_out": {"positions": ["far"], "reasons": []}},
    ],
    ids=str,
)
def test_anything_else_is_refused(change):
    content = json.loads(FULL.to_json()) | change
    with pytest.raises(ValueError):
        LoopState.from_json(json.dumps(content))


@pytest.mark.parametrize("text", ["", "[]", "3", '{"state": "running"}', '{"position": NaN}'])
def test_other_documents_are_refused(text):
    with pytest.raises(ValueError):
        LoopState.from_json(text)


def test_fields_of_later_versions_are_ignored():
    content = json.loads(FULL.to_json()) | {"mood": "good"}
    assert LoopState.from_json(json.dumps(content)) == FULL
