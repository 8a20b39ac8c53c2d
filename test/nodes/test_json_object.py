"""Dataclasses as JSON objects."""

from dataclasses import dataclass

import pytest

from aif_ros.nodes.json_object import from_json, to_json


@dataclass(frozen=True)
class Inner:
    width: int


@dataclass(frozen=True)
class Outer:
    name: str
    share: float = 0.5
    inner: Inner | None = None


def read(text):
    return from_json(text, Outer, "an outer", {"inner": lambda fields: Inner(**fields)})


def test_what_is_written_is_read():
    outer = Outer("a", 0.25, Inner(3))
    assert read(to_json(outer)) == outer


def test_fields_that_are_missing_have_their_defaults():
    assert read('{"name": "a"}') == Outer("a")


def test_fields_of_later_versions_are_ignored():
    assert read('{"name": "a", "mood": "good"}') == Outer("a")


@pytest.mark.parametrize("text", ["[]", "3", "null", '"name"'])
def test_other_documents_are_refused_by_name(text):
    with pytest.raises(ValueError, match="an outer must be a JSON object, got"):
        read(text)


@pytest.mark.parametrize(
    "text", ["{}", '{"share": 1.0}', '{"name": "a", "inner": {"x": 1}}', '{"name": 1, "inner": 3}']
)
def test_objects_that_do_not_fit_are_refused_by_name(text):
    with pytest.raises(ValueError, match="not an outer: "):
        read(text)


@pytest.mark.parametrize("text", ["", "{", "{'name': 1}"])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(ValueError):
        read(text)


@pytest.mark.parametrize("share", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_not_written(share):
    with pytest.raises(ValueError):
        to_json(Outer("a", share))
