"""The stateful fuser: J(t) = f(I(t), J(t-1))."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aif_ros.fusion.exposure import NO_GAIN, Gain, match_exposure
from aif_ros.fusion.fusion import Fused, FusionMethod, check_finite
from aif_ros.fusion.laplacian import LaplacianFusion
from aif_ros.fusion.light_map import light_map
from aif_ros.fusion.motion import mosaic
from aif_ros.fusion.motion.estimation import Motion, estimate_motion, expected_blur
from aif_ros.fusion.motion.fused_warping import WarpOnly
from aif_ros.fusion.motion.optical_flow import flow_between_frames
from aif_ros.fusion.motion.registration import register_frames
from aif_ros.fusion.overlap import merge_covered
from aif_ros.fusion.pyramid import PyramidFusion
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import Image, ImageError, to_gray
from aif_ros.weights import is_weight_file


def _neural(device: str, path: str | None = None) -> FusionMethod:
    # Imported here: PyTorch takes a second and 200 MB, which the other methods do without.
    from aif_ros.fusion.neural import NeuralFusion

    return NeuralFusion(path, device)


FUSION_METHODS: Mapping[str, Callable[[str], FusionMethod]] = {
    "laplacian": lambda device: LaplacianFusion(),
    "pyramid": lambda device: PyramidFusion(),
    "neural": _neural,
}
"""Fusion methods by the name that selects them."""


_LEAST_GAIN = 0.04
"""Log gain up to which a frame may seem to differ from J in brightness only because it is blurred
and J is not: 0.03 on rendered scenes of strong contrast."""


class Fuser:
    """Holds J and merges one frame after the other into it.

    A frame of another exposure or white balance is made as bright as J first; see `exposure`.

    Args:
        method: merges two aligned images.
        lens_model: of the lens in use, if camera or scene may move: J is then kept on a mosaic,
            registered to each frame, and warped along the optical flow before the two are merged.
            A frame of another scene begins a new J. None: nothing moves.
    """

    def __init__(self, method: FusionMethod, lens_model: LensModel | None = None) -> None:
        self._method = method
        self._lens_model = lens_model
        self._fused: Fused | None = None
        self._mosaic: mosaic.Mosaic | None = None
        self._last: tuple[Image, float] | None = None
        self._complete = True

    @property
    def fused(self) -> Fused | None:
        """J so far; None before the first frame."""
        return self._fused

    def reset(self) -> None:
        """Discard J: a new scene begins."""
        self._fused = self._mosaic = self._last = None
        self._complete = True

    def add(self, image: Image, position: float, valid: NDArray[np.bool_] | None = None) -> Fused:
        """Merge a frame and return the new J.

        Args:
            image: I(t) without breathing, (H, W) or (H, W, 3), float32 in [0, 1].
            position: its lens position, metres.
            valid: (H, W), pixels that show the scene, where nothing moves; None: all.

        Raises:
            ImageError: its shape differs from J's, or merging it gives values that are not finite;
                J has not changed.
        """
        self._check(image)
        gain = self._gain(image)
        if self._lens_model is None:
            valid = gain.unclipped(image, valid)
            merged = self._merged(self._share_bands(gain).remove(image), position, valid)
            check_finite(merged)
            self._fused = merged
            return merged
        image = gain.remove(image)
        motion = self._motion(image, position, self._lens_model)
        if self._mosaic is not None and motion is not None:
            self._mosaic = mosaic.merge(self._mosaic, self._method, image, position, motion)
        else:
            first = self._method.merge(image, position, None)
            check_finite(first)
            self._mosaic = mosaic.begin(first)
        self._fused = mosaic.view(self._mosaic)
        return self._fused

    def _merged(self, image: Image, position: float, valid: NDArray[np.bool_] | None) -> Fused:
        """Merge the valid part of a frame; where J has not been seen yet, it begins with it."""
        if self._fused is None:
            merged = self._method.merge(image, position, None)
            if valid is not None:
                self._complete = False
                merged = replace(merged, sharpness=merged.sharpness * valid)
            return merged
        if valid is None and self._complete:
            return self._method.merge(image, position, self._fused)
        shown = np.ones(image.shape[:2], np.bool_) if valid is None else valid
        return merge_covered(self._method.merge, image.copy(), shown, position, self._fused)

    def follow(self, image: Image, position: float) -> Fused | None:
        """Warp J into the geometry of a frame that must not be merged, and return it.

        Such are frames exposed while the lens moved. J of a still scene stays as it is.

        Args:
            image: without breathing, as `add` takes it.
            position: its lens position, metres.

        Raises:
            ImageError: its shape differs from J's; J has not changed.
        """
        self._check(image)
        if self._lens_model is not None:
            image = self._gain(image).remove(image)
            motion = self._motion(image, position, self._lens_model)
            if self._mosaic is not None and motion is not None:
                self._mosaic = mosaic.merge(self._mosaic, WarpOnly(), image, position, motion)
                self._fused = mosaic.view(self._mosaic)
        return self._fused

    def _gain(self, image: Image) -> Gain:
        """By how much a frame is brighter than J, if all of it has changed alike."""
        if self._fused is None:
            return NO_GAIN
        light, reference = light_map(image), light_map(self._fused.image)
        still = self._lens_model is None
        gain = match_exposure(light, reference, _LEAST_GAIN, still=still)
        return gain if gain.even else NO_GAIN

    def _share_bands(self, gain: Gain) -> Gain:
        """Bring J to the mean of the bands of all frames so far; return what the frame then lacks.

        The bands of the frames lie elsewhere in each, so that their mean comes near to none.
        """
        if gain.bands is None or self._fused is None:
            return gain
        share = 1 / (self._fused.frames + 1)
        mean = Gain(np.ones_like(gain.factors), True, gain.bands.times(-share))
        self._fused = replace(self._fused, image=mean.remove(self._fused.image))
        return replace(gain, bands=gain.bands.times(1 - share))

    def _check(self, image: Image) -> None:
        if self._fused is not None and image.shape != self._fused.image.shape:
            raise ImageError(
                f"a frame of shape {image.shape} does not fit the fused image of shape "
                f"{self._fused.image.shape}: reset the fusion to begin a new one"
            )

    def _motion(self, image: Image, position: float, lens_model: LensModel) -> Motion | None:
        """From the frame to J on its mosaic; None where there is no J of the same scene."""
        gray = to_gray(image)
        last, self._last = self._last, (gray, position)
        if self._mosaic is None or last is None:
            return None
        before, position_before = last
        fused, blur_gain = self._mosaic.fused, lens_model.blur_gain(image.shape[1])
        shift = register_frames(before, gray)
        change = blur_gain * abs(position - position_before)
        # The flow between frames is computed during the registration to J.
        with ThreadPoolExecutor(1) as other:
            flow = other.submit(flow_between_frames, before, gray, shift, change)
            blur = expected_blur(fused, position, blur_gain)
            pose = self._mosaic.pose @ shift
            motion = estimate_motion(fused.image, image, pose, blur, flow.result)
        return motion if motion.same_scene else None


def make_method(name: str, device: str = "cpu") -> FusionMethod:
    """Make a fusion method.

    Args:
        name: one of `FUSION_METHODS`, or a weight file (`*.safetensors`) of the fusion network.
        device: that computes the networks: auto, cpu, cuda or onnxruntime.

    Raises:
        ValueError: there is no such method, no such file or no such device.
    """
    if is_weight_file(name):
        return _neural(device, name)
    if name not in FUSION_METHODS:
        raise ValueError(
            f"there is no fusion method '{name}': choose {', '.join(FUSION_METHODS)}, or name a "
            ".safetensors file"
        )
    return FUSION_METHODS[name](device)


def make_fuser(name: str, lens_model: LensModel | None = None, device: str = "cpu") -> Fuser:
    """Make a fuser by the name of its method.

    Args:
        name: of the method, see `make_method`.
        lens_model: of the lens in use, if camera or scene may move; see `Fuser`.
        device: that computes the networks: auto, cpu, cuda or onnxruntime.

    Raises:
        ValueError: there is no such method, no such file or no such device.
    """
    return Fuser(make_method(name, device), lens_model)
