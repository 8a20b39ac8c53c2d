import numpy as np
import pytest

from aif_ros.benchmarks.device_reaction import BACKENDS, reaction_times
from aif_ros.devices.device import MissingDependencyError


@pytest.mark.parametrize("name", BACKENDS)
def test_each_backend_is_timed_from_command_to_motion(name):
    if name == "micro_manager":
        pytest.importorskip("pymmcore_plus", reason="needs pymmcore-plus")
        pytest.importorskip("mm_test_adapters", reason="needs mm-test-adapters")
    try:
        times = reaction_times(name, 2, np.random.default_rng(0))
    except MissingDependencyError as error:
        pytest.skip(str(error))
    assert len(times) == 2
    # No limit from above: it would measure how busy the computer is.
    assert min(times) > 0
