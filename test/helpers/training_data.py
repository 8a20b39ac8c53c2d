"""Small photos and recipes to train on."""

from pathlib import Path

import cv2
import numpy as np
import yaml

from aif_ros.simulation.photos import is_held_out
from aif_ros.training.recipe import RECIPES


def write_photos(folder: Path, *, to_train: int = 2, size: int = 560) -> Path:
    """Write pictures of sharp random squares: some to train on, one that is held out."""
    random = np.random.default_rng(0)
    folder.mkdir()
    names = [folder / f"squares_{number}.png" for number in range(40)]
    held_out = next(name for name in names if is_held_out(name))
    for name in [held_out, *[name for name in names if not is_held_out(name)][:to_train]]:
        picture = np.zeros((size, size, 3), np.uint8)
        for _ in range(1500):
            (x, y), side = random.integers(0, size - 20, 2), int(random.integers(8, 40))
            colour = [int(value) for value in random.integers(0, 255, 3)]
            cv2.rectangle(picture, (int(x), int(y)), (int(x) + side, int(y) + side), colour, -1)
        cv2.imwrite(str(name), picture)
    return folder


def write_recipe(path: Path, kind: str, **changes) -> Path:
    """Write the shipped recipe of a kind of network with some values changed."""
    values = yaml.safe_load((RECIPES / f"{kind}.yaml").read_text())
    path.write_text(yaml.safe_dump(values | changes))
    return path
