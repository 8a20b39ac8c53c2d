"""Train the network that tells the blur radius from a single image.

Makes patches of known blur out of a folder of sharp photos (DIV2K, CLIC and DAVIS as they come, or
any other), trains on four fifths of them, measures on the rest, and writes weights with a model
card. TensorBoard's files and the checkpoint go to --folder. Several GPUs: start it by torchrun.

  aif train estimator --photos photos/ --output my/estimator.safetensors
  aif train estimator --photos photos/ --minutes 60 --folder runs/estimator --resume
  torchrun --nproc-per-node 4 -m aif_ros train estimator --photos photos/
"""

from dataclasses import dataclass

from aif_ros.cli.train._blur import BlurTraining, Folder, Minutes, Output, train_and_write


@dataclass(frozen=True)
class Arguments(BlurTraining):
    """Arguments of the command."""

    output: Output = "estimator.safetensors"
    folder: Folder = "runs/estimator"
    minutes: Minutes = 27.0


def run(args: Arguments) -> int:
    """Train, measure, write."""
    return train_and_write(args, "estimator")
