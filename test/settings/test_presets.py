"""The preset that is used where none is named depends on what is installed."""

from importlib.metadata import PackageNotFoundError

import pytest

from aif_ros.settings import presets
from aif_ros.settings.presets import PRESETS, usable_preset


@pytest.fixture
def installed(monkeypatch):
    """Versions of what is installed; can be changed."""
    versions = {"torch": "2.1", "safetensors": "0.4", "pydantic": "2.7"}

    def version(name):
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(presets, "find_spec", versions.get)
    monkeypatch.setattr(presets, "version", version)
    return versions


def test_the_networks_are_the_default(installed):
    assert usable_preset("") == (PRESETS["learned"], None)


@pytest.mark.parametrize("package", ["torch", "safetensors", "pydantic"])
def test_without_what_they_need_the_light_parts_are_used(installed, package):
    del installed[package]
    preset, warning = usable_preset("")
    assert preset is PRESETS["classical"]
    assert "not installed" in warning


def test_pydantic_of_ubuntu_24_is_too_old(installed):
    installed["pydantic"] = "1.10.14"
    preset, warning = usable_preset("")
    assert preset is PRESETS["classical"]
    assert "pydantic 2 is not installed" in warning


def test_a_named_preset_is_taken_as_it_is(installed):
    installed.clear()
    assert usable_preset("learned") == (PRESETS["learned"], None)
