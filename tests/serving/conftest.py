"""The world that this package's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving.worlds import World, trained_model
from training.model import Recommender


@pytest.fixture(scope="session")
def model() -> Recommender:
    """One trained model; nothing that serves it changes it."""
    return trained_model()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A catalogue and an empty store, without a model."""
    made = World(directory=tmp_path)
    yield made
    made.close()
