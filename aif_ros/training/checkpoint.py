"""Checkpoints: what a training needs to continue to exactly the weights it would have reached.

Random numbers are seeded anew at every step, so that network, optimiser and step are enough.
"""

import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from aif_ros.storage.atomic_write import write_bytes

NAME = "checkpoint.pt"


class CheckpointError(Exception):
    """A checkpoint that cannot be continued from; the message says why and what to do."""


def save_checkpoint(
    folder: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    step: int,
    recipe: Mapping[str, Any],
) -> None:
    """Write the folder's checkpoint; an older one is replaced as a whole or not at all."""
    state = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "step": step,
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
) -> int:
    """Restore network and optimiser from the folder's checkpoint.

    Nothing in the file is executed.

    Args:
        folder: of the training.
        network: to restore.
        optimiser: of its parameters.
        recipe: that it must have been made with.

    Returns:
        The number of steps done.

    Raises:
        CheckpointError: there is none, it is damaged, or it was made with another recipe.
    """
    path = folder / NAME
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path} to resume from: omit --resume")
    device = next(network.parameters()).device
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        made_with, step = dict(state["recipe"]), int(state["step"])
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
        raise CheckpointError(f"checkpoint {path} is of another program: omit --resume") from error
    if different:
        raise CheckpointError(
            f"checkpoint {path} was made with another recipe ({', '.join(different)[:200]}): "
            "use that one, or another --folder"
        )
    return step
