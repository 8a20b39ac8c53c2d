from dataclasses import dataclass
from typing import Annotated

import pytest
from typing_extensions import Doc

from aif_ros.settings import nodes
from aif_ros.settings.declaration import (
    AtRunTime,
    Limits,
    OneOf,
    SettingError,
    declared,
    from_text,
)

Size = Annotated[int, Limits(1, 10), Doc("A size, pixels.")]


@dataclass(frozen=True)
class Example:
    size: Size = 3
    depth: Annotated[Size, AtRunTime(), Doc("A depth, pixels.")] = 4
    kind: Annotated[str, OneOf(("plain", "fancy"), or_weights=True)] = "plain"


def test_a_field_inherits_from_its_type_and_can_override_it():
    size, depth, kind = declared(Example)
    assert (size.name, size.default, size.limits) == ("size", 3, Limits(1, 10))
    assert (size.description, size.at_run_time) == ("A size, pixels.", False)
    assert (depth.description, depth.at_run_time) == ("A depth, pixels.", True)
    assert depth.limits == size.limits
    assert kind.choices.names == ("plain", "fancy")


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        (0, 10, None),
        (0, 11, "size must lie between 1 and 10; got 11"),
        (0, float("nan"), "size must lie between 1 and 10; got nan"),
        (2, "fancy", None),
        (2, "mine.safetensors", None),
        (2, "odd", "kind must be one of plain, fancy or a .safetensors file; got 'odd'"),
        (2, "", "kind must be one of"),
    ],
)
def test_problems_are_named(field, value, problem):
    answer = declared(Example)[field].problem(value)
    assert answer is None if problem is None else problem in answer


@dataclass(frozen=True)
class Switch:
    open: bool = False
    shut: bool = True


def test_switches_are_read_from_text():
    assert from_text(Switch, {"open": "true", "shut": "false"}) == Switch(open=True, shut=False)
    assert from_text(Switch, {"open": "false", "shut": ""}) == Switch()
    with pytest.raises(SettingError, match="open must be true or false; got 'yes'"):
        from_text(Switch, {"open": "yes"})


def test_names_are_those_of_the_registries():
    from aif_ros.autofocus.searches import SEARCHES
    from aif_ros.control.agents import AGENTS
    from aif_ros.defocus.estimators import ESTIMATORS
    from aif_ros.fusion.fuser import FUSION_METHODS
    from aif_ros.simulation.scenes.open_scene import SCENES

    assert set(nodes.SEARCHES.names) == set(SEARCHES)
    assert set(nodes.AGENTS.names) == set(AGENTS)
    assert set(nodes.ESTIMATORS.names) == set(ESTIMATORS)
    assert set(nodes.FUSION_METHODS.names) == set(FUSION_METHODS)
    assert nodes.SCENES == SCENES
