"""Training of the fusion network.

The network fuses whole sequences frame by frame, and learns through all of its updates.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from aif_ros.fusion.network import FUSION_WEIGHTS, STRIDE, FusionNetwork
from aif_ros.training.card import About
from aif_ros.training.fusion_batches import (
    FusionRecipe,
    Prepared,
    SequenceBatch,
    collate,
    cut_square,
    gather,
    prepare,
)
from aif_ros.training.fusion_loss import fusion_loss, log_error
from aif_ros.training.fusion_scenes import SceneFiles
from aif_ros.training.fusion_sequences import random_pair, random_sequence
from aif_ros.training.fusion_statistics import STATISTICS
from aif_ros.training.fusion_unrolled import fuse
from aif_ros.training.sample_training import SampleTraining
from aif_ros.training.stream import SampleSource

KINDS = ("still", "moving", "pairs")
"""Kinds of sequences; the steps learn from each in turn."""

_HELD_OUT = 1 << 40
"""First index of the sequences to measure on; those that are trained on have smaller ones."""


def make_sequence(
    sources: SceneFiles, recipe: FusionRecipe, kind: str, index: int
) -> list[Prepared]:
    """Render the sequence of an index, ready to cut from; N is 1.

    Args:
        sources: photographs, scenes and graphics.
        recipe: of the training; its seed and `index` determine the sequence.
        kind: one of `KINDS`.
        index: of the sequence.
    """
    random = np.random.default_rng((recipe.seed, KINDS.index(kind), index))
    if kind == "pairs":
        return [prepare([random_pair(sources, recipe.size, random)])]
    moving = kind == "moving"
    return [prepare([random_sequence(sources, recipe.size, recipe.frames, random, moving=moving)])]


def psnr_of(network: nn.Module, sequences: Sequence[Prepared]) -> float:
    """Mean PSNR, dB, of the last J over sequences, which are cut to a multiple of 16."""
    device = next(network.parameters()).device
    random = np.random.default_rng(0)
    figures = []
    with torch.inference_mode():
        for sequence in sequences:
            side = sequence.frames.shape[2] // STRIDE * STRIDE
            order = np.arange(sequence.frames.shape[1])
            batch = gather([cut_square(sequence, 0, order, side, random)]).to(device)
            error = log_error(fuse(network, batch)[-1], batch.truths[:, -1])
            figures.append(-10 * float(error))
    return float(np.mean(figures))


class FusionTraining(SampleTraining[FusionNetwork]):
    """Training of the fusion network; a part of the scenes is held out to measure on."""

    kind = FUSION_WEIGHTS
    recipe: FusionRecipe
    about = About(
        "Fusion network",
        "computes how much of each pixel of J(t) comes from I(t), as a correction of the choice by "
        "Laplacian energy.",
        "Photos become scenes by being given depth; scenes with measured depth and videos are "
        "taken as they are. All are rendered with occlusion, focus breathing and noise: still "
        "scenes, scenes in which camera and objects move, and pairs of frames each part of which "
        "is sharp in one of the two. A fifth of the photos, chosen by a hash of their names, and "
        "the scenes named in the command are held out.",
        "PSNR, dB, of the last J, mean over sequences of held-out photos and scenes; `untrained`: "
        "of the choice by Laplacian energy that the network begins as.",
        "aif benchmark fusion",
        (
            "Where no frame is sharp, J is not: nothing is invented.",
            f"Blur of more than {STATISTICS.largest_radius:.0f} px radius was not seen in "
            "training.",
            "J depends on the order of the frames: by up to 0.03 dB, and by up to 17 % of full "
            "scale in single pixels (two scenes of 10 frames in three orders).",
            "Brightness that varies by up to 10 % between frames, which is matched before merging, "
            "costs 0.0 to 2.1 dB (the same scenes).",
        ),
    )

    def __init__(self, recipe: FusionRecipe, train: SceneFiles, held_out: SceneFiles) -> None:
        """Render what to measure on.

        Args:
            recipe: how to train.
            train: scenes to train on.
            held_out: scenes to measure on.
        """
        self.recipe = recipe
        self.files = train.files()
        self.sources = [
            SampleSource(kind, partial(make_sequence, train, recipe, kind), 1) for kind in KINDS
        ]
        self._held_out = {
            kind: [
                make_sequence(held_out, recipe, kind, _HELD_OUT + index)[0]
                for index in range(recipe.validation_sequences)
            ]
            for kind in KINDS
        }
        untrained = FusionNetwork().eval()
        self._untrained = {
            f"psnr_untrained/{kind}": psnr_of(untrained, sequences)
            for kind, sequences in self._held_out.items()
        }

    def build(self) -> FusionNetwork:
        """Return the untrained network: the choice by Laplacian energy."""
        return FusionNetwork()

    def collate(self, samples: Sequence[Prepared], random: np.random.Generator) -> SequenceBatch:
        """See `collate`."""
        return collate(samples, self.recipe, random)

    def predict(self, network: nn.Module, batch: SequenceBatch) -> list[Tensor]:
        """Return every J(t)."""
        return fuse(network, batch)

    def loss(self, prediction: list[Tensor], batch: SequenceBatch) -> Tensor:
        """See `fusion_loss`."""
        return fusion_loss(prediction, batch)

    def validate(self, network: FusionNetwork) -> dict[str, float]:
        """Return the PSNR on each kind of held-out sequences, and that of the untrained network."""
        trained = {
            f"psnr/{kind}": psnr_of(network, sequences)
            for kind, sequences in self._held_out.items()
        }
        return trained | self._untrained
