"""Producer of events and catalogue changes; needs kafka-python (the extra `kafka`) and protobuf.

from headwater.producer import EventProducer
from headwater.v1.events_pb2 import Click, Event

with EventProducer("127.0.0.1:9092") as producer:
    producer.send(Event(user_id="u1", item_id="i1", click=Click()))
# leaving the block waits for the broker, and raises DeliveryError if it did not take every record
"""

try:
    import kafka as _kafka  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "headwater.producer needs kafka-python: install headwater-client with its extra `kafka`", name="kafka"
    ) from error

from headwater.producer.delivery_report import DeliveryError, DeliveryReport
from headwater.producer.event_producer import EventProducer
from headwater.producer.spool import Spool, SpoolError, SpoolFullError

__all__ = ["DeliveryError", "DeliveryReport", "EventProducer", "Spool", "SpoolError", "SpoolFullError"]
