"""Subscriptions that adapt to publishers that start later, and that notice when none is heard."""

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.lifecycle import LifecycleNode
from rclpy.qos_overriding_options import QoSOverridingOptions

from aif_ros.nodes.diagnostics import Diagnostics
from aif_ros.nodes.idleness import Arrivals, report_idle
from aif_ros.nodes.joint_states import OtherJointsError
from aif_ros.nodes.topic import Topic

# Seconds until an unusable message of a topic is logged again.
_LOG_AGAIN = 5.0
# Seconds until a subscription that hears nothing is made again for the first time; each further
# time after twice as long, at most after `_LONGEST`.
_AGAIN, _LONGEST = 3.0, 60.0


class TopicSubscription:
    """Subscribes to one topic by DDS.

    BEST_AVAILABLE is resolved when the subscription is made: to what the publishers offer that are
    there, else to reliable. A driver that starts later and publishes best effort is not matched;
    then the subscription is made again. Unusable messages are logged, counted and dropped.

    A continuous topic on which nothing usable comes is reported; a subscription that has worked is
    made again where there are publishers: it may have been lost while the process was paused.

    Args:
        node: that subscribes.
        topic: to subscribe to.
        callback: called with what each message holds.
        depth: messages kept while `callback` is busy.
        diagnostics: of the node.
        arrivals: watches the messages.
    """

    def __init__(
        self,
        node: LifecycleNode,
        topic: Topic[Any],
        callback: Callable[[Any], None],
        depth: int,
        diagnostics: Diagnostics,
        arrivals: Arrivals,
    ) -> None:
        self._node = node
        self._callback = callback
        self._depth = depth
        self._diagnostics = diagnostics
        self._incompatible = False
        self._arrivals = arrivals
        self._again = _AGAIN
        self._heard = False
        self.topic = topic
        """What is subscribed to."""
        self.silent: float | None = None
        """Seconds without a usable message, where that is too long and there is a publisher."""
        self._subscription = self._subscribe()

    def refresh(self) -> None:
        """Adapt to publishers that have come, report silence; to be called regularly."""
        if self._incompatible:
            self._incompatible = False
            self._renew("adapting to a new publisher")
        elif self.topic.continuous and self._arrivals.idle:
            publishers = self._node.count_publishers(self._subscription.topic_name)
            problem = self._arrivals.problem(publishers)
            name, seconds = self.topic.name, self._arrivals.seconds
            report_idle(self._diagnostics, seconds, f"{name}: {problem}", name)
            self.silent = seconds if publishers else None
            # A publisher that has never been heard may not be active yet.
            if self._heard and publishers and self._arrivals.seconds > self._again:
                self._again = self._arrivals.seconds + min(self._again, _LONGEST)
                self._renew("subscribing again, because nothing usable comes")

    def _renew(self, why: str) -> None:
        self._node.get_logger().info(f"{self.topic.name}: {why}")
        self._node.destroy_subscription(self._subscription)
        self._subscription = self._subscribe()

    def close(self) -> None:
        """End the subscription."""
        self._node.destroy_subscription(self._subscription)

    def _subscribe(self) -> Any:
        # Other topics come from nodes of this package, whose publishers match; see `NO_EVENTS`.
        watched = self.topic.continuous
        return self._node.create_subscription(
            self.topic.message_type,
            self.topic.name,
            self._take,
            self.topic.subscription_qos(self._depth),
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=self._note if watched else None,
                message_lost=self._count_lost if watched else None,
                use_default_callbacks=False,
            ),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _take(self, message: Any) -> None:
        try:
            value = self.topic.decode(message)
        except OtherJointsError as error:
            self._arrivals.unusable(str(error))
            self._diagnostics.note("other joints", str(error))
            return
        except ValueError as error:
            self._arrivals.unusable(str(error))
            text = f"{self.topic.name}: {error}"
            self._diagnostics.count("unusable messages", total=True)
            self._diagnostics.warn(text, self.topic.name)
            self._node.get_logger().warning(
                text, throttle_duration_sec=_LOG_AGAIN, skip_first=False
            )
            return
        if self._arrivals.idle:
            self._diagnostics.clear(self.topic.name)
            self.silent = None
            self._again = _AGAIN
        self._arrivals.usable()
        self._heard = True
        self._callback(value)

    def _count_lost(self, event: Any) -> None:
        self._diagnostics.note(f"{self.topic.name} lost", event.total_count)

    def _note(self, event: Any) -> None:
        # A subscription cannot be destroyed by its own event.
        self._incompatible = True
