"""The synthetic world does what its truth says, in order of time, and the same again from the same seed."""

import math

import numpy as np
import pytest

from feature_repo.decode import check_change, check_event
from feature_repo.occurrence import Occurrence
from protos.events_pb2 import Event
from training.simulation import Newsroom, NewsroomConfig, Truth

CONFIG = NewsroomConfig(users=40, items=200, days=6.0, sessions_per_day=4.0)


def simulated(seed: int = 0) -> tuple[Newsroom, list[tuple[Event, Truth | None]]]:
    world = Newsroom(CONFIG, np.random.default_rng(seed))
    assert len(list(world.catalogue())) == CONFIG.items
    return world, list(world.events())


def test_events_are_valid_and_in_order_of_time() -> None:
    """The stream would take every one, no id comes twice, and nothing is shown before it is published."""
    world, events = simulated()
    found = [check_event(event, 2e9) for event, _ in events]
    taken = [event for event in found if isinstance(event, Occurrence)]
    assert len(taken) == len(found)
    assert [event.at for event in taken] == sorted(event.at for event in taken)
    assert len({event.event_id for event in taken}) == len(taken)
    assert all(event.at >= world.published_I[int(event.item_id.removeprefix("item-"))] for event in taken)


def test_items_are_valid_and_labelled_as_synthetic() -> None:
    """All three kinds, both languages, and a mark on each."""
    changes = list(Newsroom(CONFIG, np.random.default_rng(0)).catalogue())
    assert all(check_change(change, 2e9) is None for change in changes)
    assert {change.upsert.type for change in changes} == {"article", "product", "ad"}
    assert {change.upsert.language for change in changes} == {"en", "zh"}
    assert all(change.upsert.attributes["synthetic"] == "true" and change.upsert.title for change in changes)


@pytest.mark.parametrize("what", ["click", "purchase"])
def test_rates_are_those_of_the_oracle(what: str) -> None:
    """Where the oracle says so many should happen, so many do, within three standard errors, low chances and high."""
    _, events = simulated()
    done = {event.event_id.rsplit("-", 1)[0] for event, _ in events if event.WhichOneof("body") == what}
    truths = [(getattr(truth, what), event.event_id.rsplit("-", 1)[0] in done) for event, truth in events if truth is not None]
    rates, outcomes = np.array(truths).T
    assert len(rates) > 5000
    for part in (rates <= np.median(rates), rates > np.median(rates)):
        error = math.sqrt(float((rates[part] * (1 - rates[part])).sum()))
        assert abs(outcomes[part].sum() - rates[part].sum()) <= 3 * error


def test_reading_follows_the_oracle() -> None:
    """The mean of log1p seconds read is what was expected of those impressions."""
    _, events = simulated()
    expected = {event.event_id.rsplit("-", 1)[0]: truth.log_read_seconds for event, truth in events if truth is not None}
    reads = [event for event, _ in events if event.WhichOneof("body") == "read"]
    errors = [math.log1p(event.read.seconds) - expected[event.event_id.rsplit("-", 1)[0]] for event in reads]
    assert len(errors) > 200
    assert abs(float(np.mean(errors))) < 0.1


def test_taste_turns_once() -> None:
    """A user's rates are constant but for an article's age up to the shift, and of another taste from then on."""
    world, _ = simulated()
    product = world.types.index("product")
    before, after = world.shift_at - 1.0, world.shift_at
    clicks = [[world.truth(user, product, at).click for user in range(CONFIG.users)] for at in (before - 1e5, before, after)]
    assert clicks[0] == clicks[1]
    assert abs(np.corrcoef(clicks[1], clicks[2])[0, 1]) < 0.5


def test_the_same_seed_gives_the_same_world() -> None:
    """Event by event, and another seed another one."""
    assert simulated()[1] == simulated()[1]
    assert simulated()[1] != simulated(1)[1]


def test_impossible_sizes_are_refused() -> None:
    """Sizes below one, fractions above it."""
    with pytest.raises(ValueError, match="users"):
        NewsroomConfig(users=0)
    with pytest.raises(ValueError, match="shift_at"):
        NewsroomConfig(shift_at=2.0)
