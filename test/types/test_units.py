import pytest

from aif_ros.types.units import UnitError, check_metres, position_within


@pytest.mark.parametrize("positions", [[], [0.0, 1.5e-3], [-3.9e-3], [0.4]])
def test_positions_of_motors_pass(positions):
    check_metres("--start", positions)


@pytest.mark.parametrize("positions", [[0, 1, 2], [1e-3, -250.0], [1.5]])
def test_steps_micrometres_and_millimetres_are_refused(positions):
    with pytest.raises(UnitError, match=r"--start: .* give metres"):
        check_metres("--start", positions)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_limit_as_it_is_printed_lies_within(sign):
    limits = sorted((0.0, sign * 400 * 4e-6))
    assert position_within(sign * 0.0016, limits) in limits
    assert position_within(sign * 0.0017, limits) is None
    assert position_within(-sign * 1e-6, limits) is None
    far = 0.0123456789 * sign
    assert position_within(float(f"{far:.6g}"), sorted((0.0, far))) == pytest.approx(far, rel=1e-5)


def test_no_number_lies_within():
    assert position_within(float("nan"), (0.0, 1e-3)) is None
