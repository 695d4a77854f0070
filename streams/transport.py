"""Owns how long a Faust consumer lets a fetch wait at the broker; Faust itself fixes 1.5 s and has no setting for it.

Apache Kafka answers as soon as there are records. Brokers that answer only when the wait is over (the embedded one does) would
make that wait the latency of every event.
"""

from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport

__all__ = ["prompt_transport"]


def prompt_transport(app: Any, *, wait_seconds: float) -> Transport:
    """A transport for `app` whose fetches wait at most `wait_seconds` for records."""

    class PromptThread(AIOKafkaConsumerThread):
        def _create_worker_consumer(self, transport: Any) -> Any:
            consumer = super()._create_worker_consumer(transport)
            consumer._fetch_max_wait_ms = int(wait_seconds * 1000)  # read when the consumer starts
            return consumer

    class PromptConsumer(Consumer):
        def _new_consumer_thread(self) -> Any:
            return PromptThread(self, loop=self.loop, beacon=self.beacon)

    class PromptTransport(Transport):
        pass

    PromptTransport.Consumer = PromptConsumer
    return PromptTransport(app.conf.broker_consumer, app)
