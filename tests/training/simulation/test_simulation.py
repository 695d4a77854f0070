"""The synthetic world does what its truth says, in order of time, and the same again from the same seed."""

import math
from pathlib import Path

import numpy as np
import pytest

from feature_repo.decode import check_change, check_event
from feature_repo.decoded_event import DecodedEvent
from headwater.v1.events_pb2 import Event
from training.simulation.simulation import Simulation, SimulationConfig, Truth
from training.simulation.synthetic_catalogue import (
    ItemActionRate,
    ItemKind,
    SyntheticCatalogue,
    SyntheticCatalogueError,
    load_synthetic_catalogue,
)

CONFIG = SimulationConfig(users=40, items=200, days=6.0, sessions_per_day=4.0)


def simulated(seed: int = 0) -> tuple[Simulation, list[tuple[Event, Truth | None]]]:
    world = Simulation(CONFIG, np.random.default_rng(seed))
    assert len(list(world.catalogue())) == CONFIG.items
    return world, list(world.events())


def test_events_are_valid_and_in_order_of_time() -> None:
    """The stream would take every one, no id comes twice, and nothing is shown before it is published."""
    world, events = simulated()
    found = [check_event(event, 2e9) for event, _ in events]
    taken = [event for event in found if isinstance(event, DecodedEvent)]
    assert len(taken) == len(found)
    assert [event.at for event in taken] == sorted(event.at for event in taken)
    assert len({event.event_id for event in taken}) == len(taken)
    assert all(event.at >= world.published_I[int(event.item_id.removeprefix("item-"))] for event in taken)


def test_items_are_valid_and_labelled_as_synthetic() -> None:
    """All three kinds, both languages, and a mark on each."""
    changes = list(Simulation(CONFIG, np.random.default_rng(0)).catalogue())
    assert all(check_change(change, 2e9) is None for change in changes)
    assert {change.upsert.type for change in changes} == {"article", "product", "ad"}
    assert {change.upsert.language for change in changes} == {"en", "zh"}
    assert all(change.upsert.attributes["synthetic"] == "true" and change.upsert.title for change in changes)


@pytest.mark.parametrize("what", ["click", "purchase"])
def test_rates_are_those_of_the_oracle(what: str) -> None:
    """Where the oracle says so many should happen, so many do, within three standard errors, low chances and high."""
    _, events = simulated()
    done = {event.event_id.rsplit("-", 1)[0] for event, _ in events if event.WhichOneof("body") == what}
    truths = [(truth.chances[what], event.event_id.rsplit("-", 1)[0] in done) for event, truth in events if truth is not None]
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
    clicks = [
        [world.truth(user, product, at).chances["click"] for user in range(CONFIG.users)] for at in (before - 1e5, before, after)
    ]
    assert clicks[0] == clicks[1]
    assert abs(np.corrcoef(clicks[1], clicks[2])[0, 1]) < 0.5


def test_the_same_seed_gives_the_same_world() -> None:
    """Event by event, and another seed another one."""
    assert simulated()[1] == simulated()[1]
    assert simulated()[1] != simulated(1)[1]


def test_a_world_of_ones_own_does_what_it_declares() -> None:
    """Its types, titles and events and no others; values are shares where the action says so."""
    song = ItemKind(
        share=1.0,
        opened="play",
        chance=0.3,
        titles=("{0} song",),
        actions=(ItemActionRate(event="listen", fraction=0.5), ItemActionRate(event="like")),
    )
    simulation = Simulation(CONFIG, np.random.default_rng(0), SyntheticCatalogue(types={"song": song}))
    assert {change.upsert.type for change in simulation.catalogue()} == {"song"}
    events = [event for event, _ in simulation.events()]
    assert {event.action.name for event in events if event.HasField("action")} == {"play", "listen", "like"}
    listened = [event.action.value for event in events if event.action.name == "listen"]
    assert 0.4 < np.median(listened) < 0.7
    assert 0.0 < min(listened) <= max(listened) < 1.0


@pytest.mark.parametrize(
    ("world", "complaint"),
    [
        ("[types.song]\nshare = 1\nchance = 1.5\ntitles = ['a']", "chance is 1.5"),
        ("[types.song]\nshare = 1\nchance = 0.1\ntitles = []", "at least one title"),
        ("[types.song]\nshare = 1\nchance = 0.1\ntitles = ['a']\nactions = [{ event = 'read' }]", "`read` goes with seconds"),
        ("chinese = 0.5\n[types.song]\nshare = 1\nchance = 0.1\ntitles = ['a']", "song has no titles_zh"),
        ("types = 3", "types"),
    ],
)
def test_a_world_file_that_cannot_be_used_says_why(tmp_path: Path, world: str, complaint: str) -> None:
    """With the file's name."""
    (tmp_path / "synthetic.toml").write_text(world)
    with pytest.raises(SyntheticCatalogueError, match=f"synthetic.toml: .*{complaint}"):
        load_synthetic_catalogue(tmp_path / "synthetic.toml")


def test_impossible_sizes_are_refused() -> None:
    """Sizes below one, fractions above it."""
    with pytest.raises(ValueError, match="users"):
        SimulationConfig(users=0)
    with pytest.raises(ValueError, match="shift_at"):
        SimulationConfig(shift_at=2.0)
