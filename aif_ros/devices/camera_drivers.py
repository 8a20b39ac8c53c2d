"""How the ROS drivers of cameras offer their focus, and the settings of a lens behind one (no ROS).

Checked against their sources:

- christianrauch/camera_ros ac71910 (0.7.0): `src/ParameterHandler.cpp` declares every libcamera
  control by its name, with its range; values wait for the next frame, and a call that comes before
  it *replaces* what an earlier one has left. `src/CameraNode.cpp` publishes the metadata of each
  request on `/diagnostics`, stamped and named (`frame_id`) as the image, `LensPosition` among them.
  In libcamera's `control_ids_core.yaml` (raspberrypi/libcamera 26bfadc) `AfModeManual` is 0, and
  `LensPosition`, in dioptres, is ignored in other modes.
- tier4/ros2_v4l2_camera 1029edd, `src/v4l2_camera.cpp`, and version 0.7.1 of the original in
  renesas-rdk/ros2_v4l2_camera 5067248, `src/parameters.cpp`: names of the V4L2 controls in lower
  case, without commas and brackets, blanks as underscores; integers with their range, no step.
  Version 0.7.1 ignores, and does not refuse, a position while automatic focus is on.
- ros-drivers/usb_cam 772b25f, `src/usb_cam_node.cpp`: `autofocus` (bool) and `focus` (integer, no
  range, -1: untouched), which a change hands to `v4l2-ctl`; nothing is refused.
- luxonis/depthai-ros 9132443, `depthai_ros_driver/src/param_handlers/sensor_param_handler.cpp`:
  `r_focus` (0 to 255) in the group of the sensor (`rgb`, or `color` with `camera.i_rs_compat`),
  ignored while `r_set_man_focus` is false; nothing is refused. Version 3 (2d3f2cd) declares
  `r_focus`, without a range, only if `r_set_man_focus` is true when the driver starts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from typing_extensions import Doc

from aif_ros.devices.backends import Backend
from aif_ros.devices.motor_settings import MetresPerUnit, MotorSettings
from aif_ros.settings.declaration import Limits, OneOf


@dataclass(frozen=True)
class Driver:
    """How a camera driver offers its focus.

    Attributes:
        parameter: holds the focus position.
        prepare: parameters that switch automatic focus off, in the group of `parameter` (what is
            before its last dot). Alternatives are separated by "|": the first that the driver has
            is set.
        low: lowest position where the driver declares no range.
        high: highest position where the driver declares no range.
        metadata: key of the lens position in the metadata that the driver publishes with each
            frame on `/diagnostics`; empty: it publishes none.
        missing: why the driver may not have declared `parameter`, and what helps.
    """

    parameter: str
    prepare: Mapping[str, bool | int]
    low: float | None = None
    high: float | None = None
    metadata: str = ""
    missing: str = ""

    def alternatives(self) -> list[tuple[list[str], bool | int]]:
        """Return the full names and the value of each entry of `prepare`."""
        group = "".join(self.parameter.rpartition(".")[:2])
        return [
            ([group + name for name in names.split("|")], value)
            for names, value in self.prepare.items()
        ]


DRIVERS: Mapping[str, Driver] = {
    # Dioptres; AfMode 0 is AfModeManual of libcamera.
    "camera_ros": Driver("LensPosition", {"AfMode": 0}, metadata="LensPosition"),
    # "Focus, Automatic Continuous" since Linux 6.0, "Focus, Auto" before.
    "v4l2_camera": Driver("focus_absolute", {"focus_automatic_continuous|focus_auto": False}),
    # No range is declared: "0-255, -1 leave alone".
    "usb_cam": Driver("focus", {"autofocus": False}, 0.0, 255.0),
    "depthai_ros": Driver(
        "rgb.r_focus",
        {"r_set_man_focus": True},
        0.0,
        255.0,
        missing="start the driver with r_set_man_focus: true (version 3 has it only then)",
    ),
}
"""By the name of the driver package."""


@dataclass(frozen=True)
class ParameterLensSettings(MotorSettings):
    """Focus parameter of another node; the unit is that of the parameter.

    Travel in metres is nominal: only the product of travel and blur matters.
    """

    metres_per_unit: MetresPerUnit = 1e-5
    settling_time: Annotated[
        float,
        Limits(0.0, 60.0),
        Doc(
            "Seconds until the lens has settled after the driver has taken a value; where "
            "the metadata of the frames show the lens position, they decide instead."
        ),
    ] = 0.3
    preset: Annotated[
        str, OneOf(tuple(DRIVERS), or_empty=True), Doc("Camera driver of that node. Empty: none.")
    ] = ""
    parameter: Annotated[str, Doc("Name of the parameter. Empty: that of the preset.")] = ""

    def driver(self) -> Driver:
        """Return the driver of the preset, with the parameter that was chosen.

        Raises:
            ValueError: neither preset nor parameter is given.
        """
        if not self.preset and not self.parameter:
            raise ValueError(
                f"a lens by parameter needs preset={'|'.join(DRIVERS)} or parameter=NAME"
            )
        driver = DRIVERS.get(self.preset) or Driver(self.parameter, {})
        return replace(driver, parameter=self.parameter or driver.parameter)


PARAMETER_LENS = Backend(
    "lens that another ROS node drives by a parameter",
    "NODE",
    "ros_parameter:/camera?preset=camera_ros",
    "camera_drivers",
    "",
    "ParameterLensSettings",
)
"""Backend `ros_parameter`; the lens itself needs ROS, see `aif_ros.nodes.parameter_lens`."""
