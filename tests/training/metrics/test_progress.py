"""Tests the figures of progressive validation against ones worked out by hand."""

import math

import pytest
import torch

from feature_repo.tasks import parse_tasks
from training.metrics.progress import Progress

TASKS = parse_tasks('[tasks.click]\nkind = "binary"\nevent = "click"\n[tasks.stars]\nkind = "regression"\nevent = "rate"')
NAN = math.nan
PREDICTIONS = torch.tensor([[0.9, 3.0], [0.2, 4.0], [0.6, 5.0], [0.4, 1.0]])
LABELS = torch.tensor([[1.0, 4.0], [0.0, 4.0], [0.0, NAN], [1.0, 1.0]])


@pytest.fixture
def progress() -> Progress:
    made = Progress(TASKS, capacity=100)
    made.add(PREDICTIONS[:3], LABELS[:3])
    made.add(PREDICTIONS[3:], LABELS[3:])
    return made


def test_figures_are_those_worked_out_by_hand(progress: Progress) -> None:
    """Three of four pairs are ranked rightly; errors and calibration follow their definitions; unknown labels do not count."""
    quality = progress.quality()
    click, stars = quality["click"], quality["stars"]
    assert (click.count, stars.count) == (4, 3)
    assert click.auc == pytest.approx(0.75)
    assert click.log_loss == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.4) + math.log(0.4)) / 4)
    assert click.rmse == pytest.approx(math.sqrt((0.01 + 0.04 + 0.36 + 0.36) / 4))
    assert click.calibration == pytest.approx(2.1 / 2.0)
    assert click.calibration_error == pytest.approx((0.1 + 0.2 + 0.6 + 0.6) / 4)
    assert stars.rmse == pytest.approx(math.sqrt(1 / 3))
    assert stars.calibration == pytest.approx(8 / 9)
    assert math.isnan(stars.auc)
    assert click.normalised_entropy == pytest.approx(click.log_loss / math.log(2.0))
    assert stars.xauc == 1.0, "4, 4, 1 said to be 3, 4, 1: two pairs in order, and one that is none"


def test_durations_are_judged_in_seconds_and_by_their_order() -> None:
    """One of three pairs in order; errors of 10, 0 and 20 seconds."""
    progress = Progress(parse_tasks('[tasks.read]\nkind = "duration"\nevent = "read"'))
    seconds, observed = torch.tensor([[20.0], [30.0], [20.0]]), torch.tensor([[10.0], [30.0], [40.0]])
    progress.add(seconds.log1p() + torch.tensor([[0.0], [0.0], [-1e-6]]), observed.log1p())
    quality = progress.quality()["read"]
    assert quality.mae_seconds == pytest.approx(10.0, abs=1e-3)
    assert quality.xauc == pytest.approx(1 / 3, abs=0.02), "10 before 30 is right; 30 and 10 before 40 are not"
    assert math.isnan(quality.auc)


def test_windows_are_cut_from_the_stream(progress: Progress) -> None:
    """The last examples, and each full window in turn, are judged alone."""
    assert progress.quality(last=1)["stars"].rmse == 0.0
    assert [window["stars"].count for window in progress.curve(2)] == [2, 1]
    assert [window["stars"].count for window in progress.curve(3)] == [2]


def test_one_class_has_no_auc(progress: Progress) -> None:
    """Where all labels agree there is no order to judge, which is NaN and no error."""
    assert math.isnan(progress.quality(last=1)["click"].auc)
    assert Progress(TASKS).quality()["click"].count == 0


def test_only_the_last_are_remembered_also_across_a_restart() -> None:
    """Beyond its capacity the oldest examples are forgotten, the same after saving and loading."""
    steady, restarted = Progress(TASKS, capacity=5), Progress(TASKS, capacity=5)
    for value in range(12):
        for one in (steady, restarted):
            one.add(torch.full((2, 2), 0.5), torch.tensor([[1.0, value], [0.0, value]]))
        fresh = Progress(TASKS, capacity=5)
        fresh.load_state_dict(restarted.state_dict())
        restarted = fresh
    assert len(steady) == len(restarted) == 5
    for progress in (steady, restarted):
        assert progress.quality()["stars"].calibration == pytest.approx(5 * 0.5 / (9 + 10 + 10 + 11 + 11))


def test_state_of_other_tasks_is_refused(progress: Progress) -> None:
    """A state with another number of tasks is not taken up."""
    with pytest.raises(ValueError, match="1 are declared"):
        Progress(TASKS[:1]).load_state_dict(progress.state_dict())


def test_predictions_that_are_not_finite_are_reported(progress: Progress) -> None:
    """A NaN prediction shows as a NaN error and breaks nothing."""
    progress.add(torch.tensor([[NAN, NAN]]), torch.tensor([[1.0, 2.0]]))
    assert math.isnan(progress.quality()["click"].rmse)
