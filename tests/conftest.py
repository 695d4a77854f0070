"""Owns what every test runs under."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """With more threads, the order of a sum, and so its last bit, differs from run to run."""
    torch.set_num_threads(1)
