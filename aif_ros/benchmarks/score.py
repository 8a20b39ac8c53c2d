"""Accuracy of a recorded run against ground truth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aif_ros.pipeline.recording import LoopRecording
from aif_ros.simulation.metrics import psnr, ssim
from aif_ros.simulation.truth import to_reference_geometry
from aif_ros.types.image import Image, to_float


@dataclass(frozen=True)
class Score:
    """Accuracy of a recording against ground truth; in the reference geometry, PSNR in dB.

    Attributes:
        psnr: of the last fused image.
        ssim: of the last fused image.
        frame_psnr: of each frame by itself, breathing removed.
        fused_psnr: of J after each frame.
    """

    psnr: float
    ssim: float
    frame_psnr: Sequence[float]
    fused_psnr: Sequence[float]

    @property
    def best_frame(self) -> int:
        """Index of the single frame that comes nearest to the truth."""
        return int(np.argmax(self.frame_psnr))


def score(recording: LoopRecording, truth: Image) -> Score:
    """Compare every frame and every fused image with the truth.

    Args:
        recording: what was captured and fused.
        truth: the sharp scene in the reference geometry, float32 in [0, 1].

    Raises:
        ImageError: the truth has another shape than the images.
    """
    lens_model = recording.lens_model
    frames = [
        psnr(to_reference_geometry(recorded.image, recorded.position, lens_model), truth)
        for recorded in recording.frames
    ]
    fused = [to_float(recorded.fused) for recorded in recording.frames]
    return Score(
        psnr=psnr(fused[-1], truth),
        ssim=ssim(fused[-1], truth),
        frame_psnr=frames,
        fused_psnr=[psnr(image, truth) for image in fused],
    )
