"""Small world that the server's tests run in: a catalogue, a real SQLite store, a model that has really learned."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feature_repo.assembly.assemble import assemble
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, apply
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.v1.catalogue_pb2 import Item
from serving.admission import Admission
from serving.api.responses import Recommendation
from serving.api.validation import Limits
from serving.explain import Explainer
from serving.inference.context import ContextEncoder
from serving.inference.models import ModelWatcher
from serving.inference.queue import ScoringQueue
from serving.pipeline import Pipeline
from serving.ranking.ranker import Ranker
from serving.retrieval.facets import ItemFacets
from serving.retrieval.index import CatalogueIndex
from serving.users import UserReader
from training.batch import make_batch
from training.model import ModelConfig, Recommender
from training.storage.snapshots import Manifest, SnapshotStore
from training.trainer import Trainer, TrainerConfig

TASKS = """
[tasks.click]
kind = "binary"
event = "click"

[tasks.dwell]
kind = "duration"
event = "read"
item_types = ["article"]

[tasks.stars]
kind = "regression"
event = "rate"
"""

VOCABULARY = Vocabulary(parse_tasks(TASKS))
DIMENSIONS = 8
ENCODER = "axes-1"
NOW = 1_800_000_000.0
ITEMS = 40


class AxisEncoder:
    """Encodes "axis 3" as the third axis: texts whose nearest items are known by hand."""

    version = ENCODER
    dimension = DIMENSIONS

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([np.eye(DIMENSIONS, dtype=np.float32)[int(text.split()[-1])] for text in texts])


def filled_table(count: int = ITEMS) -> ItemTable:
    """Items i0, i1, ...: articles and songs in turn; item n points along axis n mod 8, and is the newer the higher n."""
    table = ItemTable(VOCABULARY, dimensions=DIMENSIONS, capacity=4)
    for number in range(count):
        item = Item(item_id=f"i{number}", type="song" if number % 2 else "article", title=f"Item {number}")
        item.published_at.FromSeconds(int(NOW) - 1000 + number)
        table.set_content(item, np.eye(DIMENSIONS, dtype=np.float32)[number % DIMENSIONS])
    return table


def user_row(user_id: str = "ann", *, at: float = NOW - 60.0, liked: Sequence[str] = ("i3", "i11")) -> UserRow:
    """A user who has clicked and rated some items with 5."""
    row = UserRow.empty(user_id, VOCABULARY)
    for number, item_id in enumerate(liked):
        row.engage(item_id, at - number, [1.0, np.nan, 5.0])
    row.first_at, row.updated_at, row.log, row.partition, row.offset = at - 100.0, at, 1, 0, 5
    row.counters_CH[:] = 2.0
    return row


def trained_model(seed: int = 0) -> Recommender:
    """A model that has learned from a thousand examples that low axes are clicked, read long and rated high."""
    trainer = Trainer(TrainerConfig(model=ModelConfig(text_dimension=DIMENSIONS)), VOCABULARY, seed=seed)
    random, table, row = np.random.default_rng(seed), filled_table(), user_row()
    for _ in range(30):
        rows_B = random.integers(0, ITEMS, size=32)
        made = assemble(row, table, rows_B, NOW)
        good_B = (rows_B % DIMENSIONS < DIMENSIONS // 2).astype(np.float64)
        batch = make_batch(
            features=made.x_BF,
            item_rows=rows_B,
            history_rows=[made.history_rows_N] * 32,
            history_values=[made.history_values_NT1] * 32,
            vectors=table.vectors,
            labels=np.stack([good_B, 2.0 + good_B + random.normal(size=32) * 0.1, 2.0 + 2.0 * good_B], axis=1),
            tasks=len(VOCABULARY.tasks),
        )
        trainer.learn(batch)
    return trainer.model.eval()


@dataclass(kw_only=True)
class World:
    """Everything that a pipeline needs, with the clock standing still at NOW."""

    directory: Path
    table: ItemTable = field(default_factory=filled_table)
    encoder: AxisEncoder = field(default_factory=AxisEncoder)
    shown: list[Recommendation] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store_settings = StoreSettings(directory=self.directory / "store")
        apply(self.store_settings)
        self.rows = RowStore(self.store_settings, VOCABULARY)
        self.snapshots = SnapshotStore(self.directory / "snapshots", clock=lambda: NOW)
        self.watcher = ModelWatcher(
            self.snapshots,
            VOCABULARY,
            dimensions=DIMENSIONS,
            encoder_version=ENCODER,
            poll_seconds=0.02,
            swapped=lambda model: None,
            rejected=lambda: self.rejected.append("snapshot"),
        )
        self.users = UserReader(RowStore(self.store_settings, VOCABULARY), VOCABULARY, ttl_seconds=86_400.0, timeout_seconds=1.0)
        self.contexts = ContextEncoder(self.encoder, timeout_seconds=0.2)
        self.index = CatalogueIndex(self.table, clock=lambda: NOW)
        self.admission = Admission(max_in_flight=2)
        self.queue = ScoringQueue(1)
        self.limits = Limits(tasks=VOCABULARY.tasks, max_candidates=100, candidate_pool=20, max_events=10)
        self.pipeline = Pipeline(
            table=self.table,
            ranker=Ranker(self.table, ItemFacets(self.table), self.index, pool=20),
            users=self.users,
            contexts=self.contexts,
            model=self.watcher.current,
            shown=self.shown.append,
            limits=self.limits,
            queue=self.queue,
            clock=lambda: NOW,
        )
        self.explainer = Explainer(
            table=self.table,
            users=self.users,
            model=self.watcher.current,
            limits=self.limits,
            threads=self.queue,
            clock=lambda: NOW,
        )

    def publish(self, model: Recommender, *, encoder_version: str = ENCODER) -> Manifest:
        return self.snapshots.publish(model, encoder_version=encoder_version, examples=960, metrics={})

    def close(self) -> None:
        self.queue.shutdown()
        self.users.close()
        self.contexts.close()
