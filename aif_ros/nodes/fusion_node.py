"""Fusion node: J(t) = f(I(t), J(t-1))."""

import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from aif_ros.devices.device import DeviceError
from aif_ros.devices.image_files import check_image_output, write_image
from aif_ros.fusion.fuser import make_fuser
from aif_ros.fusion.fusion import Fused
from aif_ros.nodes.frame_input import FrameInput
from aif_ros.nodes.main import run
from aif_ros.nodes.pipeline_node import PipelineNode
from aif_ros.nodes.saved_image import save
from aif_ros.nodes.topic import StampedImage
from aif_ros.nodes.topics import (
    FUSED_COMPRESSED,
    FUSED_IMAGE,
    FUSION_EPOCH,
    LEFT_OUT,
    SHARPNESS,
    SOURCE_POSITION,
    SOURCE_SAMPLES,
)
from aif_ros.nodes.trigger import offer_trigger
from aif_ros.pipeline.fuse_step import FuseStep
from aif_ros.pipeline.fusion_result import FusedImage
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.settings.nodes import FusionSettings
from aif_ros.types.image import ImageError


@dataclass(frozen=True)
class FusionEpoch:
    """When the current J was started (nanoseconds), and its number."""

    stamp: int
    number: int


class FusionNode(PipelineNode):
    """Runs `FuseStep` on the camera's frames and publishes J."""

    NAME = "fusion"
    SETTINGS = FusionSettings

    def open(self) -> None:
        """Load the fusion method; the file that J is saved to must be writable."""
        if self.value("save_path"):
            check_image_output(self.value("save_path"))
        self._images = self.publisher(FUSED_IMAGE)
        self._samples = self.publisher(SOURCE_SAMPLES)
        self._epochs = self.publisher(FUSION_EPOCH)
        self._left_out = self.publisher(LEFT_OUT)
        self._compressed = self.lazy_publisher(FUSED_COMPRESSED)
        self._sharpness = self.lazy_publisher(SHARPNESS)
        self._sources = self.lazy_publisher(SOURCE_POSITION)
        self._model = self.lens_model()
        self._step = self._new_step()
        self._input = FrameInput(self, self._model)
        # Held while the step is in use: services run in another thread than the worker.
        self._fusing = threading.Lock()
        self._epoch = FusionEpoch(self.now(), self._step.epoch)

    def start(self) -> None:
        """Subscribe and begin to fuse."""
        waiting = self.value("queue_size")
        self._input.start(capacity=waiting, depth=waiting, newest_first=self._dynamic)
        offer_trigger(self, "fusion/reset", self.reset)
        offer_trigger(self, "fusion/save", self._save)
        self._epochs.publish(self._epoch.stamp)
        self._publish_left_out(LeftOut())
        self.loop(self._fuse)

    def _new_step(self) -> FuseStep:
        self._dynamic = self.in_dynamic_mode
        fuser = make_fuser(
            self.value("fusion_method"),
            self._model if self._dynamic else None,
            self.value("device"),
        )
        return FuseStep(fuser, self._model, dynamic=self._dynamic)

    def close(self) -> None:
        """Save J; it is kept where that fails, and closing again tries it again."""
        step, path = self.__dict__.get("_step"), self.value("save_path")
        if step is not None and step.fused is not None and path:
            save(path, step.fused.image, sixteen_bit=step.sixteen_bit)
        self.__dict__.pop("_step", None)

    def diagnose(self) -> None:
        """Show lost and unusable frames."""
        self._input.diagnose()

    def _fuse(self) -> None:
        frame = self._input.next(0.2)
        if frame is None:
            return
        try:
            with self._fusing:
                fusion = self._step.add(self._input.reference(frame))
        except ImageError:
            self.diagnostics.count("frames unusable", total=True)
            raise
        self._publish_epoch()
        before = self._published_left_out
        if fusion.left_out != before:
            self._publish_left_out(fusion.left_out)
        if fusion.outside_scene:
            self.diagnostics.count("frames of other scenes", total=True)
            self.get_logger().warning(f"a frame is not fused: {fusion.unused}")
        if len(fusion.left_out.damaged) > len(before.damaged):
            self.diagnostics.count("frames fused in part", total=True)
            self.get_logger().warning("parts of a frame are not fused: damaged, or covered")
        if fusion.fused is not None and fusion.image is not None:
            self._publish(fusion.fused, fusion.image, merged=fusion.unused is None)

    def _publish(self, fused: Fused, current: FusedImage, *, merged: bool) -> None:
        stamp, frame_id = current.stamp, self._input.frame_id
        self.diagnostics.count("frames fused" if merged else "frames followed")
        self.diagnostics.note("frames in the fused image", fused.frames)
        self.diagnostics.note("exposure to fused s", (self.now() - stamp) * 1e-9)
        self._samples.publish(StampedImage(current.source_samples, stamp, frame_id))
        stamped = StampedImage(current.image, stamp, frame_id)
        self._images.publish(stamped)
        self._compressed.show(lambda: stamped)
        self._sharpness.show(lambda: StampedImage(fused.sharpness, stamp, frame_id))
        self._sources.show(lambda: StampedImage(fused.source_position, stamp, frame_id))

    def _publish_left_out(self, left_out: LeftOut) -> None:
        self._published_left_out = left_out
        self._left_out.publish(left_out)

    def _publish_epoch(self) -> None:
        """Publish that a new J has been started, if so."""
        if self._epoch.number != self._step.epoch:
            started = self._step.started
            self._epoch = FusionEpoch(self.now() if started is None else started, self._step.epoch)
            self._epochs.publish(self._epoch.stamp)

    def reset(self) -> tuple[bool, str]:
        """Start a new J with the next frame; frames already queued are dropped."""
        with self._fusing:
            self._input.joiner.clear()
            if self.in_dynamic_mode != self._dynamic:
                epoch, self._step = self._step.epoch, self._new_step()
                self._step.epoch = epoch
                self._input.joiner.newest_first = self._dynamic
            self._step.reset(not_before=self.now())
        self._publish_left_out(LeftOut())
        self._publish_epoch()
        return True, "a new fused image was started"

    def _save(self) -> tuple[bool, str]:
        """Write J to the file named by save_path."""
        fused, path = self._step.fused, self.value("save_path")
        if not path:
            return False, "set the parameter save_path to the file to write"
        if fused is None:
            return False, "nothing has been fused yet"
        try:
            write_image(path, fused.image, sixteen_bit=self._step.sixteen_bit)
        except (OSError, ValueError, DeviceError) as error:
            return False, str(error)
        return True, str(Path(path).absolute())


def main() -> int:
    """Run the node."""
    return run(FusionNode)


if __name__ == "__main__":
    sys.exit(main())
