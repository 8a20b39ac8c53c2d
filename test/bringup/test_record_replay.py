"""A recorded run makes the same decisions again: by the library and by the nodes."""

import json
import os
import shutil

import pytest
from std_srvs.srv import Trigger

from aif_ros.__main__ import main
from aif_ros.bringup.bag_recording import recording_bag
from aif_ros.bringup.bag_replay import Parts, read_run, replay_by_library
from aif_ros.bringup.bag_replay_nodes import replay_by_nodes
from aif_ros.bringup.graph import BringupError, Graph, pipeline_graph
from aif_ros.bringup.observer import observe
from aif_ros.bringup.one_process import run_in_one_process
from aif_ros.nodes.stamps import to_stamp
from aif_ros.nodes.topics import LENS_STATE
from aif_ros.settings.pipeline import PipelineSettings
from aif_ros.storage.bag import BagError

DOMAIN = str(40 + os.getpid() % 60)


@pytest.fixture(autouse=True)
def domain(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", DOMAIN)


def has_decided(running, decisions):
    if decisions is None:
        return running.stopped
    return running.state is not None and running.state.frames_captured >= decisions


def call(running, service):
    client = running.node.create_client(Trigger, service)
    assert running.spin_until(client.service_is_ready, 120.0)
    future = client.call_async(Trigger.Request())
    assert running.spin_until(future.done, 120.0)


def record(running, path, decisions=None):
    """Record one run of the loop from its beginning, until it stops or has decided so often."""
    with recording_bag(running, path, fused=False) as recorder:
        # On a busy computer messages wait in queues: this one is served with the recorder's.
        states, depth = [], 200
        running.node.create_subscription(
            LENS_STATE.message_type, LENS_STATE.name, states.append, depth
        )
        call(running, "focus_controller/reset")
        running.state = None
        assert running.spin_until(lambda: has_decided(running, decisions), 300.0)
        call(running, "focus_controller/stop")
        assert running.spin_until(lambda: running.state.state == "idle", 120.0)
        last = running.state.stamp

        def is_recorded():
            return states and to_stamp(states[-1].header.stamp) > last + 1_000_000_000

        assert running.spin_until(is_recorded, 120.0)
    assert recorder.dropped == 0


def settings(folder, name, **choices):
    """Of a pipeline whose messages a busy computer can record: the queues must not overflow."""
    file = folder / "slow.yaml"
    file.write_text("/**: {ros__parameters: {frame_rate: 6.0, state_rate: 20.0}}\n")
    return PipelineSettings(
        width=160,
        preset="classical",
        namespace=f"{name}_{os.getpid()}",
        params_file=str(file),
        **choices,
    )


@pytest.fixture(scope="module")
def moving_bag(tmp_path_factory):
    """A few decisions in a moving scene, where the loop does not end."""
    path = tmp_path_factory.mktemp("moving") / "bag"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", DOMAIN)
        moving = settings(path.parent, "moving", scene="moving_planes", mode="dynamic")
        with run_in_one_process(pipeline_graph(moving)) as running:
            record(running, path, decisions=5)
    return path


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("recording") / "bag"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", DOMAIN)
        still = settings(path.parent, "recorded", scene="planes")
        with run_in_one_process(pipeline_graph(still)) as running:
            assert running.spin_until(lambda: running.stopped, 300.0)
            record(running, path)
    return path


@pytest.mark.parametrize("replay", [replay_by_library, replay_by_nodes])
def test_the_same_decisions_are_made_again(bag, replay):
    run = read_run(bag)
    decisions = list(replay(run))
    assert len(decisions) == len(run.schedule.decisions) >= 3
    for decision in decisions:
        assert decision.same(run.lens_model.position_resolution), decision
    assert decisions[-1].target is None


@pytest.mark.parametrize("replay", [replay_by_library, replay_by_nodes])
def test_so_they_are_where_the_scene_moves(moving_bag, replay):
    run = read_run(moving_bag)
    assert run.dynamic
    decisions = list(replay(run))
    assert len(decisions) == len(run.schedule.decisions) >= 3
    for decision in decisions:
        assert decision.same(run.lens_model.position_resolution), decision


def test_the_nodes_make_them_the_same_way_each_time(moving_bag):
    """Nothing depends on the speed of the computer, and the frames are those of the library."""
    run = read_run(moving_bag)
    first, second = list(replay_by_nodes(run)), list(replay_by_nodes(run))
    assert first == second
    assert [each.target for each in first] == [each.target for each in replay_by_library(run)]


def test_another_agent_decides_otherwise(bag):
    run = read_run(bag)
    decisions = list(replay_by_library(run, Parts(agent="sweep")))
    assert not all(each.same(run.lens_model.position_resolution) for each in decisions)


def test_the_command_compares_and_says_so(bag, tmp_path, capsys):
    result = tmp_path / "result.json"
    assert main(["replay", str(bag), "--json", str(result)]) == 0
    content = json.loads(result.read_text())
    assert content["same"] == content["recorded"] == len(content["decisions"])
    assert f"{content['same']} of {content['recorded']} decisions are the same" in (
        capsys.readouterr().out
    )
    assert main(["replay", str(bag), "--agent", "sweep"]) == 1
    assert "now" in capsys.readouterr().out


def test_an_interrupted_recording_is_replayed_as_far_as_it_goes(bag, tmp_path, capsys):
    folder = tmp_path / "bag"
    shutil.copytree(bag, folder)
    (folder / "metadata.yaml").unlink()
    file = folder / "bag.mcap"
    file.write_bytes(file.read_bytes()[:-1000])  # without its index
    whole, cut = read_run(bag), read_run(folder)
    assert cut.bag.truncated
    decisions = list(replay_by_library(cut))
    assert len(decisions) == len(whole.schedule.decisions)
    assert all(each.same(cut.lens_model.position_resolution) for each in decisions)


def test_a_foreign_bag_is_refused(tmp_path):
    from aif_ros.storage.bag import BagWriter

    with BagWriter(tmp_path / "bag") as writer:
        writer.add_topic("/chatter", "std_msgs/msg/String", depth=1, latched=False)
        writer.write("/chatter", 1, b"\0\1\0\0\1\0\0\0\0")
    with pytest.raises(BagError, match="was not recorded by aif record"):
        read_run(tmp_path / "bag")


def test_recording_needs_a_pipeline(tmp_path, monkeypatch):
    monkeypatch.setattr("aif_ros.bringup.bag_recording._ANSWER", 0.5)
    with (
        observe(Graph((), "/missing", ())) as running,
        pytest.raises(BringupError, match="there is no node /missing/fusion"),
        recording_bag(running, tmp_path / "bag", fused=False),
    ):
        pass
    assert not (tmp_path / "bag").exists()
