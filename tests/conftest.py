"""Fixtures and settings of every test."""

import os

# Feast sets it on import, and processes that share out the tests inherit it; metrics would then outlive their registry.
os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)

import prometheus_client  # noqa: F401 - looks at the variable when it is imported, so it has to come before Feast
import pytest
import torch
from hypothesis import settings

from tests.wheels import Wheels, build_wheels

settings.register_profile("headwater", deadline=None)  # on a loaded machine any example may take long
settings.load_profile("headwater")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """With more threads, the order of a sum, and so its last bit, differs from run to run."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    """The application's and the client's."""
    return build_wheels(tmp_path_factory.mktemp("wheels"))
