import pytest
from gymnasium.utils.env_checker import check_env

from aif_ros.optics.lens_model import LensModel
from aif_ros.training.focus_environment import FocusEnvironment
from aif_ros.training.focus_task import Task

LENS = LensModel("test", 1e-6, (0.0, 1.5e-3), 90000.0, 3840)


@pytest.mark.filterwarnings("ignore:.*A Box observation space.*:UserWarning")
def test_keeps_to_the_interface():
    check_env(FocusEnvironment(LENS, 320), skip_render_check=True)


def test_stopping_terminates_and_the_limit_truncates():
    environment = FocusEnvironment(LENS, 320, Task(frame_limit=2))
    environment.reset(seed=1)
    assert environment.step(len(environment.positions))[2:4] == (True, False)
    environment.reset(seed=1)
    assert environment.step(0)[2:4] == (False, True)


def test_shows_maps_and_lens_position():
    environment = FocusEnvironment(LENS, 320, Task(grid=(4, 5)))
    observation, info = environment.reset(seed=2)
    assert observation["fused_radius"].shape == (4, 5)
    assert 0 <= observation["position"][0] <= 1.5e-3
    assert info["frames"] == 1
