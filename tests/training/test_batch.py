"""Tests that examples reach the model as they were given."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from training.batch import concatenate, make_batch

VECTORS = np.eye(5, dtype=np.float32)
GIVEN: dict[str, Any] = {
    "features": np.array([[1.0, np.nan], [3.0, 4.0]]),
    "item_rows": np.array([3, -1]),
    "history_rows": [np.array([3, 0, -1]), np.array([], dtype=np.int64)],
    "history_values": [np.arange(6.0), np.empty((0, 2))],
    "vectors": VECTORS,
    "tasks": 1,
    "places": 4,
}


def test_vectors_arrive_at_their_places() -> None:
    """Items and histories find their vectors; what is unknown or empty finds zeros and is masked."""
    batch = make_batch(**GIVEN, labels=np.array([[1.0], [np.nan]]))
    assert torch.equal(batch.vectors_VD[batch.item_B], torch.from_numpy(np.stack((VECTORS[3], np.zeros(5, dtype=np.float32)))))
    history = batch.vectors_VD[batch.history_BN]
    assert torch.equal(history[0, :2], torch.from_numpy(VECTORS[[3, 0]]))
    assert not history[0, 2:].any()
    assert not history[1].any()
    assert batch.history_mask_BN.tolist() == [[True, True, False, False], [False] * 4]
    assert batch.history_values_BNS[0, :3].tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert batch.labels_BT.isnan().tolist() == [[False], [True]]
    assert len(batch.vectors_VD) == 3, "each distinct vector once, and the zero vector"


def test_long_histories_keep_the_most_recent() -> None:
    """A history beyond the places given is cut at its old end."""
    batch = make_batch(**{**GIVEN, "places": 2})
    assert torch.equal(batch.vectors_VD[batch.history_BN[0]], torch.from_numpy(VECTORS[[3, 0]]))
    assert batch.history_values_BNS.shape == (2, 2, 2)


def test_batch_does_not_follow_later_changes_of_the_table() -> None:
    """The table goes on living while a batch waits; the batch holds copies."""
    vectors, features = VECTORS.copy(), np.ones((2, 2), dtype=np.float32)
    batch = make_batch(**{**GIVEN, "vectors": vectors, "features": features})
    vectors[:] = features[:] = 9.0
    assert batch.vectors_VD.max() == 1.0
    assert batch.x_BF.max() == 1.0


def test_concatenation_keeps_every_example() -> None:
    """Both parts look up the vectors that they looked up before."""
    first = make_batch(**GIVEN)
    second = replace(first, vectors_VD=first.vectors_VD * 2)
    both = concatenate(first, second)
    assert len(both) == 4
    assert torch.equal(both.vectors_VD[both.item_B][2:], 2 * both.vectors_VD[both.item_B][:2])
    assert torch.equal(both.vectors_VD[both.history_BN][2:], 2 * both.vectors_VD[both.history_BN][:2])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"item_rows": np.array([1])}, "item_rows has 1 entries for 2"),
        ({"labels": np.ones((2, 3))}, "one column for each declared task"),
        ({"history_values": [np.arange(5.0), np.empty(0)]}, "example 0 has 3 history items but 5 values"),
    ],
)
def test_inputs_that_disagree_are_told_in_words(wrong: dict[str, object], words: str) -> None:
    """The error says which input and what was expected."""
    with pytest.raises(ValueError, match=words):
        make_batch(**{**GIVEN, **wrong})
