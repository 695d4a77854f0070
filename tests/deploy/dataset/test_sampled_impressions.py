"""Sampled impressions: items of their time, by popularity until then, and none that tells the choice by something else."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.dataset.sampled_impressions import SampledImpressions
from feature_repo.decoded_event import IMPRESSION, DecodedEvent


def action(number: int, user: str, item: str, at: float, kind: str = "click") -> DecodedEvent:
    return DecodedEvent(event_id=f"{number}", user_id=user, item_id=item, kind=kind, at=at)


def sampler(*, power: float = 0.75, published: dict[str, float] | None = None) -> SampledImpressions:
    return SampledImpressions(power=power, published_at=published or {}, rng=random.Random(0))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 4000)), max_size=60), st.booleans())
def test_what_is_shown_exists_and_was_not_chosen_before(steps: list[tuple[int, int, int]], dated: bool) -> None:
    """No item stands in a list before its date, or its first action where it has none; the chosen one stands there once."""
    published = {f"i{n}": 5000.0 * n for n in range(6)} if dated else {}
    made, now = sampler(published=published), 0.0
    born: dict[str, float] = dict(published)
    chosen: set[tuple[str, str]] = set()
    for number, (user, item, wait) in enumerate(steps):
        now += wait
        event = action(number, f"u{user}", f"i{item}", now)
        shown = made.before(event, 3)
        ids = [one.item_id for one in shown]
        assert all(born.get(one, np.inf) <= now for one in ids)
        assert not [one for one in ids if (event.user_id, one) in chosen]
        assert ids.count(event.item_id) == (1 if ids else 0)
        assert len(ids) == len(set(ids)) != 1
        assert all(one.at == event.at and one.kind == IMPRESSION for one in shown)
        assert len({one.recommendation_id for one in shown}) <= 1
        chosen.add((event.user_id, event.item_id))
        born[event.item_id] = min(born.get(event.item_id, now), now)


@pytest.mark.parametrize(("power", "expected"), [(0.0, 1.0), (0.75, 3.36), (1.0, 5.03)])
def test_items_are_drawn_by_popularity_to_the_stated_power(power: float, expected: float) -> None:
    """Of two items, of which one was chosen five times as often: so many times more often it is drawn."""
    made = sampler(power=power)
    for number in range(1200):
        made.before(action(number, f"first{number}", "rare" if number % 6 == 0 else "usual", 0.0), 1)
    drawn: Counter[str] = Counter()
    for _ in range(4000):
        made._weights.add("usual", 0.0)
        drawn[made._weights.draw(made._rng)] += 1
    assert drawn["usual"] / drawn["rare"] == pytest.approx(expected, rel=0.12)


def test_a_choice_that_could_not_be_drawn_makes_no_list() -> None:
    """The first action on an item without a date, and one that is repeated: nothing drawn would ever look like these."""
    made = sampler()
    assert not made.before(action(0, "u", "a", 0.0), 2)
    assert not made.before(action(1, "u", "b", 10.0), 2)
    assert {one.item_id for one in made.before(action(2, "v", "a", 20.0), 2)} == {"a", "b"}
    assert not made.before(action(3, "v", "a", 10_000.0), 2), "chosen again"
    assert {one.item_id for one in made.before(action(4, "v", "a", 20_000.0, "like"), 2)} == {"a", "b"}, "another action"
    assert made.without_list == 3


@pytest.mark.parametrize("items", [20, 200])
def test_items_that_differ_by_chance_alone_are_drawn_alike(items: int) -> None:
    """Of choices made blindly, how often an item was chosen before tells nothing, at the usual power of popularity."""
    rng, made = np.random.default_rng(0), sampler()
    won, known = [], Counter[str]()
    for number in range(6000):
        item = f"i{rng.integers(items)}"
        others = [one.item_id for one in made.before(action(number, f"u{number}", item, float(number)), 2) if one.item_id != item]
        won += [(known[item] > known[other]) + (known[item] == known[other]) / 2 for other in others]
        known[item] += 1
    assert np.mean(won) == pytest.approx(0.5, abs=0.015)


def test_recent_popularity_tells_nothing_of_choices_that_do_not_follow_it() -> None:
    """Items come into being day by day, and users choose blindly among those there are: drawn alike, its AUC is a half."""
    rng, made = np.random.default_rng(0), sampler(power=0.0)
    labels, recent = [], []
    decayed: dict[str, tuple[float, float]] = {}
    for number in range(6000):
        at = 86_400.0 * 20 * (number + 1) / 6000
        item = f"i{rng.integers(max(int(20 * at / 86_400.0), 1))}"
        for one in made.before(action(number, f"u{number}", item, at), 2):
            count, since = decayed.get(one.item_id, (0.0, at))
            labels.append(one.item_id == item)
            recent.append(count * 2.0 ** ((since - at) / 86_400.0))
        count, since = decayed.get(item, (0.0, at))
        decayed[item] = (1.0 + count * 2.0 ** ((since - at) / 86_400.0), at)
    ranks = np.argsort(np.argsort(np.array(recent) + 1e-9 * rng.random(len(recent)))) + 1.0
    chosen = np.array(labels)
    positives, negatives = chosen.sum(), (~chosen).sum()
    auc = (ranks[chosen].sum() - positives * (positives + 1) / 2) / (positives * negatives)
    assert len(labels) > 15_000
    assert auc == pytest.approx(0.5, abs=0.02)
