"""Worker threads of a node."""

import threading
from collections.abc import Callable


class Workers:
    """Threads that repeat a function until they are stopped.

    Args:
        on_error: called with what a function raises; the function is then called again.
    """

    def __init__(self, on_error: Callable[[Exception], None]) -> None:
        self._on_error = on_error
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    @property
    def stopping(self) -> bool:
        """Whether the threads must end."""
        return self._stopping.is_set()

    def repeat(self, body: Callable[[], None], name: str) -> None:
        """Call `body` again and again in a new thread.

        It must return within a fraction of a second where it has nothing to do.
        """

        def run() -> None:
            while not self.stopping:
                try:
                    body()
                except Exception as error:
                    # The other nodes may have stopped as well; errors are then of no interest.
                    if self.stopping:
                        return
                    self._on_error(error)
                    self.pause(0.2)

        thread = threading.Thread(target=run, name=name)
        self._threads.append(thread)
        thread.start()

    def pause(self, seconds: float) -> None:
        """Wait, no longer than until the threads must end."""
        self._stopping.wait(seconds)

    def timeout(self, seconds: float) -> float:
        """Return how long a function may wait for something to do: `seconds`."""
        return seconds

    def allow(self) -> None:
        """Let threads run again after `stop`."""
        self._stopping.clear()

    def stop(self) -> None:
        """End all threads and wait for them."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
