"""Event producer of our own processes and commands: connected by `HEADWATER_KAFKA_*`, its login checked first."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from headwater.producer import EventProducer, Spool
from runtime.broker.login import check_login
from runtime.settings import KafkaSettings

__all__ = ["event_producer"]


def event_producer(
    kafka: KafkaSettings,
    *,
    spool: Spool | None = None,
    clock: Callable[[], float] = time.time,
    give_up_seconds: float = 120.0,
    linger_seconds: float = 0.005,
) -> EventProducer:
    """As EventProducer; raises LoginError too, where settings of the login are missing or the broker refuses them."""
    options: dict[str, Any] = kafka.client_options()
    return EventProducer(
        spool=spool,
        clock=clock,
        give_up_seconds=give_up_seconds,
        linger_seconds=linger_seconds,
        before_connecting=partial(check_login, kafka),
        compression_type=kafka.compression_type,
        **options,
    )
