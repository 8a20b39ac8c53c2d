"""A bench for nodes: one context and executor, nodes under test, and a node to talk to them."""

import itertools
import os
import time

import numpy as np
import rclpy
from patience import PATIENCE
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from aif_ros.nodes.camera_info import guess_camera_info
from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.stamps import to_time
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_IMAGE, CAMERA_INFO, LENS_STATE
from aif_ros.settings.declaration import declared
from aif_ros.settings.presets import PRESETS
from aif_ros.types.frame import LensState

# Away from the domain that people use; different in test runs that share a machine.
DOMAIN = 40 + os.getpid() % 60
MILLISECOND = 1_000_000

_names = itertools.count()


class Bench:
    """Everything in one process; nodes talk by DDS unless `exchange` is given to them."""

    def __init__(self):
        self.context = rclpy.Context()
        rclpy.init(
            args=[],
            context=self.context,
            domain_id=DOMAIN,
            signal_handler_options=SignalHandlerOptions.NO,
        )
        self.executor = SingleThreadedExecutor(context=self.context)
        # A namespace for each test: nothing that another one has left behind is heard.
        self.namespace = f"/test_{os.getpid()}_{next(_names)}"
        self.node = rclpy.create_node("tester", context=self.context, namespace=self.namespace)
        self.executor.add_node(self.node)
        self.nodes = []
        self.exchange = Exchange()

    def make(self, node_type, *, in_exchange=False, preset="classical", **parameters):
        """A node under test, unconfigured; the light preset whatever the default one is."""
        known = {setting.name for setting in declared(node_type.SETTINGS)}
        chosen = PRESETS[preset].parameters.items()
        parameters = {name: value for name, value in chosen if name in known} | parameters
        node = node_type(
            exchange=self.exchange if in_exchange else None,
            context=self.context,
            namespace=self.namespace,
            use_global_arguments=False,
            parameter_overrides=[
                rclpy.Parameter(name, value=value) for name, value in parameters.items()
            ],
        )
        self.nodes.append(node)
        self.executor.add_node(node)
        return node

    def active(self, node_type, **parameters):
        """A node under test, active."""
        node = self.make(node_type, **parameters)
        assert node.trigger_configure().name == "SUCCESS"
        assert node.trigger_activate().name == "SUCCESS"
        return node

    def remove(self, node):
        self.nodes.remove(node)
        self.executor.remove_node(node)
        node.destroy_node()

    def close(self):
        for node in list(self.nodes):
            self.remove(node)
        self.executor.remove_node(self.node)
        self.executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown(context=self.context)

    def spin_until(self, condition, timeout=PATIENCE):
        """Spin until `condition()` is true; fails the test if that takes too long."""
        deadline = time.monotonic() + timeout
        while not (result := condition()):
            assert time.monotonic() < deadline, "timed out"
            self.executor.spin_once(0.02)
        return result

    def spin_for(self, seconds):
        """Spin; to see that something does not happen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.executor.spin_once(0.02)

    def listen(self, topic, depth=100):
        """List of what comes on a topic from now on."""
        heard = []
        self.node.create_subscription(
            topic.message_type,
            topic.name,
            lambda message: heard.append(topic.decode(message)),
            topic.subscription_qos(depth),
        )
        return heard

    def talk(self, topic):
        """Function that publishes on a topic, once somebody listens."""
        publisher = self.node.create_publisher(topic.message_type, topic.name, topic.publisher_qos)

        def publish(value, raw=False):
            self.spin_until(lambda: publisher.get_subscription_count() > 0)
            publisher.publish(value if raw else topic.encode(value))

        return publish

    def call(self, service_type, name, **fields):
        """Answer of a service."""
        client = self.node.create_client(service_type, name)
        self.spin_until(client.service_is_ready)
        future = client.call_async(service_type.Request(**fields))
        self.spin_until(future.done)
        self.node.destroy_client(client)
        return future.result()


class World:
    """A camera and a lens that do as the test says, talking to nodes by topics."""

    def __init__(self, bench, size=(64, 48)):
        self.bench = bench
        self.size = size
        self.now = time.time_ns()
        self.states = bench.talk(LENS_STATE)
        self.images = bench.talk(CAMERA_IMAGE)
        self.infos = bench.talk(CAMERA_INFO)

    def lens(self, position, moving=False):
        """Report a lens state, 10 ms or more after the last event."""
        self.now = max(self.now, time.time_ns() - 10 * MILLISECOND)
        self.report(position, moving)

    def report(self, position, moving):
        """Report a lens state, 10 ms after the last event."""
        self.now += 10 * MILLISECOND
        self.states(LensState(self.now, position, moving))

    def frame(self, image, position, moving=False, pace=0.0):
        """Report lens states before and after an image; returns the image's stamp.

        They are 10 ms apart, also where the computer is busy. A moving lens travels `pace` metres
        meanwhile.
        """
        self.lens(position - 2 * pace, moving)
        self.report(position - pace, moving)
        self.now += 10 * MILLISECOND
        stamp = self.now
        self.images(StampedImage(image, stamp, "camera"))
        self.report(position + pace, moving)
        return stamp

    def info(self):
        info = guess_camera_info(self.size, 0.9)
        info.header.frame_id = "camera"
        info.header.stamp = to_time(self.now)
        self.infos(info, raw=True)


def texture(size=(64, 48), seed=0):
    """A picture with something to see everywhere, uint8 RGB."""
    noise = np.random.default_rng(seed)
    return noise.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
