"""The broker that this package's tests share."""

from collections.abc import Iterator

import pytest

from feature_repo.settings import KafkaSettings
from tests.broker import running_broker


@pytest.fixture
def broker() -> Iterator[KafkaSettings]:
    """An empty broker of the test's own."""
    with running_broker() as kafka:
        yield kafka
