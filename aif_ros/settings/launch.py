"""Switches of the launch file, beside `PipelineSettings`."""

from dataclasses import dataclass
from typing import Annotated

from typing_extensions import Doc

PAGE_PORT = 8080
"""Port of the live page where none is chosen: the usual one for HTTP without root rights."""


@dataclass(frozen=True)
class LaunchSettings:
    """What the launch file starts, and how."""

    one_process: Annotated[bool, Doc("Run all nodes in one process.")] = False
    publish_tf: Annotated[
        bool,
        Doc("Publish the static transform from camera_link to the frame of the images (frame_id)."),
    ] = True
    rviz: Annotated[bool, Doc("Open RViz with the package's layout.")] = False
    rqt: Annotated[bool, Doc("Open rqt with the package's layout.")] = False
    view: Annotated[
        bool,
        Doc(
            f"Serve the live page at http://localhost:{PAGE_PORT} (see `aif view`); at another "
            "free port, which is printed, where this one is taken."
        ),
    ] = False
