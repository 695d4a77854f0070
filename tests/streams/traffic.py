"""Events that the tests of whole workers send: the same at every call, of few users and items."""

from collections.abc import Iterator

import numpy as np

from headwater.v1.events_pb2 import Event
from tests.feature_repo.worlds import VOCABULARY

__all__ = ["ITEMS", "USERS", "traffic"]

USERS, ITEMS = 30, 40


def traffic(count: int, *, first: int = 0, seed: int = 5) -> Iterator[Event]:
    """Events number `first` to `first + count`, one a second: an impression, then a rating, of random users and items.

    Impressions carry features, so that rows and examples follow from the events alone, however far the items have come.
    """
    random, values = np.random.default_rng(seed), np.random.default_rng(seed + 1)
    for number in range(first + count):
        event = Event(event_id=f"e{number}", user_id=f"u{random.integers(USERS)}", item_id=f"i{random.integers(ITEMS)}")
        event.occurred_at.seconds = 1_700_000_000 + number
        rating = float(random.integers(1, 6))
        if number % 2 == 0:
            served = event.impression.served
            served.fingerprint, served.model_version = VOCABULARY.fingerprint, "1"
            served.values.extend(values.random(len(VOCABULARY.features), dtype=np.float32).tolist())
        else:
            event.action.name, event.action.value = "rate", rating
        if number >= first:
            yield event
