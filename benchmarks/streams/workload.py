"""Events that the streams are measured with: lists shown by a server, and what users then did with them."""

import random
import time
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from feature_repo.vocabulary import HISTORY, Vocabulary
from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1.catalogue_pb2 import Item
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import EVENTS, ITEM_CONTENT
from runtime.record import Publication

__all__ = ["catalogue", "contents", "events", "publications"]

_DIMENSIONS = 384
_USERS, _ITEMS, _LIST = 5000, 2000, 10
_CLICKED, _READ, _BOUGHT = 0.10, 0.7, 0.05
_EVENTS_A_LIST = _LIST * (1 + _CLICKED * (1 + _READ + _BOUGHT))


def catalogue() -> Iterator[tuple[Item, NDArray[np.float32]]]:
    """Items of a few categories each, with random unit vectors."""
    draw = np.random.default_rng(1)
    for number in range(_ITEMS):
        vector_D = draw.normal(size=_DIMENSIONS).astype(np.float32)
        item = Item(item_id=f"item-{number}", type="article", title=f"Item {number}")
        item.categories.extend(f"category-{one}" for one in draw.integers(0, 40, size=3))
        yield item, vector_D / np.linalg.norm(vector_D)


def contents(encoder_version: str) -> Iterator[Publication]:
    """Records of the catalogue as it comes to everyone's item table, in the name of the encoder that its readers have."""
    for item, vector_D in catalogue():
        content = ItemContent(item=item, vector=vector_D.astype("<f4").tobytes(), encoder_version=encoder_version)
        yield Publication(ITEM_CONTENT.name, item.item_id.encode(), content.SerializeToString())


def publications(vocabulary: Vocabulary, count: int, *, served: bool) -> list[Publication]:
    """Records of the first `count` events of an hour that has just passed."""
    stream = events(vocabulary, start=time.time() - 3600.0, per_second=count / 3600.0, served=served)
    return [Publication(EVENTS.name, event.user_id.encode(), event.SerializeToString()) for event in islice(stream, count)]


def events(vocabulary: Vocabulary, *, start: float, per_second: float, served: bool, seed: int = 1) -> Iterator[Event]:
    """Endless events in the order of their times, from `start` (Unix seconds) on, at `per_second` on average.

    A list of ten items is shown to a user; of these a tenth is clicked, most clicks are read, a few lead to a purchase. Users and
    items are drawn with the skew of a long tail.

    Args:
        served: impressions carry the features that they were scored with, as the server writes them; without, the worker
            assembles those itself, as for imported history.
    """
    draw = random.Random(seed)
    values = np.random.default_rng(seed)
    number, at = 0, start
    step = _EVENTS_A_LIST / per_second
    while True:
        user, list_id = f"user-{_skewed(draw, _USERS)}", f"list-{seed}-{number}"
        shown = [f"item-{_skewed(draw, _ITEMS)}" for _ in range(_LIST)]
        at += step
        for position, item in enumerate(shown):
            event = _event(f"{list_id}-{position}", user, item, at, list_id)
            event.impression.position = position
            if served:
                features = event.impression.served
                features.fingerprint = vocabulary.fingerprint
                features.values.extend(values.random(len(vocabulary.features), dtype=np.float32).tolist())
                features.history_item_ids.extend(f"item-{_skewed(draw, _ITEMS)}" for _ in range(HISTORY))
                width = HISTORY * (1 + len(vocabulary.tasks))
                features.history_values.extend(values.random(width, dtype=np.float32).tolist())
                features.model_version = "000001"
            yield event
        for position, item in enumerate(shown):
            if draw.random() >= _CLICKED:
                continue
            event = _event(f"{list_id}-{position}-click", user, item, at + 2.0, list_id)
            event.click.SetInParent()
            yield event
            if draw.random() < _READ:
                event = _event(f"{list_id}-{position}-read", user, item, at + 3.0, list_id)
                event.read.seconds = draw.expovariate(1 / 60)
                yield event
            if draw.random() < _BOUGHT:
                event = _event(f"{list_id}-{position}-purchase", user, item, at + 4.0, list_id)
                event.purchase.amount, event.purchase.currency = 10.0, "EUR"
                yield event
        number += 1


def _skewed(draw: random.Random, count: int) -> int:
    """A number below `count`; the low ones come far more often than the high ones."""
    return int(count * draw.random() ** 3)


def _event(event_id: str, user_id: str, item_id: str, at: float, list_id: str) -> Event:
    event = Event(event_id=event_id, user_id=user_id, item_id=item_id, recommendation_id=list_id)
    event.occurred_at.FromNanoseconds(int(at * 1e9))
    return event
