"""Camera and lens that the settings of the pipeline name: one rule with and without ROS."""

from dataclasses import dataclass
from pathlib import Path

from aif_ros.devices.focal_stack import names_stack
from aif_ros.settings.declaration import SettingError
from aif_ros.settings.nodes import REAL_LENSES
from aif_ros.settings.pipeline import CAMERAS, PipelineSettings


@dataclass(frozen=True)
class ChosenDevices:
    """Camera and lens that the settings `camera`, `lens` and `scene` name.

    Attributes:
        camera: kind of the camera, one of `CAMERAS`; stack: whenever the scene is replayed.
        camera_source: address of a real camera; empty: the first one, or no real camera.
        lens: backend of the lens; external; or empty: not chosen. That of a stack is always stack.
        lens_source: address of a real lens; empty: as the parameter file says, or no real lens.
    """

    camera: str
    camera_source: str
    lens: str
    lens_source: str


def chosen_devices(settings: PipelineSettings) -> ChosenDevices:
    """Return the devices that the settings name.

    Raises:
        SettingError: there is no such camera, or camera, lens and scene do not fit each other.
    """
    camera, source = _camera(settings)
    lens, colon, address = settings.lens.partition(":")
    if colon and lens not in REAL_LENSES:
        raise SettingError(f"lens={lens} has no address: leave out ':{address}'")
    if camera == "stack":
        if not settings.scene:
            raise SettingError("camera=stack needs the folder of the focal stack: scene=FOLDER")
        if lens in ("", "simulated"):
            lens = "stack"
    elif lens == "stack":
        raise SettingError(
            f"lens=stack is the lens of a recorded focal stack, not for camera={settings.camera}: "
            "name the folder of the stack, scene=FOLDER, or leave lens=stack out"
        )
    if camera in ("device", "external"):
        if settings.scene:
            raise SettingError(f"scene has no meaning with camera={settings.camera}: leave it out")
        if not lens:
            raise SettingError(
                f"camera={settings.camera} needs an explicit lens: a real one, "
                "lens=BACKEND:ADDRESS; with ROS also lens=external if another program drives it, "
                "or lens=simulated, which drives no real lens"
            )
    return ChosenDevices(camera, source, lens, address)


def _camera(settings: PipelineSettings) -> tuple[str, str]:
    """Return the kind of the camera and the address of a real one."""
    camera = settings.camera
    if camera == "simulated" and names_stack(settings.scene):
        return "stack", ""
    if camera in CAMERAS:
        return camera, ""
    if not (camera.isdecimal() or Path(camera).exists() or ":" in camera):
        raise SettingError(
            f"there is no camera '{camera}': choose from {', '.join(CAMERAS)}, or give an index, a "
            "path or BACKEND:ADDRESS (`aif devices` lists what is connected)"
        )
    return "device", camera
