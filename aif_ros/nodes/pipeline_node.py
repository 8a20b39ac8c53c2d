"""What all nodes of the pipeline have in common: lifecycle, topics, worker threads, `main`."""

import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, ClassVar, Generic, TypeVar

import rclpy
from rclpy.exceptions import InvalidHandle, ParameterException
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.signals import SignalHandlerOptions

from aif_ros.devices.device import DeviceError
from aif_ros.nodes.diagnostics import Diagnostics
from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.parameters import declare_parameters
from aif_ros.nodes.topics import Topic
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel

T = TypeVar("T")

# What a wrong parameter, file or device leads to: told in a line, unlike faults of the program.
_EXPECTED = (ValueError, OSError, DeviceError)

# What using ROS leads to after Ctrl-C.
_ROS_GONE = (InvalidHandle, rclpy_implementation.RCLError)
# So often a fault that goes on is logged again, seconds.
_TELL_AGAIN = 10.0
# So long a process may take to notice Ctrl-C, seconds.
_INTERRUPT_WAIT = 0.1


class Outlet(Generic[T]):
    """Publishes one topic: within the process by reference, by DDS if anybody listens there."""

    def __init__(self, node: LifecycleNode, topic: Topic[T], exchange: Exchange | None) -> None:
        self._topic = topic
        self._exchange = exchange
        self._publisher = node.create_lifecycle_publisher(
            topic.message_type,
            topic.name,
            topic.publisher_qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._path = self._publisher.topic_name
        if exchange is not None:
            exchange.advertise(self._path)

    @property
    def active(self) -> bool:
        """Whether the node is active."""
        return bool(self._publisher.is_activated)

    @property
    def wanted(self) -> bool:
        """Whether anybody listens outside this process."""
        return self._topic.latched or self._publisher.get_subscription_count() > 0

    def publish(self, value: T) -> None:
        """Publish `value`, which must not be changed afterwards."""
        if not self.active:
            return
        if self._exchange is not None:
            self._exchange.publish(self._path, value, latch=self._topic.latched)
        if self.wanted:
            self._publisher.publish(self._topic.encode(value))

    def close(self, node: LifecycleNode) -> None:
        """Stop publishing."""
        if self._exchange is not None:
            self._exchange.withdraw(self._path)
        node.destroy_lifecycle_publisher(self._publisher)


class PipelineNode(LifecycleNode):
    """A lifecycle node whose subclass says what to open and close, to start and stop.

    Subscriptions, services, timers and worker threads are made in `start` and undone by this class
    when the node is deactivated; publishers are made in `open` and undone on cleanup.

    Args:
        exchange: for nodes that share a process.
        arguments: of `rclpy.lifecycle.LifecycleNode`.
    """

    NAME: ClassVar[str]
    SETTINGS: ClassVar[type]
    """Dataclass of `aif_ros.settings.nodes`: the parameters."""
    DIAGNOSTICS_PERIOD: ClassVar[float] = 1.0
    """Seconds between two diagnostic messages."""

    def __init__(self, *, exchange: Exchange | None = None, **arguments: Any) -> None:
        self._exchange = exchange
        self._outlets: list[Outlet[Any]] = []
        self._undo: list[Callable[[], object]] = []
        self._stopping = threading.Event()
        self._loops: list[threading.Thread] = []
        self._opened = self._started = False
        self._told = ("", 0.0)
        super().__init__(self.NAME, **arguments)
        try:
            declare_parameters(self, self.SETTINGS)
        except ParameterException:
            super().destroy_node()
            raise
        self.diagnostics = Diagnostics(self)

    # What subclasses fill in.

    def open(self) -> None:
        """Open devices, load what is needed, make publishers."""

    def start(self) -> None:
        """Make subscriptions and loops."""

    def stop(self) -> None:
        """Undo what `start` did, beyond what was made by the methods below; also half-way."""

    def close(self) -> None:
        """Undo `open`; also called where `open` failed half-way."""

    def diagnose(self) -> None:
        """Note what is to be shown in the diagnostics, once a second."""

    # What subclasses use.

    def value(self, name: str) -> Any:
        """Return the value of a parameter."""
        return self.get_parameter(name).value

    def lens_model(self) -> LensModel:
        """Read the lens calibration that the parameter names."""
        return LensModel.load(self.value("calibration") or DEFAULT_CALIBRATION)

    def outlet(self, topic: Topic[T]) -> Outlet[T]:
        """Make a publisher; to be called in `open`."""
        outlet = Outlet(self, topic, self._exchange)
        self._outlets.append(outlet)
        return outlet

    def inlet(
        self, topic: Topic[T], callback: Callable[[T], None], *, depth: int | None = None
    ) -> Callable[[], object]:
        """Subscribe while active; returns what undoes it.

        A message that cannot be used is logged and counted, and nothing else; what `callback`
        raises is logged and does not end the node.
        """
        path = self.resolve_topic_name(topic.name)
        exchange = self._exchange

        def hand_over(value: T) -> None:
            try:
                callback(value)
            except Exception as error:
                self._tell_now_and_then(error)

        if exchange is not None and exchange.offers(path):
            exchange.subscribe(path, hand_over)
            return self._undone_when_stopped(lambda: exchange.unsubscribe(path, hand_over))

        def take(message: Any) -> None:
            try:
                value = topic.decode(message)
            except ValueError as error:
                self.diagnostics.count("unusable messages", total=True)
                self.diagnostics.warn(f"{topic.name}: {error}")
                self.get_logger().warning(
                    f"{topic.name}: {error}", throttle_duration_sec=5.0, skip_first=False
                )
                return
            hand_over(value)

        subscription = self.create_subscription(
            topic.message_type,
            topic.name,
            take,
            topic.subscription_qos(topic.depth if depth is None else depth),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        return self._undone_when_stopped(lambda: self.destroy_subscription(subscription))

    def offer(self, service_type: type, name: str, callback: Callable[..., Any]) -> None:
        """Offer a service while active."""
        service = self.create_service(service_type, name, callback)
        self._undone_when_stopped(lambda: self.destroy_service(service))

    def every(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call `callback` regularly while active."""
        timer = self.create_timer(seconds, callback)
        self._undone_when_stopped(lambda: self.destroy_timer(timer))

    def loop(self, body: Callable[[], None]) -> None:
        """Run `body` over and over in a thread of its own while active.

        It must return within a fraction of a second when it has nothing to do. What it raises is
        logged, shown in the diagnostics, and does not end the loop.
        """

        def run() -> None:
            while not self._stopping.is_set():
                try:
                    body()
                except Exception as error:
                    if self.stopping or not self.context.ok():
                        return  # others have stopped, too, and publishing fails after Ctrl-C
                    self._tell_now_and_then(error)
                    self._stopping.wait(0.2)

        thread = threading.Thread(target=run, name=f"{self.get_name()} {body.__name__}")
        self._loops.append(thread)
        thread.start()

    @property
    def stopping(self) -> bool:
        """Whether loops shall end."""
        return self._stopping.is_set()

    def pause(self, seconds: float) -> None:
        """Wait in a loop, less long if the node is being stopped."""
        self._stopping.wait(seconds)

    # The lifecycle.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open."""
        self._opened = True
        result = self._attempt("configure", self.open)
        if result != TransitionCallbackReturn.SUCCESS:
            self._attempt("clean up", self._close)
            return result
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start."""
        # First the publishers: loops may publish at once.
        result = super().on_activate(state)
        if result == TransitionCallbackReturn.SUCCESS:
            self._stopping.clear()
            self.diagnostics.clear()
            result = self._attempt("activate", self._start)
        if result != TransitionCallbackReturn.SUCCESS:
            self._attempt("deactivate", self._stop)
            super().on_deactivate(state)
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop."""
        result = self._attempt("deactivate", self._stop)
        super().on_deactivate(state)
        return result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Close."""
        return self._attempt("clean up", self._close)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and close, whatever the state."""
        result = self._attempt("shut down", self._release)
        super().on_deactivate(state)
        return result

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let go of everything, so that the node can be configured anew."""
        self._attempt("recover", self._release)
        super().on_deactivate(state)
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop and close if nobody has done so, then destroy the node."""
        self._attempt("shut down", self._release)
        super().destroy_node()

    def _start(self) -> None:
        self._started = True
        self.every(self.DIAGNOSTICS_PERIOD, self._publish_diagnostics)
        self.start()

    def _stop(self) -> None:
        self._stopping.set()
        for thread in self._loops:
            thread.join()
        self._loops.clear()
        while self._undo:
            self._undo.pop()()
        if self._started:
            self._started = False
            self.stop()

    def _close(self) -> None:
        if self._opened:
            self._opened = False
            self.close()
            while self._outlets:
                self._outlets.pop().close(self)

    def _release(self) -> None:
        self._stop()
        self._close()

    def _attempt(self, what: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        """Run a lifecycle callback; rclpy on Jazzy would swallow what it raises."""
        try:
            action()
        except Exception as error:
            self._tell(error, f"cannot {what}: ")
            expected = isinstance(error, _EXPECTED)
            return TransitionCallbackReturn.FAILURE if expected else TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS

    def _tell(self, error: Exception, what: str = "") -> None:
        if isinstance(error, _ROS_GONE) and not self.context.ok():
            return  # Ctrl-C has shut ROS down under our feet
        text = f"{what}{error}"
        if not isinstance(error, _EXPECTED):
            text = f"{what}{''.join(traceback.format_exception(error))}"
        self.diagnostics.error(f"{what}{error}")
        if self.context.ok():
            self.get_logger().error(text)
        else:
            print(f"[{self.get_name()}] {text}", file=sys.stderr)

    def _tell_now_and_then(self, error: Exception) -> None:
        """Tell of a fault that may go on for long."""
        now = time.monotonic()
        if str(error) != self._told[0] or now - self._told[1] > _TELL_AGAIN:
            self._told = str(error), now
            self._tell(error)
        else:
            self.diagnostics.error(str(error))

    def _undone_when_stopped(self, undo: Callable[[], object]) -> Callable[[], object]:
        self._undo.append(undo)

        def now() -> None:
            if undo in self._undo:
                self._undo.remove(undo)
                undo()

        return now

    def _publish_diagnostics(self) -> None:
        self.diagnose()
        self.diagnostics.publish()


def run(node_type: type[PipelineNode]) -> int:
    """Make a node and spin it until Ctrl-C or SIGTERM; the `main` of every node's executable.

    Returns:
        Exit code: 0 after Ctrl-C and SIGTERM, 1 where a parameter is not allowed.
    """
    interrupts: list[int] = []
    for each in (signal.SIGINT, signal.SIGTERM):
        # An exception raised in the midst of rclpy gets lost or leaves a mess; a note does not.
        # Nor must an impatient second Ctrl-C lose what is being saved.
        signal.signal(each, lambda number, _: interrupts.append(number))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    node: PipelineNode | None = None
    try:
        node = node_type()
        executor.add_node(node)
        while not interrupts:
            executor.spin_once(_INTERRUPT_WAIT)
    except ParameterException as error:
        print(f"{node_type.NAME}: {error}", file=sys.stderr)
        return 1
    finally:
        # In this order: an executor that outlives its context complains of it.
        executor.shutdown()
        if node is not None:
            node.destroy_node()
        rclpy.shutdown()
    return 0


def system_time() -> int:
    """Nanoseconds since the epoch, the clock of all stamps."""
    return time.time_ns()
