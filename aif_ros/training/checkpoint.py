"""Checkpoints: what a training needs to continue to exactly the weights it would have reached.

Random numbers are seeded at every step, so that network, optimiser and step are enough.
"""

import io
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from aif_ros.storage.atomic_write import write_bytes

NAME = "checkpoint.pt"


class Progress(NamedTuple):
    """How far a training is.

    Attributes:
        step: number of steps done.
        seconds: that they took.
        cpu_seconds: of this process that they took.
        commits: of the source code that did them, in their order; "": unknown.
    """

    step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    commits: tuple[str, ...] = ()


class Stopwatch:
    """Measures what a training takes, beginning with what earlier runs took.

    Args:
        earlier: what they took.
        commit: of the source code of this run; "": unknown.
    """

    def __init__(self, earlier: Progress, commit: str) -> None:
        self._earlier, self._commit = earlier, commit
        self._begin = time.monotonic() - earlier.seconds
        self._cpu_begin = time.process_time() - earlier.cpu_seconds

    def progress(self, step: int) -> Progress:
        """Return how far the training is."""
        commits = self._earlier.commits
        if self._earlier.step and not commits:
            commits = ("",)  # a checkpoint of a version that did not record them
        if step > self._earlier.step and self._commit not in commits[-1:]:
            commits = (*commits, self._commit)
        return Progress(
            step,
            time.monotonic() - self._begin,
            time.process_time() - self._cpu_begin,
            commits,
        )


class CheckpointError(Exception):
    """A checkpoint that cannot be continued from; the message says why and what to do."""


def save_checkpoint(
    folder: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    recipe: Mapping[str, Any],
) -> None:
    """Write the folder's checkpoint; an older one is replaced as a whole or not at all.

    Args:
        folder: existing.
        network: its weights are saved.
        optimiser: its state is saved.
        progress: of the run.
        recipe: of the run; a later run must have the same.
    """
    state = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "progress": tuple(progress),
        "recipe": dict(recipe),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_bytes(folder / NAME, buffer.getvalue())


def load_checkpoint(
    folder: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    recipe: Mapping[str, Any],
) -> Progress:
    """Restore network and optimiser from the folder's checkpoint.

    Nothing in the file is executed.

    Args:
        folder: of the training.
        network: to restore.
        optimiser: of its parameters.
        recipe: that it must have been made with.

    Returns:
        How far it is.

    Raises:
        CheckpointError: there is none, it is damaged, or it was made with another recipe.
    """
    path = folder / NAME
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path} to resume from: omit --resume")
    device = next(network.parameters()).device
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        made_with, progress = dict(state["recipe"]), Progress(*state["progress"])
        different = sorted(
            name
            for name in made_with.keys() | recipe.keys()
            if made_with.get(name) != recipe.get(name)
        )
        if not different:
            network.load_state_dict(state["network"])
            optimiser.load_state_dict(state["optimiser"])
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, LookupError) as error:
        raise CheckpointError(f"checkpoint {path} is damaged: omit --resume") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(
            f"checkpoint {path} was written by another version: omit --resume"
        ) from error
    if different:
        raise CheckpointError(
            f"checkpoint {path} was made with another recipe ({', '.join(different)[:200]}): "
            "use that one, or another --folder"
        )
    return progress
