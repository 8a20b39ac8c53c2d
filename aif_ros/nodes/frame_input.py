"""The camera images that a node works on, with the lens position of their exposure."""

from collections.abc import Callable

from aif_ros.nodes.idleness import report_frames
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_TRANSPORTS
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.frame_joiner import FrameJoiner
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.pipeline.reference_frame import FrameStream, ReferenceFrame
from aif_ros.types.frame import Frame, LensState


class FrameInput:
    """Joins camera images and lens states to frames, while the node is active.

    Args:
        node: subscribes; has the parameters `exposure_time`, `bits_per_sample`, `image_transport`
            and `lens_joint`.
        lens_model: of the lens.
    """

    def __init__(self, node: PipelineNode, lens_model: LensModel) -> None:
        self._node = node
        self._lens_model = lens_model
        self._stream = FrameStream(lens_model, node.value("bits_per_sample"))
        self.frame_id = ""
        """Coordinate frame of the newest image."""

    def start(
        self,
        *,
        capacity: int,
        depth: int,
        newest_first: bool,
        observe: Callable[[LensState], None] = lambda state: None,
    ) -> None:
        """Subscribe; to be called in `start` of the node.

        Args:
            capacity: frames that may wait.
            depth: images that may wait to be taken.
            newest_first: whether the frames that wait are dropped for a newer one.
            observe: called with each lens state, before a frame is made of it.
        """
        resolution = self._lens_model.position_resolution
        self.joiner = FrameJoiner(
            LensStateBuffer(self._node.value("exposure_time"), resolution),
            capacity=capacity,
            newest_first=newest_first,
        )

        def take_state(state: LensState) -> None:
            observe(state)
            self.joiner.add_state(state)

        self._node.lens_states(take_state, resolution)
        images = CAMERA_TRANSPORTS[self._node.value("image_transport")]
        self._node.subscribe(images, self._take_image, depth=depth)

    def next(self, timeout: float) -> Frame | None:
        """Return the next frame; None: none within `timeout` seconds."""
        return self.joiner.next(self._node.workers.timeout(timeout))

    def reference(self, frame: Frame) -> ReferenceFrame:
        """Return a frame as the steps see it.

        Raises:
            ImageError: the image is unusable.
        """
        return self._stream.reference(frame)

    def diagnose(self) -> None:
        """Note lost and unusable frames in the diagnostics."""
        report_frames(self._node.diagnostics, self.joiner)

    def _take_image(self, image: StampedImage) -> None:
        self.frame_id = image.frame_id
        self.joiner.add_image(image)
