"""One clean pass that everything is compared with: the same records through the same code, in one go, undisturbed."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from feature_repo.codec import encode_item, encode_user
from feature_repo.items.mirror import ItemMirror
from feature_repo.items.table import ItemTable
from feature_repo.store import RowStore
from headwater.v1.topics import EVENTS, EXAMPLES, ITEM_ACTIONS
from runtime.settings import KafkaSettings
from runtime.topics import log_ids
from streams.learning.learner import Learner
from streams.learning.settings import ChallengerSettings, LearnerSettings
from streams.processors.item import ItemProcessor
from streams.processors.user import UserProcessor
from streams.workers.learner import make_contest
from tests.feature_repo.worlds import VOCABULARY, table_of
from tests.streams.memory import MemoryRows
from tests.streams.processes import read_topic
from training.release.promotion import PromotionNotes
from training.storage.checkpoints import CheckpointFile
from training.storage.snapshots import SnapshotStore

__all__ = ["CleanRows", "alike", "clean_checkpoint", "same", "stored"]

_DIMENSION = 384  # of the MiniLM that the workers encode with


class CleanRows:
    """Rows after an undisturbed pass over this broker's logs: events into users, the actions as they were published into items.

    They go on from the rows of an `earlier` pass, where there was one over logs that are gone.
    """

    def __init__(self, kafka: KafkaSettings, earlier: "CleanRows | None" = None) -> None:
        self._rows = MemoryRows(VOCABULARY)
        self.folded = self.duplicates = 0
        if earlier is not None:
            self._rows.users, self._rows.items = dict(earlier._rows.users), dict(earlier._rows.items)
            self.folded, self.duplicates = earlier.folded, earlier.duplicates
        log = log_ids(kafka, (EVENTS.name,))[EVENTS.name]
        users = UserProcessor(table=table_of(0), store=self._rows, log=lambda: log, clock=time.time, cached_rows=1000)
        work = users.process(read_topic(kafka, EVENTS.name))
        users.write(work)
        self.folded += len(work.folded_appended_at)
        self.duplicates += work.duplicates
        items = ItemProcessor(VOCABULARY, store=self._rows, clock=time.time, cached_rows=1000)
        items.write(items.process(read_topic(kafka, ITEM_ACTIONS.name)))

    def item_events(self) -> float:
        """Events that are counted in the items' rows."""
        return sum(float(row.counters_CH[:2, -1].sum()) for row in self._rows.read_items(list(self._rows.items)).values())

    def bytes(self) -> dict[str, bytes]:
        """Every row as it ought to be stored, by user or item."""
        return {
            **{f"user {one}": _bytes(values) for one, values in self._rows.users.items()},
            **{f"item {one}": _bytes(values) for one, values in self._rows.items.items()},
        }


def stored(store: RowStore, names: Mapping[str, bytes]) -> dict[str, bytes]:
    """The rows of these users and items as they are stored."""
    users = store.read_users([name.removeprefix("user ") for name in names if name.startswith("user ")])
    items = store.read_items([name.removeprefix("item ") for name in names if name.startswith("item ")])
    return {
        **{f"user {one}": _bytes(encode_user(row, VOCABULARY)) for one, row in users.items()},
        **{f"item {one}": _bytes(encode_item(row, VOCABULARY)) for one, row in items.items()},
    }


def _bytes(values: Mapping[str, Any]) -> bytes:
    """A row as bytes: messages that hold a NaN are not equal to themselves."""
    return b"|".join(values[name].SerializeToString(deterministic=True) for name in sorted(values))


def same(one: Any, other: Any) -> bool:
    """Whether two states are equal bit for bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.numpy().tobytes() == other.numpy().tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)  # by their digits: a NaN is not equal to itself


def alike(one: Any, other: Any) -> bool:
    """Whether two states are equal but for the rounding of their tensors; unknown values are equal to each other."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return repr(one) == repr(other)


def clean_checkpoint(kafka: KafkaSettings, directory: Path, settings: LearnerSettings) -> dict[str, Any]:
    """What an undisturbed learner holds after all examples of the log."""
    table = ItemTable(VOCABULARY, dimensions=_DIMENSION)
    mirror = ItemMirror(table, kafka)
    mirror.start()
    assert mirror.wait_ready(60.0)
    mirror.stop()
    checkpoint = CheckpointFile(directory / "clean.checkpoint")
    learner = Learner(
        settings,
        make_contest=lambda: make_contest(settings, ChallengerSettings(), VOCABULARY, _DIMENSION),
        table=table,
        snapshots=SnapshotStore(directory / "clean-snapshots", clock=lambda: 0.0),
        checkpoint=checkpoint,
        encoder_version="clean",
        notes=PromotionNotes(str(directory / "clean-snapshots")),
        monotonic=time.monotonic,
    )
    learner.resume(log_ids(kafka, (EXAMPLES.name,))[EXAMPLES.name])
    learner.learn(read_topic(kafka, EXAMPLES.name, partitions=1))
    learner.settle(leaving=True)
    state = checkpoint.load()
    assert state is not None
    return state
