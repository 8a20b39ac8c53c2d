"""Lenses of others: what ros2_control sends and takes, and what it does not."""

import math

import numpy as np
import pytest
from bench import MILLISECOND, World, texture
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray

from aif_ros.nodes.focus_controller_node import FocusControllerNode
from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.joint_states import JointReader, OtherJointsError, to_joint_state
from aif_ros.nodes.lens_node import LensNode
from aif_ros.nodes.stamps import to_time
from aif_ros.nodes.topic import StampedImage, StampedMaps
from aif_ros.nodes.topics import DEFOCUS_MAPS, FUSED_DEFOCUS_MAPS, FUSED_IMAGE, LENS_COMMANDS
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.types.frame import LensState


def joints(stamp, names, positions, velocities=(), efforts=()):
    message = JointState(
        name=list(names),
        position=list(positions),
        velocity=list(velocities),
        effort=list(efforts),
    )
    message.header.stamp = to_time(stamp)
    return message


def broadcast(stamp, position):
    """As joint_state_broadcaster: every joint in one message, NaN where there is no interface."""
    return joints(stamp, ("pan", "focus"), (0.7, position), 2 * [math.nan], 2 * [math.nan])


class TestReading:
    def test_the_joint_is_found_by_its_name(self):
        state = JointReader("zoom")(joints(5, ("pan", "zoom"), (0.7, 2e-4), (0.0, 0.0)))
        assert state == LensState(5, 2e-4, False)

    def test_there_and_back(self):
        state = LensState(7, 3e-4, True)
        assert JointReader("zoom")(to_joint_state(state, "zoom")) == state

    @pytest.mark.parametrize("names", [(), ("",)])
    def test_a_single_joint_needs_no_name(self, names):
        assert JointReader()(joints(5, names, (2e-4,))) == LensState(5, 2e-4, False)

    @pytest.mark.parametrize("names", [(), ("", "")])
    def test_of_several_joints_without_names_none_is_taken(self, names):
        with pytest.raises(OtherJointsError, match=r"no joint 'focus'.*joints without a name"):
            JointReader()(joints(5, names, (0.7, 2e-4)))

    @pytest.mark.parametrize("order", [("focus", "pan", "tilt"), ("tilt", "pan", "focus")])
    @pytest.mark.parametrize("velocity", [math.nan, 1e-7])
    def test_the_order_of_the_joints_and_a_velocity_that_is_none_do_no_harm(self, order, velocity):
        reader, at = JointReader(), {"pan": 0.7, "tilt": -0.2}
        moved = []
        for index, position in enumerate((2e-4, 2e-4, 4e-4, 4e-4, 4e-4)):
            positions = [({"focus": position} | at)[name] for name in order]
            state = reader(joints(index * 10 * MILLISECOND, order, positions, 3 * [velocity]))
            assert state.position == position
            moved.append(state.moving)
        assert moved == [False, False, True, False, False]

    def test_other_joints_are_no_fault_of_the_message(self):
        with pytest.raises(OtherJointsError, match=r"no joint 'focus'.*pan, tilt.*joint"):
            JointReader()(joints(5, ("pan", "tilt"), (0.7, 0.1)))

    @pytest.mark.parametrize("positions", [(), (0.7,), (0.7, math.nan), (0.7, math.inf)])
    def test_a_joint_without_position_is_unusable(self, positions):
        with pytest.raises(ValueError, match="no position of joint 'focus'"):
            JointReader()(joints(5, ("pan", "focus"), positions))


def play(world, message, fused=None, count=3):
    """Lens states and images as of a lens that goes to one position after the other.

    Waits for each image to be fused, if given what has been.
    """
    stamps = []
    for index in range(count):
        for _ in range(2):
            world.now += 10 * MILLISECOND
            world.states(message(world.now, index * 4e-4), raw=True)
        world.now += 5 * MILLISECOND
        stamps.append(world.now)
        world.images(StampedImage(texture(seed=index), world.now, "c"))
        world.now += 10 * MILLISECOND
        world.states(message(world.now, index * 4e-4), raw=True)
        if fused is None:
            world.bench.spin_for(0.1)
        else:
            world.bench.spin_until(lambda: len(fused) == len(stamps))
    return stamps


@pytest.mark.parametrize(
    "message",
    [
        broadcast,
        lambda stamp, position: joints(stamp, ("focus",), (position,)),
        lambda stamp, position: joints(stamp, ("focus", "pan"), (position, 0.7), (1e-7, 0.2)),
    ],
    ids=["broadcaster", "no velocity", "noise"],
)
def test_frames_of_a_lens_driven_by_others_are_fused(bench, message):
    bench.active(FusionNode)
    fused = bench.listen(FUSED_IMAGE)
    stamps = play(World(bench), message, fused)
    assert [picture.stamp for picture in fused] == stamps


def test_other_joints_on_the_same_topic_do_no_harm(bench, diagnostics):
    bench.active(FusionNode)
    fused, world = bench.listen(FUSED_IMAGE), World(bench)
    world.states(joints(world.now, ("pan",), (0.7,)), raw=True)
    stamps = play(world, broadcast, fused)
    assert [picture.stamp for picture in fused] == stamps
    bench.spin_until(lambda: diagnostics.last("fusion"))
    assert not diagnostics.find("fusion", "WARN", "")


def test_a_wrong_joint_is_named(bench, diagnostics):
    bench.active(FusionNode, lens_joint="zoom")
    world = World(bench)

    def named():
        play(world, broadcast, count=1)
        words = r"images came, none usable for \d+ s: no lens state comes.*joint"
        return diagnostics.find_fault("fusion", words)

    bench.spin_until(named)
    assert (
        "no joint 'zoom' in the joint state, only pan, focus"
        in diagnostics.last("fusion")["other joints"]
    )


def test_commands_fit_a_forward_command_controller(bench):
    bench.active(FocusControllerNode, agent="sweep")
    world, heard = World(bench, (640, 480)), []
    bench.node.create_subscription(Float64MultiArray, LENS_COMMANDS.name, heard.append, 10)
    maps = {topic: bench.talk(topic) for topic in (DEFOCUS_MAPS, FUSED_DEFOCUS_MAPS)}
    world.info()
    for _ in range(2):
        world.now += 10 * MILLISECOND
        world.states(broadcast(world.now, 0.0), raw=True)
    grid = [[[1e-4, 1e-5, 0.1, 0.07] + 36 * [0.0]] * 4] * 3
    values = np.array(grid, np.float32)
    maps[DEFOCUS_MAPS](StampedMaps(DefocusMaps(values[..., :4], world.now), "c"))
    maps[FUSED_DEFOCUS_MAPS](StampedMaps(DefocusMaps(values, world.now), "c"))
    bench.spin_until(lambda: heard)
    assert len(heard[0].data) == 1
    assert 0.0 <= heard[0].data[0] <= 1.5e-3


def test_the_lens_node_names_its_joint(bench):
    bench.active(LensNode, lens_joint="zoom")
    heard = []
    bench.node.create_subscription(JointState, "lens/state", heard.append, 10)
    bench.spin_until(lambda: heard)
    assert list(heard[0].name) == ["zoom"]
