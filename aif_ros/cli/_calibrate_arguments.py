"""Arguments of `aif calibrate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import JsonFile
from aif_ros.cli._exposure import ExposureOption
from aif_ros.cli._live import CameraOption, LensOption
from aif_ros.cli._stack_options import Channel, Series, Time
from aif_ros.settings.declaration import Limits, OneOf
from aif_ros.settings.nodes import SEARCHES


@dataclass(frozen=True)
class Arguments:
    """Arguments of the command."""

    photos: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="FILE|FOLDER"),
        Doc("The focused and the defocused photograph, or the folder of a sweep."),
    ] = ()
    output: Annotated[
        Path | None,
        tyro.conf.arg(metavar="FILE", aliases=("-o",)),
        Doc("Calibration to write (required)."),
    ] = None
    camera: CameraOption = ""
    lens: LensOption = ""
    range: Annotated[
        tuple[float, float] | None,
        tyro.conf.arg(metavar="LOW HIGH"),
        Doc("Lens positions to sweep live, metres (default: the whole travel)."),
    ] = None
    slices: Annotated[int, Limits(5, 200), Doc("Images of a live sweep.")] = 15
    exposure_time: ExposureOption = None
    search: Annotated[
        str, SEARCHES, Doc("Search strategy of the autofocus that proves a live calibration.")
    ] = "fibonacci"
    travel: Annotated[
        float | None,
        tyro.conf.arg(metavar="M"),
        Doc(
            "Lens travel from the first photograph to the second, or from slice to slice; a sweep "
            "may have it in info.yaml."
        ),
    ] = None
    back: Annotated[
        Path | None,
        tyro.conf.arg(metavar="FOLDER"),
        Doc("Sweep of the way back, from which the backlash of the motor is measured."),
    ] = None
    channel: Channel = None
    time: Time = None
    series: Series = None
    near: Annotated[
        tuple[int, int, int, int] | None,
        tyro.conf.arg(metavar="X Y WIDTH HEIGHT"),
        Doc(
            "Part of the image, pixels, with an object nearer than the rest: shows whether the "
            "positions grow towards near objects, as they must."
        ),
    ] = None
    higher_focuses: Annotated[
        str,
        OneOf(("near", "far"), or_empty=True),
        Doc(
            "Objects that are in focus at the higher lens positions, if you know it (they must be "
            "the near ones). Empty: found from the device or the images, where they show it."
        ),
    ] = ""
    name: Annotated[
        str | None, Doc("Name of the lens, for reports (default: that of the file).")
    ] = None
    metres_per_step: Annotated[
        float, tyro.conf.arg(metavar="M"), Limits(1e-12, 1.0), Doc("Travel of one motor step.")
    ] = 1e-6
    limits: Annotated[
        tuple[float, float] | None,
        tyro.conf.arg(metavar="LOW HIGH"),
        Doc("Travel of the lens (default: what the photographs span)."),
    ] = None
    plot: Annotated[
        Path | None, tyro.conf.arg(metavar="FILE"), Doc("Check plot to draw (PNG).")
    ] = None
    json: JsonFile = None

    @property
    def live(self) -> bool:
        """Whether to calibrate through a camera, not from photographs."""
        return bool(self.camera or self.lens)
