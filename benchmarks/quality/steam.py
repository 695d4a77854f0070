"""Owns the section on Steam: two tasks, known games and cold ones, without text and with that of several encoders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.quality.headwater import BATCH, of_task
from deploy.demo.quality import auc, rmse
from feature_repo.assemble import assemble_served
from feature_repo.occurrence import Occurrence
from feature_repo.table import ItemTable
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from protos.catalogue_pb2 import Item
from protos.streams_pb2 import Example
from training.cache import Encoder
from training.history import HistoryFold, batch_of
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig

__all__ = ["Pair", "figures", "load", "measure", "splits"]

_TASKS = """
[tasks.played]
kind = "binary"
event = "own"
at_least = 1

[tasks.hours]
kind = "duration"
event = "play"
"""
_EVERY = 1
"""One user in so many is taken: more for a quick look, which tells less of cold games."""
_SEEN_AS_NEW = 0.1
"""Of the replayed examples, as the learner's setting: here new games matter as much as known ones."""
_SCORED_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A game that a user owns; `hours` is None where it was never played."""

    user: str
    game: str
    hours: float | None


def load(directory: Path) -> tuple[list[Pair], dict[str, str]]:
    """Pairs of one user in `_EVERY`, and the games' names; raises FileNotFoundError."""
    keys = ["User_ID", "Game_ID"]
    owned = pd.read_csv(directory / "game_purchase.dat.gz", sep="\t").drop_duplicates(keys)
    played = pd.read_csv(directory / "game_play.dat.gz", sep="\t").drop_duplicates(keys)
    names = pd.read_csv(directory / "item_info.dat.gz", sep="\t")
    both = owned.merge(played, on=keys, how="left")
    both = both[both["User_ID"] % _EVERY == 0]
    rows = zip(both["User_ID"], both["Game_ID"], both["Hours"], strict=True)
    pairs = [Pair(user=str(user), game=str(game), hours=None if hours != hours else float(hours)) for user, game, hours in rows]
    return pairs, {str(game): str(name) for game, name in zip(names["Game_ID"], names["Game Name"], strict=True)}


def splits(pairs: Sequence[Pair], *, seed: int) -> dict[str, tuple[list[Pair], list[Pair]]]:
    """What is learned and what is judged, each in random order: a fifth of the rows, or all rows of a fifth of the games."""
    rng = np.random.default_rng(seed)
    shuffled = [pairs[index] for index in rng.permutation(len(pairs))]
    cut = len(shuffled) - len(shuffled) // 5
    games = sorted({pair.game for pair in pairs})
    cold = set(rng.choice(games, size=len(games) // 5, replace=False).tolist())
    return {
        "rows": (shuffled[:cut], shuffled[cut:]),
        "cold_games": ([pair for pair in shuffled if pair.game not in cold], [pair for pair in shuffled if pair.game in cold]),
    }


def measure(
    directory: Path, encoders: Mapping[str, Encoder], *, seed: int, say: Callable[[str], None], limit: int | None = None
) -> dict[str, Any]:
    """Everything of this section, ready for JSON; `limit` takes only the first pairs."""
    pairs, names = load(directory)
    pairs = pairs[:limit]
    games = sorted({pair.game for pair in pairs})
    titles = [names.get(game, "") for game in games]
    vectors: dict[str, NDArray[np.float32]] = {"none": np.zeros((len(games), 1), dtype=np.float32)}
    for name, encoder in encoders.items():
        say(f"{len(games):,} names through {name}")
        # Decoders' vectors share a large mean, which hides what tells texts apart.
        centred = encoder.encode(titles)
        centred = centred - centred.mean(axis=0)
        vectors[name] = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-9)
    found: dict[str, Any] = {"pairs": len(pairs), "users": len({pair.user for pair in pairs}), "games": len(games), "seed": seed}
    found |= {"one_user_in": _EVERY, "seen_as_new": _SEEN_AS_NEW}
    for split, (learned, judged) in splits(pairs, seed=seed).items():
        found[split] = {"learned": len(learned), "judged": len(judged), "models": {}}
        for name, vectors_ID in vectors.items():
            say(f"{split}: text {name}")
            world = _World(dict(zip(games, vectors_ID, strict=True)), learned, judged)
            models = found[split]["models"]
            models[name] = world.judge(world.learn(seed))
            if name == "none":
                models["means"] = figures(world.expected(), world.labels)
            if name == next(iter(encoders), None):
                models[f"{name}, no game seen as new"] = world.judge(world.learn(seed, seen_as_new=0.0))
                alone = [world.judge(world.learn(seed, only=task)) for task in range(2)]
                models[f"{name}, each task alone"] = {"auc": alone[0]["auc"], "rmse": alone[1]["rmse"]}
    return found


def figures(predictions: NDArray[np.float32], labels: NDArray[np.float32]) -> dict[str, float]:
    """AUC of played (column 0), and RMSE of log1p hours (column 1) over what was played."""
    played = ~np.isnan(labels[:, 1])
    return {"auc": auc(labels[:, 0], predictions[:, 0]), "rmse": rmse(labels[played, 1], predictions[played, 1])}


class _World:
    """Pairs folded in order by the stream's own code; features of the judged ones are as of the end."""

    def __init__(self, vectors: Mapping[str, NDArray[np.float32]], learned: Sequence[Pair], judged: Sequence[Pair]) -> None:
        self._vocabulary = Vocabulary(parse_tasks(_TASKS))
        self._dimensions = len(next(iter(vectors.values())))
        self._table = ItemTable(self._vocabulary, dimensions=self._dimensions)
        for game, vector_D in vectors.items():
            self._table.set_content(Item(item_id=game, type="game"), vector_D)
        run = HistoryFold(self._table)
        self._learned: list[Example] = []
        for second, pair in enumerate(learned):
            self._learned += _fold(run, pair, float(second + 1))
        now = float(len(learned) + 1)
        self._judged = [_example(run, pair, now) for pair in judged]
        self.labels = np.array([example.labels for example in self._judged], dtype=np.float32)

    def learn(self, seed: int, *, only: int | None = None, seen_as_new: float = _SEEN_AS_NEW) -> Trainer:
        """A trainer that has seen all that is learned once, in order; `only` one task's labels of it."""
        config = TrainerConfig(model=ModelConfig(text_dimension=self._dimensions), seen_as_new=seen_as_new)
        trainer = Trainer(config, self._vocabulary, seed=seed)
        for start in range(0, len(self._learned), BATCH):
            batch = batch_of(self._learned[start : start + BATCH], self._table)
            trainer.learn(batch if only is None else of_task(batch, only))
        return trainer

    @torch.inference_mode()
    def judge(self, trainer: Trainer) -> dict[str, float]:
        """Figures over what was not learned."""
        parts = (
            batch_of(self._judged[at : at + _SCORED_AT_ONCE], self._table) for at in range(0, len(self._judged), _SCORED_AT_ONCE)
        )
        said = [trainer.model.expectation(trainer.model(batch)).numpy() for batch in parts]
        return figures(np.concatenate(said), self.labels)

    def expected(self) -> NDArray[np.float32]:
        """What means alone say: the game's smoothed mean and the user's bias."""
        names = self._vocabulary.features
        columns = [names.index("played:expected"), names.index("hours:expected")]
        return np.array([example.features for example in self._judged], dtype=np.float32)[:, columns]


def _fold(run: HistoryFold, pair: Pair, at: float) -> list[Example]:
    """Two events, whose features are those of before the first: that it is owned must not tell that it is played."""
    served = assemble_served(run.user(pair.user), run.table, pair.game, at)

    def event(kind: str, value: float) -> Occurrence:
        return Occurrence(
            event_id=f"{kind}-{at}", user_id=pair.user, item_id=pair.game, at=at, kind=kind, value=value, served=served
        )

    examples = run.fold(event("own", float(pair.hours is not None)))
    return examples if pair.hours is None else examples + run.fold(event("play", pair.hours))


def _example(run: HistoryFold, pair: Pair, now: float) -> Example:
    served = assemble_served(run.user(pair.user), run.table, pair.game, now)
    return Example(
        item_id=pair.game,
        features=served.features,
        history_item_ids=served.history_item_ids,
        history_values=served.history_values,
        labels=[float(pair.hours is not None), np.nan if pair.hours is None else np.log1p(pair.hours)],
    )
