"""Node of the fusion: J(t) = f(I(t), J(t-1))."""

import sys
import threading
from pathlib import Path

import numpy as np
from std_srvs.srv import Trigger

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import write_image
from aif_ros.fusion.fuser import make_fuser
from aif_ros.nodes.frame_source import FrameSource
from aif_ros.nodes.pipeline_node import PipelineNode, run, system_time
from aif_ros.nodes.topics import (
    CAMERA_IMAGE,
    FUSED_IMAGE,
    LENS_STATE,
    SHARPNESS,
    SOURCE_POSITION,
    SOURCE_SAMPLES,
    StampedImage,
)
from aif_ros.optics.breathing import remove_breathing
from aif_ros.pipeline.lens_state_buffer import LensStateBuffer
from aif_ros.pipeline.loop import usable_on_the_way
from aif_ros.pipeline.settling import HALF_STEP
from aif_ros.settings.nodes import FusionSettings
from aif_ros.types.frame import Frame
from aif_ros.types.image import to_float, to_uint8

_SAMPLES = slice(2, None, 5)


class FusionNode(PipelineNode):
    """Fuses every frame that was exposed with the lens at rest.

    In moving scenes also those exposed on the way, if the lens went no farther meanwhile than the
    depth of field; in others J follows the scene.
    """

    NAME = "fusion"
    SETTINGS = FusionSettings

    def open(self) -> None:
        """Load the method."""
        self._images = self.outlet(FUSED_IMAGE)
        self._sharpness = self.outlet(SHARPNESS)
        self._sources = self.outlet(SOURCE_POSITION)
        self._samples = self.outlet(SOURCE_SAMPLES)
        self._model = self.lens_model()
        self._fusing = threading.Lock()
        self._fuser = make_fuser(
            self.value("fusion_method"), self._model if self.value("mode") == "dynamic" else None
        )
        self._last: Frame | None = None
        self._not_before = 0

    def start(self) -> None:
        """Begin to fuse."""
        self._frames = FrameSource(
            LensStateBuffer(self.value("exposure_time"), HALF_STEP * self._model.metres_per_step),
            capacity=self.value("queue_size"),
            newest_first=self.value("mode") == "dynamic",
        )
        self.inlet(LENS_STATE, self._frames.add_state)
        self.inlet(CAMERA_IMAGE, self._frames.add_image, depth=self.value("queue_size"))
        self.offer(Trigger, "fusion/reset", self._reset)
        self.offer(Trigger, "fusion/save", self._save)
        self.loop(self._fuse)

    def close(self) -> None:
        """Keep what was fused."""
        fuser = self.__dict__.pop("_fuser", None)
        if fuser is not None and fuser.fused is not None and self.value("save_path"):
            write_image(self.value("save_path"), fuser.fused.image, deep=False)

    def diagnose(self) -> None:
        """Show what was lost."""
        self.diagnostics.note("frames dropped", self._frames.dropped)

    def _fuse(self) -> None:
        frame = self._frames.next(0.2)
        if frame is None or (frame.moving and self.value("mode") == "static"):
            return
        with self._fusing:
            if frame.stamp < self._not_before or self._repeats_last(frame):
                return
            image = to_float(frame.image)
            if self._last is not None and frame.image.shape != self._last.image.shape:
                raise ValueError(
                    f"pictures of shape {frame.image.shape} cannot be fused with those of "
                    f"{self._last.image.shape} before: call fusion/reset"
                )
            scale = self._model.breathing_scale(self._model.within_limits(frame.position))
            image = remove_breathing(image, scale)
            followed = frame.moving and not usable_on_the_way(frame, self._model)
            if followed:
                # J goes with the scene also while the lens is on its way.
                fused = self._fuser.follow(image, frame.position)
                if fused is None:
                    return
            else:
                fused = self._fuser.add(image, frame.position)
            self._last = frame
        self.diagnostics.count("frames followed" if followed else "frames fused")
        self.diagnostics.note("frames in the fused picture", fused.frames)
        self.diagnostics.note("exposure to fused s", (system_time() - frame.stamp) * 1e-9)
        frame_id = self._frames.frame_id
        self._images.publish(StampedImage(to_uint8(fused.image), frame.stamp, frame_id))
        for outlet, array in (
            (self._samples, np.ascontiguousarray(fused.source_position[_SAMPLES, _SAMPLES])),
            (self._sharpness, fused.sharpness),
            (self._sources, fused.source_position),
        ):
            outlet.publish(StampedImage(array, frame.stamp, frame_id))

    def _repeats_last(self, frame: Frame) -> bool:
        if self._last is None:
            return False
        if frame.stamp <= self._last.stamp:
            return True
        # As close together as this, two pictures show the same (see AllInFocusPipeline).
        jitter = 0.25 * self._model.half_depth_of_focus(frame.size[0])
        still = self.value("mode") == "static"
        return still and abs(frame.position - self._last.position) <= jitter

    def _reset(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Begin anew with the next frame."""
        with self._fusing:
            # Frames from before may still wait: whoever asks for a new picture means another one.
            self._not_before = system_time()
            self._fuser.reset()
            self._last = None
        response.success = True
        response.message = "the fusion begins anew"
        return response

    def _save(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        """Write the fused picture."""
        fused = self._fuser.fused
        path = Path(self.value("save_path"))
        if not self.value("save_path"):
            response.message = "set the parameter save_path to the file to write"
        elif fused is None:
            response.message = "nothing has been fused yet"
        else:
            try:
                write_image(path, fused.image, deep=False)
                response.success = True
                response.message = str(path.absolute())
            except (OSError, ValueError, DeviceError) as error:
                response.message = str(error)
        return response


def main() -> int:
    """Run the node."""
    return run(FusionNode)


if __name__ == "__main__":
    sys.exit(main())
