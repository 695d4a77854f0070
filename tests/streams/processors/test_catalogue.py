"""Batches of catalogue changes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headwater.internal.v1.streams_pb2 import DeadLetter, ItemAction, ItemContent
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.topics import CATALOGUE, DEAD_LETTERS, ITEM_ACTIONS, ITEM_CONTENT
from runtime.record import Record
from streams.processors.catalogue import CatalogueProcessor
from tests.feature_repo.worlds import VOCABULARY
from tests.streams.memory import MemoryRows
from training.encoding.cache import CachedEncoder, VectorCache


class LengthEncoder:
    """An encoder whose vectors are easy to tell: all on the axis of the text's length."""

    version = "length-1"
    dimension = 64

    def __init__(self) -> None:
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.encoded += texts
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        vectors[range(len(texts)), [len(text) % self.dimension for text in texts]] = 1.0
        return vectors


def _record(change: CatalogueChange | bytes, offset: int) -> Record:
    if isinstance(change, bytes):
        key, value = b"i", change
    else:
        key, value = (change.upsert.item_id or change.delete.item_id).encode(), change.SerializeToString()
    return Record(topic=CATALOGUE.name, partition=0, offset=offset, key=key, value=value, appended_at=0.0)


def _upsert(item_id: str, title: str, **attributes: str) -> CatalogueChange:
    return CatalogueChange(upsert={"item_id": item_id, "type": "film", "title": title, "attributes": attributes})


def test_the_last_change_of_an_item_wins_and_is_written_and_published() -> None:
    """Upserts carry the text's vector, deletes are tombstones, bad changes dead letters."""
    store = MemoryRows(VOCABULARY)
    store.contents["gone"] = ItemContent()
    processor = CatalogueProcessor(encoder=LengthEncoder(), store=store, clock=lambda: 0.0)
    records = [
        _record(_upsert("i1", "old"), 0),
        _record(_upsert("i1", "newer"), 1),
        _record(CatalogueChange(delete={"item_id": "gone"}), 2),
        _record(b"{}", 3),
        _record(_upsert("i2", ""), 4),
    ]
    work = processor.process(records)
    processor.write(work)
    published = {key: value for topic, key, value in work.publications if topic == ITEM_CONTENT.name}
    assert published[b"gone"] is None
    content = ItemContent.FromString(published[b"i1"] or b"")
    assert content.item.title == "newer"
    assert np.frombuffer(content.vector, dtype="<f4").argmax() == len("newer")
    assert content.encoder_version == "length-1"
    assert ItemContent.FromString(published[b"i2"] or b"").vector == b""
    assert set(store.contents) == {"i1", "i2"}
    assert dict(work.rejected) == {"constraint": 1}


def test_an_entry_beyond_the_bounds_is_a_dead_letter_that_says_which() -> None:
    """Every server would keep a column for each of its names, for good, since the topic is compacted."""
    processor = CatalogueProcessor(encoder=LengthEncoder(), store=MemoryRows(VOCABULARY), clock=lambda: 0.0)
    work = processor.process([_record(_upsert("i1", "Heat", **{f"name{number}": "x" for number in range(5_000)}), 0)])
    assert dict(work.rejected) == {"constraint": 1}
    [letter] = [DeadLetter.FromString(value or b"") for topic, _, value in work.publications if topic == DEAD_LETTERS.name]
    assert letter.detail == "upsert.attributes holds too many names: 5000, 64 are allowed"


def test_only_a_changed_text_is_encoded_again(tmp_path: Path) -> None:
    """A price that changes hourly costs no encoding, not even after a restart or on the way back from a deletion."""
    encoder = LengthEncoder()
    changes = [
        _upsert("i1", "Heat", price="9"),
        _upsert("i1", "Heat", price="8"),
        CatalogueChange(delete={"item_id": "i1"}),
        _upsert("i1", "Heat", price="7"),
        _upsert("i1", "Heat (1995)", price="7"),
    ]
    for offset, change in enumerate(changes):
        cache = VectorCache(tmp_path / "vectors.db")  # each time as after a restart
        processor = CatalogueProcessor(encoder=CachedEncoder(encoder, cache), store=MemoryRows(VOCABULARY), clock=lambda: 0.0)
        processor.process([_record(change, offset)])
        cache.close()
    assert encoder.encoded == ["Heat", "Heat (1995)"]


def test_the_item_agent_hears_of_every_deletion() -> None:
    """Also of one that an upsert of the same batch follows: the state of the old item must not pass to the new one."""
    gone = CatalogueChange(delete={"item_id": "i1"})
    gone.occurred_at.seconds = 50
    processor = CatalogueProcessor(encoder=LengthEncoder(), store=MemoryRows(VOCABULARY), clock=lambda: 100.0)
    work = processor.process([_record(gone, 0), _record(_upsert("i1", "again"), 1), _record(gone, 2)])
    deletions = [ItemAction.FromString(value or b"") for topic, _, value in work.publications if topic == ITEM_ACTIONS.name]
    assert [(one.item_id, one.deleted, one.occurred_at) for one in deletions] == [("i1", True, 50.0)] * 2
    assert work.deleted == ["i1"]
