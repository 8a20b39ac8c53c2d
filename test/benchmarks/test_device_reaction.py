import numpy as np
import pytest

from aif_ros.benchmarks.device_reaction import BACKENDS, reaction_times


@pytest.mark.parametrize("name", BACKENDS)
def test_each_backend_is_timed_from_command_to_motion(name):
    times = reaction_times(name, 2, np.random.default_rng(0))
    assert len(times) == 2
    # No limit from above: it would measure how busy the computer is.
    assert min(times) > 0
