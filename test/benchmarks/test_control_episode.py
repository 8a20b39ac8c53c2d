from dataclasses import replace

import numpy as np
import pytest
from noise_planes import HEIGHT, LENS, WIDTH, Steps, rig

from aif_ros.benchmarks.control_episode import OracleAgent, run_episode
from aif_ros.benchmarks.coverage import CoverageReference
from aif_ros.control.agent import Action, Observation
from aif_ros.defocus.defocus_map import DefocusMap

NEAR, MIDDLE, FAR = 0.2e-3, 0.5e-3, 1.1e-3
"""Focus positions of the three planes of `Steps`."""
BETWEEN = 0.8e-3
"""Where no plane is in focus."""


class Listed:
    """Moves to the given lens positions, then stops."""

    def __init__(self, *positions, remaining=float("nan")):
        self._positions, self._remaining = list(positions), remaining

    def reset(self):
        pass

    def act(self, observation):
        if not self._positions:
            return Action(None, None, "the list has ended", self._remaining)
        return Action(self._positions.pop(0), None, "next of the list", self._remaining)


def episode_of(*positions, start=BETWEEN, settings=None, remaining=float("nan"), **options):
    scene = Steps()
    agent = Listed(*positions, remaining=remaining)
    return run_episode(scene, "listed", agent, settings or rig(scene), start, **options)


def test_the_oracle_goes_through_its_list_and_begins_again_after_a_reset():
    unknown = np.full((2, 2), np.nan)
    blur = DefocusMap(unknown, unknown, unknown, unknown, (64, 64))
    observation = Observation(blur, blur, np.zeros((2, 2), np.float32), 0.0)
    agent = OracleAgent([1e-4, 2e-4])
    for _ in range(2):
        assert [agent.act(observation).position for _ in range(3)] == [1e-4, 2e-4, None]
        agent.reset()


def test_captures_and_travel_are_those_of_the_agent():
    episode = episode_of(FAR, MIDDLE)
    assert (episode.frames, episode.stopped) == (3, True)
    assert episode.reason == "the list has ended"
    assert episode.travel == pytest.approx((FAR - BETWEEN) + (FAR - MIDDLE), abs=2e-6)
    assert len(episode.decision_seconds) == 3


def test_a_capture_of_what_is_in_focus_already_counts_as_hunting():
    assert episode_of(MIDDLE, FAR).hunting_rate == 0.0
    assert episode_of(MIDDLE, MIDDLE + 4e-5, FAR).hunting_rate == pytest.approx(1 / 3)


def test_the_share_in_focus_is_that_of_the_captured_planes():
    assert episode_of(MIDDLE).in_focus_share == [pytest.approx(1 / 3)]
    assert episode_of(MIDDLE, FAR, NEAR).in_focus_share == [1.0]


def test_the_limit_of_frames_ends_an_episode():
    settings = replace(rig(Steps()), frame_limit=2)
    episode = episode_of(MIDDLE, FAR, settings=settings)
    assert (episode.frames, episode.stopped) == (2, False)


@pytest.mark.parametrize("estimate, reported", [(0.25, 0.25), (float("nan"), 1.0)])
def test_what_remains_is_the_estimate_of_the_agent(estimate, reported):
    """Without an estimate nothing is known to be covered; J has no reading of textures here."""
    settings = replace(rig(Steps()), estimator=Blind())
    assert episode_of(settings=settings, remaining=estimate).remaining == reported


class Blind:
    """Reads nothing."""

    def estimate(self, image):
        unknown = np.full((8, 12), np.nan, np.float32)
        return DefocusMap(unknown, unknown, unknown, unknown, (WIDTH, HEIGHT))


def test_coverage_is_scored_against_the_reference_only():
    complete = episode_of(MIDDLE, FAR, NEAR)
    assert np.isnan(complete.covered)
    truth = Steps().view(0.0).image
    reference = CoverageReference.of(truth, complete.steps[-1].fused.image)
    assert episode_of(MIDDLE, FAR, NEAR, reference=reference).covered == 1.0
    assert episode_of(reference=reference).covered < 0.5


def test_a_moving_scene_is_scored_at_each_frame_period_until_time_is_up():
    scene = Steps(moving=True)
    agent = Listed(*[MIDDLE, FAR] * 50)
    episode = run_episode(scene, "listed", agent, rig(scene), BETWEEN, seconds=0.4)
    assert (episode.reason, episode.stopped) == ("time is up", False)
    assert len(episode.psnr) == len(episode.in_focus_share) == pytest.approx(0.4 * 30, abs=1)


def test_the_lens_is_the_calibrated_one_unless_another_is_given():
    settings = rig(Steps())
    assert settings.true_lens is LENS
    other = replace(LENS, blur_per_metre=1.0)
    assert replace(settings, lens=other).true_lens is other
