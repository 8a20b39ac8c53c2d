"""Speed of the simulated camera and of the loop without ROS, and quality of the fused image."""

import time
from dataclasses import dataclass

import numpy as np

from aif_ros.control.agents import make_agent
from aif_ros.defocus.estimators import make_estimator
from aif_ros.devices.clock import SimulatedClock
from aif_ros.fusion.fuser import make_fuser
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.loop import AllInFocusPipeline, Step
from aif_ros.pipeline.rig import Rig
from aif_ros.pipeline.run_loop import run_loop
from aif_ros.settings.nodes import EXPOSURE_TIME
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.scenes.scene import Scene
from aif_ros.simulation.simulated_camera import SimulatedCamera
from aif_ros.simulation.simulated_lens import SimulatedLens
from aif_ros.simulation.truth import Truth, to_reference_geometry
from aif_ros.types.frame import Frame
from aif_ros.types.image import Image


def camera_rate(
    scene: Scene, lens_model: LensModel, *, lens_moves: bool, seconds: float = 3.0
) -> float:
    """Images per second that the simulated camera can make of a scene.

    Args:
        scene: its subject.
        lens_model: of its lens.
        lens_moves: whether the lens is at another position for every image.
        seconds: to measure for.
    """
    subject = RenderedScene(scene, lens_model)
    positions = np.linspace(*lens_model.limits, 7)
    subject.expose(float(positions[0]), 0.0)
    images, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        position = positions[images % len(positions)] if lens_moves else positions[0]
        subject.expose(float(position), elapsed)
        images += 1
    return images / elapsed


@dataclass(frozen=True)
class LoopRun:
    """One run of the loop without ROS, in simulated time.

    Attributes:
        frames: the captured frames that were fused.
        fused: the last J, float32 in [0, 1].
        seconds: real time it took, simulation included.
    """

    frames: list[Frame]
    fused: Image
    seconds: float


def run_core_loop(
    scene: Scene,
    lens_model: LensModel,
    agent: str,
    *,
    estimator: str = "gradient_ratio",
    fusion: str = "laplacian",
) -> LoopRun:
    """Run the loop on a simulated camera at full speed, until the agent stops.

    Args:
        scene: what the camera shows.
        lens_model: of the lens.
        agent: name of the focus-control agent.
        estimator: name of the blur estimator.
        fusion: name of the fusion method.
    """
    clock = SimulatedClock()
    lens = SimulatedLens(lens_model, clock)
    subject = RenderedScene(scene, lens_model)
    camera = SimulatedCamera(
        subject, clock, lens, exposure_time=EXPOSURE_TIME, skip_moving=not scene.moving
    )
    pipeline = AllInFocusPipeline(
        lens_model,
        make_fuser(fusion),
        make_estimator(estimator, lens_model),
        make_agent(agent, lens_model),
    )
    frames: list[Frame] = []

    def keep(step: Step) -> None:
        if step.unused is None:
            frames.append(step.frame)

    start = time.perf_counter()
    run_loop(Rig(camera, lens, clock, lens_model, exposure_time=EXPOSURE_TIME), pipeline, keep)
    seconds = time.perf_counter() - start
    assert pipeline.fused is not None  # a simulated camera delivers
    return LoopRun(frames, pipeline.fused.image, seconds)


def quality(run: LoopRun, scene: Scene, lens_model: LensModel) -> dict[str, float]:
    """PSNR of a run's fused image and of its best single frame, dB, against a still scene.

    Args:
        run: its frames and fused image.
        scene: does not move.
        lens_model: of the lens that took the frames.
    """
    truth = Truth(scene, lens_model).at(0.0)[0]
    best = max(
        psnr(to_reference_geometry(frame.image, frame.position, lens_model), truth)
        for frame in run.frames
    )
    fused = psnr(run.fused, truth)
    return {
        "frames": len(run.frames),
        "psnr": fused,
        "best_single_frame_psnr": best,
        "gain_db": fused - best,
    }
