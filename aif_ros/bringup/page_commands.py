"""What the live page asks of a running pipeline: services, parameters, the focus window."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Future as SyncFuture
from typing import Any

from rcl_interfaces.srv import SetParameters
from rclpy.client import Client
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_srvs.srv import Trigger

from aif_ros.nodes.topics import FOCUS_WINDOW
from aif_ros.settings.nodes import WINDOW_SIZE
from aif_ros.types.frame import Window

# Seconds until a service must have answered; focusing may take as long as a search.
_ANSWER, _FOCUS = 5.0, 60.0
# A click names a part of the image, of which the default window may be all: its window has this
# share of the shorter side, but at least so many pixels (the neural search needs 64), and at most
# those of the default window.
_CLICKED_SHARE, _LEAST_CLICKED = 0.25, 128
_SERVICES = {
    "start": "focus_controller/start",
    "stop": "focus_controller/stop",
    "reset": "focus_controller/reset",
    "cancel": "autofocus/cancel",
    "focus": "autofocus/focus_once",
}
_WITH_MODE = ("fusion", "autofocus", "focus_controller")


def clicked_window(x: int, y: int, size: tuple[int, int]) -> Window:
    """Return the window about a pixel that was clicked, shifted to lie within the image.

    Args:
        x: column of the pixel.
        y: row of the pixel.
        size: (width, height) of the image, pixels.

    Raises:
        ValueError: the pixel lies outside of the image.

    Example:
        >>> clicked_window(40, 200, (640, 480))
        Window(x=0, y=136, width=128, height=128)
    """
    width, height = size
    if not (0 <= x < width and 0 <= y < height):
        raise ValueError(f"{x}, {y} lies outside of the image of {width}x{height}")
    shorter = min(size)
    side = min(WINDOW_SIZE, shorter, max(_LEAST_CLICKED, round(_CLICKED_SHARE * shorter)))
    left = min(max(x - side // 2, 0), width - side)
    top = min(max(y - side // 2, 0), height - side)
    return Window(left, top, side, side)


class PageCommands:
    """Carries out the commands of browsers; to be used in an event loop.

    Args:
        node: to call services with, in the pipeline's namespace.
        focusing: called with the window that is brought into focus from now on.
    """

    def __init__(self, node: Node, focusing: Callable[[Window], object]) -> None:
        self._focusing = focusing
        self._services: dict[str, Client] = {
            command: node.create_client(Trigger, name) for command, name in _SERVICES.items()
        }
        self._windows = node.create_publisher(
            FOCUS_WINDOW.message_type, FOCUS_WINDOW.name, FOCUS_WINDOW.publisher_qos
        )
        self._setters = {
            name: node.create_client(SetParameters, f"{name}/set_parameters") for name in _WITH_MODE
        }

    async def carry_out(self, name: str, fields: Mapping[str, Any]) -> tuple[bool, str]:
        """Carry out a command; see `aif_ros.view.server.Command`.

        Raises:
            ValueError: there is no such command, or its fields are wrong.
        """
        if name == "focus":
            x, y, width, height = (int(fields[key]) for key in ("x", "y", "width", "height"))
            return await self._focus(clicked_window(x, y, (width, height)))
        if name == "agent":
            return await self._choose("agent", str(fields["value"]), ("focus_controller",))
        if name == "mode":
            return await self._choose("mode", str(fields["value"]), _WITH_MODE)
        if name not in _SERVICES:
            raise ValueError(f"there is no command '{name}'")
        return await self._trigger(name, _ANSWER)

    async def _focus(self, window: Window) -> tuple[bool, str]:
        """Stop the loop, which would move the lens on, and focus a window."""
        stopped, message = await self._trigger("stop", _ANSWER)
        if not stopped:
            return stopped, message
        self._windows.publish(FOCUS_WINDOW.encode(window))
        self._focusing(window)
        return await self._trigger("focus", _FOCUS)

    async def _choose(self, name: str, value: str, nodes: tuple[str, ...]) -> tuple[bool, str]:
        """Set a parameter of some nodes and restart the loop."""
        parameter = Parameter(name, value=value).to_parameter_msg()
        for node in nodes:
            request = SetParameters.Request(parameters=[parameter])
            response = await self._call(self._setters[node], request, _ANSWER)
            if response is None:
                return False, f"{node} does not answer"
            if not response.results[0].successful:
                return False, response.results[0].reason
        return await self._trigger("reset", _ANSWER)

    async def _trigger(self, command: str, timeout: float) -> tuple[bool, str]:
        response = await self._call(self._services[command], Trigger.Request(), timeout)
        if response is None:
            return False, f"{_SERVICES[command]} does not answer: is the pipeline active?"
        return response.success, response.message

    async def _call(self, client: Client, request: Any, timeout: float) -> Any:
        """Return the response of a service; None: none in time."""
        if not client.service_is_ready():
            return None
        answer: SyncFuture[Any] = SyncFuture()

        def take(future: Any) -> None:
            if not answer.cancelled():
                answer.set_result(future.result())

        client.call_async(request).add_done_callback(take)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), timeout)
        except TimeoutError:
            return None
