"""Scenes by name or folder."""

from pathlib import Path

from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.scenes.photo import folder_scene, motorcycle
from aif_ros.simulation.scenes.planes import PlanesScene
from aif_ros.simulation.scenes.scene import Scene, SceneError
from aif_ros.simulation.scenes.scene_motion import CrossingObject, MovedCamera
from aif_ros.simulation.scenes.video import VideoScene

SCENES = ("motorcycle", "planes", "moving_planes")
"""Names of the scenes that need no files."""


def open_scene(
    name: str,
    lens_model: LensModel,
    width: int = 0,
    *,
    shake: float = 0.0,
    pan: float = 0.0,
    crossing: float = 0.0,
) -> Scene:
    """Open a scene for the simulated camera.

    Args:
        name: one of `SCENES`, a folder with `image.*` and `depth.*`, or a folder of RGB-D video
            with `rgb/` and `depth/`; empty: the motorcycle.
        lens_model: of the camera's lens.
        width: of its images, pixels; 0: the scene's own.
        shake: hand shake put upon it, standard deviation in pixels.
        pan: pan put upon it, pixels per second.
        crossing: speed of an object crossing before it, pixels per second; 0: none.

    Raises:
        SceneError: there is no such scene, or its files are unusable.
    """
    scene = _still_or_recorded(name, lens_model, width)
    if crossing:
        scene = CrossingObject(scene, lens_model, speed=crossing)
    if shake or pan:
        scene = MovedCamera(scene, shake=shake, pan=pan)
    return scene


def _still_or_recorded(name: str, lens_model: LensModel, width: int) -> Scene:
    if name in ("", "motorcycle"):
        return motorcycle(lens_model, width)
    if name in ("planes", "moving_planes"):
        size = (width or 640, (width or 640) * 3 // 4)
        return PlanesScene(lens_model, size, speed=60.0 if name == "moving_planes" else 0.0)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        raise SceneError(
            f"there is no scene '{name}': give {', '.join(SCENES)}, or an existing folder or file"
        )
    if (folder / "rgb").is_dir():
        return VideoScene(folder, lens_model, width)
    if any(folder.glob("depth.*")):
        return folder_scene(folder, lens_model, width)
    raise SceneError(
        f"{folder} is no scene: it holds neither image.* and depth.*, nor rgb/ and depth/, nor a "
        "focal stack (two or more numbered images, or an info.yaml)"
    )
