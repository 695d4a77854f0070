"""What a replay reports is the quality of what would have been answered."""

import pytest

from benchmarks.quality.as_shown import compare, simulated
from training.simulation.simulation import SimulationConfig


@pytest.mark.timeout(300)
def test_the_replay_judges_what_the_server_would_have_answered() -> None:
    """Its AUC equals that of answers scored again from the rows and weights of each list's moment, within its own error."""
    config = SimulationConfig(users=40, items=40, days=5.0, sessions_per_day=1.0, shift_at=1.0, begins_at=1_780_000_000.0)
    found = compare(*simulated(config, seed=1))
    assert found.labels > 1000
    assert abs(found.replayed.value - found.answered.value) < found.replayed.stated / 3
    assert found.mean_difference < 0.03
