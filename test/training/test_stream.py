"""The stream of training samples: what is drawn depends on seed and step only."""

from functools import partial

import numpy as np
import pytest
import torch

from aif_ros.simulation.photos import PhotosError
from aif_ros.training.blur_data import BlurRecipe
from aif_ros.training.processes import Processes
from aif_ros.training.recipe import load_recipe
from aif_ros.training.stream import SampleSource, Stream

ALONE = Processes(0, 1, torch.device("cpu"))


def recipe(**changes):
    defaults = {"batch": 3, "pool": 8, "reuse": 2.0, "steps": 40}
    return load_recipe(BlurRecipe, "blur.yaml", defaults | changes)


def single(index):
    return [index]


def draws(stream, first=0, last=40):
    return [stream.draw(step, np.random.default_rng(step)) for step in range(first, last)]


@pytest.mark.parametrize(("pool", "reuse"), [(8, 1.0), (8, 3.0), (1000, 2.0)])
@pytest.mark.parametrize("first", [1, 25, 39])
def test_a_resumed_stream_equals_an_uninterrupted_one(pool, reuse, first) -> None:
    sources = [
        SampleSource("pairs", lambda index: [("pairs", index, 0), ("pairs", index, 1)], 2),
        SampleSource("single", lambda index: [("single", index)], 1),
    ]

    def drawn(start):
        return draws(Stream(sources, recipe(pool=pool, reuse=reuse), start, ALONE, 0), start)

    whole = drawn(0)
    assert drawn(first) == whole[first:]
    assert {sample[0] for sample in whole[6]} == {"pairs"}
    assert {sample[0] for sample in whole[7]} == {"single"}
    assert max(whole[38]) > max(whole[0])


def test_a_batch_comes_from_the_newest_samples_only():
    """The pool holds the last 8; the first step has the whole pool."""
    batches = draws(Stream([SampleSource("single", single, 1)], recipe(), 0, ALONE, 0))
    made = 8
    for step, batch in enumerate(batches):
        assert len(batch) == 3
        newest = made + int(step * 3 / 2.0)
        assert all(newest - 8 <= sample < newest for sample in batch)


@pytest.mark.parametrize("reuse", [1.0, 3.0])
def test_each_sample_is_drawn_so_many_times_in_the_mean(reuse):
    made = []

    def make(index):
        made.append(index)
        return [index]

    draws(
        Stream([SampleSource("it", make, 1)], recipe(reuse=reuse, steps=200), 0, ALONE, 0), 0, 200
    )
    assert made == list(range(len(made)))
    assert 200 * 3 / (len(made) - 8) == pytest.approx(reuse, rel=0.02)


def test_processes_share_the_groups_out():
    seen = []
    for rank in range(2):
        processes = Processes(rank, 2, torch.device("cpu"))
        stream = Stream([SampleSource("single", single, 1)], recipe(), 0, processes, 0)
        seen.append({sample for batch in draws(stream) for sample in batch})
    assert all(sample % 2 == 0 for sample in seen[0])
    assert all(sample % 2 == 1 for sample in seen[1])


def failing(error, index):
    if index == 9:
        raise error("no photograph is sharp")
    return [index]


def test_data_that_cannot_be_trained_on_are_reported_by_the_draw_that_needs_them():
    stream = Stream([SampleSource("it", partial(failing, PhotosError), 1)], recipe(), 0, ALONE, 0)
    stream.draw(0, np.random.default_rng(0))
    with pytest.raises(PhotosError, match="no photograph is sharp"):
        draws(stream, 1)


def test_groups_larger_than_the_pool_are_kept_one_at_a_time():
    large = SampleSource("large", lambda index: [index] * 20, 20)
    for batch in draws(Stream([large], recipe(reuse=1.0), 0, ALONE, 0)):
        assert len(set(batch)) == 1
