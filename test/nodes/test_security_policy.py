"""The SROS 2 policy allows what the nodes do, and nothing else."""

import threading
import xml.etree.ElementTree as ElementTree

import pytest
import rclpy
from bench import DOMAIN
from executables import EXECUTABLES, node_type
from PIL import Image
from rclpy.executors import SingleThreadedExecutor

from aif_ros.bringup.graph import Graph, NodeSpec
from aif_ros.bringup.observer import observe
from aif_ros.bringup.supervisor import Supervisor
from aif_ros.storage.share import share_directory

POLICY = share_directory() / "config" / "security" / "aif_ros.policy.xml"
PROFILES = {profile.get("node"): profile for profile in ElementTree.parse(POLICY).iter("profile")}
# By parameters (compressed images), for viewers (overlay), by use_sim_time, or by some rclpy only.
SOMETIMES = {"camera/image_raw/compressed", "clock", "parameter_events", "lens/stall"}
HELPER = "_remote_parameters"
SOMETIMES |= {"~/get_type_description", "fusion/image"}


def allowed(node, group, right):
    found = PROFILES[node].iterfind(f"{group}s[@{right}='ALLOW']/{group}")
    return {element.text for element in found}


def done(bench, node, ask):
    """Names that the node uses, relative to its namespace; private ones begin with ~."""
    names = {
        name.removeprefix(bench.namespace).lstrip("/") for name, _ in ask(node, bench.namespace)
    }
    own = {f"{node}/{name}": f"~/{name}" for name in PRIVATE}
    return {own.get(name, name) for name in names}


PRIVATE = {
    each.removeprefix("~/")
    for profile in PROFILES.values()
    for kind in ("topic", "service")
    for element in profile.iter(kind)
    if (each := element.text).startswith("~/")
}


@pytest.mark.parametrize("executable", EXECUTABLES)
def test_the_permissions_of_a_node_are_those_that_it_uses(executable, bench, tmp_path):
    kind = node_type(executable)
    parameters = {}
    if executable == "camera_node":
        Image.new("L", (32, 32)).save(tmp_path / "a.png")
        parameters = {"camera_source": str(tmp_path)}
    elif executable == "sim_camera_node":
        parameters = {"scene": "planes", "width": 64}
    bench.active(kind, **parameters)
    for group, right, ask in (
        ("topic", "publish", bench.node.get_publisher_names_and_types_by_node),
        ("topic", "subscribe", bench.node.get_subscriber_names_and_types_by_node),
        ("service", "reply", bench.node.get_service_names_and_types_by_node),
        ("service", "request", bench.node.get_client_names_and_types_by_node),
    ):
        may = allowed(kind.NAME, group, right)
        if executable != "camera_node":  # which has no simulated lens to follow
            bench.spin_until(lambda: may - SOMETIMES <= done(bench, kind.NAME, ask))  # noqa: B023
        assert done(bench, kind.NAME, ask) - SOMETIMES <= may


@pytest.fixture
def driver(bench):
    """A camera driver whose focus is a parameter."""
    node = rclpy.create_node("camera", context=bench.context, namespace=bench.namespace)
    node.declare_parameter("LensPosition", 1.0)
    node.declare_parameter("AfMode", 0)
    executor = SingleThreadedExecutor(context=bench.context)
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    yield node
    executor.shutdown()
    thread.join()
    node.destroy_node()


def test_a_lens_by_parameter_has_permission_for_the_parameters_of_the_driver(bench, driver):
    lens = bench.active(
        node_type("lens_node"),
        lens_backend="ros_parameter",
        lens_source=f"{driver.get_name()}?preset=camera_ros&low=0&high=10",
    )
    assert lens
    for group, right, ask in (
        ("topic", "publish", bench.node.get_publisher_names_and_types_by_node),
        ("topic", "subscribe", bench.node.get_subscriber_names_and_types_by_node),
        ("service", "request", bench.node.get_client_names_and_types_by_node),
    ):
        may, does = allowed(HELPER, group, right), done(bench, HELPER, ask)
        assert does
        assert does - SOMETIMES <= may


def test_a_lens_by_parameter_has_permission_for_each_preset():
    may = allowed(HELPER, "service", "request")
    nodes = {name.split("/")[0] for name in may}
    assert nodes == {
        "camera",
        "v4l2_camera",
        "usb_cam",
        "oak",
    }  # as in docs/devices/ros-parameter.md
    services = [
        {name.split("/")[1] for name in may if name.startswith(f"{node}/")} for node in nodes
    ]
    assert all(each == services[0] for each in services)


def test_the_supervisor_may_ask_every_node():
    may = allowed("supervisor", "service", "request")
    nodes = set(PROFILES) - {"supervisor", HELPER}
    assert may == {f"{node}/{name}" for node in nodes for name in ("get_state", "change_state")}


def test_the_supervisor_has_permission_for_its_subscriptions(monkeypatch):
    monkeypatch.setenv("ROS_DOMAIN_ID", str(DOMAIN))
    graph = Graph((NodeSpec("lens", "lens_node"),), "", ())
    with observe(graph) as running:
        Supervisor(running, None)
        name = running.node.get_name()
        does = {
            topic.lstrip("/")
            for topic, _ in running.node.get_subscriber_names_and_types_by_node(name, "/")
        }
    assert {"camera/recording_end", "focus_controller/state", "node_traffic"} <= does
    assert does - SOMETIMES <= allowed("supervisor", "topic", "subscribe")
