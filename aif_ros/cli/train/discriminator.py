"""Train the network that tells whether an image is in focus.

Makes patches of known blur out of a folder of sharp photos (DIV2K, CLIC and DAVIS as they come, or
any other), trains on four fifths of them, measures on the rest, and writes weights with a model
card. TensorBoard's files and the checkpoint go to --folder. Several GPUs: start it by torchrun.

  aif train discriminator --photos photos/ --output my/discriminator.safetensors
  aif train discriminator --photos photos/ --minutes 30 --folder runs/discriminator --resume
  torchrun --nproc-per-node 4 -m aif_ros train discriminator --photos photos/
"""

from dataclasses import dataclass

from aif_ros.cli.train._blur import BlurTraining, Folder, Minutes, Output, train_and_write


@dataclass(frozen=True)
class Arguments(BlurTraining):
    """Arguments of the command."""

    output: Output = "discriminator.safetensors"
    folder: Folder = "runs/discriminator"
    minutes: Minutes = 14.0


def run(args: Arguments) -> int:
    """Train, measure, write."""
    return train_and_write(args, "discriminator")
