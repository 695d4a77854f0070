"""Section on Steam: two tasks, known games and cold ones, without text and with that of several encoders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.quality.figures import log_loss
from benchmarks.quality.headwater import BATCH, of_task
from deploy.demo.quality import auc, rmse
from feature_repo.assembly.assemble import assemble_served
from feature_repo.decoded_event import DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example
from headwater.v1.catalogue_pb2 import Item
from training.balancing import BalancingName
from training.encoding.cache import Encoder
from training.history import HistoryFold, batch_of
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig

__all__ = ["Pair", "Steam", "centred", "figures", "load", "measure", "splits"]

_TASKS = """
[tasks.played]
kind = "binary"
event = "own"
at_least = 1

[tasks.hours]
kind = "duration"
event = "play"
"""
_SEEN_AS_NEW = 0.1
"""Of the replayed examples, as the learner's setting: here new games matter as much as known ones."""
_SCORED_AT_ONCE = 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A game that a user owns; `hours` is None where it was never played."""

    user: str
    game: str
    hours: float | None


def load(directory: Path, *, one_user_in: int = 1) -> tuple[list[Pair], dict[str, str]]:
    """Pairs of one user in so many (part of them tells less of cold games), and the games' names; raises FileNotFoundError."""
    keys = ["User_ID", "Game_ID"]
    owned = pd.read_csv(directory / "game_purchase.dat.gz", sep="\t").drop_duplicates(keys)
    played = pd.read_csv(directory / "game_play.dat.gz", sep="\t").drop_duplicates(keys)
    names = pd.read_csv(directory / "item_info.dat.gz", sep="\t")
    both = owned.merge(played, on=keys, how="left")
    both = both[both["User_ID"] % one_user_in == 0]
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
        vectors[name] = centred(encoder.encode(titles))
    found: dict[str, Any] = {"pairs": len(pairs), "users": len({pair.user for pair in pairs}), "games": len(games), "seed": seed}
    found["seen_as_new"] = _SEEN_AS_NEW
    for split, (learned, judged) in splits(pairs, seed=seed).items():
        found[split] = {"learned": len(learned), "judged": len(judged), "models": {}}
        for name, vectors_ID in vectors.items():
            say(f"{split}: text {name}")
            world = Steam(dict(zip(games, vectors_ID, strict=True)), learned, judged)
            models = found[split]["models"]
            models[name] = world.judge(world.learn(seed))
            if name == "none":
                models["means"] = figures(world.expected(), world.labels)
            if name == next(iter(encoders), None):
                models[f"{name}, no game seen as new"] = world.judge(world.learn(seed, seen_as_new=0.0))
                alone = [world.judge(world.learn(seed, only=task)) for task in range(2)]
                models[f"{name}, each task alone"] = {"auc": alone[0]["auc"], "rmse": alone[1]["rmse"]}
    return found


def centred(vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """Text vectors less their mean, of length 1: decoders' share a large mean, which hides what tells texts apart."""
    off_ND = vectors_ND - vectors_ND.mean(axis=0)
    scaled_ND: NDArray[np.float32] = off_ND / np.maximum(np.linalg.norm(off_ND, axis=1, keepdims=True), 1e-9)
    return scaled_ND


def figures(predictions: NDArray[np.float32], labels: NDArray[np.float32]) -> dict[str, float]:
    """AUC and log loss of played (column 0), and RMSE of log1p hours (column 1) over what was played."""
    played = ~np.isnan(labels[:, 1])
    return {
        "auc": auc(labels[:, 0], predictions[:, 0]),
        "log_loss": log_loss(labels[:, 0], predictions[:, 0]),
        "rmse": rmse(labels[played, 1], predictions[played, 1]),
    }


class Steam:
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

    def learn(
        self, seed: int, *, only: int | None = None, seen_as_new: float = _SEEN_AS_NEW, balancing: BalancingName = "fixed"
    ) -> Trainer:
        """A trainer that has seen all that is learned once, in order; `only` one task's labels of it."""
        model = ModelConfig(text_dimension=self._dimensions)
        config = TrainerConfig(model=model, seen_as_new=seen_as_new, balancing=balancing)
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
        predicted = [trainer.model.expectation(trainer.model(batch)).numpy() for batch in parts]
        return figures(np.concatenate(predicted), self.labels)

    def expected(self) -> NDArray[np.float32]:
        """What means alone say: the game's smoothed mean and the user's bias."""
        names = self._vocabulary.features
        columns = [names.index("played:expected"), names.index("hours:expected")]
        return np.array([example.features for example in self._judged], dtype=np.float32)[:, columns]


def _fold(run: HistoryFold, pair: Pair, at: float) -> list[Example]:
    """Two events, whose features are those of before the first: that it is owned must not tell that it is played."""
    served = assemble_served(run.user(pair.user), run.table, pair.game, at)

    def event(kind: str, value: float) -> DecodedEvent:
        return DecodedEvent(
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
