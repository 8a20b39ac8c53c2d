import pytest

from aif_ros.bringup.silent_topics import SilentTopics
from aif_ros.nodes.node_traffic import NodeTraffic


@pytest.fixture
def topics():
    return SilentTopics()


def report(
    topics, seconds, *, published=lambda second: 30 * second, silent=lambda second: 3 + second
):
    """Let camera and fusion report once a second; return what is broken then."""
    for second in range(seconds):
        topics.take(NodeTraffic("camera", {"image": published(second)}), second)
        values = {} if silent(second) is None else {"image": silent(second)}
        topics.take(NodeTraffic("fusion", {}, values), second)
    return topics.broken(seconds)


def test_finds_a_topic_that_is_published_and_not_heard(topics):
    assert report(topics, 10) == ("camera", "image", "fusion")


@pytest.mark.parametrize(
    "reports",
    [
        {"published": lambda second: 7},
        {"silent": lambda second: None},
        {"silent": lambda second: 8 if second == 9 else None},
        {"seconds": 4},
    ],
    ids=["nothing is published", "everything is heard", "the node was paused", "it began just now"],
)
def test_nothing_is_broken_where(topics, reports):
    assert report(topics, **{"seconds": 10, **reports}) is None


def test_a_subscriber_that_hears_again_is_well(topics):
    report(topics, 10)
    topics.take(NodeTraffic("fusion"), 10.0)
    assert topics.broken(10.0) is None


def test_a_node_that_is_started_again_is_given_time(topics):
    report(topics, 10)
    topics.forget("camera")
    topics.take(NodeTraffic("camera", {"image": 5}), 11.0)
    topics.take(NodeTraffic("camera", {"image": 35}), 12.0)
    assert topics.broken(12.0) is None
