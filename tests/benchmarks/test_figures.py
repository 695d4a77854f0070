"""Figures, bounds and charts do what their docstrings show."""

import doctest
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks import chart, results
from benchmarks.quality import examples, figures, headwater
from benchmarks.quality.figures import gauc, log_loss, spread
from deploy.demo.quality import auc


@pytest.mark.parametrize("module", [chart, results, examples, figures, headwater])
def test_examples_in_docstrings_hold(module: ModuleType) -> None:
    """Each docstring's example gives what it says."""
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


def test_gauc_ignores_how_users_compare() -> None:
    """A score that only says who the user is has an AUC above a half and a GAUC of a half."""
    users = np.repeat(np.arange(10), 20)
    labels = (np.random.default_rng(0).random(200) < users / 10).astype(np.float32)
    assert gauc(users, labels, users.astype(np.float32)) == 0.5
    assert auc(labels, users) > 0.7


def test_log_loss_of_a_mean_outside_its_range_is_finite() -> None:
    """A running mean plus a bias may leave 0 to 1; that costs much, not everything."""
    assert 1.0 < log_loss(np.array([0.0, 1.0]), np.array([1.2, -0.1])) < 10.0


def test_seeds_are_shown_as_mean_and_range() -> None:
    """Mean, lowest and highest of each metric."""
    assert spread([{"auc": 0.5}, {"auc": 0.75}]) == {"auc": {"mean": 0.625, "min": 0.5, "max": 0.75}}


def test_an_axis_from_zero_shows_what_is_flat_as_flat() -> None:
    """A line between 600 and 610 stays near the top, and large steps are told without decimals."""
    drawn = chart.line_chart("memory", "minutes", {"server": [(0, 600.0), (1, 610.0)]}, from_zero=True)
    (_, first), (_, last) = (map(float, point.split(",")) for point in drawn.split('points="')[1].split('"')[0].split())
    assert 0.0 < first - last < 10.0
    assert ">0</text>" in drawn
    assert ">610</text>" in drawn


def test_a_chart_is_svg_and_leaves_out_what_is_not_finite() -> None:
    """It parses, has one line a name, and escapes titles."""
    drawn = chart.line_chart("a < b", "x", {"one": [(1, 0.5), (10, float("nan")), (100, 0.7)], "two": [(1, 0.1)]}, log_x=True)
    lines = ElementTree.fromstring(drawn).findall("{http://www.w3.org/2000/svg}polyline")
    assert [len((line.get("points") or "").split()) for line in lines] == [2, 1]
