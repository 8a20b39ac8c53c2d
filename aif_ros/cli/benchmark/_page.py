"""A browser's connection to the live page, as `aif benchmark ros --page` measures it."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from aif_ros.cli import CommandError
from aif_ros.types.extras import install
from aif_ros.view.hub import IMAGES, image_stamp


@contextmanager
def fused_images_of_page(namespace: str) -> Iterator[list[tuple[int, int]]]:
    """Serve the live page in a process of its own and receive its images, as a browser does.

    Args:
        namespace: of the pipeline.

    Yields:
        Time of exposure and of arrival of each fused image, nanoseconds; it grows.

    Raises:
        CommandError: the page cannot be served, or what it needs is not installed.
    """
    try:
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.client import connect
    except ImportError as error:
        raise CommandError(f"the live page needs: {install('view')}") from error
    command = [sys.executable, "-m", "aif_ros", "view", "--namespace", namespace, "--port", "0"]
    arrivals: list[tuple[int, int]] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = urlsplit(server.stdout.readline().strip()).netloc
            if not address:
                raise CommandError("the live page has not come up: see its message above")

            with connect(f"ws://{address}/live", max_size=None) as browser:

                def receive() -> None:
                    with suppress(ConnectionClosed):
                        for message in browser:
                            if isinstance(message, bytes) and message[0] == IMAGES.index("fused"):
                                arrivals.append((image_stamp(message), time.time_ns()))

                receiver = threading.Thread(target=receive)
                receiver.start()
                yield arrivals
                browser.close()
                receiver.join()
        finally:
            server.terminate()
