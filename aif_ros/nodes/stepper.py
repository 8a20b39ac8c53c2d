"""Nodes of one process that run step by step: no threads, and a time that is set."""

from collections.abc import Callable

from aif_ros.nodes.exchange import Exchange
from aif_ros.nodes.workers import Workers


class SteppedWorkers(Workers):
    """Workers of a node that are called one after the other, in the caller's thread.

    Args:
        on_error: see `Workers`.
    """

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        super().__init__(on_error)
        self._bodies: list[Callable[[], None]] = []

    def repeat(self, body: Callable[[], None], name: str) -> None:
        """Call `body` with each step from now on."""
        self._bodies.append(body)

    def timeout(self, seconds: float) -> float:
        """Return 0: nothing comes while a function waits."""
        return 0.0

    def stop(self) -> None:
        """End all functions."""
        super().stop()
        self._bodies.clear()

    def step(self) -> None:
        """Call each function once."""
        for body in list(self._bodies):
            try:
                body()
            except Exception as error:
                self._on_error(error)


class Stepper:
    """Runs the nodes that share an exchange.

    What is put into the exchange is handed over at once; `settle` then lets the nodes process it.
    The same input therefore always leads to the same output.

    Args:
        exchange: of the nodes.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.now = 0
        """Time of the nodes, nanoseconds."""
        self._exchange = exchange
        self._workers: list[SteppedWorkers] = []

    def workers(self, on_error: Callable[[Exception], None]) -> Workers:
        """Return the workers of a new node."""
        self._workers.append(SteppedWorkers(on_error))
        return self._workers[-1]

    def settle(self) -> None:
        """Let all nodes work until none publishes anything more."""
        published = -1
        while published != self._exchange.published:
            published = self._exchange.published
            for workers in self._workers:
                workers.step()
