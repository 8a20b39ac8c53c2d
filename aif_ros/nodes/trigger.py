"""Services without parameters: `std_srvs/Trigger`."""

from collections.abc import Callable

from std_srvs.srv import Trigger

from aif_ros.nodes.pipeline_node import PipelineNode


def offer_trigger(node: PipelineNode, name: str, callback: Callable[[], tuple[bool, str]]) -> None:
    """Offer a Trigger service while a node is active.

    Args:
        node: that offers it.
        name: relative to the namespace of the node.
        callback: called for each request; returns success and message.
    """

    def answer(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = callback()
        return response

    node.offer(Trigger, name, answer)
