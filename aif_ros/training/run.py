"""A whole training: train, calibrate, measure, write weights and card."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from aif_ros.simulation.photos import fingerprint
from aif_ros.storage.atomic_write import check_writable
from aif_ros.training.card import About, Run, describe_data, source_commit, write_card
from aif_ros.training.processes import join_processes
from aif_ros.training.trainer import Network, Training, TrainingError, train
from aif_ros.weights.files import NetworkKind, Provenance, save_weights

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
    check_output(output)
    torch.set_num_threads(threads)
    with join_processes(device) as processes:
        network, figures, progress = train(
            training, processes, folder, resume=resume, workers=workers
        )
        if not processes.is_first:
            return {}
        calibration = training.calibrate(network)
        if calibration:
            figures = training.validate(network) | calibration
    run = Run(
        command,
        _without_folder(asdict(training.recipe)),
        _sha256(training.recipe.initial),
        describe_data(training.files),
        figures,
        processes.world,
        str(processes.device),
        progress,
    )
    write_weights_and_card(
        output, training.kind, network, calibration, training.about, run, training.files
    )
    return figures


def _without_folder(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the recipe with the initial weights named without their folder."""
    initial = recipe["initial"]
    return recipe if initial is None else recipe | {"initial": Path(initial).name}


def _sha256(path: str | None) -> str:
    return "" if path is None else hashlib.sha256(Path(path).read_bytes()).hexdigest()


def check_output(output: Path) -> None:
    """Check that weights can be written, before they are trained.

    Raises:
        OSError: the file cannot be written.
        TrainingError: its name does not end in .safetensors.
    """
    if output.suffix != _SUFFIX:
        raise TrainingError(f"weights are written as {_SUFFIX} files, not {output.name}")
    check_writable(output)


def write_weights_and_card(
    output: Path,
    kind: NetworkKind[Network],
    network: Network,
    calibration: Mapping[str, float],
    about: About,
    run: Run,
    files: Sequence[Path],
) -> None:
    """Write weights, and their card beside them.

    Args:
        output: weights to write.
        kind: of the network.
        network: trained.
        calibration: numbers fitted after the training.
        about: what the card says whatever the run.
        run: the parts for this run.
        files: that were trained on.

    Raises:
        OSError: a file cannot be read or written.
    """
    trained_on = tuple(fingerprint(path) for path in files)
    provenance = Provenance(dict(run.recipe), source_commit(), trained_on)
    save_weights(output, kind, network, calibration, provenance)
    parameters = sum(value.numel() for value in network.parameters())
    card = output.with_suffix(".md")
    write_card(card, kind.name, about, run, parameters, network.architecture)
