"""Keeps clients from creating the topics that they ask for.

A broker with `auto.create.topics.enable` creates a topic that a client asks about, with the broker's default partitions and
clean-up, unless the request says not to. kafka-python 3.0.12 loses its option `allow_auto_create_topics` on the way to that
request, and aiokafka 0.14 has none.
"""

from typing import Any

from kafka.net.compat import KafkaNetClient

__all__ = ["AskingClient", "stop_aiokafka_from_creating_topics"]


class AskingClient(KafkaNetClient):  # type: ignore[misc]  # kafka-python has no types
    """kafka-python's own, except that its requests for metadata create no topics."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.cluster.config["allow_auto_create_topics"] = False


def stop_aiokafka_from_creating_topics() -> None:
    """Replaces the request for metadata that all of aiokafka's clients send, Faust's among them; may be called repeatedly."""
    import aiokafka.client  # a producer host has kafka-python only
    from aiokafka.protocol.metadata import MetadataRequest

    class AskingRequest(MetadataRequest):  # type: ignore[misc]  # aiokafka's is untyped
        def __init__(self, topics: list[str] | None = None, allow_auto_topic_creation: bool = False) -> None:
            super().__init__(topics, allow_auto_topic_creation)

    aiokafka.client.MetadataRequest = AskingRequest
