"""A recorded run of the loop makes the same decisions again."""

import pytest
from recorded_loop import EXPOSURE, RecordedLoop

from aif_ros.control.agents import make_agent
from aif_ros.pipeline.assess_step import AssessStep
from aif_ros.pipeline.fuse_step import FuseStep
from aif_ros.pipeline.replay import Replay, Schedule


@pytest.fixture(
    scope="module", params=[("planes", False), ("moving_planes", True)], ids=["static", "dynamic"]
)
def recording(request):
    return RecordedLoop(*request.param)


def replay(recording, new_agent=None):
    schedule = Schedule(frozenset(recording.pictures), (), recording.decisions)
    model, dynamic = recording.lens_model, recording.dynamic
    again = Replay(
        schedule,
        model,
        FuseStep(recording.new_fuser(), model, dynamic=dynamic),
        AssessStep(recording.new_estimator(), model, dynamic=dynamic),
        new_agent or recording.new_agent,
        dynamic=dynamic,
        exposure_time=EXPOSURE,
    )
    decisions = []
    for name, value in recording.events:
        if name == "state":
            decisions += again.add_state(value)
        elif name == "capture":
            again.add_image(value)
    return decisions, again.remaining


def test_the_same_decisions_are_made_again(recording):
    decisions, remaining = replay(recording)
    assert remaining == 0
    assert len(decisions) == len(recording.decisions) >= 4
    for decision in decisions:
        assert (decision.target, decision.reason) == (
            decision.recorded.target,
            decision.recorded.reason,
        )


def test_another_agent_decides_otherwise(recording):
    def sweep():
        return make_agent("sweep", recording.lens_model, dynamic=recording.dynamic, max_captures=60)

    decisions, _ = replay(recording, sweep)
    resolution = recording.lens_model.position_resolution
    assert not all(decision.same(resolution) for decision in decisions)
