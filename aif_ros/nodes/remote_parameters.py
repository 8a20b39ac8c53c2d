"""Parameters of another node, read and set from any thread."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import rclpy
from rcl_interfaces.msg import ParameterDescriptor, ParameterEvent, ParameterType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter, parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import qos_profile_parameter_events
from rclpy.task import Future

from aif_ros.devices.device import ConnectionLostError

# Seconds between two checks whether the other node is up.
_POLL = 0.02


class RemoteParameters:
    """Calls the parameter services of another node.

    A helper node with a thread of its own makes the calls, so that neither the caller's executor
    nor its callbacks are blocked by the other node.

    Args:
        address: name of the other node, absolute or in the namespace of `owner`.
        timeout: seconds that an answer may take.
        owner: node whose context and namespace are used.
    """

    def __init__(self, address: str, timeout: float, owner: Node) -> None:
        self._timeout = timeout
        self.node = rclpy.create_node(
            "_remote_parameters",
            context=owner.context,
            namespace=owner.get_namespace(),
            use_global_arguments=False,
            start_parameter_services=False,
            enable_rosout=False,
        )
        """The helper node, for further subscriptions; their callbacks run in its thread."""
        prefix = self.node.get_namespace().rstrip("/")
        self._name = address if address.startswith("/") else f"{prefix}/{address}"
        self._client = AsyncParameterClient(self.node, address)
        self._executor = SingleThreadedExecutor(context=owner.context)
        self._executor.add_node(self.node)
        self._thread = threading.Thread(target=self._spin, name="remote parameters", daemon=True)
        self._thread.start()

    def wait(self) -> bool:
        """Wait until the other node runs; returns whether it does."""
        deadline = time.monotonic() + self._timeout
        while not self.ready and time.monotonic() < deadline:
            time.sleep(_POLL)
        return self.ready

    @property
    def ready(self) -> bool:
        """Whether the other node is running."""
        return bool(self._client.services_are_ready())

    def type_of(self, name: str) -> int:
        """Return the `ParameterType` of a parameter; PARAMETER_NOT_SET if it is not declared.

        Raises:
            ConnectionLostError: the node does not answer.
        """
        # Asked for one by one: the answer is empty where any is unknown.
        types: Sequence[int] = self._call(self._client.get_parameter_types([name])).types
        return int(types[0]) if types else ParameterType.PARAMETER_NOT_SET

    def get(self, name: str) -> Any:
        """Return the value of a parameter; None if it is not declared or not set.

        Raises:
            ConnectionLostError: the node does not answer.
        """
        values = self._call(self._client.get_parameters([name])).values
        return parameter_value_to_python(values[0]) if values else None

    def describe(self, name: str) -> ParameterDescriptor:
        """Return the descriptor of a declared parameter.

        Raises:
            ConnectionLostError: the node does not answer.
        """
        return self._call(self._client.describe_parameters([name])).descriptors[0]

    def first_declared(self, names: Iterable[str], value: bool | int) -> Parameter | None:
        """Return the first of several alternatives that is declared; None if none is.

        Args:
            names: of the alternatives.
            value: to give it, converted to a Boolean or an integer, as declared.

        Raises:
            ConnectionLostError: the node does not answer.
        """
        for name in names:
            kind = self.type_of(name)
            if kind != ParameterType.PARAMETER_NOT_SET:
                fitting = int(value) if kind == ParameterType.PARAMETER_INTEGER else bool(value)
                return Parameter(name, value=fitting)
        return None

    def set(self, parameter: Parameter) -> str | None:
        """Set a parameter and return why it is refused; None if it is not.

        Raises:
            ConnectionLostError: the node does not answer.
        """
        return _refusal(self._call(self._client.set_parameters_atomically([parameter])))

    def send(self, parameters: Sequence[Parameter], answered: Callable[[str | None], None]) -> None:
        """Set parameters, all or none, in one call and without waiting.

        Args:
            parameters: with the types that they have there.
            answered: called in the helper's thread with why they are refused; None: they are not.
        """
        future = self._client.set_parameters_atomically(list(parameters))
        future.add_done_callback(lambda done: answered(_refusal(done.result())))

    def on_change(self, name: str, changed: Callable[[Any], None]) -> None:
        """Call `changed`, in the helper's thread, with each new value of a parameter."""

        def observe(event: ParameterEvent) -> None:
            if event.node != self._name:
                return
            for parameter in event.changed_parameters:
                if parameter.name == name:
                    changed(parameter_value_to_python(parameter.value))

        self.node.create_subscription(
            ParameterEvent, "/parameter_events", observe, qos_profile_parameter_events
        )

    def close(self) -> None:
        """Destroy the helper node; can be called twice."""
        if self._thread.is_alive():
            self._executor.shutdown(timeout_sec=1.0)
            self._thread.join()
            self.node.destroy_node()

    def _call(self, future: Future) -> Any:
        answered = threading.Event()
        future.add_done_callback(lambda done: answered.set())
        if not answered.wait(self._timeout) or future.result() is None:
            raise ConnectionLostError(f"node {self._name} does not answer: restart it")
        return future.result()

    def _spin(self) -> None:
        with contextlib.suppress(ExternalShutdownException):
            self._executor.spin()


def _refusal(response: Any) -> str | None:
    """Return why a `SetParametersAtomically.Response` refuses; None if it does not."""
    if response is None:
        return "no answer"
    result = response.result
    return None if result.successful else result.reason or "no reason given"
