"""Passes images and values on to the browsers that show the page.

A browser that is slow gets the newest of each kind only; nothing piles up.
"""

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Callable
from typing import Any

# Kind of the image, and time of exposure in nanoseconds, before the JPEG data.
_HEAD = struct.Struct("<BQ")

IMAGES = ("camera", "fused", "distance")
"""Kinds of images; their index is the first byte of a binary message."""


def image_stamp(message: bytes) -> int:
    """Return the time of exposure of an image as it is sent, nanoseconds."""
    return int(_HEAD.unpack_from(message)[1])


class Hub:
    """Holds the newest of everything; to be used in the thread of the event loop.

    Args:
        on_watched: called when the first browser shows the images (True), and when
            none does any more (False).
    """

    def __init__(self, on_watched: Callable[[bool], None]) -> None:
        self._on_watched = on_watched
        self._values: dict[str, str] = {}
        self._images: dict[str, bytes] = {}
        self._clients: set[Client] = set()
        self._watched = False

    @property
    def connected(self) -> bool:
        """Whether there are browsers, the page hidden or not; from any thread."""
        return bool(self._clients)

    def publish(self, kind: str, value: Any, *, keep: bool = True) -> None:
        """Send a value, as JSON, to all browsers.

        Args:
            kind: what it is.
            value: must be fit for JSON.
            keep: whether browsers that come later get it, too.
        """
        text = json.dumps({"kind": kind, "value": value})
        if keep:
            self._values[kind] = text
        for client in self._clients:
            client.put(kind if keep else None, text)

    def show(self, kind: str, stamp: int, jpeg: bytes) -> None:
        """Send an image to the browsers whose page is visible.

        Args:
            kind: one of IMAGES.
            stamp: time of exposure, nanoseconds.
            jpeg: its data.
        """
        data = self._images[kind] = _HEAD.pack(IMAGES.index(kind), stamp) + jpeg
        for client in self._clients:
            if client.visible:
                client.put(kind, data)

    def forget_images(self) -> None:
        """Drop the newest images: they would be old for the next browser."""
        self._images.clear()

    def join(self) -> "Client":
        """Add a browser."""
        client = Client(self)
        for kind, text in self._values.items():
            client.put(kind, text)
        self.send_images(client)
        self._clients.add(client)
        self.update()
        return client

    def leave(self, client: "Client") -> None:
        """Remove a browser."""
        self._clients.discard(client)
        self.update()

    def send_images(self, client: "Client") -> None:
        """Send the newest images to a browser that shows the page later than others."""
        for kind, data in self._images.items():
            client.put(kind, data)

    def update(self) -> None:
        """Report whether there are viewers, if that has changed."""
        watched = any(client.visible for client in self._clients)
        if watched != self._watched:
            self._watched = watched
            self._on_watched(watched)


class Client:
    """What waits to be sent to one browser."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._newest: dict[str, str | bytes] = {}
        self._once: list[str | bytes] = []
        self._came = asyncio.Event()
        self.visible = True
        """Whether the page is visible."""

    def set_visible(self, visible: bool) -> None:
        """Note that the page has become visible or hidden."""
        if visible and not self.visible:
            self._hub.send_images(self)
        self.visible = visible
        self._hub.update()

    def put(self, kind: str | None, message: str | bytes) -> None:
        """Add a message; it replaces the one of its kind that waits. None: it replaces none."""
        if kind is None:
            self._once.append(message)
        else:
            self._newest[kind] = message
        self._came.set()

    async def messages(self) -> AsyncIterator[str | bytes]:
        """Yield messages, as soon as they come."""
        while True:
            await self._came.wait()
            self._came.clear()
            waiting = [*self._once, *self._newest.values()]
            self._once.clear()
            self._newest.clear()
            for message in waiting:
                yield message
