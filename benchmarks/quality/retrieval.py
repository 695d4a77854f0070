"""Section on retrieval: recall of later likes by each source of candidates, on MovieLens."""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.quality import headwater
from benchmarks.quality.examples import arrays, by_count
from benchmarks.quality.movielens import Data
from feature_repo.audience import affinities
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from headwater.internal.v1.streams_pb2 import Example
from serving.retrieval.index import CatalogueIndex, newest, trending
from serving.retrieval.sources import candidates
from training.history import HistoryFold

__all__ = ["measure"]

_POOL = 200
_LIKED = 10  # of the latest engagements that were no worse than usual, as serving/retrieval/sources.py takes
_LIKE = 4.0  # stars
_PAST, _LIKES = 5, 3  # users with fewer ratings before, or fewer likes after, are left out
_UNIONS = {
    "served_learned": ("text", "learned", "trending", "newest"),
    "served_same_users": ("text", "same_users", "trending", "newest"),
}

Rows = NDArray[np.intp]


def measure(data: Data, *, say: Callable[[str], None]) -> dict[str, Any]:
    """Mean recall of the likes of the last fifth among `pool` films not rated before, drawn as of its beginning; one seed."""
    start = len(data.pairs) * 4 // 5
    say(f"the first {start:,} ratings")
    run, learned_MW = _past(data, start)
    now, liked = data.pairs[start][0].at, defaultdict(set)
    for shown, action in data.pairs[start:]:
        if (action.value or 0.0) >= _LIKE:
            liked[shown.user_id].add(run.table.index[shown.item_id])
    say("candidates")
    found = defaultdict(list)
    index = CatalogueIndex(run.table, clock=time.time)
    for user_id, likes in liked.items():
        row = run.user(user_id)
        new_likes = likes - set(run.table.rows(row.recent_ids).tolist())
        if len(row.recent_ids) < _PAST or len(new_likes) < _LIKES:
            continue
        drawn = _drawn(run.table, row, learned_MW, now)
        rows_M = np.setdiff1d(np.arange(len(run.table)), run.table.rows(row.recent_ids))
        drawn["served"] = candidates(run.table, row, rows_M, index=index, context_D=None, now=now, pool=_POOL)
        for source, rows in drawn.items():
            found[source].append(len(new_likes.intersection(rows.tolist())) / len(new_likes))
    return {
        "pool": _POOL,
        "users": len(found["served"]),
        "recall": {source: float(np.mean(each)) for source, each in found.items()},
    }


def _past(data: Data, stop: int) -> tuple[HistoryFold, NDArray[np.float32]]:
    """Everything up to pair `stop` folded and learned; and the films in the learned space, each of length one."""
    run, examples = HistoryFold(data.table()), list[Example]()
    for shown, action in data.pairs[:stop]:
        examples += run.fold(shown)
        examples += run.fold(action)
    trainer = headwater.make_trainer(data.vocabulary, run.table.dimensions, 0)
    learned_from = arrays(examples, run.table)
    for begin, end in headwater.steps(by_count(len(learned_from), 1)):
        trainer.learn(learned_from.batch(begin, end))
    with torch.inference_mode():
        learned_MW = trainer.model.adapter(torch.from_numpy(run.table.vectors[: len(run.table)])).numpy()
    return run, learned_MW / np.linalg.norm(learned_MW, axis=1, keepdims=True).clip(1e-9)


def _drawn(table: ItemTable, row: UserRow, learned_MW: NDArray[np.float32], now: float) -> dict[str, Rows]:
    """Rows by source, and of the sources in turns."""
    past, every = table.rows(row.recent_ids), np.arange(len(table))
    better = np.nansum(row.recent_R[:, 1:] - table.priors(), axis=1) >= 0.0
    liked_P = past[better][:_LIKED]
    evenly_PT = np.ones((len(liked_P), len(table.vocabulary.tasks)))
    values = {
        "text": (table.vectors[every] @ table.vectors[liked_P].T).max(axis=1, initial=-1.0),
        "learned": (learned_MW @ learned_MW[liked_P].T).max(axis=1, initial=-1.0),
        "same_users": affinities(
            table.places[every], table.opinions[every], table.places[liked_P], table.opinions[liked_P], evenly_PT
        )[:, 0],
        "trending": trending(table, every, now),
        "newest": newest(table, every, now),
    }
    ranked = {}
    for source, value_M in values.items():
        value_M[past] = -np.inf
        ranked[source] = np.argsort(-value_M, kind="stable")[:_POOL]
    unions = {name: _in_turns([ranked[source] for source in sources]) for name, sources in _UNIONS.items()}
    return ranked | unions


def _in_turns(ranked: Sequence[Rows]) -> Rows:
    return np.array(list(dict.fromkeys(chain.from_iterable(zip_longest(*ranked))))[:_POOL])
