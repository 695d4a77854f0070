"""Keeps aiokafka's clients from creating the topics that they ask for.

A broker with `auto.create.topics.enable` creates a topic that a client asks about, with the broker's default partitions and
clean-up, unless the request says not to; aiokafka 0.14 has no option for that. kafka-python's: headwater.producer.asking_client.
"""

__all__ = ["stop_aiokafka_from_creating_topics"]


def stop_aiokafka_from_creating_topics() -> None:
    """Replaces the request for metadata that all of aiokafka's clients send, Faust's among them; may be called repeatedly."""
    import aiokafka.client  # a producer host has kafka-python only
    from aiokafka.protocol.metadata import MetadataRequest

    class AskingRequest(MetadataRequest):  # type: ignore[misc]  # aiokafka's is untyped
        def __init__(self, topics: list[str] | None = None, allow_auto_topic_creation: bool = False) -> None:
            super().__init__(topics, allow_auto_topic_creation)

    aiokafka.client.MetadataRequest = AskingRequest
