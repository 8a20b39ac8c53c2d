"""For users of pymmcore-plus: autofocus and an all-in-focus snapshot in their own acquisitions.

from aif_ros.pipeline.microscope import AutofocusEngine, Microscope

microscope = Microscope(core, lens_model)
microscope.focus()                                  # by hand
snapshot = microscope.all_in_focus()                # image and height map
core.mda.set_engine(AutofocusEngine(microscope))    # autofocus actions of a useq sequence
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pymmcore_plus import CMMCorePlus
from pymmcore_plus.mda import MDAEngine
from useq import HardwareAutofocus, MDAEvent

from aif_ros.autofocus.search import FocusRun
from aif_ros.autofocus.searches import make_search
from aif_ros.control.agents import make_agent
from aif_ros.defocus.estimators import make_estimator
from aif_ros.devices.backlash import compensated
from aif_ros.devices.clock import SystemClock
from aif_ros.devices.device import DeviceError
from aif_ros.devices.micro_manager import MicroManagerCamera, MicroManagerStage, StageSettings
from aif_ros.fusion.fuser import make_fuser
from aif_ros.optics.lens_model import LensModel
from aif_ros.pipeline.focus_map import FocusMap
from aif_ros.pipeline.focus_map_step import FocusMapStep
from aif_ros.pipeline.focus_step import focus_window
from aif_ros.pipeline.left_out import LeftOut
from aif_ros.pipeline.loop import AllInFocusPipeline, Step
from aif_ros.pipeline.rig import Rig
from aif_ros.pipeline.run_loop import run_loop
from aif_ros.types.frame import Window
from aif_ros.types.image import Image

SETTLE_TIMEOUT = 30.0
"""Seconds that a stage may take for a move: piezo stages take milliseconds, stepper stages seconds
for their whole travel."""


@dataclass(frozen=True)
class Snapshot:
    """An all-in-focus image and the height map that belongs to it.

    Attributes:
        image: (H, W) or (H, W, 3) RGB, float32 in [0, 1].
        height: (H, W) float32, stage position at which each pixel is in focus, metres; NaN where
            unknown.
        focus_map: the same by cell, with its uncertainty.
        positions: stage position of each captured image, metres.
        reason: why the capture ended.
        left_out: images that are not fused, or fused in part.
    """

    image: Image
    height: NDArray[np.float32]
    focus_map: FocusMap
    positions: list[float]
    reason: str
    left_out: LeftOut = field(default_factory=LeftOut)


class Microscope:
    """Camera and Z stage of a core as one pair.

    Args:
        core: with its devices loaded; the current camera and focus device are used.
        lens_model: calibration; its limits are the range of the stage, metres, never left.
        search: search strategy of `focus`.
        estimator: blur estimator of `all_in_focus`.
        agent: focus-control agent of `all_in_focus`.
        fusion: fusion method of `all_in_focus`.

    Raises:
        DeviceError: the core has no camera or no focus device.
    """

    def __init__(
        self,
        core: CMMCorePlus,
        lens_model: LensModel,
        *,
        search: str = "neural",
        estimator: str = "neural",
        agent: str = "planner",
        fusion: str = "laplacian",
    ) -> None:
        self.core = core
        self._lens_model = lens_model
        self._search, self._estimator, self._agent, self._fusion = search, estimator, agent, fusion
        self._clock = SystemClock()
        self._camera = MicroManagerCamera("this core", self._clock, core=core)
        stage = MicroManagerStage(
            "this core", self._clock, StageSettings(), limits=lens_model.limits, core=core
        )
        self._stage = compensated(stage, lens_model)

    def focus(self, window: Window | None = None) -> FocusRun:
        """Bring a window into focus and leave the stage there.

        Args:
            window: pixels of the image; None: a square at its centre, see `FocusOptions`.

        Raises:
            ValueError: the window does not lie within the image.
            DeviceError: a device fails.
        """
        search = make_search(self._search, self._lens_model)
        return focus_window(self._rig(), search, window)

    def all_in_focus(self, max_images: int = 30) -> Snapshot:
        """Capture as many images as it takes and fuse them.

        Args:
            max_images: at most.

        Raises:
            DeviceError: a device failed before the first image.
        """
        pipeline = AllInFocusPipeline(
            self._lens_model,
            make_fuser(self._fusion, None),
            make_estimator(self._estimator, self._lens_model),
            make_agent(self._agent, self._lens_model),
        )
        focus = FocusMapStep(self._lens_model)
        positions: list[float] = []

        def collect(step: Step) -> None:
            focus.follow(step, dynamic=pipeline.dynamic)
            if step.maps is not None:
                positions.append(step.frame.position)

        result = run_loop(self._rig(), pipeline, collect, max_frames=max_images)
        if pipeline.fused is None or focus.mapper is None:
            raise result.fault or DeviceError(f"no image could be used: {result.reason}")
        focus_map = focus.mapper.focus_map()
        image = pipeline.fused.image
        height = focus_map.enlarged((image.shape[1], image.shape[0]))
        return Snapshot(image, height, focus_map, positions, result.reason, pipeline.left_out)

    def _rig(self) -> Rig:
        return Rig(
            self._camera,
            self._stage,
            self._clock,
            self._lens_model,
            exposure_time=float(self.core.getExposure()) * 1e-3,
            settle_timeout=SETTLE_TIMEOUT,
        )


class AutofocusEngine(MDAEngine):
    """An acquisition engine whose autofocus actions use the image; no autofocus device needed.

    Use it for sequences with an `autofocus_plan`: at each of its events the sample is brought into
    focus, and the correction holds for the Z positions that follow, as that of an autofocus device.

    Args:
        microscope: to focus.
    """

    def __init__(self, microscope: Microscope) -> None:
        super().__init__(microscope.core)
        self._microscope = microscope

    def exec_event(self, event: MDAEvent) -> Iterable[Any]:
        """Focus if the event says so; other events are those of the base class."""
        if not isinstance(event.action, HardwareAutofocus):
            yield from super().exec_event(event)
            return
        core = self._microscope.core
        before = core.getZPosition()
        try:
            run = self._microscope.focus()
        except (DeviceError, ValueError) as error:
            logging.getLogger(__name__).warning("autofocus failed: %s", error)
            core.setZPosition(before)
            return
        if not run.focused:
            logging.getLogger(__name__).warning("autofocus found no focus: %s", run.reason)
            core.setZPosition(before)
            return
        # As the base class does after an autofocus device has moved the stage.
        position = event.index.get("p", None)
        moved = core.getZPosition() - before
        self._z_correction[position] = self._z_correction.get(position, 0.0) + moved
