"""One absurd value among thousands: what it does to what others are predicted, in replay and through the live parts."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from feature_repo.assembly.assemble import assemble
from feature_repo.decoded_event import DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.rows import UserRow
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.v1.catalogue_pb2 import Item
from training.batch import make_batch
from training.history import HistoryRun
from training.model import ModelConfig, Recommender
from training.trainer import Trainer, TrainerConfig

ITEMS, USERS, RATINGS, BURST_AT, DIMENSIONS = 100, 150, 4000, 3000, 4
STARS = '[tasks.like]\nkind = "binary"\nevent = "rate"\nat_least = 4\n[tasks.stars]\nkind = "regression"\nevent = "rate"\n'
VOCABULARIES = {"running": Vocabulary(parse_tasks(STARS)), "declared": Vocabulary(parse_tasks(STARS + "min = 1\nmax = 5"))}
pytestmark = pytest.mark.timeout(400)
OTHERS = [f"u{number}" for number in range(1, 21)]


def ratings(burst: float | None) -> list[DecodedEvent]:
    """Users rate by their own and the item's level; the one at BURST_AT gives another number of stars, where asked for."""
    random, events = np.random.default_rng(5), []
    levels, tastes = random.normal(0.0, 0.7, ITEMS), random.normal(0.0, 0.5, USERS)
    for number in range(RATINGS):
        user, item = int(random.integers(USERS)), int(random.integers(ITEMS))
        stars = float(np.clip(np.rint(3.2 + levels[item] + tastes[user] + random.normal(0.0, 0.5)), 1.0, 5.0))
        if number == BURST_AT:
            user, stars = 0, stars if burst is None else burst
        at = 1e6 + 60.0 * number
        events.append(DecodedEvent(event_id=str(number), user_id=f"u{user}", item_id=f"i{item}", at=at, kind="rate", value=stars))
    return events


def a_run(vocabulary: Vocabulary) -> HistoryRun:
    table = ItemTable(vocabulary, dimensions=DIMENSIONS)
    for number in range(ITEMS):
        table.set_content(Item(item_id=f"i{number}", type="film"), np.eye(DIMENSIONS, dtype=np.float32)[number % DIMENSIONS])
    config = TrainerConfig(
        model=ModelConfig(text_dimension=DIMENSIONS, width=4, hidden=(16, 8)), learning_rate=3e-3, replayed=0.0
    )
    return HistoryRun(table, Trainer(config, vocabulary, seed=0), batch_size=50)


def predicted(model: Recommender, table: ItemTable, rows: dict[str, UserRow], now: float) -> npt.NDArray[np.float32]:
    """Stars of every item for twenty other users, (users, items), as a server would answer."""
    answers = []
    for user in OTHERS:
        made = assemble(rows.get(user) or UserRow.empty(user, table.vocabulary), table, np.arange(len(table)), now)
        batch = make_batch(
            features=made.x_BF,
            item_rows=made.item_rows_B,
            history_rows=[made.history_rows_N] * len(table),
            history_values=[made.history_values_NT1] * len(table),
            vectors=table.vectors,
            tasks=2,
        )
        answers.append(model.predict(batch)[:, 1].numpy())
    return np.stack(answers)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Predictions for the others before the burst, after it and two batches later, and what a whole replay came to."""

    before: npt.NDArray[np.float32]
    after: npt.NDArray[np.float32]
    later: npt.NDArray[np.float32]
    clipped: int
    item: int
    rmse: float


@cache
def outcome(declared: str, burst: float | None) -> Outcome:
    """Plays the ratings; the RMSE leaves the burst itself out."""
    run, events, seen = a_run(VOCABULARIES[declared]), ratings(burst), list[npt.NDArray[np.float32]]()
    later = BURST_AT + 100
    for begin, end in ((0, BURST_AT), (BURST_AT, BURST_AT + 1), (BURST_AT + 1, later)):
        run.play(events[begin:end])
        seen.append(predicted(run.trainer.model, run.fold.table, run.fold.users, events[later].at))
    run.play(events[later:])
    judged = run.judged()
    errors = np.delete((judged.predictions - judged.labels)[:, 1], BURST_AT)
    return Outcome(
        before=seen[0],
        after=seen[1],
        later=seen[2],
        clipped=run.fold.clipped["stars"],
        item=run.fold.table.index[events[BURST_AT].item_id],
        rmse=float(np.sqrt(np.nanmean(np.square(errors)))),
    )


@pytest.mark.parametrize("declared", VOCABULARIES)
def test_one_burst_moves_no_other_users_predictions(declared: str) -> None:
    """Neither the counters after it nor what is learned of it move a user's median, or any other item's stars, by 0.1."""
    burst, clean = outcome(declared, 50_000.0), outcome("running", None)
    assert (burst.clipped, clean.clipped) == (1, 0)
    for moved in (burst.after - burst.before, burst.later - clean.later):
        assert np.abs(np.median(moved, axis=1)).max() < 0.1
        assert np.abs(np.delete(moved, burst.item, axis=1)).max() < 0.1


def test_one_burst_leaves_the_error_of_a_replay_as_it_was() -> None:
    """RMSE over all other ratings is that of a replay without the burst, within a hundredth."""
    assert outcome("running", None).rmse < 0.9
    assert outcome("running", 50_000.0).rmse == pytest.approx(outcome("running", None).rmse, abs=0.01)
