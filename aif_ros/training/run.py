"""A whole training: train, calibrate, measure, write weights and card."""

import time
from dataclasses import asdict
from pathlib import Path

import torch

from aif_ros.simulation.photos import fingerprint
from aif_ros.storage.atomic_write import check_writable
from aif_ros.training.card import Run, describe_data, source_commit, write_card
from aif_ros.training.processes import Processes, join_processes
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
        DeviceError: there is no such device.
        OSError: a file cannot be read or written.
        PhotosError: the data cannot be trained on.
        TrainingError: the loss is not finite, or `output` does not end in .safetensors.
    """
    if output.suffix != _SUFFIX:
        raise TrainingError(f"weights are written as {_SUFFIX} files, not {output.name}")
    check_writable(output)
    torch.set_num_threads(threads)
    began, cpu = time.monotonic(), time.process_time()
    with join_processes(device) as processes:
        network, figures = train(training, processes, folder, resume=resume, workers=workers)
        if not processes.is_first:
            return {}
        calibration = training.calibrate(network)
        if calibration:
            figures = training.validate(network) | calibration
    duration = (time.monotonic() - began) / 60, (time.process_time() - cpu) / 60
    _write(training, network, calibration, figures, output, command, processes, duration)
    return figures


def _write(
    training: Training[Network],
    network: Network,
    calibration: dict[str, float],
    figures: dict[str, float],
    output: Path,
    command: str,
    processes: Processes,
    duration: tuple[float, float],
) -> None:
    recipe = asdict(training.recipe)
    provenance = Provenance(
        recipe, source_commit(), tuple(fingerprint(path) for path in training.files)
    )
    save_weights(output, training.kind, network, calibration, provenance)
    run = Run(
        command,
        recipe,
        describe_data(training.files, training.folder),
        figures,
        processes.world,
        str(processes.device),
        *duration,
    )
    parameters = sum(value.numel() for value in network.parameters())
    write_card(
        output.with_suffix(".md"),
        training.kind.name,
        training.about,
        run,
        parameters,
        network.architecture,
    )
