import json

import pytest

from aif_ros.control.agent import Action, Observation
from aif_ros.pipeline.decision_record import DecisionRecord, Evidence
from aif_ros.types.frame import Window

FULL = DecisionRecord(
    3, 15, (Evidence(10, 9, 1e-4), Evidence(12, 11, 2e-4)), 5e-4, Window(1, 2, 3, 4), "there", 0.25
)


@pytest.mark.parametrize(
    "record", [FULL, DecisionRecord(1, 2, (), None, None, "done", None)], ids=str
)
def test_there_and_back(record):
    assert DecisionRecord.from_json(record.to_json()) == record


def test_is_made_from_what_the_agent_saw_and_decided():
    passed = Observation(None, None, None, 1e-4, 10, fused_stamp=9)
    seen = Observation(None, None, None, 2e-4, 12, (passed,), fused_stamp=11)
    assert DecisionRecord.of(3, 15, seen, Action(5e-4, Window(1, 2, 3, 4), "there", 0.25)) == FULL
    assert DecisionRecord.of(4, 16, seen, Action(None, None, "done")).remaining is None


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"number": 1}), '{"evidence": 3}'])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="not a decision"):
        DecisionRecord.from_json(text)
