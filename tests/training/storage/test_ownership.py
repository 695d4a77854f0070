"""Two learners at once: the one that claimed last writes, in a directory and an object store; the other is refused."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from s3fs import S3FileSystem

from feature_repo.vocabulary import Vocabulary
from tests.training.storage.test_objects import LOCATION, files  # noqa: F401  a fixture
from training.model import ModelConfig, Recommender
from training.storage import SupersededError, join
from training.storage.checkpoints import CheckpointError, CheckpointFile
from training.storage.protocol import Storage
from training.storage.snapshots import Manifest, SnapshotStore

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore:datetime.datetime.utcnow:DeprecationWarning")


@pytest.fixture(params=["directory", "objects"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where snapshots and checkpoint lie."""
    if request.param == "directory":
        return str(tmp_path / "snapshots")
    request.getfixturevalue("files")
    return LOCATION


@pytest.fixture
def model(vocabulary: Vocabulary) -> Recommender:
    return Recommender(ModelConfig(text_dimension=24, width=8, hidden=(16, 8)), vocabulary)


class _Learner:
    """What a learner writes with."""

    def __init__(self, location: str) -> None:
        self.checkpoint = CheckpointFile(join(location, "learner.checkpoint"))
        self.snapshots = SnapshotStore(location, clock=lambda: 0.0)
        self.state = self.checkpoint.claim()
        self.snapshots.claim(self.checkpoint)

    def publish(self, model: Recommender) -> Manifest:
        return self.snapshots.publish(model, encoder_version="mini-1", examples=1, metrics={}, owner=self.checkpoint)


def test_a_learner_that_another_has_replaced_writes_nothing(location: str, model: Recommender) -> None:
    """Frozen while a second one took over and went further: its checkpoint and its model would set both back."""
    old = _Learner(location)
    old.checkpoint.save({"position": 1})
    old.publish(model)
    new = _Learner(location)
    assert new.state == {"position": 1}
    new.checkpoint.save({"position": 2})
    served = new.publish(model).version
    with pytest.raises(SupersededError, match="another learner"):
        old.checkpoint.save({"position": 1})
    with pytest.raises(SupersededError, match="another learner"):
        old.publish(model)
    assert new.checkpoint.load() == {"position": 2}
    assert new.snapshots.current() == served
    assert new.snapshots.versions() == [1, served], "nothing is left of what was refused"
    new.checkpoint.save({"position": 3})


@pytest.mark.parametrize("moment", ["add", "point"])
def test_a_learner_frozen_while_it_publishes_makes_nothing_current(
    location: str, model: Recommender, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After its last look at who owns the checkpoint, too: the claim has changed the pointer that it would replace."""
    old = _Learner(location)
    first = old.publish(model).version
    new: list[_Learner] = []
    _interrupt(monkeypatch, old.snapshots, moment, lambda: new.append(_Learner(location)))
    with pytest.raises(SupersededError):
        old.publish(model)
    assert new[0].snapshots.current() == first
    assert new[0].publish(model).version == new[0].snapshots.current()


def test_a_rollback_while_a_model_is_uploaded_is_kept(location: str, model: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's word is newer than what the upload began with: the version stays held, and the new one does not serve."""
    learner = _Learner(location)
    first, second = learner.publish(model).version, learner.publish(model).version
    operator = SnapshotStore(location, clock=lambda: 0.0)
    _interrupt(monkeypatch, learner.snapshots, "add", lambda: operator.rollback())
    third = learner.publish(model).version
    assert (operator.current(), operator.held()) == (first, True)
    assert operator.versions() == [first, second, third]
    operator.release()
    assert (operator.current(), operator.held()) == (third, False)


def test_of_learners_that_claim_at_the_same_time_one_is_the_owner(location: str) -> None:
    """Each gets an epoch of its own, and only the highest may write."""
    CheckpointFile(join(location, "learner.checkpoint")).claim()
    learners = [CheckpointFile(join(location, "learner.checkpoint")) for _ in range(4)]
    threads = [threading.Thread(target=learner.claim) for learner in learners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(learner.epoch for learner in learners) == [2, 3, 4, 5]
    for learner in learners:
        if learner.epoch == 5:
            learner.save({"owner": 5})
        else:
            with pytest.raises(SupersededError):
                learner.save({"owner": learner.epoch})
    assert learners[0].load() == {"owner": 5}


def test_a_checkpoint_of_a_release_without_epochs_is_taken_over(tmp_path: Path) -> None:
    """An upgrade goes on from where the learner was."""
    torch.save({"position": 7}, tmp_path / "learner.checkpoint")
    checkpoint = CheckpointFile(tmp_path / "learner.checkpoint")
    assert checkpoint.claim() == {"position": 7}
    assert (checkpoint.load(), checkpoint.epoch) == ({"position": 7}, 1)


def test_a_store_that_does_not_answer_gives_no_advice_to_remove_the_checkpoint(files: S3FileSystem) -> None:  # noqa: F811
    """The checkpoint is as sound as before: only the way to it is not."""
    away = CheckpointFile("s3://no-such-bucket/learner.checkpoint")
    with pytest.raises(OSError, match=r"no.such.bucket") as raised:
        away.claim()
    assert not isinstance(raised.value, CheckpointError)
    assert "afresh" not in str(raised.value)


def _interrupt(monkeypatch: pytest.MonkeyPatch, snapshots: SnapshotStore, moment: str, meanwhile: Callable[[], object]) -> None:
    """Lets something happen just before the storage does what `moment` names, for the first time."""
    storage: Storage = snapshots._storage
    step = getattr(storage, moment)

    def interrupted(*arguments: object) -> None:
        monkeypatch.setattr(storage, moment, step)
        meanwhile()
        step(*arguments)

    monkeypatch.setattr(storage, moment, interrupted)
