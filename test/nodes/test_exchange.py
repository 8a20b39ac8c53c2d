import numpy as np

from aif_ros.nodes.exchange import Exchange


class TestExchange:
    def test_by_reference_to_everybody(self):
        exchange = Exchange()
        first, second = [], []
        exchange.advertise("topic")
        exchange.subscribe("topic", first.append)
        exchange.subscribe("topic", second.append)
        image = np.zeros(3)
        exchange.publish("topic", image)
        assert first[0] is image
        assert second[0] is image

    def test_only_advertised_topics_are_offered(self):
        exchange = Exchange()
        assert not exchange.offers("topic")
        exchange.advertise("topic")
        assert exchange.offers("topic")

    def test_late_subscribers_get_what_is_latched_until_it_is_withdrawn(self):
        exchange = Exchange()
        exchange.advertise("topic")
        late = []
        exchange.publish("topic", 1)
        exchange.subscribe("topic", late.append)
        assert late == []
        exchange.unsubscribe("topic", late.append)
        exchange.publish("topic", 2, latch=True)
        exchange.subscribe("topic", late.append)
        assert late == [2]
        exchange.withdraw("topic")
        exchange.subscribe("topic", late.append)
        assert late == [2]
