"""kafka-python's client without a fault: it would create the topics that it asks for.

A broker with `auto.create.topics.enable` creates a topic that a client asks about, with the broker's default partitions and
clean-up, unless the request says not to. kafka-python 3.0.12 loses its option `allow_auto_create_topics` on the way to that
request.
"""

from typing import Any

from kafka.net.compat import KafkaNetClient

__all__ = ["AskingClient"]


class AskingClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """kafka-python's own, except that its requests for metadata create no topics."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cluster.config["allow_auto_create_topics"] = False
