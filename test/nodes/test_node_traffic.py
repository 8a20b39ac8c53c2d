import json

import pytest

from aif_ros.nodes.fusion_node import FusionNode
from aif_ros.nodes.lens_node import LensNode
from aif_ros.nodes.node_traffic import NodeTraffic
from aif_ros.nodes.topics import CAMERA_IMAGE, LENS_STATE, NODE_TRAFFIC


def test_survives_the_way_through_a_message():
    traffic = NodeTraffic("camera", {"camera/image_raw": 7}, {"lens/state": 3.5})
    assert NODE_TRAFFIC.decode(NODE_TRAFFIC.encode(traffic)) == traffic


@pytest.mark.parametrize(
    "content",
    [
        [],
        {},
        {"node": 3},
        {"node": "camera", "published": {"image": "7"}},
        {"node": "camera", "silent": [1]},
    ],
    ids=str,
)
def test_what_is_no_traffic_is_refused(content):
    with pytest.raises(ValueError, match="of a node"):
        NodeTraffic.from_json(json.dumps(content))


def test_a_node_reports_what_it_publishes_and_does_not_hear(bench):
    bench.active(LensNode)
    bench.active(FusionNode)
    images = bench.node.create_publisher(CAMERA_IMAGE.message_type, CAMERA_IMAGE.name, 1)
    heard = bench.listen(NODE_TRAFFIC)

    def last(node):
        return next((each for each in reversed(heard) if each.node == node), NodeTraffic(node))

    bench.spin_until(lambda: last("lens").published.get(LENS_STATE.name, 0) > 10)
    # There is a publisher of images, which says nothing; the lens states are heard.
    bench.spin_until(lambda: last("fusion").silent.get(CAMERA_IMAGE.name, 0) > 0)
    bench.node.destroy_publisher(images)
    bench.spin_until(lambda: CAMERA_IMAGE.name not in last("fusion").silent)
