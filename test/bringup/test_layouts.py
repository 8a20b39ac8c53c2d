"""The layouts of rqt and RViz show topics that exist, in the graph's namespace."""

import ast
import json
import xml.etree.ElementTree as ElementTree

import pytest
import yaml

from aif_ros.bringup.graph import pipeline_graph
from aif_ros.bringup.layouts import rqt_layout, rviz_layout
from aif_ros.nodes.topics import TOPICS
from aif_ros.settings.pipeline import PipelineSettings
from aif_ros.storage.share import share_directory

NAMES = {topic.name: topic for topic in TOPICS}


def topics_of(content):
    """All settings `topic` of an rqt perspective."""
    for key, value in content.items():
        if key == "topic":
            yield ast.literal_eval(value["repr"])
        elif isinstance(value, dict):
            yield from topics_of(value)


@pytest.mark.parametrize("namespace", ["", "robot/left"])
def test_rqt_takes_absolute_compressed_topics(namespace):
    graph = pipeline_graph(PipelineSettings(namespace=namespace, preset="classical"))
    topics = list(topics_of(json.loads(rqt_layout(graph).read_text())))
    assert len(topics) == 3
    for topic in topics:
        assert topic.startswith(f"{graph.namespace}/")
        # rqt_image_view subscribes best effort, by which large raw images do not arrive.
        name = topic.removeprefix(f"{graph.namespace}/")
        assert NAMES[name].message_type.__name__ == "CompressedImage"


def test_package_xml_names_what_the_layouts_show():
    """The plugins of rqt, and the transport by which rqt and RViz show compressed topics."""
    root = ElementTree.parse(share_directory() / "package.xml").getroot()
    declared = {element.text for element in root.iter("exec_depend")}
    content = json.loads((share_directory() / "config" / "pipeline.perspective").read_text())
    plugins = content["groups"]["pluginmanager"]["keys"]["running-plugins"]["repr"]
    packages = {name.partition("/")[0] for name in ast.literal_eval(plugins)}
    assert packages | {"rviz2", "rqt_gui", "compressed_image_transport"} <= declared


def test_rviz_shows_topics_of_this_package_with_a_fitting_quality_of_service():
    displays = yaml.safe_load(rviz_layout().read_text())["Visualization Manager"]["Displays"]
    shown = {each["Topic"]["Value"]: each["Topic"] for each in displays}
    assert {"autofocus/distance_map/compressed", "focus_controller/window"} <= shown.keys()
    for name, subscription in shown.items():
        latched = subscription["Durability Policy"] == "Transient Local"
        assert not latched or NAMES[name].latched, name
