"""Publishing of defocus maps: one message for nodes, single images for viewers."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from aif_ros.nodes.compressed_images import color_map
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topic import StampedImage, StampedMaps, Topic
from aif_ros.nodes.topics import DEPTH_IMAGE, DISTANCE_COMPRESSED, FOCUS_MAP, LEFT_OUT
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.assess_step import DefocusMaps
from aif_ros.pipeline.focus_map_step import FocusMapStep
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.types.frame import Frame

_FOCUS_MAP_MEMORY = 30.0
"""Frames after which a reading counts 1/e in the focus map: two or three runs of the loop, so that
the map follows a changed scene."""


class MapPublisher:
    """Publishes the defocus maps of one image.

    Args:
        node: whose topics these are. To be made in its `open`.
        maps: topic of all maps in one message.
        views: topics of distance, uncertainty and in-focus probability, for subscribers only.
    """

    def __init__(
        self,
        node: PipelineNode,
        maps: Topic[StampedMaps],
        views: Sequence[Topic[StampedImage]],
    ) -> None:
        self._publisher = node.publisher(maps)
        self._images = [node.lazy_publisher(topic) for topic in views]

    def publish(self, maps: DefocusMaps, frame_id: str) -> None:
        """Publish the maps of one image."""
        self._publisher.publish(StampedMaps(maps, frame_id))
        single = (maps.distance, maps.uncertainty, maps.in_focus)
        for publisher, values in zip(self._images, single, strict=True):
            publisher.show(partial(_image, values, maps.stamp, frame_id))


class FrameMapViews:
    """Views of the camera image's maps: distance in colours, focus map and depth image.

    Args:
        node: whose topics these are. To be made in its `open`.
        lens_model: of the lens.
    """

    def __init__(self, node: PipelineNode, lens_model: LensModel) -> None:
        self._node = node
        self._lens_model = lens_model
        self._colors = node.lazy_publisher(DISTANCE_COMPRESSED)
        self._focus_map = node.lazy_publisher(FOCUS_MAP)
        self._depth = node.lazy_publisher(DEPTH_IMAGE)
        self._focus = FocusMapStep(lens_model, _FOCUS_MAP_MEMORY)

    def start(self) -> None:
        """Begin a new focus map; to be called in the node's `start`."""
        self._focus.reset()
        self._left_out = LeftOut()
        self._node.subscribe(LEFT_OUT, self._take_left_out)

    def _take_left_out(self, left_out: LeftOut) -> None:
        self._left_out = left_out

    def show(self, maps: DefocusMaps, frame: Frame, frame_id: str, *, dynamic: bool) -> None:
        """Show the maps of a frame, and the focus map of all frames so far."""
        low, high = self._lens_model.limits
        self._colors.show(
            lambda: StampedImage(color_map(maps.distance, high - low), maps.stamp, frame_id)
        )
        # Taken over here, by the worker that also adds the frames.
        self._focus.leave_out(self._left_out.positions)
        self._focus.add(maps, frame, dynamic=dynamic)
        mapper = self._focus.mapper
        if mapper is None:
            return
        self._focus_map.show(lambda: _image(mapper.focus_map().position, maps.stamp, frame_id))
        if self._lens_model.object_distances:
            self._depth.show(
                lambda: _image(
                    self._lens_model.object_distance(mapper.focus_map().enlarged(frame.size)),
                    maps.stamp,
                    frame_id,
                )
            )


def _image(values: NDArray[np.float32], stamp: int, frame_id: str) -> StampedImage:
    return StampedImage(np.ascontiguousarray(values), stamp, frame_id)
