"""What a simulated camera looks at, by name: a rendered scene or a recorded focal stack."""

from collections.abc import Sequence

from aif_ros.devices.focal_stack import FocalStack, is_focal_stack
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.scenes.open_scene import open_scene
from aif_ros.simulation.simulated_camera import Subject


def open_subject(
    name: str, calibration: str | None = None, width: int = 0
) -> tuple[Subject, LensModel, Sequence[float] | None]:
    """Open a scene or a stack.

    Args:
        name: of a scene, or its folder, or the folder of a recorded focal stack.
        calibration: lens calibration file; default: the shipped lens, or what a stack suggests.
        width: of a scene's pictures, pixels; 0: its own.

    Returns:
        What the camera sees, the lens in use, and the only positions at which that can rest
        (None: any).

    Raises:
        CalibrationError: the calibration is unusable.
        SceneError: there is no such scene, or it is unusable.
        DeviceError: the stack is unusable.
    """
    if name and is_focal_stack(name):
        stack = FocalStack(name)
        lens_model = stack.lens_model(LensModel.load(calibration) if calibration else None)
        return stack, lens_model, list(stack.positions)
    lens_model = LensModel.load(calibration or DEFAULT_CALIBRATION)
    scene = open_scene(name, lens_model, width)
    return RenderedScene(scene, lens_model), lens_model, None
