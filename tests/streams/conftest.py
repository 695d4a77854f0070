"""The broker and the stores that this package's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from runtime.settings import KafkaSettings
from tests.broker import running_broker
from tests.redis import running_redis


@pytest.fixture
def broker() -> Iterator[KafkaSettings]:
    """An empty broker of the test's own."""
    with running_broker() as kafka:
        yield kafka


@pytest.fixture(params=["sqlite", "redis"])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoreSettings]:
    """An empty online store of the test's own: each kind in turn."""
    if request.param == "redis":
        with running_redis(tmp_path / "store") as settings:
            apply(settings)
            yield settings
    else:
        settings = StoreSettings(directory=tmp_path / "store")
        apply(settings)
        yield settings
