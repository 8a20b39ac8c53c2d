import cv2
import numpy as np
import torch

from aif_ros.autofocus.searches import make_search
from aif_ros.benchmarks import latency
from aif_ros.optics.lens_model import DEFAULT_CALIBRATION, LensModel


def test_only_the_step_is_timed():
    called = []
    timing = latency.measure(lambda: called.append("s"), 7, lambda: called.append("p"))
    assert called[:4] == ["p", "s", "p", "s"]
    assert called.count("s") == called.count("p") >= 7
    assert 0 <= timing.median <= timing.p99
    assert timing.as_dict() == {"median": timing.median, "p99": timing.p99}


def test_median_and_tail_are_of_the_steps(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(latency.time, "perf_counter", lambda: now[0])
    done = []

    def step():
        done.append(0)
        now[0] += 0.050 if len(done) % 20 == 0 else 0.002

    timing = latency.measure(step, 200)
    assert np.isclose(timing.median, 2.0)
    assert np.isclose(timing.p99, 50.0)


def test_threads_are_set_and_restored():
    before = torch.get_num_threads(), cv2.getNumThreads()
    with latency.threads(1):
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
    assert (torch.get_num_threads(), cv2.getNumThreads()) == before


def test_picture_has_texture_and_its_size():
    picture = latency.textured_image(96, 64)
    assert picture.shape == (64, 96) and picture.dtype == np.uint8
    assert picture.std() > 10
    assert np.array_equal(picture, latency.textured_image(96, 64))


def test_every_step_processes_the_window_once():
    lens_model = LensModel.load(DEFAULT_CALIBRATION)
    search = make_search("fibonacci", lens_model)
    timing = latency.search_step(search, latency.textured_image(64, 64), lens_model, 3)
    assert len(search.measurements) == 1
    assert timing.median > 0


def test_gpu_is_timed_only_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert latency.network_on_gpu(latency.textured_image(64, 64), 1) is None
