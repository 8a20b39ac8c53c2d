"""Base class of the camera nodes: captures in a thread, publishes image and camera info."""

from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header

from aif_ros.devices.clock import Clock
from aif_ros.devices.device import Camera, EndOfRecording
from aif_ros.nodes.camera_info import guess_camera_info, load_camera_info
from aif_ros.nodes.idleness import Arrivals, report_idle
from aif_ros.nodes.node_clock import NodeClock
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.stamps import to_time
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import CAMERA_COMPRESSED, CAMERA_IMAGE, CAMERA_INFO, RECORDING_END
from aif_ros.simulation.simulated_camera import SimulatedCamera

LENS_TIMEOUT = 1.0
"""Seconds that a simulated camera waits for lens states; its deactivation can take as long."""


class CapturingNode(PipelineNode):
    """Publishes what a camera captures; a subclass opens the camera."""

    def open_camera(self, clock: Clock) -> Camera:
        """Return the opened camera."""
        raise NotImplementedError

    def open(self) -> None:
        """Open the camera."""
        self._images = self.publisher(CAMERA_IMAGE)
        self._compressed = self.lazy_publisher(CAMERA_COMPRESSED, self.value("compressed_rate"))
        self._infos = self.publisher(CAMERA_INFO)
        self._ends = self.publisher(RECORDING_END)
        self._camera = self.open_camera(NodeClock(self))
        self._info = self._camera_info()
        self.get_logger().info("camera opened: {}x{} pixels".format(*self._camera.size))

    def _camera_info(self) -> CameraInfo:
        """Return the intrinsics from the file, or guessed from the field of view."""
        size, url = self._camera.size, self.value("camera_info_url")
        if url:
            return load_camera_info(url, size)
        self.diagnostics.note("intrinsics", "guessed from horizontal_field_of_view")
        return guess_camera_info(size, self.value("horizontal_field_of_view"))

    def start(self) -> None:
        """Begin to capture; a simulated camera also needs the lens states."""
        self._ended = False
        self._ends.publish("")
        self._captures = Arrivals()
        if isinstance(self._camera, SimulatedCamera):
            self.lens_states(self._camera.observe)
        self.loop(self._capture)

    def close(self) -> None:
        """Close the camera."""
        camera = self.__dict__.pop("_camera", None)
        if camera is not None:
            camera.close()

    def diagnose(self) -> None:
        """Report a camera that gives no frames."""
        seconds = self._captures.seconds
        if self._captures.idle and not self._ended:
            text = f"no frame captured for {seconds:.0f} s"
            report_idle(self.diagnostics, seconds, text, "captures")
        else:
            self.diagnostics.clear("captures")

    def _capture(self) -> None:
        if self._ended:
            self.workers.pause(0.2)
            return
        try:
            capture = self._camera.capture()
        except EndOfRecording as end:
            self._ended = True
            self.get_logger().info(str(end))
            self._ends.publish(str(end))
            return
        self._captures.usable()
        self.diagnostics.count("frames")
        image = StampedImage(capture.image, capture.stamp, self.value("frame_id"))
        self._infos.publish(self._info_of(image))
        self._images.publish(image)
        self._compressed.show(lambda: image)

    def _info_of(self, image: StampedImage) -> CameraInfo:
        """Return a camera info of its own for an image: the published ones must not change."""
        return CameraInfo(
            header=Header(stamp=to_time(image.stamp), frame_id=image.frame_id),
            width=self._info.width,
            height=self._info.height,
            distortion_model=self._info.distortion_model,
            d=self._info.d,
            k=self._info.k,
            r=self._info.r,
            p=self._info.p,
        )
