"""Scoring an answer again from its impressions: the served features, the model's version, the texts of that time."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import ITEM_CONTENT
from runtime.settings import KafkaSettings
from runtime.topics import read_topic
from serving.inference.scoring import prior_predictions
from training.batch import make_batch
from training.ids import hashes
from training.storage.snapshots import Snapshot, SnapshotStore

__all__ = ["ScoredAgain", "Texts", "read_texts", "score_again"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """Text vectors by item as they stood at a time; `changed` ones have been encoded again since and only that vector is left."""

    vectors: Mapping[str, NDArray[np.float32]]
    changed: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoredAgain:
    """B items of one answer, T tasks in the vocabulary's order, in the tasks' own units."""

    answered_BT: NDArray[np.float32]
    """NaN where a task is not about the item, or where the impression is of a release that did not keep them."""
    again_BT: NDArray[np.float32]
    changed: frozenset[str]
    """Items, of the list or of the user's history, whose texts are no longer those that were scored with."""

    @property
    def largest_difference(self) -> float:
        """Relative to the answered score; 0 where none was kept."""
        off_BT = np.abs(self.again_BT - self.answered_BT) / np.maximum(np.abs(self.answered_BT), 1e-6)
        return float(np.nanmax(off_BT, initial=0.0)) if not np.isnan(off_BT).all() else 0.0


def read_texts(kafka: KafkaSettings, item_ids: set[str], at: float) -> Texts:
    """Vectors of the given items as of `at` (Unix seconds), as far as the compacted topic still has them; raises TopicError."""
    vectors: dict[str, NDArray[np.float32]] = {}
    changed: set[str] = set()
    for record in read_topic(kafka, ITEM_CONTENT.name):
        item_id = record.key.decode()
        if item_id not in item_ids or record.value is None:
            continue
        later = record.timestamp / 1000.0 > at
        if later and item_id in vectors:
            continue
        vectors[item_id] = np.frombuffer(ItemContent.FromString(record.value).vector, dtype="<f4")
        if later:
            changed.add(item_id)
    return Texts(vectors={item: vector_D for item, vector_D in vectors.items() if vector_D.size}, changed=frozenset(changed))


def score_again(shown: Sequence[Event], vocabulary: Vocabulary, snapshots: SnapshotStore, texts: Texts) -> ScoredAgain:
    """Scores one list from its impressions; they agree with what was answered to the rounding of float32.

    Raises:
        SnapshotError: the snapshot that scored is no longer held.
        ValueError: the impressions were made for other tasks.
    """
    served = [event.impression.served for event in shown]
    if any(one.fingerprint != vocabulary.fingerprint for one in served):
        raise ValueError("the answer was scored for other tasks than those of the tasks file; give the file of that time")
    unknown = [math.nan] * len(vocabulary.tasks)
    answered_BT = np.array([list(one.predictions) or unknown for one in served], dtype=np.float32)
    x_BF = np.array([one.values for one in served], dtype=np.float32)
    named = sorted({event.item_id for event in shown}.union(*(one.history_item_ids for one in served)))
    if version := served[0].model_version:
        again_BT = _by_model(shown, x_BF, snapshots.load(int(version.lstrip("v"))), named, texts)
    else:
        again_BT = prior_predictions(x_BF, vocabulary)
    again_BT[np.isnan(answered_BT) & np.array([[bool(one.predictions)] for one in served])] = np.nan
    return ScoredAgain(answered_BT=answered_BT, again_BT=again_BT, changed=texts.changed.intersection(named))


def _by_model(
    shown: Sequence[Event], x_BF: NDArray[np.float32], snapshot: Snapshot, named: Sequence[str], texts: Texts
) -> NDArray[np.float32]:
    rows = {item_id: at for at, item_id in enumerate(named)}
    vectors_VD = np.zeros((len(rows), snapshot.manifest.model.text_dimension), dtype=np.float32)
    for item_id in texts.vectors.keys() & rows.keys():
        vectors_VD[rows[item_id]] = texts.vectors[item_id]
    served = [event.impression.served for event in shown]
    batch = make_batch(
        features=x_BF,
        item_rows=np.array([rows[event.item_id] for event in shown]),
        # An item that a user has acted on is known to the server by its counters, if not by its text.
        history_rows=[
            np.array([rows[one] for one in event.impression.served.history_item_ids], dtype=np.intp) for event in shown
        ],
        history_values=[np.array(one.history_values, dtype=np.float32) for one in served],
        vectors=vectors_VD,
        ids=hashes((event.user_id, event.item_id, 0.0) for event in shown),
        tasks=len(snapshot.manifest.tasks),
    )
    again_BT: NDArray[np.float32] = snapshot.model.predict(batch).numpy().copy()
    return again_BT
