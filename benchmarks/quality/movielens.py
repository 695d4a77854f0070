"""Sections on MovieLens-100k: Headwater compared with its peers in two modes, and the effect of freshness."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import feature_repo
from benchmarks.quality import headwater, ids, peers
from benchmarks.quality.examples import Examples, by_count, by_time, cached, fold
from benchmarks.quality.figures import figures, spread, windows
from deploy.demo import movielens
from deploy.demo.baselines import ItemMean, UserItemMean
from deploy.demo.quality import auc
from feature_repo.decode import check_event
from feature_repo.decoded_event import DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.tasks import load_tasks
from feature_repo.vocabulary import Vocabulary
from training.encoding.cache import Encoder, item_text

__all__ = ["MODES", "Data", "load", "measure", "measure_freshness"]

MODES = {
    "every_event": "features as of just before each rating; ratings of the same second see each other in their order",
    "seconds_hidden": "ratings of the same second do not see each other, neither in features nor in what was learned",
}
_SYNC_EVERY = (100, 1_000, 5_000, 20_000)
_FEATURES_EVERY = (100, 1_000, 20_000)
_ID_ROWS = 1 << 15  # for 943 users and 1,682 films, so that few miss a row
_WINDOW, _STEP = 5_000, 2_500
_TASKS = Path(movielens.__file__).with_name("movielens.toml")

Stretches = Sequence[tuple[int, int]]
Runs = dict[str, list[NDArray[np.float32]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """The ratings as pairs of impression and action, the films, and where folded examples are kept."""

    pairs: tuple[tuple[DecodedEvent, DecodedEvent], ...]
    films: tuple[Any, ...]
    vectors: NDArray[np.float32]
    vocabulary: Vocabulary
    cache_dir: Path

    def examples(self, name: str, stretches: Stretches) -> Examples:
        """Folds the ratings, or takes what an earlier run of the same code kept."""
        sources = sorted(Path(feature_repo.__file__).parent.rglob("*.py"))
        digest = hashlib.sha256(b"".join(path.read_bytes() for path in (*sources, _TASKS)) + self.vectors.tobytes())
        path = self.cache_dir / f"movielens-{name}-{digest.hexdigest()[:12]}.npz"
        return cached(path, lambda: fold(self.pairs, self.table(), stretches))

    def table(self) -> ItemTable:
        """The films, of which nothing has been seen yet."""
        table = ItemTable(self.vocabulary, dimensions=self.vectors.shape[1])
        for film, vector_D in zip(self.films, self.vectors, strict=True):
            table.set_content(film.upsert, vector_D)
        return table


def load(directory: Path, cache_dir: Path, encoder: Encoder, *, now: float, ratings: int | None = None) -> Data:
    """The data set from `directory`, fetched if it is not there; the first `ratings` of it, or all."""
    data = movielens.load(movielens.fetch(directory))
    checked = [check_event(event, now) for event in data.events()]
    events = [event for event in checked if isinstance(event, DecodedEvent)]
    return Data(
        pairs=tuple(zip(events[::2], events[1::2], strict=True))[:ratings],
        films=data.films,
        vectors=encoder.encode([item_text(film.upsert.title, film.upsert.text) for film in data.films]),
        vocabulary=Vocabulary(load_tasks(_TASKS)),
        cache_dir=cache_dir,
    )


def measure(data: Data, *, seeds: Sequence[int], say: Callable[[str], None]) -> dict[str, Any]:
    """Headwater and its peers, ready for JSON; `say` is told what is under way."""
    found: dict[str, Any] = {"ratings": len(data.pairs), "seeds": list(seeds), "modes": {}}
    for mode, bounds in _stretches(data).items():
        say(f"{mode}: folding")
        examples = data.examples(mode, bounds)
        runs, retrainings = _compared(data, examples, bounds, seeds, partial(_prefixed, say, mode))
        found["modes"][mode] = {"what": MODES[mode], "lightgbm_retrainings": retrainings, **_judged(examples, runs)}
        if mode == "every_event":
            found["curve"] = _curve(examples, {name: predictions[0] for name, predictions in runs.items()})
    last = found["modes"]["every_event"]["last_fifth"]
    found["last_fifth"] = {metric: {model: last[model][metric]["mean"] for model in last} for metric in ("auc", "rmse")}
    return found


def _stretches(data: Data) -> dict[str, Stretches]:
    """By mode, the bounds of the ratings that come to light together."""
    return {
        "every_event": by_count(len(data.pairs), 1),
        "seconds_hidden": by_time([shown.at for shown, _ in data.pairs]),
    }


def _compared(
    data: Data, examples: Examples, bounds: Stretches, seeds: Sequence[int], say: Callable[[str], None]
) -> tuple[Runs, int]:
    """Predictions by model, one array a seed; and how often LightGBM was trained."""
    own, with_ids = [], []
    for seed in seeds:
        say(f"Headwater, seed {seed}")
        trainer = headwater.make_trainer(data.vocabulary, examples.vectors.shape[1], seed)
        own.append(headwater.progressive(examples, trainer, bounds))
        trainer = headwater.make_trainer(data.vocabulary, examples.vectors.shape[1], seed, id_rows=_ID_ROWS)
        with_ids.append(headwater.progressive(examples, trainer, bounds))
    say("running means and River")
    runs: Runs = {
        "headwater": [run.live for run in own],
        "headwater_ids": [run.live for run in with_ids],
        "headwater_frozen": [run.frozen for run in own],
        "river_logistic": [peers.run(peers.RiverLogistic(), examples, bounds)],
        "river_factorization": [peers.run(peers.RiverFactorization(), examples, bounds)],
        "user_item_mean": [peers.run(peers.Means(UserItemMean), examples, bounds)],
        "item_mean": [peers.run(peers.Means(ItemMean), examples, bounds)],
    }
    say("LightGBM, trained again each day")
    names = data.vocabulary.features
    expected = examples.x[:, [names.index("like:expected"), names.index("stars:expected")]]
    predictions, retrainings = peers.lightgbm_daily(examples, expected)
    runs["lightgbm_daily"] = [predictions]
    return runs, retrainings


def measure_freshness(data: Data, *, say: Callable[[str], None]) -> dict[str, Any]:
    """AUC on the last fifth, by how many ratings pass between two refreshes; one seed."""
    bounds = by_count(len(data.pairs), 1)
    say("weights synced now and then")
    fresh = data.examples("every_event", bounds)
    trainer = headwater.make_trainer(data.vocabulary, fresh.vectors.shape[1], 0)
    run = headwater.progressive(fresh, trainer, bounds, sync_every=_SYNC_EVERY)
    found = {"weights": {str(headwater.BATCH): _auc(fresh, run.live)}, "features": {}, "features_and_weights": {}}
    found["weights"] |= {str(every): _auc(fresh, synced) for every, synced in run.synced.items()}
    for every in _FEATURES_EVERY:
        say(f"features refreshed every {every:,} ratings")
        bounds = by_count(len(data.pairs), every)
        examples = data.examples(f"frozen-{every}", bounds)
        trainer = headwater.make_trainer(data.vocabulary, examples.vectors.shape[1], 0)
        run = headwater.progressive(examples, trainer, by_count(len(examples), 1), sync_every=(every,))
        found["features"][str(every)] = _auc(examples, run.live)
        found["features_and_weights"][str(every)] = _auc(examples, run.synced[every])
    say("ids alone")
    held = ids.progressive(fresh, seed=0, sync_every=(headwater.BATCH, *_SYNC_EVERY))
    return {**found, "ids_weights": {str(every): _auc(fresh, predictions) for every, predictions in held.items()}}


def _prefixed(say: Callable[[str], None], prefix: str, text: str) -> None:
    say(f"{prefix}: {text}")


def _auc(examples: Examples, predictions: NDArray[np.float32]) -> float:
    last = windows(len(examples))["last_fifth"]
    return auc(examples.labels[last, 0], predictions[last, 0])


def _judged(examples: Examples, runs: Runs) -> dict[str, Any]:
    return {
        window: {model: spread([_figures(examples, run, part) for run in predictions]) for model, predictions in runs.items()}
        for window, part in windows(len(examples)).items()
    }


def _figures(examples: Examples, predictions: NDArray[np.float32], part: slice) -> dict[str, float]:
    return figures(examples.users[part], examples.items[part], examples.labels[part], predictions[part])


def _curve(examples: Examples, runs: dict[str, NDArray[np.float32]]) -> dict[str, Any]:
    """AUC over the ratings just before each point."""
    ends = list(range(min(_WINDOW, len(examples)), len(examples) + 1, _STEP))
    parts = [slice(max(end - _WINDOW, 0), end) for end in ends]
    lines = {name: [auc(examples.labels[part, 0], run[part, 0]) for part in parts] for name, run in runs.items()}
    return {"window": _WINDOW, "ends": ends, "auc": lines}
