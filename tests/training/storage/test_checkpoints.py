"""Tests that a checkpoint is the last whole one, or an error with a message."""

from pathlib import Path

import pytest
import torch

from training.storage.checkpoints import CheckpointError, CheckpointFile


def test_last_save_is_what_is_loaded(tmp_path: Path) -> None:
    """Nothing before the first save; then always the last, with its types."""
    file = CheckpointFile(tmp_path / "state" / "learner.pt")
    assert file.load() is None
    assert file.claim() is None
    assert file.load() is None
    file.save({"offsets": {0: 5}, "weights": torch.ones(3)})
    file.save({"offsets": {0: 9}, "weights": torch.zeros(3), "name": "x"})
    state = CheckpointFile(file.location).load()
    assert state is not None
    assert state["offsets"] == {0: 9}
    assert torch.equal(state["weights"], torch.zeros(3))
    assert [path.name for path in Path(file.location).parent.glob("[!.]*")] == ["learner.pt"]


def test_crash_while_saving_leaves_the_one_before(tmp_path: Path) -> None:
    """A state that cannot be written whole does not touch the saved one."""
    file = CheckpointFile(tmp_path / "learner.pt")
    file.claim()
    file.save({"offset": 1})
    with pytest.raises((AttributeError, TypeError, RuntimeError)):
        file.save({"offset": 2, "unsaveable": (value for value in range(3))})
    assert file.load() == {"offset": 1}


def test_damage_is_told_in_words(tmp_path: Path) -> None:
    """A file cut short, empty or of another kind is named, with what to do."""
    file = CheckpointFile(tmp_path / "learner.pt")
    file.claim()
    file.save({"weights": torch.ones(1000)})
    whole = Path(file.location).read_bytes()
    for content in (whole[:-100], whole[:50], b"", b"not a checkpoint"):
        Path(file.location).write_bytes(content)
        with pytest.raises(CheckpointError, match="learn afresh"):
            file.load()
    torch.save([1], file.location)
    with pytest.raises(CheckpointError, match="holds a list"):
        file.load()
