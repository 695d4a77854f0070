"""Tests publishing, rolling back, retention and damage of snapshots."""

from pathlib import Path

import pytest
import torch

from feature_repo.vocabulary import Vocabulary
from training.model import ModelConfig, Recommender
from training.storage.snapshots import Manifest, SnapshotError, SnapshotStore


@pytest.fixture
def model(vocabulary: Vocabulary) -> Recommender:
    return Recommender(ModelConfig(text_dimension=24, width=8, hidden=(16, 8)), vocabulary)


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    return SnapshotStore(tmp_path / "snapshots", keep=3, clock=lambda: 1_000.0)


def publish(store: SnapshotStore, model: Recommender) -> Manifest:
    """Publishes with some metrics."""
    return store.publish(model, encoder_version="mini-1", examples=64, metrics={"click": {"auc": 0.75, "log_loss": None}})


def test_empty_store_has_no_current(store: SnapshotStore) -> None:
    """Before the first publication there is nothing to serve, and asking for it is no error."""
    assert store.current() is None
    assert store.list() == []


def test_publishing_numbers_on_and_moves_current(store: SnapshotStore, model: Recommender) -> None:
    """Each publication is the next version, current at once, with the one before as its parent."""
    first, second = publish(store, model), publish(store, model)
    assert (first.version, first.parent, second.version, second.parent) == (1, None, 2, 1)
    assert store.current() == 2
    assert store.list() == [first, second]
    assert store.load(2).manifest == second
    assert second.created_at == 1_000.0


def test_rollback_sticks_and_is_recorded(store: SnapshotStore, model: Recommender) -> None:
    """After a rollback the older version serves, and what is published next names it as parent under a new number."""
    for _ in range(3):
        publish(store, model)
    assert store.rollback().version == 2
    assert store.rollback(1).version == 1
    assert store.current() == 1
    later = publish(store, model)
    assert (later.version, later.parent) == (4, 1)


def test_a_version_rolled_back_to_is_held_until_released(store: SnapshotStore, model: Recommender) -> None:
    """The learner knows nothing of the rollback: what it publishes next must not put back what was rolled back."""
    for _ in range(2):
        publish(store, model)
    assert not store.held()
    store.rollback()
    for _ in range(5):
        publish(store, model)
    assert (store.current(), store.held()) == (1, True)
    assert store.release().version == 7
    assert (store.current(), store.held()) == (7, False)
    publish(store, model)
    assert store.current() == 8
    with pytest.raises(SnapshotError, match="no version is held"):
        store.release()


def test_rollback_without_parent_is_refused(store: SnapshotStore, model: Recommender) -> None:
    """The first version has nothing before it."""
    with pytest.raises(SnapshotError, match="nothing to roll back to"):
        store.rollback()
    publish(store, model)
    with pytest.raises(SnapshotError, match="nothing to roll back to"):
        store.rollback()


def test_rollback_to_a_damaged_version_is_refused(store: SnapshotStore, model: Recommender) -> None:
    """A version that cannot be loaded never becomes current."""
    publish(store, model)
    publish(store, model)
    flip_a_byte(Path(store.location) / "v00000001" / "model.safetensors")
    with pytest.raises(SnapshotError, match="damaged"):
        store.rollback()
    assert store.current() == 2


def test_oldest_are_removed_but_not_the_way_back(store: SnapshotStore, model: Recommender) -> None:
    """Retention counts the newest; the version that served before is kept however old it is, so that one can roll back."""
    for _ in range(5):
        publish(store, model)
    assert store.versions() == [3, 4, 5]
    store.rollback(3)
    publish(store, model)
    assert store.versions() == [3, 4, 5, 6]
    store.release()
    assert store.rollback().version == 3


def test_numbers_are_not_used_again(store: SnapshotStore, model: Recommender) -> None:
    """A version's number means one model forever, even when the newest directories were removed by hand."""
    for _ in range(2):
        publish(store, model)
    for file in (Path(store.location) / "v00000002").iterdir():
        file.unlink()
    (Path(store.location) / "v00000002").rmdir()
    assert publish(store, model).version == 3


@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json"])
def test_damage_is_told_in_words(name: str, store: SnapshotStore, model: Recommender) -> None:
    """A file cut short is reported with its path and what to do."""
    publish(store, model)
    path = Path(store.location) / "v00000001" / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SnapshotError, match=rf"{name}.*roll back"):
        store.load(1)


def test_missing_version_names_those_that_are_held(store: SnapshotStore, model: Recommender) -> None:
    """Asking for a version that is not there says which are."""
    publish(store, model)
    with pytest.raises(SnapshotError, match="no snapshot v00000009; held are: v00000001"):
        store.load(9)


def test_damaged_pointer_is_told_in_words(store: SnapshotStore, model: Recommender) -> None:
    """A `CURRENT` that names no version is an error that says so, not a guess."""
    publish(store, model)
    (Path(store.location) / "CURRENT").write_text("latest")
    with pytest.raises(SnapshotError, match="'latest'"):
        store.current()


def test_left_overs_of_a_crash_are_cleared(store: SnapshotStore, model: Recommender) -> None:
    """A directory that was being written when the process died is no version, and the next publication removes it."""
    (Path(store.location) / ".partial-dead").mkdir(parents=True)
    assert store.versions() == []
    publish(store, model)
    assert not (Path(store.location) / ".partial-dead").exists()


def flip_a_byte(path: Path) -> None:
    """Changes one byte in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_weights_that_are_not_finite_are_not_loaded(store: SnapshotStore, model: Recommender) -> None:
    """Their checksum is right, and every prediction would be NaN."""
    with torch.no_grad():
        next(model.parameters()).view(-1)[3] = float("nan")
    publish(store, model)
    with pytest.raises(SnapshotError, match=r"holds values that are not finite; roll back"):
        store.load(1)
