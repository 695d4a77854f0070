"""The world that this package's tests share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from runtime.tracing import Traces
from serving.metrics import ServerMetrics
from tests.serving.stubs import served
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


@pytest.fixture
def metrics() -> ServerMetrics:
    return ServerMetrics()


@pytest.fixture
async def stub(world: World, metrics: ServerMetrics) -> AsyncIterator[RecommenderServiceStub]:
    """A client of a server that answers from the world."""
    async with served(world, metrics, Traces()) as client:
        yield client
