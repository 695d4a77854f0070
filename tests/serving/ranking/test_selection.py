"""Filling a list: a permutation of the best without rules, and with them caps, pins and spread hold for any pool."""

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from serving.ranking.selection import Constraints, select


@dataclass(frozen=True)
class Pool:
    """Candidates, what is asked of the list, and how long it may be."""

    scores_C: NDArray[np.float64]
    keys_C: NDArray[np.uint64]
    codes_CK: NDArray[np.int32]
    constraints: Constraints
    count: int


@st.composite
def pools(draw: st.DrawFn, *, plain: bool = False) -> Pool:
    """Few distinct scores and values, so that ties and full caps are common; empty pools too."""
    size = draw(st.integers(0, 30))
    count = draw(st.integers(1, 12))
    scores_C = np.array(draw(st.lists(st.sampled_from((-1.0, 0.0, 0.5, 1.0)), min_size=size, max_size=size)))
    keys_C = np.array(draw(st.lists(st.integers(0, 2**63), min_size=size, max_size=size, unique=True)), dtype=np.uint64)
    codes_CK = np.array(draw(st.lists(st.tuples(*[st.integers(0, 3)] * 2), min_size=size, max_size=size)), dtype=np.int32)
    codes_CK = codes_CK.reshape(size, 2)
    if plain:
        constraints = Constraints(closed_C=np.zeros(size, dtype=bool))
    else:
        axes = np.array(draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)), dtype=np.intp)
        pinned = draw(st.lists(st.integers(0, size - 1), max_size=min(3, count), unique=True)) if size else []
        places = draw(st.permutations(range(count)))
        closed = draw(st.lists(st.booleans(), min_size=size, max_size=size))
        constraints = Constraints(
            diversity=draw(st.sampled_from((0.0, 0.3, 1.0))),
            vectors_CD=np.eye(5, dtype=np.float32)[axes],
            caps=[(codes_CK, draw(st.integers(1, 3)))] if draw(st.booleans()) else [],
            pins=dict(zip(places, pinned, strict=False)),
            closed_C=np.array(closed, dtype=bool),
        )
    return Pool(scores_C=scores_C, keys_C=keys_C, codes_CK=codes_CK, constraints=constraints, count=count)


def selected(pool: Pool) -> list[int]:
    return list(select(pool.scores_C, pool.keys_C, pool.count, pool.constraints))


@given(pools(plain=True))
def test_without_rules_the_list_is_the_best_in_order(pool: Pool) -> None:
    """As long as the pool allows, highest score first, equal ones by key."""
    expected = sorted(range(len(pool.scores_C)), key=lambda at: (-pool.scores_C[at], pool.keys_C[at]))
    assert selected(pool) == expected[: pool.count]


@given(pools())
def test_no_candidate_comes_twice_and_closed_ones_only_by_a_pin(pool: Pool) -> None:
    """Every list is part of a permutation of the pool."""
    found, pins = selected(pool), pool.constraints.pins
    assert len(found) == len(set(found)) <= max(pool.count, len(pins))
    assert not any(pool.constraints.closed_C[at] for at in found if at not in pins.values())


@given(pools())
def test_pins_hold(pool: Pool) -> None:
    """Each pinned item is at its place; where the list ends before it, at the end, in the order of the places."""
    found, pins = selected(pool), pool.constraints.pins
    late = [at for place, at in sorted(pins.items()) if place >= len(found) or found[place] != at]
    assert found[len(found) - len(late) :] == late
    assert set(pins.values()) <= set(found)


@given(pools())
def test_caps_hold(pool: Pool) -> None:
    """No value occurs more often than its cap, unless pins alone bring it more often."""
    found = selected(pool)
    pinned = pool.codes_CK[list(pool.constraints.pins.values())]
    for codes_CK, at_most in pool.constraints.caps:
        for code in (1, 2, 3):
            occurs = int((codes_CK[found] == code).any(axis=1).sum())
            assert occurs <= max(at_most, int((pinned == code).any(axis=1).sum()))


@given(pools(), st.integers(0, 2**32))
def test_list_does_not_depend_on_the_order_of_candidates(pool: Pool, seed: int) -> None:
    """Replicas whose tables were filled in another order give the same list."""
    order = np.random.default_rng(seed).permutation(len(pool.scores_C))
    where = np.argsort(order)
    given_ = pool.constraints
    shuffled = Pool(
        scores_C=pool.scores_C[order],
        keys_C=pool.keys_C[order],
        codes_CK=pool.codes_CK[order],
        constraints=Constraints(
            diversity=given_.diversity,
            vectors_CD=None if given_.vectors_CD is None else given_.vectors_CD[order],
            caps=[(codes_CK[order], at_most) for codes_CK, at_most in given_.caps],
            pins={place: int(where[at]) for place, at in given_.pins.items()},
            closed_C=given_.closed_C[order],
        ),
        count=pool.count,
    )
    assert pool.keys_C[selected(pool)].tolist() == shuffled.keys_C[selected(shuffled)].tolist()


def test_diversity_prefers_the_unlike_and_full_strength_forgets_the_scores() -> None:
    """Of two near copies the second waits behind a weaker item of another kind."""
    scores_C, keys_C = np.array([1.0, 0.95, 0.5]), np.arange(3, dtype=np.uint64)
    vectors_CD = np.array([[1, 0], [1, 0], [0, 1]], dtype=np.float32)

    def listed(strength: float) -> list[int]:
        closed_C = np.zeros(3, dtype=bool)
        return list(select(scores_C, keys_C, 3, Constraints(diversity=strength, vectors_CD=vectors_CD, closed_C=closed_C)))

    assert listed(0.0) == [0, 1, 2]
    assert listed(0.5) == [0, 2, 1]
    assert listed(1.0) == [0, 2, 1]
