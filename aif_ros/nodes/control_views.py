"""Views of the focus controller for RViz and rqt: focus window and overlay."""

from collections.abc import Callable

import cv2
from geometry_msgs.msg import Point32, PolygonStamped
from sensor_msgs.msg import CameraInfo

from aif_ros.nodes.compressed_images import to_8_bits
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import FUSED_IMAGE, OVERLAY, OVERLAY_COMPRESSED
from aif_ros.types.frame import Window

_YELLOW, _BLACK, _WHITE = (255, 200, 0), (0, 0, 0), (255, 255, 255)


def window_polygon(window: Window | None, info: CameraInfo) -> PolygonStamped:
    """Return the window as seen by a pinhole camera, 1 m away.

    Without points if there is no window, or if the camera is not calibrated (all intrinsics 0).

    Args:
        window: pixels; None: there is none.
        info: intrinsics of the camera, pixels; its header becomes that of the polygon.
    """
    polygon = PolygonStamped(header=info.header)
    focal_x, centre_x, focal_y, centre_y = info.k[0], info.k[2], info.k[4], info.k[5]
    if window is None or not (focal_x and focal_y):
        return polygon
    right, bottom = window.x + window.width, window.y + window.height
    corners = ((window.x, window.y), (right, window.y), (right, bottom), (window.x, bottom))
    polygon.polygon.points = [
        Point32(x=(x - centre_x) / focal_x, y=(y - centre_y) / focal_y, z=1.0) for x, y in corners
    ]
    return polygon


class Overlay:
    """Publishes J with the focus window; subscribes to J only while it has subscribers.

    Args:
        node: whose topics these are. To be made in its `open`.
    """

    def __init__(self, node: PipelineNode) -> None:
        self._node = node
        self._images = node.lazy_publisher(OVERLAY), node.lazy_publisher(OVERLAY_COMPRESSED)
        self._fused: StampedImage | None = None
        self._unsubscribe: Callable[[], object] | None = None

    def draw(self, window: Window | None, text: str) -> None:
        """Publish, if there are subscribers; to be called regularly while the node is active."""
        if not any(each.wanted for each in self._images):
            self.stop()
            return
        if self._unsubscribe is None:
            self._unsubscribe = self._node.subscribe(FUSED_IMAGE, self._take)
        fused = self._fused
        if fused is not None:
            image = _overlay(fused, window, text)
            for each in self._images:
                each.show(lambda: image)

    def stop(self) -> None:
        """End the subscription."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._unsubscribe = self._fused = None

    def _take(self, image: StampedImage) -> None:
        self._fused = image


def _overlay(stamped: StampedImage, window: Window | None, text: str) -> StampedImage:
    """Draw the window and the text into a copy of the image, of 8 bits."""
    image = to_8_bits(stamped.image)
    image = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image.copy()
    if window is not None:
        corner = (window.x + window.width - 1, window.y + window.height - 1)
        cv2.rectangle(image, (window.x, window.y), corner, _YELLOW, 2)
    for colour, thickness in ((_BLACK, 3), (_WHITE, 1)):
        cv2.putText(image, text, (8, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness)
    return StampedImage(image, stamped.stamp, stamped.frame_id)
