"""Lifecycle of a node: transitions run `open`, `start`, `stop` and `close`, and never raise."""

from collections.abc import Callable
from functools import partial
from typing import Any

from lifecycle_msgs.srv import ChangeState
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from aif_ros.nodes.faults import EXPECTED


class GuardedNode(LifecycleNode):
    """A lifecycle node whose subclass implements `open`, `start`, `stop` and `close`.

    A step that raises is reported, what it had done is undone, and the transition fails.
    """

    def __init__(self, name: str, **arguments: Any) -> None:
        self._undo: list[Callable[[], object]] = []
        self._opened = self._started = False
        self.failed = False
        """Whether something was lost when the node was shut down or destroyed."""
        super().__init__(name, **arguments)
        self._guard_change_state()

    def _guard_change_state(self) -> None:
        """Refuse transitions that the state does not have, instead of ending by an exception."""
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = partial(self._change_state, service.callback)

    def _change_state(
        self,
        change: Callable[[ChangeState.Request, ChangeState.Response], ChangeState.Response],
        request: ChangeState.Request,
        response: ChangeState.Response,
    ) -> ChangeState.Response:
        try:
            return change(request, response)
        except rclpy_implementation.RCLError as error:
            wanted = request.transition.label or request.transition.id
            self.get_logger().warning(f"transition {wanted} refused: {error}")
            response.success = False
            return response

    # To be implemented by subclasses.

    def open(self) -> None:
        """Open devices, load models, make publishers."""

    def start(self) -> None:
        """Make subscriptions, services and workers."""

    def stop(self) -> None:
        """Undo what `start` did beyond the methods below; also called after half a `start`."""

    def close(self) -> None:
        """Undo `open`; also called after half an `open`."""

    def report(self, error: Exception, what: str) -> None:
        """Report an error that a step raised."""
        raise NotImplementedError

    def when_stopped(self, undo: Callable[[], object]) -> Callable[[], object]:
        """Call `undo` on deactivation, before `stop`; returns a function that calls it earlier."""
        self._undo.append(undo)

        def now() -> None:
            if undo in self._undo:
                self._undo.remove(undo)
                undo()

        return now

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Open."""
        result = self._attempt("configure", self._open)
        if result != TransitionCallbackReturn.SUCCESS:
            self._attempt("clean up", self._close)
            return result
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start, the publishers first: workers may publish at once."""
        result = super().on_activate(state)
        if result == TransitionCallbackReturn.SUCCESS:
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
        """Stop and close, in any state."""
        result = self._attempt("shut down", self._release)
        self.failed |= result != TransitionCallbackReturn.SUCCESS
        super().on_deactivate(state)
        return result

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and close, so that the node can be configured again."""
        self._attempt("recover", self._release)
        super().on_deactivate(state)
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop and close if that has not been done, then destroy the node."""
        result = self._attempt("shut down", self._release)
        self.failed |= result != TransitionCallbackReturn.SUCCESS
        super().destroy_node()  # type: ignore[no-untyped-call]

    def _open(self) -> None:
        self._opened = True
        self.open()

    def _start(self) -> None:
        self._started = True
        self.start()

    def _stop(self) -> None:
        while self._undo:
            self._undo.pop()()
        if self._started:
            self._started = False
            self.stop()

    def _close(self) -> None:
        if self._opened:
            self.close()
            self._opened = False

    def _release(self) -> None:
        self._stop()
        self._close()

    def _attempt(self, what: str, action: Callable[[], None]) -> TransitionCallbackReturn:
        """Run a lifecycle callback; rclpy on Jazzy would drop what it raises."""
        try:
            action()
        except Exception as error:
            self.report(error, f"cannot {what}: ")
            expected = isinstance(error, EXPECTED)
            return TransitionCallbackReturn.FAILURE if expected else TransitionCallbackReturn.ERROR
        return TransitionCallbackReturn.SUCCESS
