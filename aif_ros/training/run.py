"""A whole training: train, fit the temperature, measure, write weights and card."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from aif_ros.simulation.photos import fingerprint
from aif_ros.storage.atomic_write import check_writable
from aif_ros.training.card import TrainingRun, write_card
from aif_ros.training.processes import join_processes
from aif_ros.training.trainer import Network, Training, TrainingError, train
from aif_ros.weights.files import Provenance, save_weights

_SUFFIX = ".safetensors"


def train_and_save(
    training: Training[Network],
    output: Path,
    folder: Path,
    command: str,
    *,
    resume: bool = False,
    workers: int = 1,
    threads: int = 1,
    device: str = "auto",
) -> dict[str, float]:
    """Train a network and write its weights, and its card beside them.

    Args:
        training: what to train, on what, and how.
        output: weights to write, ending in .safetensors.
        folder: for checkpoint and TensorBoard.
        command: that does so, for the card.
        resume: continue from the folder's checkpoint.
        workers: processes that make samples.
        threads: CPU threads of this process.
        device: "auto", "cpu" or "cuda".

    Returns:
        Figures on data that was not trained on; empty in all processes but the first.

    Raises:
        CheckpointError: the training cannot be resumed.
        ComputeDeviceError: there is no such device.
        OSError: a file cannot be read or written.
        PhotosError: the data cannot be trained on.
        TrainingError: the loss is not finite, or `output` does not end in .safetensors.
    """
    if output.suffix != _SUFFIX:
        raise TrainingError(f"weights are written as {_SUFFIX} files, not {output.name}")
    check_writable(output)
    torch.set_num_threads(threads)
    with join_processes(device) as processes:
        network, progress = train(training, processes, folder, resume=resume, workers=workers)
        if not processes.is_first:
            return {}
        fitted = training.fit_temperature(network)
        figures = training.measure(network) | fitted
    run = TrainingRun(
        command,
        progress.commits,
        _without_folder(asdict(training.recipe)),
        _sha256(training.recipe.initial),
        training.data(),
        figures,
        processes.world,
        str(processes.device),
        progress,
        training.optimiser_name,
    )
    _save(training, network, fitted, run, output)
    return figures


def _save(
    training: Training[Network],
    network: Network,
    fitted: Mapping[str, float],
    run: TrainingRun,
    output: Path,
) -> None:
    """Write the weights, and their card beside them."""
    trained_on = tuple(fingerprint(path) for path in training.files)
    save_weights(output, training.kind, network, fitted, _provenance(run, trained_on))
    parameters = sum(value.numel() for value in network.parameters())
    card = output.with_suffix(".md")
    write_card(card, training.kind.name, training.about, run, parameters, network.architecture)


def _provenance(run: TrainingRun, trained_on: tuple[str, ...]) -> Provenance:
    # JSON has neither NaN nor infinity.
    finite = {name: value for name, value in run.figures.items() if math.isfinite(value)}
    return Provenance(
        dict(run.recipe), run.commit, trained_on, run.command, run.initial_sha256, finite
    )


def _without_folder(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe with the initial weights named without their folder."""
    initial = recipe["initial"]
    return recipe if initial is None else recipe | {"initial": Path(initial).name}


def _sha256(path: str | None) -> str:
    return "" if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()
