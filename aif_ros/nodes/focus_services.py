"""The services of the autofocus node."""

from rclpy.callback_groups import ReentrantCallbackGroup
from std_srvs.srv import SetBool, Trigger

from aif_ros.nodes.focus_server import FocusServer
from aif_ros.nodes.pipeline_node import PipelineNode


class FocusServices:
    """Focus on demand, cancel, and keep in focus.

    They are offered as long as the node is configured: what is asked of an inactive node gets an
    answer, and so does a search that deactivation ends.

    Args:
        node: whose services these are.
        server: runs the searches.
    """

    def __init__(self, node: PipelineNode, server: FocusServer) -> None:
        self._node = node
        self._server = server
        self._services = (
            node.create_service(
                Trigger,
                "autofocus/focus_once",
                self._focus_once,
                # The answer waits for other callbacks of this node.
                callback_group=ReentrantCallbackGroup(),
            ),
            node.create_service(Trigger, "autofocus/cancel", self._cancel),
            node.create_service(SetBool, "autofocus/continuous", self._set_continuous),
        )

    def close(self) -> None:
        """Withdraw the services."""
        for service in self._services:
            self._node.destroy_service(service)

    async def _focus_once(
        self, request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        """Focus the window; answers when the search has ended."""
        if not self._server.active:
            response.message = "the node is not active"
            return response
        search = self._server.begin()
        if search is None:
            response.message = "a search is in progress already"
            return response
        response.success, response.message = await search.outcome
        return response

    def _cancel(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """End the search in progress; the lens stays where it was sent last."""
        response.success = self._server.cancel()
        response.message = "cancelled" if response.success else "no search is in progress"
        return response

    def _set_continuous(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        """Keep the window in focus from now on, or no longer."""
        self._server.continuous = request.data
        response.success = True
        response.message = f"continuous autofocus is {'on' if request.data else 'off'}"
        return response
