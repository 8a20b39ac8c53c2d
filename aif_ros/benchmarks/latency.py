"""Duration of one step of autofocus: the paper's Table 2.

A step is what happens between a captured window and the next command to the lens: conversion from
8 bits, the measurement (sharpness, or the blur network), and the decision.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from aif_ros.autofocus.search import FocusSearch
from aif_ros.defocus.defocus_map import BlurEstimator
from aif_ros.defocus.network import BLUR_WEIGHTS, pool_votes
from aif_ros.optics.lens_model import LensModel
from aif_ros.types.image import to_float
from aif_ros.weights import WEIGHTS
from aif_ros.weights.files import load_weights

_WARM_UP = 5
"""Calls before those that are timed: memory is allocated and kernels are chosen in them."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds."""

    median: float
    p99: float

    def as_dict(self) -> dict[str, float]:
        """Return it ready for JSON."""
        return {"median": self.median, "p99": self.p99}


def textured_image(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """An image with texture at all scales, (height, width) uint8: smoothed noise of 1 / f."""
    random = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for level in range(6):
        shape = (height >> level, width >> level)
        noise = random.standard_normal(shape, np.float32)
        total += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC)
    total = cv2.GaussianBlur(total, (0, 0), 1.0)
    return np.asarray(cv2.normalize(total, None, 10, 245, cv2.NORM_MINMAX).astype(np.uint8))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Let torch and OpenCV use `count` threads within the context."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def measure(
    step: Callable[[], Any], repeats: int, prepare: Callable[[], Any] = lambda: None
) -> Timing:
    """Time `step`, each time after `prepare`, which does not count.

    Args:
        step: is timed.
        repeats: how often, after some times that warm up caches.
        prepare: is called before each `step`.
    """
    durations = []
    gc.collect()
    for _ in range(_WARM_UP + repeats):
        prepare()
        begun = time.perf_counter()
        step()
        durations.append(1e3 * (time.perf_counter() - begun))
    median, p99 = np.percentile(durations[_WARM_UP:], (50, 99))
    return Timing(float(median), float(p99))


def search_step(
    search: FocusSearch, window: NDArray[np.uint8], lens_model: LensModel, repeats: int
) -> Timing:
    """Time how long a search takes for one image of `window`, (H, W) or (H, W, 3) uint8.

    Args:
        search: begins anew before each image.
        window: (H, W) or (H, W, 3) uint8.
        lens_model: the image is at the middle of its travel.
        repeats: see `measure`.
    """
    low, high = lens_model.limits
    start = (low + high) / 2
    return measure(
        lambda: search.update(to_float(window), start),
        repeats,
        lambda: search.begin(start, lens_model.limits, lens_model.calibration_width),
    )


def distance_map(estimator: BlurEstimator, image: NDArray[np.uint8], repeats: int) -> Timing:
    """Time the blur map of `image`, (H, W) or (H, W, 3) uint8."""
    return measure(lambda: estimator.estimate(to_float(image)), repeats)


def network_on_gpu(window: NDArray[np.uint8], repeats: int) -> Timing | None:
    """Time the blur network on the GPU, transfers included; None where there is no GPU."""
    if not torch.cuda.is_available():
        return None
    network = load_weights(
        WEIGHTS / f"{BLUR_WEIGHTS.name}.safetensors", BLUR_WEIGHTS
    ).network.cuda()

    def step() -> None:
        luma = torch.from_numpy(window).cuda()[None, None].float() / 255
        pool_votes(network(luma)).cpu()

    with torch.inference_mode():
        return measure(step, repeats)
