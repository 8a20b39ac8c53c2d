"""A simulated Alpaca server with one focuser; see `aif_ros.devices.alpaca` for the protocol."""

import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from aif_ros.devices.simulators.closing import Closing
from aif_ros.devices.simulators.motor import SimulatedMotor

INVALID_VALUE = 0x401
"""Error number of the Alpaca API."""


class SimulatedAlpaca(Closing):
    """Serves focuser 0 on a free port of this machine.

    Args:
        motor: of the focuser.
        highest: MaxStep, steps.
        port: to serve on; 0: a free one.
    """

    def __init__(
        self, motor: SimulatedMotor | None = None, highest: int = 8000, port: int = 0
    ) -> None:
        self.motor = motor or SimulatedMotor(position=1000, speed=40000.0)
        self.highest = highest
        self.garbage: list[bytes] = []
        """Bodies to send instead of the next answers (fault injection)."""
        self.connections: list[socket.socket] = []
        """Connections that were opened; they outlive the requests."""
        self._transactions = count(1)
        handler = type("Handler", (_Handler,), {"device": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Stop serving; the port is free afterwards."""
        self._server.shutdown()
        self._thread.join()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def answer(self, method: str, path: str, values: dict[str, str]) -> dict[str, Any] | None:
        """Return the body of the answer; None where there is no such path."""
        if path == "/management/v1/configureddevices":
            return {"Value": [{"DeviceType": "Focuser", "DeviceNumber": 0, "DeviceName": "motor"}]}
        prefix = "/api/v1/focuser/0/"
        if not path.startswith(prefix):
            return None
        body: dict[str, Any] = {
            "ClientTransactionID": int(values.get("ClientTransactionID", 0)),
            "ServerTransactionID": next(self._transactions),
            "ErrorNumber": 0,
            "ErrorMessage": "",
        }
        name = path.removeprefix(prefix)
        if method == "GET":
            properties = {
                "connected": True,
                "absolute": True,
                "ismoving": self.motor.moving,
                "maxstep": self.highest,
                "position": round(self.motor.position),
                "tempcompavailable": False,
            }
            return body | {"Value": properties[name]} if name in properties else None
        if name == "move":
            position = int(values["Position"])
            if 0 <= position <= self.highest:
                self.motor.move(position)
                return body
            message = f"{position} lies outside 0 to {self.highest}"
            return body | {"ErrorNumber": INVALID_VALUE, "ErrorMessage": message}
        if name == "halt":
            self.motor.stop()
        return body if name in ("halt", "connected") else None


class _Handler(BaseHTTPRequestHandler):
    device: ClassVar[SimulatedAlpaca]
    protocol_version = "HTTP/1.1"
    # Header and body leave in one packet.
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.device.connections.append(self.connection)

    def do_GET(self) -> None:
        self._answer("GET", urlsplit(self.path).query)

    def do_PUT(self) -> None:
        self._answer("PUT", self.rfile.read(int(self.headers["Content-Length"])).decode())

    def _answer(self, method: str, form: str) -> None:
        values = {key: texts[-1] for key, texts in parse_qs(form).items()}
        body = self.device.answer(method, urlsplit(self.path).path, values)
        content = json.dumps(body).encode() if body is not None else b"no such path"
        if self.device.garbage:
            content = self.device.garbage.pop(0)
        self.send_response(200 if body is not None else 400)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing."""
