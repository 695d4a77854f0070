"""The section on the simulated newsroom: the oracle stands where it should, and the report says what was found."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("lightgbm", reason="the peers come with the extra `bench`")

from benchmarks.quality import newsroom
from benchmarks.quality.reports import newsroom as report_newsroom
from training.simulation.simulation import SimulationConfig

CONFIG = SimulationConfig(users=12, items=60, days=3.5, sessions_per_day=5.0, shift_at=0.5)


class Letters:
    """Encodes a text as its counts of letters."""

    version, dimension = "letters", 26

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        counts = np.array([[text.lower().count(chr(97 + letter)) for letter in range(26)] for text in texts], dtype=np.float32)
        lengths = np.linalg.norm(counts, axis=1, keepdims=True)
        vectors: NDArray[np.float32] = (counts / np.maximum(lengths, 1.0)).astype(np.float32)
        return vectors


def test_the_oracle_is_at_distance_zero_and_nothing_else_is() -> None:
    """And labels are known exactly where there is a truth."""
    world = newsroom.simulate(CONFIG, Letters(), seed=0)
    assert np.array_equal(np.isnan(world.truths), np.isnan(world.examples.labels))
    for index, task in enumerate(world.vocabulary.tasks):
        truths = world.truths[:, index]
        assert (~np.isnan(truths)).sum() > 20
        assert newsroom.distance(task, truths, truths.astype(np.float32)) == pytest.approx(0.0, abs=1e-4)
        assert newsroom.distance(task, truths, np.full(len(truths), 0.5, dtype=np.float32)) > 0.05


@pytest.mark.timeout(600)
def test_the_section_is_measured_and_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """Every method has its row; a chart is drawn."""
    found = newsroom.measure(Letters(), seed=0, say=print, config=CONFIG)
    text = report_newsroom.part(found)
    assert "| fixed weights (the default) |" in text
    assert text.count("| gradient surgery") == 3
    assert report_newsroom.charts(found)["newsroom-recovery.svg"].count("<polyline") == 3
    assert "folding" in capsys.readouterr().out
