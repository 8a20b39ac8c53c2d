"""Base class of all nodes of the pipeline: lifecycle, topics, services, worker threads."""

import math
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from rclpy.client import Client
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.exceptions import ParameterException
from rclpy.lifecycle import LifecycleNode

from aif_ros.nodes.connections import Connections
from aif_ros.nodes.diagnostics import Diagnostics
from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.faults import FaultReporter
from aif_ros.nodes.guarded_node import GuardedNode
from aif_ros.nodes.joint_states import RESOLUTION
from aif_ros.nodes.parameters import declare_parameters
from aif_ros.nodes.publishers import LazyPublisher, TopicPublisher
from aif_ros.nodes.stepper import Stepper
from aif_ros.nodes.topic import Topic
from aif_ros.nodes.topics import NODE_TRAFFIC, lens_states_of
from aif_ros.nodes.workers import Workers
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.process.responsive_clock import ResponsiveClock
from aif_ros.types.frame import LensState
from aif_ros.weights.engines import engines

T = TypeVar("T")

# Seconds between two checks for new subscribers and publishers.
_REFRESH = 0.25
# Seconds without such a check after which the executor is late.
_LATE = 2.0 * _REFRESH


class PipelineNode(GuardedNode):
    """A node of the pipeline; its subclass implements `open`, `start`, `stop` and `close`.

    Subscriptions, services, timers and workers are made in `start` and destroyed by this class on
    deactivation; publishers are made in `open` and destroyed on cleanup.

    Args:
        exchange: for nodes that share a process.
        stepper: runs the node step by step; None: it works in threads of its own.
        arguments: of `rclpy.lifecycle.LifecycleNode`.
    """

    NAME: ClassVar[str]
    SETTINGS: ClassVar[type]
    """Dataclass of `aif_ros.settings.nodes`: the parameters."""
    DIAGNOSTICS_PERIOD: ClassVar[float] = 1.0
    """Seconds between two diagnostic messages."""

    def __init__(
        self,
        *,
        exchange: Exchange | None = None,
        stepper: Stepper | None = None,
        **arguments: Any,
    ) -> None:
        self._stepper = stepper
        super().__init__(self.NAME, **arguments)
        try:
            declare_parameters(self, self.SETTINGS)
        except ParameterException:
            LifecycleNode.destroy_node(self)
            raise
        self._steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.listening = ResponsiveClock(_LATE)
        """Seconds that silence of other nodes is measured with."""
        self.diagnostics = Diagnostics(self)
        self._faults = FaultReporter(self, self.diagnostics)
        report = self._faults.report_throttled
        self.connections = Connections(self, exchange, self.diagnostics, self.listening, report)
        self.workers = Workers(report) if stepper is None else stepper.workers(report)

    def diagnose(self) -> None:
        """Note values for the diagnostics; called once a second."""

    # For subclasses.

    def value(self, name: str) -> Any:
        """Return the value of a parameter."""
        return self.get_parameter(name).value

    def now(self) -> int:
        """Return the time of the node's clock, nanoseconds."""
        if self._stepper is not None:
            return self._stepper.now
        return int(self.get_clock().now().nanoseconds)

    def lens_model(self) -> LensModel:
        """Read the lens calibration that the parameter names."""
        return LensModel.load(self.value("calibration") or DEFAULT_CALIBRATION)

    @property
    def in_dynamic_mode(self) -> bool:
        """Whether the parameter `mode` says now that camera or scene may move."""
        return bool(self.value("mode") == "dynamic")

    def publisher(self, topic: Topic[T]) -> TopicPublisher[T]:
        """Make a publisher; to be called in `open`."""
        return self.connections.publisher(topic)

    def lazy_publisher(self, topic: Topic[T], rate: float = math.inf) -> LazyPublisher[T]:
        """Make a publisher of images for people, `rate` per second at most; to call in `open`."""
        return self.connections.lazy_publisher(topic, rate)

    def subscribe(
        self, topic: Topic[T], callback: Callable[[T], None], *, depth: int | None = None
    ) -> Callable[[], object]:
        """Subscribe while active; returns a function that ends the subscription earlier.

        An unusable message is logged, counted and dropped; what `callback` raises is logged.

        Args:
            topic: what to subscribe to.
            callback: called with each decoded message.
            depth: messages that may wait; None: as the topic declares.
        """
        return self.when_stopped(self.connections.subscribe(topic, callback, depth))

    def lens_states(
        self, callback: Callable[[LensState], None], resolution: float = RESOLUTION
    ) -> None:
        """Subscribe to the states of the joint that the parameter names, while active.

        Args:
            callback: gets them.
            resolution: see `LensModel.position_resolution`, metres.
        """
        self.subscribe(lens_states_of(self.value("lens_joint"), resolution), callback)

    def offer(self, service_type: type, name: str, callback: Callable[..., Any]) -> None:
        """Offer a service while active.

        Args:
            service_type: of `std_srvs`.
            name: relative to the namespace of the node.
            callback: called with request and response; returns the response.
        """
        service = self.create_service(service_type, name, callback)
        self.when_stopped(lambda: self.destroy_service(service))

    def client(self, service_type: type, name: str) -> Client:
        """Make a client of a service while active."""
        client = self.create_client(service_type, name)
        self.when_stopped(lambda: self.destroy_client(client))
        return client

    def every(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` regularly while active, also where no simulated time comes."""
        timer = self.create_timer(seconds, callback, clock=self._steady)
        self.when_stopped(lambda: self.destroy_timer(timer))

    def loop(self, body: Callable[[], None]) -> None:
        """Call `body` again and again in a thread of its own while active; see `Workers`."""
        self.workers.repeat(body, f"{self.get_name()} {body.__name__}")

    def report(self, error: Exception, what: str) -> None:
        """Log an error and show it in the diagnostics."""
        self._faults.report(error, what)

    def _open(self) -> None:
        self._traffic = self.publisher(NODE_TRAFFIC)
        super()._open()

    def _start(self) -> None:
        self.workers.allow()
        self.diagnostics.clear()
        self.every(self.DIAGNOSTICS_PERIOD, self._report_health)
        self.listening.tick()
        self.every(_REFRESH, self._refresh)
        super()._start()

    def _stop(self) -> None:
        self.workers.stop()
        super()._stop()

    def _close(self) -> None:
        super()._close()
        self.connections.close_publishers()

    def _refresh(self) -> None:
        self.listening.tick()
        self.connections.refresh()

    def _report_health(self) -> None:
        self.diagnose()
        for network, engine in engines().items():
            self.diagnostics.note(f"{network} network", engine)
        self.diagnostics.publish()
        self._traffic.publish(self.connections.traffic)
