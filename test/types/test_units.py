import pytest

from aif_ros.types.units import UnitError, check_metres


@pytest.mark.parametrize("positions", [[], [0.0, 1.5e-3], [-3.9e-3], [0.4]])
def test_positions_of_motors_pass(positions):
    check_metres("--start", positions)


@pytest.mark.parametrize("positions", [[0, 1, 2], [1e-3, -250.0], [1.5]])
def test_steps_micrometres_and_millimetres_are_refused(positions):
    with pytest.raises(UnitError, match=r"--start: .* give metres"):
        check_metres("--start", positions)
