"""Photographs that come with scikit-image, with the licences that its documentation states."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from skimage import data

from aif_ros.training.card import DataSet

_CC0 = "CC0 1.0"


class SamplePhoto(NamedTuple):
    """A photograph.

    Attributes:
        name: of the function in `skimage.data` that reads it.
        file: name of its file.
        licence: as the documentation of that function states it.
    """

    name: str
    file: str
    licence: str

    @property
    def path(self) -> Path:
        """Its file."""
        return Path(data.__file__).parent / self.file

    def read(self) -> NDArray[np.uint8]:
        """Return it as (H, W) or (H, W, 3) RGB."""
        return np.asarray(getattr(data, self.name)(), np.uint8)

    def describe(self) -> DataSet:
        """Return its row in a card.

        Raises:
            OSError: the file cannot be read.
        """
        checksum = hashlib.sha256(self.path.read_bytes()).hexdigest()
        return DataSet(f"scikit-image, {self.file}", 1, checksum, self.licence)


PHOTOS = (
    SamplePhoto("astronaut", "astronaut.png", "public domain (NASA)"),
    SamplePhoto("brick", "brick.png", f"{_CC0} (CC0Textures)"),
    SamplePhoto("camera", "camera.png", f"{_CC0} (Lav Varshney)"),
    SamplePhoto("chelsea", "chelsea.png", f"{_CC0} (Stefan van der Walt)"),
    SamplePhoto("coffee", "coffee.png", f"{_CC0} (Rachel Michetti)"),
    SamplePhoto("coins", "coins.png", "no known copyright restrictions (Brooklyn Museum)"),
    SamplePhoto("gravel", "gravel.png", f"{_CC0} (CC0Textures)"),
    SamplePhoto("rocket", "rocket.jpg", "public domain (SpaceX)"),
)
"""As of scikit-image 0.16 to 0.26; `camera` was another image before 0.18."""
