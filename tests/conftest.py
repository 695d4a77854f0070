"""Owns what every test runs under."""

import pytest
import torch
from hypothesis import settings

settings.register_profile("headwater", deadline=None)  # on a loaded machine any example may take long
settings.load_profile("headwater")


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """With more threads, the order of a sum, and so its last bit, differs from run to run."""
    torch.set_num_threads(1)
