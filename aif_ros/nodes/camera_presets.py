"""How camera drivers offer their focus.

Checked against their sources:

- christianrauch/camera_ros ac71910: `src/ParameterHandler.cpp` declares every libcamera control by
  its name, with its range; `src/CameraNode.cpp` publishes the metadata of each request on
  `/diagnostics`, stamped and named (`frame_id`) as the image, `LensPosition` among them. In
  libcamera's `control_ids_core.yaml` `AfModeManual` is 0; `LensPosition` only holds in that mode.
- tier4/ros2_v4l2_camera 1029edd, `src/v4l2_camera.cpp`: names of the V4L2 controls in lower case,
  without commas and brackets, blanks as underscores; integers with their range, no step.
- ros-drivers/usb_cam 772b25f, `src/usb_cam_node.cpp`: `autofocus` (bool) and `focus` (integer, no
  range, -1: untouched), which a change hands to `v4l2-ctl`.
- luxonis/depthai-ros 9132443, `depthai_ros_driver/src/param_handlers/sensor_param_handler.cpp`:
  `r_focus` (0 to 255) of the sensor's name, used only while `r_set_man_focus` is true.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """How a camera driver offers its focus.

    Attributes:
        parameter: holds the focus position.
        prepare: parameters that switch automatic focus off. Alternatives are separated by "|": the
            first that the driver has is set.
        low: lowest position where the driver declares no range.
        high: highest position where the driver declares no range.
        metadata: key of the lens position in the metadata that the driver publishes with each
            frame on `/diagnostics`; empty: it publishes none.
    """

    parameter: str
    prepare: Mapping[str, bool | int]
    low: float | None = None
    high: float | None = None
    metadata: str = ""


PRESETS: Mapping[str, Preset] = {
    # Dioptres; AfMode 0 is AfModeManual of libcamera.
    "camera_ros": Preset("LensPosition", {"AfMode": 0}, metadata="LensPosition"),
    # "Focus, Automatic Continuous" since Linux 6.0, "Focus, Auto" before.
    "v4l2_camera": Preset("focus_absolute", {"focus_automatic_continuous|focus_auto": False}),
    # No range is declared: "0-255, -1 leave alone".
    "usb_cam": Preset("focus", {"autofocus": False}, 0.0, 255.0),
    "depthai_ros": Preset("rgb.r_focus", {"rgb.r_set_man_focus": True}, 0.0, 255.0),
}
"""Presets by the name of the driver package."""
