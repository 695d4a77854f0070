"""Lists from catalogues of a thousand to a million items: by exact search, and by index.

It runs the data plane alone, in a process of its own: no gRPC, no store.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.serving.deployment import Deployment
from benchmarks.serving.load import LoadClient, quantile
from benchmarks.serving.world import ServingCatalogue
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from feature_repo.vocabulary import Vocabulary
from serving.api.requests import RecommendQuery, SlateQuery
from serving.inference.compiled import compiled
from serving.inference.models import ServedModel
from serving.ranking.ranker import Ranker
from serving.retrieval.facets import ItemFacets
from serving.retrieval.index import CatalogueIndex
from serving.timing import Stopwatch

__all__ = ["measure_catalogue"]

_SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000)
_SUBJECTS, _NOISE = 1_000, 0.8  # vectors lie around so many centres: the cosine of two around one is about .6
_SHOWN, _POOL, _USERS = 10, 500, 20
_CALLS, _SECONDS = 40, 10.0  # for one figure: so many lists, or as many as come in that time
_CHUNK = 1_000
_SETTLE_SECONDS = 1.5  # by then the standing lists have been rebuilt


def measure_catalogue(deployment: Deployment, client: LoadClient, say: Callable[[str], None]) -> dict[str, Any]:
    """Time of a list of 10 out of 500 candidates by the size of the catalogue, and what an item takes of memory."""
    say(f"up to {_SIZES[-1]:,} items")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measure, deployment.world.vocabulary).result()


def _measure(vocabulary: Vocabulary) -> dict[str, Any]:
    torch.set_num_threads(1)
    threadpool_limits(1, user_api="blas")
    world = ServingCatalogue(vocabulary=vocabulary, items=_SIZES[-1])
    # Their histories are of the items that every size has.
    users = list(ServingCatalogue(vocabulary=vocabulary, items=_SIZES[0], users=_USERS).user_rows())
    lists = _Lists(world, users)
    began_with, found = _resident_bytes(), {}
    for size in _SIZES:
        print(f"         {size:,} items", flush=True)
        lists.fill(size)
        held = (_resident_bytes() - began_with) / size
        found[str(size)] = {"bytes_per_item": held, **lists.measure()}
    return {"shown": _SHOWN, "pool": _POOL, "indexed_per_second": lists.indexed_per_second, "sizes": found}


class _Lists:
    """A catalogue that grows, and the making of lists from it."""

    def __init__(self, world: ServingCatalogue, users: Sequence[UserRow]) -> None:
        self._world, self._users = world, users
        self._random = np.random.default_rng(world.seed)
        self._centres_SD = self._random.standard_normal((_SUBJECTS, world.dimensions), dtype=np.float32)
        self._table = ItemTable(world.vocabulary, dimensions=world.dimensions)
        self._index = CatalogueIndex(self._table, clock=time.time, exact=0)
        self._ranker = Ranker(self._table, ItemFacets(self._table), self._index, pool=_POOL)
        self._weights = [np.array([task.rank_weight for task in world.vocabulary.tasks])]
        self._model = _served(world)
        self.indexed_per_second = 0.0
        self._index.start()

    def fill(self, size: int) -> None:
        """Grows to so many items, and waits until they are indexed."""
        table, world, began, before = self._table, self._world, time.perf_counter(), len(self._table)
        while len(table) < size:
            around_CD = self._centres_SD[self._random.integers(0, _SUBJECTS, _CHUNK)]
            vectors_CD = around_CD + _NOISE * self._random.standard_normal(around_CD.shape, dtype=np.float32)
            vectors_CD /= np.linalg.norm(vectors_CD, axis=1, keepdims=True)
            counters_CH = world.counters(self._random, 100.0)
            for vector_D in vectors_CD:
                item = world.item(len(table))
                table.set_content(item, vector_D)
                table.set_activity(item.item_id, time.time(), counters_CH)
        while self._index.waiting:
            time.sleep(0.05)
        self.indexed_per_second = (size - before) / (time.perf_counter() - began)
        time.sleep(_SETTLE_SECONDS)

    def measure(self) -> dict[str, Any]:
        """Exact and approximate; `same` is the share of the exact lists that the others have, too."""
        exact, of_exact = self._timed(exact=len(self._table))
        approximate, of_approximate = self._timed(exact=0)
        same = [len(one & other) / _SHOWN for one, other in zip(of_exact, of_approximate, strict=False)]
        return {"exact": exact, "approximate": {**approximate, "same": float(np.mean(same))}}

    def _timed(self, *, exact: int) -> tuple[dict[str, float], list[set[str]]]:
        self._index.exact = exact
        seconds: list[float] = []
        lists: list[set[str]] = []
        end = time.perf_counter() + _SECONDS
        while len(seconds) < _CALLS and (not seconds or time.perf_counter() < end):
            user = self._users[len(seconds) % len(self._users)]
            query = RecommendQuery(user_id=user.user_id, slates=(SlateQuery(count=_SHOWN),), seconds=1.0)
            began = time.perf_counter()
            ranked = self._ranker.rank(
                query, user, weights=self._weights, context_D=None, model=self._model, now=time.time(), watch=Stopwatch()
            )
            seconds.append(time.perf_counter() - began)
            lists.append({item.item_id for item in ranked.slates[0].items})
        return {"p50_s": quantile(seconds, 0.5), "p99_s": quantile(seconds, 0.99)}, lists


def _served(world: ServingCatalogue) -> ServedModel:
    model = world.model().eval().requires_grad_(False)
    targets = model.targets
    return ServedModel(
        number=1,
        version="v00000001",
        created_at=time.time(),
        recommender=model,
        predict=compiled(model),
        mean_T=targets.mean.double().numpy(),
        deviation_T=targets.deviation.double().numpy(),
    )


def _resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmRSS:")[2].split()[0])
