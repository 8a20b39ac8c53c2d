"""The web server of the live page: one page, and one WebSocket for each browser.

Anybody who reaches the server can move the lens. It therefore listens to this computer only, unless
a token protects it. A page of another site in the same browser could still connect to it; its
`Origin` gives it away.
"""

import asyncio
import hmac
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvicorn
import websockets  # noqa: F401  # without it, uvicorn would refuse the page's connection
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from aif_ros.storage.error_text import one_line
from aif_ros.view.hub import Client, Hub

_log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
"""Folder of the page's files."""

LOCAL = ("localhost", "127.0.0.1", "::1")
"""Names of this computer."""

# Bytes of a command from a browser at most; the longest one is shorter than 200.
_LONGEST = 4096
# WebSocket close code "policy violation".
_REFUSED = 1008

Command = Callable[[str, Mapping[str, Any]], Awaitable[tuple[bool, str]]]
"""Carries out a command by its name and arguments; returns success and a message for people."""


def new_token() -> str:
    """Return a token that cannot be guessed."""
    return secrets.token_urlsafe(16)


class _Guard:
    """Refuses requests without the token, and those of pages of other sites.

    Args:
        app: the application behind it.
        token: that every request must carry; empty: only this computer's names are allowed.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass an allowed request on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        problem = self._problem(HTTPConnection(scope))
        if problem is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await PlainTextResponse(problem, 403)(scope, receive, send)
        else:
            await WebSocket(scope, receive, send).close(_REFUSED, problem)

    def _problem(self, request: HTTPConnection) -> str | None:
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "requests of other sites are not allowed"
        if not self._token:
            # A name that another site has made point to this computer would reach it, too.
            local = urlsplit(f"//{host}").hostname in LOCAL
            return None if local else "open the page under the name localhost"
        given = request.query_params.get("token", request.cookies.get("token", ""))
        fits = hmac.compare_digest(given.encode(), self._token.encode())
        return None if fits else "the token is missing or wrong: open the address that was printed"


def make_app(hub: Hub, command: Command, *, token: str = "") -> ASGIApp:
    """Return the web application.

    Args:
        hub: what the browsers get.
        command: carries out what they ask for.
        token: see `_Guard`.
    """

    async def index(request: Request) -> Response:
        response = Response((PAGE / "index.html").read_bytes(), media_type="text/html")
        if token:
            # So that the page's files need no token in their addresses.
            response.set_cookie("token", token, httponly=True, samesite="strict")
        return response

    async def live(browser: WebSocket) -> None:
        await browser.accept()
        client = hub.join()
        sending = asyncio.create_task(_send(browser, client))
        try:
            await _receive(browser, hub, client, command)
        except WebSocketDisconnect:
            pass
        finally:
            sending.cancel()
            hub.leave(client)

    routes = [
        Route("/", index),
        WebSocketRoute("/live", live),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]
    return _Guard(Starlette(routes=routes), token)


async def _send(browser: WebSocket, client: Client) -> None:
    async for message in client.messages():
        if isinstance(message, bytes):
            await browser.send_bytes(message)
        else:
            await browser.send_text(message)


async def _receive(browser: WebSocket, hub: Hub, client: Client, command: Command) -> None:
    while True:
        content = await browser.receive_json()
        if not isinstance(content, dict) or not isinstance(content.get("command"), str):
            hub.publish("answer", {"success": False, "message": "not a command"}, keep=False)
        elif content["command"] == "visibility":
            client.set_visible(bool(content.get("visible")))
        else:
            # In the background: focusing takes seconds, in which it can be cancelled.
            task = asyncio.create_task(_carry_out(hub, command, content))
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)


# The event loop holds weak references to tasks only.
_tasks: set[asyncio.Task[None]] = set()


async def _carry_out(hub: Hub, command: Command, content: Mapping[str, Any]) -> None:
    name = content["command"]
    try:
        success, message = await command(name, content)
    except (ValueError, TypeError, KeyError) as error:
        success, message = False, str(error)
    except Exception as error:
        # A defect; the browser waits for an answer all the same.
        _log.exception("command %s", name)
        success, message = False, one_line(error)
    answer = {"command": name, "success": success, "message": message}
    hub.publish("answer", answer, keep=False)


class PageServer(uvicorn.Server):
    """Serves the page until `stop`, Ctrl-C or SIGTERM.

    Args:
        app: see `make_app`.
        host: address to listen to.
        port: its number; 0: a free one.
        ready: called in the event loop's thread once browsers can connect.

    Raises:
        OSError: the port is in use, or there is no such address.
    """

    def __init__(self, app: ASGIApp, host: str, port: int, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(app, log_level="warning", lifespan="off", ws_max_size=_LONGEST)
        )
        self._ready = ready
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self.port: int = self._socket.getsockname()[1]
        """Number of the port."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._ready()

    def serve_page(self) -> None:
        """Serve until the end."""
        with self._socket:
            self.run([self._socket])

    def stop(self) -> None:
        """End `serve_page`; from any thread."""
        self.should_exit = True
