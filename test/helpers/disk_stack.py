"""A stack on disk whose slices are sharp side by side."""

import cv2
import numpy as np

from aif_ros.devices.image_files.slices import open_slices
from aif_ros.simulation.scenes.planes import texture
from aif_ros.types.image import to_uint8

SIZE = (160, 120)
SHAPE = SIZE[::-1]
SCENE = texture(SIZE, np.random.default_rng(3))


def slices(folder, edit=lambda images: None, dtype=np.uint8):
    """Five slices, each sharp in a fifth of its width, with noise of their own."""
    images = []
    for index in range(5):
        image = cv2.GaussianBlur(SCENE, (0, 0), 2.0)
        part = np.s_[:, 32 * index : 32 * index + 32]
        image[part] = SCENE[part]
        noise = np.random.default_rng(index).normal(0, 0.01, image.shape)
        images.append(to_uint8(np.asarray(image + noise, np.float32)))
    edit(images)
    for index, image in enumerate(images):
        scaled = image.astype(dtype) * (np.iinfo(dtype).max // 255)
        cv2.imwrite(str(folder / f"{index}.png"), scaled[..., ::-1])
    return open_slices([folder])
