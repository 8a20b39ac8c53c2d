"""Train the network that tells whether an image is in focus.

Makes patches of known blur out of a folder of sharp photos (DIV2K, CLIC and DAVIS as they come, or
any other), trains on four fifths of them, measures on the rest, and writes weights with a model
card. TensorBoard's files and the checkpoint go to --folder. Several GPUs: start it by torchrun.

  aif train discriminator --photos photos/ --output my/discriminator.safetensors
  aif train discriminator --photos photos/ --minutes 30 --folder runs/discriminator --resume
  torchrun --nproc-per-node 4 -m aif_ros train discriminator --photos photos/
"""

import argparse

from aif_ros.cli.train._blur import add_blur_arguments, train_and_write


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    add_blur_arguments(parser, "discriminator", minutes=14)


def run(args: argparse.Namespace) -> int:
    """Train, measure, write."""
    return train_and_write(args, "discriminator")
