"""Autofocus node: defocus maps of the camera image and of J; brings a window into focus."""

import sys
import threading
from functools import partial

from aif_ros.defocus.estimators import make_estimator
from aif_ros.nodes.focus_server import FocusServer
from aif_ros.nodes.focus_services import FocusServices
from aif_ros.nodes.frame_input import FrameInput
from aif_ros.nodes.image_fault import ImageFault
from aif_ros.nodes.main import run
from aif_ros.nodes.map_views import FrameMapViews, MapPublisher
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import (
    DEFOCUS_MAPS,
    DISTANCE_MAP,
    DISTANCE_UNCERTAINTY,
    FOCUS_WINDOW,
    FUSED_DEFOCUS_MAPS,
    FUSED_DISTANCE_MAP,
    FUSED_DISTANCE_UNCERTAINTY,
    FUSED_IMAGE,
    FUSED_IN_FOCUS,
    IN_FOCUS,
    LENS_FAULT,
    LENS_LIMITS,
    SOURCE_SAMPLES,
)
from aif_ros.pipeline.assess_step import AssessStep, DefocusMaps
from aif_ros.pipeline.fusion_result import FusedImage
from aif_ros.pipeline.stamp_join import StampJoin
from aif_ros.settings.nodes import AutofocusSettings
from aif_ros.types.frame import Frame, Window

_VIEWS = (DISTANCE_MAP, DISTANCE_UNCERTAINTY, IN_FOCUS)
_FUSED_VIEWS = (FUSED_DISTANCE_MAP, FUSED_DISTANCE_UNCERTAINTY, FUSED_IN_FOCUS)


class AutofocusNode(PipelineNode):
    """Runs `AssessStep` on the camera's frames and on J, and `FocusStep` on demand."""

    NAME = "autofocus"
    SETTINGS = AutofocusSettings

    def open(self) -> None:
        """Load the estimator."""
        self._maps = MapPublisher(self, DEFOCUS_MAPS, _VIEWS)
        self._fused_maps = MapPublisher(self, FUSED_DEFOCUS_MAPS, _FUSED_VIEWS)
        self._model = self.lens_model()
        self._estimator = make_estimator(self.value("estimator"), self._model, self.value("device"))
        self._map_views = FrameMapViews(self, self._model)
        self._image_fault = ImageFault(self, self._model)
        self._searches = FocusServer(self, self._model)
        self._offered = FocusServices(self, self._searches)
        self.diagnostics.hardware_id = self._model.name

    def start(self) -> None:
        """Subscribe and begin to assess."""
        self._input = FrameInput(self, self._model)
        self._dynamic = self.in_dynamic_mode
        self._step = AssessStep(self._estimator, self._model, dynamic=self._dynamic)
        self._map_views.start()
        self._join = StampJoin(2)
        self._fused: FusedImage | None = None
        self._fused_frame_id = ""
        self._fused_came = threading.Event()
        self._searches.start()
        self._image_fault.start()
        self._input.start(capacity=4, depth=1, newest_first=True, observe=self._searches.observe)
        self.subscribe(SOURCE_SAMPLES, partial(self._take_fused, 0))
        self.subscribe(FUSED_IMAGE, partial(self._take_fused, 1))
        self.subscribe(LENS_FAULT, self._searches.fault)
        self.subscribe(LENS_LIMITS, self._searches.keep_to)
        self.subscribe(FOCUS_WINDOW, self._take_window)
        self.loop(self._assess)
        self.loop(self._assess_fused)

    def stop(self) -> None:
        """End a search in progress."""
        self._searches.stop()

    def close(self) -> None:
        """Withdraw the services."""
        services = self.__dict__.pop("_offered", None)
        if services is not None:
            services.close()

    def diagnose(self) -> None:
        """Show lost and unusable frames, and a lens that does not move."""
        self._input.diagnose()
        self._image_fault.diagnose()

    def _take_fused(self, stream: int, image: StampedImage) -> None:
        joined = self._join.add(stream, image.stamp, image)
        if joined is not None:
            samples, fused = joined
            self._fused = FusedImage(fused.image, samples.image, fused.stamp)
            self._fused_frame_id = fused.frame_id
            self._fused_came.set()

    def _take_window(self, window: Window) -> None:
        self._searches.window = window

    def _assess(self) -> None:
        frame = self._input.next(0.1)
        if self._searches.searching:
            self._searches.advance(frame)
        elif frame is not None:
            self._follow_mode()
            reference = self._input.reference(frame)
            maps = self._step.frame(reference, repeat=self._searches.continuous)
            if maps is not None:
                self._publish(maps, frame)

    def _follow_mode(self) -> None:
        """Begin anew where the parameter `mode` has changed."""
        if self.in_dynamic_mode != self._dynamic:
            self._dynamic = self.in_dynamic_mode
            self._step = AssessStep(self._estimator, self._model, dynamic=self._dynamic)

    def _publish(self, maps: DefocusMaps, frame: Frame) -> None:
        self._image_fault.add(frame, dynamic=self._dynamic)
        self._maps.publish(maps, self._input.frame_id)
        self._map_views.show(maps, frame, self._input.frame_id, dynamic=self._dynamic)
        self.diagnostics.count("distance maps")
        self.diagnostics.note("exposure to distance map s", (self.now() - frame.stamp) * 1e-9)
        self._searches.watch(maps, frame.size)

    def _assess_fused(self) -> None:
        if not self._fused_came.wait(self.workers.timeout(0.2)):
            return
        self._fused_came.clear()
        assert self._fused is not None
        self._fused_maps.publish(self._step.fused(self._fused), self._fused_frame_id)


def main() -> int:
    """Run the node."""
    return run(AutofocusNode)


if __name__ == "__main__":
    sys.exit(main())
