"""Publishes that the camera images show a lens that does not move as it reports, or may not."""

from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topics import FUSION_EPOCH, IMAGE_DOUBT, IMAGE_FAULT
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.image_change import ImageWatch
from aif_ros.types.frame import Frame


class ImageFault:
    """Runs `ImageWatch` on the frames of one J.

    Args:
        node: whose topics these are. To be made in its `open`.
        lens_model: of the lens.
    """

    def __init__(self, node: PipelineNode, lens_model: LensModel) -> None:
        self._node = node
        self._lens_model = lens_model
        self._recorded = node.value("camera_backend") == "stack"
        self._faults = node.publisher(IMAGE_FAULT)
        self._doubts = node.publisher(IMAGE_DOUBT)

    def start(self) -> None:
        """Begin; to be called in the node's `start`."""
        self._epoch = self._watched = 0
        self._watch = self._new_watch()
        self._fault = self._doubt = ""
        self._faults.publish("")
        self._doubts.publish("")
        self._node.subscribe(FUSION_EPOCH, self._take_epoch)

    def add(self, frame: Frame, *, dynamic: bool) -> None:
        """Add a frame, before its maps are published; called by one worker.

        Args:
            frame: the frame.
            dynamic: see `ImageWatch.add`.
        """
        epoch = self._epoch
        if epoch != self._watched:
            self._watched, self._watch = epoch, self._new_watch()
        if frame.stamp >= epoch:
            self._watch.add(frame, dynamic=dynamic)
        if self._watch.fault != self._fault:
            self._fault = self._watch.fault
            self._faults.publish(self._fault)
        if self._watch.doubt != self._doubt:
            self._doubt = self._watch.doubt
            self._doubts.publish(self._doubt)

    def _new_watch(self) -> ImageWatch:
        return ImageWatch(self._lens_model, recorded=self._recorded)

    def diagnose(self) -> None:
        """Show the fault."""
        if self._fault:
            self._node.diagnostics.error(self._fault, IMAGE_FAULT.name)
        else:
            self._node.diagnostics.clear(IMAGE_FAULT.name)

    def _take_epoch(self, epoch: int) -> None:
        self._epoch = epoch
