"""Errors about the fields of dataclasses, in one line."""

from typing import Annotated

import pytest
from pydantic import Field
from pydantic.dataclasses import dataclass

from aif_ros.types.checked import CHECKED, from_mapping


@dataclass(frozen=True, config=CHECKED)
class Exposure:
    seconds: Annotated[float, Field(gt=0)]
    gains: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self):
        if self.gains[0] > self.gains[1]:
            raise ValueError("gains must ascend")


def test_lists_become_tuples_and_defaults_hold():
    assert from_mapping(Exposure, {"seconds": 2, "gains": [1, 2]}) == Exposure(2.0, (1.0, 2.0))
    assert from_mapping(Exposure, {"seconds": 0.5}).gains == (1.0, 1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "seconds is missing"),
        ({"seconds": 1, "second": 2}, "there is no second"),
        ({"seconds": "soon"}, "seconds: Input should be a valid number.*, got 'soon'"),
        ({"seconds": float("nan")}, "seconds: Input should be a finite number, got nan"),
        ({"seconds": 0}, "seconds: Input should be greater than 0, got 0"),
        ({"seconds": 1, "gains": [1, "x"]}, r"gains\.1: .*, got 'x'"),
        ({"seconds": 1, "gains": [2, 1]}, "^gains must ascend"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(values, message):
    with pytest.raises(ValueError, match=message) as error:
        from_mapping(Exposure, values)
    assert "\n" not in str(error.value)


def test_of_many_errors_three_are_named_and_long_values_shortened():
    values = {"seconds": "x" * 500, "gains": ["y" * 500, "z" * 500], "a": 1, "b": 2}
    with pytest.raises(ValueError) as error:
        from_mapping(Exposure, values)
    assert str(error.value).count(";") <= 2
    assert len(str(error.value)) < 500
