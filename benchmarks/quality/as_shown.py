"""AUC that a replay reports, beside that of what the server would have answered when each list was shown.

The second is separate: by a loop of its own that keeps rows and weights as they stood at each moment, and by the code of the
server. They must agree, or the replay's figures are not those of what people would have been shown.

    python -m benchmarks.quality.as_shown --users 500 --items 500 --days 10
"""

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from deploy.dataset.timeline import in_moments
from feature_repo.decode import check_event
from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.pending_impressions import is_labelled
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import Example
from headwater.v1.catalogue_pb2 import Item
from serving.inference.models import ServedModel
from serving.inference.scoring import predict
from serving.timing import Stopwatch
from training.history import HistoryFold, HistoryRun, batch_of
from training.metrics.lists import Estimate, auc_of_all
from training.model import ModelConfig
from training.simulation.simulation import Simulation, SimulationConfig
from training.trainer import Trainer, TrainerConfig

__all__ = ["AsShown", "compare", "simulated"]

_BATCH = 32
_DIMENSIONS = 8
_TASKS = '[tasks.click]\nkind = "binary"\nevent = "click"\n'

Shown = tuple[str, str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class AsShown:
    """Both figures over the same labels."""

    labels: int
    replayed: Estimate
    answered: Estimate
    mean_difference: float
    """Of the two predictions of one impression: the replay's knows what stands above it in the same list, as the stream does."""


def simulated(config: SimulationConfig, *, seed: int) -> tuple[list[DecodedEvent], list[Item]]:
    """Events in order of time and the catalogue, as `headwater simulate` makes them."""
    simulation = Simulation(config, np.random.default_rng(seed))
    items = [change.upsert for change in simulation.catalogue()]
    now = config.begins_at + 86_400.0 * (config.days + 1.0)
    checked = (check_event(event, now) for event, _ in simulation.events())
    return in_moments(event for event in checked if isinstance(event, DecodedEvent)), items


def compare(events: Sequence[DecodedEvent], items: Iterable[Item], *, seed: int = 0) -> AsShown:
    """Replays the events, and asks again for what the server would have answered at each list."""
    items = list(items)
    run = HistoryRun(_table(items), _trainer(seed), batch_size=_BATCH)
    run.play(events)
    judged = run.judged()
    answers = dict(_answers(events, _table(items), _trainer(seed)))
    known = [at for at, one in enumerate(judged.shown) if (one.user_id, one.item_id, one.shown_at) in answers]
    shown = [judged.shown[at] for at in known]
    answered = np.array([answers[one.user_id, one.item_id, one.shown_at] for one in shown])
    replayed, labels, users = judged.predictions[known, 0], judged.labels[known, 0], judged.users[known]
    return AsShown(
        labels=len(known),
        replayed=auc_of_all(users, labels, replayed),
        answered=auc_of_all(users, labels, answered),
        mean_difference=float(np.abs(replayed - answered).mean()),
    )


def _answers(events: Iterable[DecodedEvent], table: ItemTable, trainer: Trainer) -> Iterator[tuple[Shown, float]]:
    """The click chance of each item of each list, scored by the rows and weights before anything of the list was folded."""
    fold, waiting = HistoryFold(table), list[Example]()
    for _, group in groupby(events, key=lambda event: (event.user_id, event.recommendation_id, event.at, event.kind)):
        moment = list(group)
        first = moment[0]
        if first.kind == IMPRESSION:
            rows_B = table.rows([event.item_id for event in moment])
            made = predict(fold.user(first.user_id), table, rows_B, first.at, _served(trainer), Stopwatch())
            for event, chance in zip(moment, made.values_BT[:, 0].tolist(), strict=True):
                yield (event.user_id, event.item_id, event.at), chance
        for event in moment:
            waiting += filter(is_labelled, fold.fold_all(event))
            while len(waiting) >= _BATCH:
                trainer.learn(batch_of(waiting[:_BATCH], table))
                del waiting[:_BATCH]


def _served(trainer: Trainer) -> ServedModel:
    """The weights of this moment as the server takes a snapshot of them."""
    model = trainer.model
    ones_T = np.ones(len(trainer.vocabulary.tasks))
    return ServedModel(
        number=1, version="v1", created_at=0.0, recommender=model, predict=model.predict, mean_T=ones_T, deviation_T=ones_T
    )


def _table(items: Iterable[Item]) -> ItemTable:
    table = ItemTable(Vocabulary(parse_tasks(_TASKS)), dimensions=_DIMENSIONS)
    for item in items:
        table.set_content(item, np.zeros(_DIMENSIONS, dtype=np.float32))
    return table


def _trainer(seed: int) -> Trainer:
    config = TrainerConfig(model=ModelConfig(text_dimension=_DIMENSIONS))
    return Trainer(config, Vocabulary(parse_tasks(_TASKS)), seed=seed)


def main() -> None:
    """Prints both figures and their errors; exit status 1 where they differ by more than that."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.as_shown", description=main.__doc__)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--items", type=int, default=500)
    parser.add_argument("--days", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    config = SimulationConfig(users=given.users, items=given.items, days=given.days, shift_at=1.0)
    found = compare(*simulated(config, seed=given.seed), seed=given.seed)
    print(f"{found.labels:,} labels, click AUC")
    print(f"  replay reports       {found.replayed.value:.4f} ± {found.replayed.stated:.4f}")
    print(f"  the server answered  {found.answered.value:.4f} ± {found.answered.stated:.4f}")
    print(f"mean difference of two predictions: {found.mean_difference:.4f}")
    if abs(found.replayed.value - found.answered.value) > found.replayed.stated:
        raise SystemExit("the figures differ by more than their error")


if __name__ == "__main__":
    main()
