"""Every topic, service, parameter and launch argument is used by a test."""

import ast
import re
from pathlib import Path

import generate_docs
import pytest

from aif_ros.nodes import topics
from aif_ros.settings.declaration import declared
from aif_ros.settings.launch import LaunchSettings
from aif_ros.settings.nodes import NODE_SETTINGS
from aif_ros.settings.pipeline import PipelineSettings

TESTS = Path(__file__).parent
TOPICS = {
    name: value.name for name, value in vars(topics).items() if isinstance(value, topics.Topic)
}
PARAMETERS = sorted({each.name for kind in NODE_SETTINGS.values() for each in declared(kind)})
ARGUMENTS = [setting.name for setting in declared(PipelineSettings)]


def words():
    """Everything that tests say: names, keywords and words of their texts, imports left out."""
    found = set()
    for path in TESTS.rglob("*.py"):
        if path == Path(__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Name):
                found.add(node.id)
            elif isinstance(node, ast.keyword) and node.arg:
                found.add(node.arg)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"[\w/-]+", node.value))
                found |= {word.lstrip("-") for word in node.value.split() if word[:2] == "--"}
    return found


USED = words()


@pytest.mark.parametrize("constant", TOPICS)
def test_every_topic(constant):
    assert USED & {constant, TOPICS[constant]}, f"no test uses {TOPICS[constant]}"


@pytest.mark.parametrize("service", sorted(generate_docs.services()))
def test_every_service(service):
    assert service in USED


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_parameter(parameter):
    assert parameter in USED


@pytest.mark.parametrize("argument", ARGUMENTS)
def test_every_launch_argument(argument):
    assert USED & {argument, argument.replace("_", "-")}


def test_every_switch_of_the_launch_file():
    launch_tests = "".join(path.read_text() for path in (TESTS / "launch").glob("*.py"))
    for switch in declared(LaunchSettings):
        assert f"{switch.name}:=" in launch_tests, f"no test sets {switch.name}"
