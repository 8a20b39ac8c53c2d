"""How much of a scene a fused image covers: the coverage score, and the oracle that reaches it.

One definition for the reward, the stop and the score of focus control: after the last frame every
part of the scene that has detail is as sharp in J as a full focal sweep would make it. The
controller estimates it from defocus maps (`FocusBelief.remaining`), the trainer computes it from
the focus positions that it has drawn (`FocusSimulation.covered`), and this module measures it on
images, with the truth.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aif_ros.control.coverage import KEPT_SHARPNESS
from aif_ros.control.focus_belief import candidate_positions
from aif_ros.fusion.fuser import Fuser
from aif_ros.optics.lens_model import LensModel
from aif_ros.simulation.metrics import psnr
from aif_ros.simulation.rendered_scene import RenderedScene
from aif_ros.simulation.renderer import Renderer
from aif_ros.simulation.scenes.scene import Scene
from aif_ros.simulation.truth import Truth, to_reference_geometry
from aif_ros.types.image import Image, to_gray

Array = NDArray[np.floating]

TILE = 32
"""Side of the tiles that are scored, pixels; about a cell of the defocus maps."""

LEAST_DETAIL = 0.008
"""Sharpness of a tile in the truth, grey levels per pixel (full scale 1), that counts as detail.

Three times what a good camera's noise (standard deviation 1.5 / 255) adds to it.
"""

_BLOCK = 8
"""Side of the parts of a tile, pixels, each of which the oracle takes from its sharpest frame."""


def tile_sharpness(image: Image, side: int = TILE) -> NDArray[np.float32]:
    """Root mean square of the Sobel gradient in each tile.

    Args:
        image: (H, W) or (H, W, 3), float32 in [0, 1].
        side: of the tiles, pixels. What remains at the right and lower border is left out.

    Returns:
        (H // side, W // side) float32, grey levels per pixel.
    """
    return np.sqrt(_gradient_energy(image, side))


def _gradient_energy(image: Image, side: int) -> NDArray[np.float32]:
    gray = to_gray(image)
    right = cv2.Sobel(gray, cv2.CV_32F, 1, 0, scale=0.125)
    below = cv2.Sobel(gray, cv2.CV_32F, 0, 1, scale=0.125)
    rows, columns = gray.shape[0] // side, gray.shape[1] // side
    energy = (right * right + below * below)[: rows * side, : columns * side]
    return np.asarray(energy.reshape(rows, side, columns, side).mean(axis=(1, 3)))


@dataclass(frozen=True)
class CoverageReference:
    """What the tiles of J are compared with.

    Attributes:
        detailed: (rows, columns) bool, tiles with detail in the truth.
        sharpness: (rows, columns) sharpness that a full sweep reaches.
        psnr: of the full sweep's J, dB.
    """

    detailed: NDArray[np.bool_]
    sharpness: NDArray[np.float32]
    psnr: float

    @classmethod
    def of(cls, truth: Image, swept: Image) -> "CoverageReference":
        """Compare with the J of a full sweep.

        Args:
            truth: the sharp scene in the reference geometry.
            swept: J of the full sweep, same shape.
        """
        return cls(tile_sharpness(truth) > LEAST_DETAIL, tile_sharpness(swept), psnr(swept, truth))

    def covered_tiles(self, fused: Image) -> NDArray[np.bool_]:
        """(rows, columns) bool: tiles without detail, or at least 0.9 as sharp as the sweep's."""
        return ~self.detailed | (tile_sharpness(fused) >= KEPT_SHARPNESS * self.sharpness)

    def covered(self, fused: Image) -> float:
        """Share of the tiles with detail that J covers; 1 if there are none."""
        count = int(self.detailed.sum())
        return float((self.covered_tiles(fused) & self.detailed).sum() / count) if count else 1.0


def sweep_image(
    scene: Scene, lens: LensModel, positions: Sequence[float], fuser: Fuser, model: LensModel
) -> Image:
    """Return J of frames of a still scene at the given lens positions.

    Args:
        scene: a still scene.
        lens: of the camera.
        positions: metres, in the order of capture.
        fuser: empty.
        model: calibration of the lens.
    """
    camera = RenderedScene(scene, lens)
    for position in positions:
        frame = to_reference_geometry(camera.expose(position, 0.0), position, model)
        fuser.add(frame, position)
    assert fuser.fused is not None, "a sweep has at least one position"
    return fuser.fused.image


def oracle_captures(
    scene: Scene,
    lens: LensModel,
    model: LensModel,
    reference: CoverageReference,
    new_fuser: Callable[[], Fuser],
    start: float,
    *,
    required: float = 0.99,
    psnr_tolerance: float = 0.2,
    limit: int = 40,
) -> list[float]:
    """Return few captures after which J covers the scene and is as good as a full sweep's.

    Greedy choice by the truth: of all candidate positions the next is the one whose frame brings
    the tiles nearest to what they need, where each part of a tile comes from its sharpest frame.
    Then the frames are really fused, and captures added until the fused image itself has the
    required coverage and PSNR. After both stages, captures that the others make superfluous are
    dropped.

    Args:
        scene: a still scene.
        lens: of the camera.
        model: calibration of the lens, with its limits.
        reference: what is asked for.
        new_fuser: makes a fuser that has seen nothing.
        start: position captured in any case, metres.
        required: share of the tiles to cover.
        psnr_tolerance: how far J may stay below the full sweep's, dB.
        limit: captures at most.

    Returns:
        Lens positions after `start`, metres, in the order of a short move: from the nearer end.
    """
    truth = Truth(scene, lens).at(0.0)[0]
    choice = _GreedyChoice.of(scene, lens, model, reference, start)

    def suffices(image: Image) -> bool:
        good = psnr(image, truth) >= reference.psnr - psnr_tolerance
        return bool(good and reference.covered(image) >= required)

    def fused(indices: list[int]) -> Image:
        positions = [start, *choice.path(indices)]
        return sweep_image(scene, lens, positions, new_fuser(), model)

    chosen: list[int] = []
    while choice.share(chosen) < required and len(chosen) < limit:
        chosen.append(choice.next(chosen, reference.detailed))
    chosen = _without_superfluous(chosen, chosen, lambda rest: choice.share(rest) >= required)
    planned = list(chosen)
    while not suffices(image := fused(chosen)) and len(chosen) < limit:
        addition = choice.next(chosen, reference.detailed & ~reference.covered_tiles(image))
        if addition in chosen:
            break
        chosen.append(addition)
    if len(chosen) > len(planned):
        # Additions may have made others superfluous.
        chosen = _without_superfluous(chosen, planned, lambda rest: suffices(fused(rest)))
    return choice.path(chosen)


@dataclass(frozen=True)
class _GreedyChoice:
    """Chooses captures by the sharpness that the truth gives each of them.

    Attributes:
        candidates: positions that may be captured, metres.
        start: position captured in any case, metres.
        energy: (candidates + 1, rows, columns) gradient energy of the blocks of each frame, that
            of the start last.
        wanted: (rows, columns) sharpness that each tile needs; 0 without detail.
        detailed: (rows, columns) bool, tiles with detail.
    """

    candidates: NDArray[np.float64]
    start: float
    energy: Array
    wanted: Array
    detailed: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        scene: Scene,
        lens: LensModel,
        model: LensModel,
        reference: CoverageReference,
        start: float,
    ) -> "_GreedyChoice":
        """Render a frame of each position; see `oracle_captures`."""
        candidates = candidate_positions(model, scene.size[0])
        renderer = Renderer(scene.view(0.0), lens)
        frames = (
            to_reference_geometry(renderer.render(position), position, model)
            for position in (*candidates, start)
        )
        energy = np.stack([_gradient_energy(frame, _BLOCK) for frame in frames])
        wanted = np.where(reference.detailed, KEPT_SHARPNESS * reference.sharpness, 0)
        return cls(candidates, start, energy, wanted, reference.detailed)

    def share(self, chosen: Sequence[int]) -> float:
        """Share of the tiles with detail that reach what they need."""
        reached = _of_tiles(self._best(chosen)) >= self.wanted
        return float(reached[self.detailed].mean()) if self.detailed.any() else 1.0

    def next(self, chosen: Sequence[int], pending: NDArray[np.bool_]) -> int:
        """Index of the candidate that gains most for the `pending` tiles."""
        best = self._best(chosen)
        together = [np.maximum(best, frame) for frame in self.energy[:-1]]
        gains = [self._progress(each, pending) for each in together]
        if max(gains) - self._progress(best, pending) < 1e-6:
            gains = [float(np.sqrt(each).sum()) for each in together]
        return int(np.argmax(gains))

    def path(self, chosen: Sequence[int]) -> list[float]:
        """Lens positions, metres, from the end nearer to the start on."""
        ahead = sorted(float(self.candidates[index]) for index in chosen)
        nearer_high = ahead and abs(self.start - ahead[-1]) < abs(self.start - ahead[0])
        return ahead[::-1] if nearer_high else ahead

    def _best(self, chosen: Sequence[int]) -> Array:
        """Energy of each block in its sharpest frame, that of the start included."""
        return np.asarray(self.energy[[*chosen, -1]].max(axis=0))

    def _progress(self, best: Array, pending: NDArray[np.bool_]) -> float:
        reached = np.minimum(_of_tiles(best) / np.maximum(self.wanted, 1e-9), 1)
        return float(reached[pending].sum())


def _without_superfluous(
    chosen: Sequence[int], candidates: Sequence[int], suffices: Callable[[list[int]], bool]
) -> list[int]:
    """Drop those of the `candidates` without which the others suffice, one after the other."""
    kept = list(chosen)
    for index in candidates:
        others = [other for other in kept if other != index]
        if suffices(others):
            kept = others
    return kept


def _of_tiles(energy: Array) -> Array:
    """Sharpness of the tiles, from the gradient energy (rows, columns) of their blocks."""
    per_tile = TILE // _BLOCK
    rows, columns = energy.shape[0] // per_tile, energy.shape[1] // per_tile
    whole = energy[: rows * per_tile, : columns * per_tile]
    return np.asarray(np.sqrt(whole.reshape(rows, per_tile, columns, per_tile).mean(axis=(1, 3))))
