"""Opens the scene of a simulated camera by name: rendered, or a recorded focal stack."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aif_ros.devices.device import DeviceError
from aif_ros.devices.focal_stack import FocalStack, names_stack
from aif_ros.devices.image_files.folder import log_once
from aif_ros.devices.image_files.stack_axes import Selection
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.scenes.open_scene import open_scene
from aif_ros.simulation.simulated_camera import Subject


@dataclass(frozen=True)
class OpenedSubject:
    """A subject and the lens it is seen through.

    Attributes:
        subject: the scene of the camera.
        lens_model: of the lens.
        name: of the scene or stack.
        rests: the only lens positions at which the lens can rest, metres; None: any.
        moving: whether it changes with time.
    """

    subject: Subject
    lens_model: LensModel
    name: str
    rests: Sequence[float] | None = None
    moving: bool = False

    @property
    def stack(self) -> FocalStack | None:
        """The focal stack; None: it is a scene."""
        return self.subject if isinstance(self.subject, FocalStack) else None


def open_stack(
    path: str, calibrated: LensModel | None = None, selection: Selection | None = None
) -> OpenedSubject:
    """Open a recorded focal stack.

    Args:
        path: its folder or file.
        calibrated: calibration of the lens; None: what the stack suggests.
        selection: what to take of a file with several channels, time points or series.

    Raises:
        DeviceError: the stack is unusable.
    """
    stack = FocalStack(path, selection)
    lens_model = stack.lens_model(calibrated)
    return OpenedSubject(stack, lens_model, Path(path).name, rests=stack.positions.tolist())


def open_subject(
    name: str,
    calibration: str = "",
    width: int = 0,
    *,
    recorded: bool = False,
    selection: Selection | None = None,
    shake: float = 0.0,
    pan: float = 0.0,
    crossing: float = 0.0,
    seed: int = 0,
) -> OpenedSubject:
    """Open a scene or a stack.

    Args:
        name: of a scene, or its folder, or the folder or file of a recorded focal stack.
        calibration: lens calibration file; empty: the default lens, or what a stack suggests.
        width: of a scene's images, pixels; 0: its own. The images of a stack keep their size.
        recorded: whether it is a stack, even if its name does not show that.
        selection: what to take of a stack in a file with several channels, time points or series.
        shake: hand shake added to a scene, standard deviation in pixels.
        pan: pan added to a scene, pixels per second.
        crossing: speed of an object that crosses a scene, pixels per second; 0: none.
        seed: of the sensor noise in a scene.

    Raises:
        CalibrationError: the calibration is unusable.
        SceneError: there is no such scene, or it is unusable.
        DeviceError: the stack is unusable, or a selection is given for what is no stack.
    """
    if recorded or names_stack(name):
        if width:
            log_once(f"{name}: width {width} is not used: the images of a stack keep their size")
        return open_stack(name, LensModel.load(calibration) if calibration else None, selection)
    if selection is not None and selection != Selection():
        raise DeviceError(
            f"{name or 'the default scene'} is no focal stack: only a stack in a file has "
            "channels, time points and series"
        )
    lens_model = LensModel.load(calibration or DEFAULT_CALIBRATION)
    scene = open_scene(name, lens_model, width, shake=shake, pan=pan, crossing=crossing)
    subject = RenderedScene(scene, lens_model, seed=seed)
    return OpenedSubject(subject, lens_model, scene.name, moving=scene.moving)
