"""Tests the ring of recent examples: what it holds, what it forgets, and that it resumes exactly."""

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch

from training.batch import Batch
from training.replay import Replay

Stream = Callable[..., list[Batch]]


def rows(batch: Batch) -> set[tuple[object, ...]]:
    """Each example in full, its vectors looked up, as a thing that can be compared."""
    gathered = torch.cat(
        (
            batch.x_BF,
            batch.vectors_VD[batch.item_B],
            batch.vectors_VD[batch.history_BN].flatten(1),
            batch.history_values_BNS.flatten(1),
            batch.history_mask_BN.float(),
            batch.labels_BT.nan_to_num(nan=-1.0),
            batch.lower_bounds_BT.nan_to_num(nan=-1.0),
        ),
        dim=1,
    )
    return {tuple(row) for row in gathered.tolist()}


def test_samples_are_examples_as_they_were(stream: Stream) -> None:
    """What is drawn is, vectors and all, what was added; in time everything held is drawn."""
    batches = stream(3)
    replay = Replay(capacity=100, seed=0)
    for batch in batches:
        replay.add(batch)
    assert len(replay) == 48
    assert rows(replay.sample(2_000)) == set().union(*map(rows, batches))


def test_the_oldest_make_room(stream: Stream) -> None:
    """A full ring holds the last examples only, also where one batch is larger than the ring."""
    batches = stream(3)
    replay = Replay(capacity=32, seed=0)
    for batch in batches:
        replay.add(batch)
    assert rows(replay.sample(1_000)) == rows(batches[1]) | rows(batches[2])
    small = Replay(capacity=4, seed=0)
    small.add(batches[0])
    assert len(small) == 4
    assert rows(small.sample(200)) <= rows(batches[0])
    assert len(rows(small.sample(200))) == 4


def test_vectors_are_held_once_and_forgotten_with_their_examples(stream: Stream) -> None:
    """A stream of ever new texts does not grow the state without end, and samples stay right."""
    batch = stream(1)[0]
    replay = Replay(capacity=32, seed=0)
    replay.add(batch)
    replay.add(batch)
    assert len(replay.state_dict()["vectors"]) == len(batch.vectors_VD)
    for number in range(200):
        changed = batch.vectors_VD + (number + 1.0)
        changed[0] = 0.0
        last = replace(batch, vectors_VD=changed)
        replay.add(last)
    assert len(replay.state_dict()["vectors"]) < 5_000
    assert rows(last) <= rows(replay.sample(500))


def test_restored_ring_draws_the_same(stream: Stream) -> None:
    """After saving and loading, draws are equal bit for bit, down to the order of the vectors."""
    batches = stream(4)
    replay, restored = Replay(capacity=40, seed=1), Replay(capacity=40, seed=2)
    for batch in batches[:3]:
        replay.add(batch)
    replay.sample(5)
    restored.load_state_dict(replay.state_dict())
    for one in (replay, restored):
        one.add(batches[3])
    first, second = replay.sample(64), restored.sample(64)
    for field in fields(first):
        assert torch.equal(getattr(first, field.name).nan_to_num(), getattr(second, field.name).nan_to_num()), field.name


def test_a_state_of_before_labels_could_be_censored_is_taken_up(stream: Stream) -> None:
    """A checkpoint of an earlier release has no bounds; its examples then have none."""
    batch = stream(1)[0]
    replay, restored = Replay(capacity=40, seed=0), Replay(capacity=40, seed=0)
    replay.add(batch)
    state = replay.state_dict()
    del state["ring"]["lower_bounds"]
    restored.load_state_dict(state)
    assert rows(restored.all()) == rows(replace(batch, lower_bounds_BT=torch.full_like(batch.lower_bounds_BT, torch.nan)))


def test_what_is_forgotten_teaches_nothing(stream: Stream) -> None:
    """Neither by a label nor by a bound; what came before keeps both."""
    first, second = stream(2)
    replay = Replay(capacity=40, seed=0)
    replay.add(first)
    replay.add(second)
    replay.forget(len(second))
    kept = replay.all()
    for before, after in ((first.labels_BT, kept.labels_BT), (first.lower_bounds_BT, kept.lower_bounds_BT)):
        assert torch.equal(after[:16].nan_to_num(), before.nan_to_num())
        assert after[16:].isnan().all()


def test_an_empty_ring_has_nothing_to_draw() -> None:
    """Drawing before anything was added is an error that says so."""
    with pytest.raises(ValueError, match="nothing to sample"):
        Replay(capacity=1, seed=0).sample(1)
