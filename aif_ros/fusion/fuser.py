"""The stateful fuser: J(t) = f(I(t), J(t-1))."""

from collections.abc import Callable, Mapping

from aif_ros.fusion.canvas import Canvas, begin, merged, view
from aif_ros.fusion.fusion import Fused, FusionMethod
from aif_ros.fusion.laplacian import LaplacianFusion
from aif_ros.fusion.motion import find_motion
from aif_ros.fusion.pyramid import PyramidFusion
from aif_ros.images import Image, ImageError


def _neural() -> FusionMethod:
    # PyTorch takes a second and 200 MB: only those who want it shall pay.
    from aif_ros.fusion.neural import NeuralFusion

    return NeuralFusion()


FUSION_METHODS: Mapping[str, Callable[[], FusionMethod]] = {
    "laplacian": LaplacianFusion,
    "pyramid": PyramidFusion,
    "neural": _neural,
}
"""Fusion methods by the name that selects them."""


class Fuser:
    """Holds J and merges one frame after the other into it.

    Args:
        method: merges two aligned images.
        moving: whether camera or scene may move: then J is kept on a canvas that each frame is
            brought onto, and carried over to where things are in the frame before the two are
            merged. A frame of another scene begins a new J.
    """

    def __init__(self, method: FusionMethod, *, moving: bool = False) -> None:
        self._method = method
        self._moving = moving
        self._fused: Fused | None = None
        self._canvas: Canvas | None = None

    @property
    def fused(self) -> Fused | None:
        """J so far; None before the first frame."""
        return self._fused

    def reset(self) -> None:
        """Forget J: a new scene begins."""
        self._fused = self._canvas = None

    def add(self, image: Image, position: float) -> Fused:
        """Merge a frame and return the new J.

        Args:
            image: I(t) without breathing, (H, W) or (H, W, 3), float32 in [0, 1].
            position: its lens position, metres.

        Raises:
            ImageError: its shape differs from J's; J has not changed.
        """
        if self._fused is not None and image.shape != self._fused.image.shape:
            raise ImageError(
                f"a frame of shape {image.shape} does not fit the fused image of shape "
                f"{self._fused.image.shape}: reset the fusion to begin a new one"
            )
        if self._moving:
            self._canvas = self._moved_canvas(image, position)
            self._fused = view(self._canvas)
        else:
            self._fused = self._method.merge(image, position, self._fused)
        return self._fused

    def _moved_canvas(self, image: Image, position: float) -> Canvas:
        if self._canvas is not None:
            motion = find_motion(self._canvas.fused.image, image, self._canvas.pose)
            if motion.same_scene:
                return merged(self._canvas, self._method, image, position, motion)
        return begin(self._method.merge(image, position, None))


def make_fuser(name: str, *, moving: bool = False) -> Fuser:
    """Make a fuser by the name of its method, one of `FUSION_METHODS`.

    Args:
        name: of the method.
        moving: see `Fuser`.

    Raises:
        ValueError: there is no such method.
    """
    if name not in FUSION_METHODS:
        raise ValueError(f"there is no fusion method '{name}': choose {', '.join(FUSION_METHODS)}")
    return Fuser(FUSION_METHODS[name](), moving=moving)
