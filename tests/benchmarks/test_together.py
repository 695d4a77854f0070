"""The section on tasks together: each task alone learns from its labels only, and the verdict follows from the figures."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="the peers come with the extra `bench`")

from benchmarks.quality import newsroom, together
from benchmarks.quality.examples import Examples
from benchmarks.quality.headwater import of_task
from benchmarks.quality.reports import together as report_together
from tests.benchmarks.test_newsroom import CONFIG, Letters
from training.simulation.synthetic_catalogue import NEWSROOM


def test_purchases_are_rarer_and_nothing_else_is() -> None:
    """Clicks and reading keep their true rates; the chance of a purchase falls by about as much as asked."""
    usual, rare = (
        newsroom.simulate(CONFIG, Letters(), seed=0, kinds=kinds)
        for kinds in (NEWSROOM, together.rarer_purchases(NEWSROOM, 10.0))
    )
    (clicks, _, purchases), (rare_clicks, _, rare_purchases) = (np.nanmean(world.truths, axis=0) for world in (usual, rare))
    assert rare_clicks == pytest.approx(clicks, rel=0.15)
    assert rare_purchases == pytest.approx(purchases / 8.0, rel=0.3)


def test_each_task_alone_learns_nothing_of_the_others() -> None:
    """Its figures stay as they are when the labels of another task change; a trunk's do not."""
    world = newsroom.simulate(CONFIG, Letters(), seed=0)
    labels = world.examples.labels.copy()
    labels[:, 0] = np.where(np.isnan(labels[:, 0]), np.nan, 1.0 - labels[:, 0])

    def judge(predictions: together.Predictions) -> dict[str, float]:
        return {"seconds": float(predictions[:, 1].mean()), "bought": float(predictions[:, 2].mean())}

    def judged(examples: Examples) -> dict[str, dict[str, float]]:
        return together.compare(examples, world.vocabulary, judge, seed=0)

    before, after = judged(world.examples), judged(replace(world.examples, labels=labels))
    assert before["alone"] == after["alone"]
    assert before["shared_bottom"] != after["shared_bottom"]


def test_a_batch_of_one_task_keeps_its_labels_only() -> None:
    """Censored labels of other tasks are taken off too."""
    batch = newsroom.simulate(CONFIG, Letters(), seed=0).examples.batch(0, 64)
    batch = replace(batch, lower_bounds_BT=batch.labels_BT.clone())
    one = of_task(batch, 1)
    assert one.labels_BT[:, [0, 2]].isnan().all()
    assert one.lower_bounds_BT[:, [0, 2]].isnan().all()
    assert np.array_equal(one.labels_BT[:, 1], batch.labels_BT[:, 1], equal_nan=True)


def test_the_verdict_follows_from_the_figures() -> None:
    """A trunk that loses on one task is not told to be no worse, whatever it wins on another."""
    alone = {"click, all": [1.0, 1.0], "purchase, all": [0.1, 0.1], "purchase, last_fifth": [0.1, 0.1]}
    worse = {"click, all": [1.1, 1.0], "purchase, all": [0.05, 0.05], "purchase, last_fifth": [0.05, 0.05]}
    level = {"click, all": [1.0, 1.0], "purchase, all": [0.1, 0.09], "purchase, last_fifth": [0.9, 0.9]}
    figures = {"alone": alone, "shared_bottom": worse, "mmoe": alone, "shared_private": level, "separate": alone}
    formatted = report_together.verdict(figures, 2.0)
    assert formatted == {
        "shared_bottom": (False, True),
        "mmoe": (True, False),
        "shared_private": (True, True),
        "separate": (True, False),
    }
    one = {"figures": figures}
    found = {"seeds": [0, 1], "rarer": 10.0, "movielens": one, "newsroom": one, "newsroom_rare": one | {"purchases": [9, 7]}}
    text = report_together.part(found)
    assert "| shared and own networks | +0.0 % (+0.0 to +0.0) | -5.0 % (-10.0 to +0.0) | +800.0 % (+800.0 to +800.0) |" in text
    assert "worse than each task alone is MMoE, shared and own networks, separate networks;" in text
    assert "better is shared bottom, shared and own networks." in text
