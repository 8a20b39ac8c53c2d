"""Publishers and subscribers of any reliability, in any order of their start."""

import pytest
from bench import MILLISECOND, World, texture
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data

from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_IMAGE, FUSED_IMAGE, LENS_STATE
from aif_ros.types.frame import LensState

RELIABLE = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)


def publisher(bench, topic, qos):
    return bench.node.create_publisher(topic.message_type, topic.name, qos)


def matched(bench, *publishers):
    bench.spin_until(lambda: all(each.get_subscription_count() for each in publishers))


@pytest.mark.parametrize("first", ["driver", "pipeline"])
@pytest.mark.parametrize("image_qos", [qos_profile_sensor_data, RELIABLE], ids=["best", "reliable"])
def test_every_driver_is_heard(bench, first, image_qos):
    if first == "pipeline":
        bench.active(FusionNode)
        bench.spin_for(0.3)
    images = publisher(bench, CAMERA_IMAGE, image_qos)
    states = publisher(bench, LENS_STATE, qos_profile_sensor_data)
    if first == "driver":
        bench.spin_for(0.3)
        bench.active(FusionNode)
    fused = bench.listen(FUSED_IMAGE)
    now = bench.node.get_clock().now().nanoseconds

    def heard():
        nonlocal now
        for offset in (10, 20):
            states.publish(LENS_STATE.encode(LensState(now + offset * MILLISECOND, 4e-4, False)))
        image = StampedImage(texture(), now + 25 * MILLISECOND, "c")
        images.publish(CAMERA_IMAGE.encode(image))
        now += 30 * MILLISECOND
        bench.spin_for(0.1)
        return fused

    bench.spin_until(heard)


def test_a_reliable_driver_after_a_best_effort_one(bench):
    bench.active(FusionNode)
    fused = bench.listen(FUSED_IMAGE)
    bench.spin_for(0.3)
    lost = publisher(bench, CAMERA_IMAGE, qos_profile_sensor_data)
    matched(bench, lost)
    bench.node.destroy_publisher(lost)
    World(bench).frame(texture(), 1e-4)
    bench.spin_until(lambda: fused)
