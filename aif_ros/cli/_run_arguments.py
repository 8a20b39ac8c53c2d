"""Arguments of `aif run`."""

from dataclasses import dataclass
from typing import Annotated

import tyro
from typing_extensions import Doc

from aif_ros.cli import JsonFile
from aif_ros.cli._exposure import ExposureOption
from aif_ros.cli._stack_options import Channel, Series, Time
from aif_ros.settings.declaration import Limits, SetsParameter
from aif_ros.settings.pipeline import CAMERA_DOC, CAMERAS, PipelineSettings

DEFAULT_TIMEOUT = 300.0
"""Seconds after which a loop with ROS is ended: no loop in the tests of this package takes longer
than a minute, and one that waits for a device must not wait without end."""


@dataclass(frozen=True)
class Arguments(PipelineSettings):
    """Arguments of the command."""

    camera: Annotated[
        str,
        tyro.conf.arg(metavar="|".join((*CAMERAS, "CAMERA"))),
        CAMERA_DOC,
    ] = "simulated"
    save_path: Annotated[
        str,
        tyro.conf.arg(metavar="FILE", aliases=("-o", "--output")),
        SetsParameter("save_path"),
        Doc("File that the fused image is written to at the end."),
    ] = ""
    ros: Annotated[bool, Doc("Run as ROS 2 nodes, each in a process of its own.")] = False
    one_process: Annotated[bool, Doc("Run as ROS 2 nodes, all of them in this process.")] = False
    forever: Annotated[
        bool, Doc("Continue after the loop has stopped, until Ctrl-C (needs ROS).")
    ] = False
    exposure_time: ExposureOption = None
    focus_map: Annotated[
        str,
        tyro.conf.arg(metavar="FILE"),
        Doc(
            "32-bit TIFF to write at the end, without ROS: lens position at which each pixel is "
            "in focus, metres (the height map of a microscope); NaN where unknown."
        ),
    ] = ""
    depth_map: Annotated[
        str,
        tyro.conf.arg(metavar="FILE"),
        Doc(
            "32-bit TIFF to write at the end, without ROS: distance of each pixel from the camera, "
            "metres; needs object_distances in the calibration."
        ),
    ] = ""
    channel: Channel = None
    time: Time = None
    series: Series = None
    timeout: Annotated[
        float | None,
        tyro.conf.arg(metavar="SECONDS"),
        Limits(0.0, 1e9),
        Doc(
            "With ROS, end the loop after this time if it has not stopped (default: "
            f"{DEFAULT_TIMEOUT:g})."
        ),
    ] = None
    json: JsonFile = None

    @property
    def runner(self) -> str:
        """library, one-process or processes."""
        if self.one_process:
            return "one-process"
        return "processes" if self.ros else "library"
