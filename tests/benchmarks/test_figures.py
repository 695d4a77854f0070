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


def line_of(drawn: str, number: int) -> list[tuple[float, float]]:
    """Points of a line in the drawing."""
    [group] = [one for one in ElementTree.fromstring(drawn).iter() if one.get("id") == f"line-{number}"]
    path = next(one.get("d") or "" for one in group.iter("{http://www.w3.org/2000/svg}path"))
    numbers = [float(part) for part in path.replace("M", " ").replace("L", " ").split()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def test_an_axis_from_zero_shows_what_is_flat_as_flat() -> None:
    """A line between 600 and 610 stays near the top of an axis that begins at 0."""
    lines = {"server": [(0.0, 600.0), (1.0, 610.0)]}
    flat, steep = (line_of(chart.line_chart("memory", "minutes", lines, from_zero=begins), 0) for begins in (True, False))
    assert 0.0 < flat[0][1] - flat[1][1] < 10.0 < steep[0][1] - steep[1][1]
    assert ">0</text>" in chart.line_chart("memory", "minutes", lines, from_zero=True)


def test_a_chart_is_svg_and_leaves_out_what_is_not_finite() -> None:
    """It parses, has one line a name, escapes titles, and is the same each time."""
    lines = {"one": [(1, 0.5), (10, float("nan")), (100, 0.7)], "two": [(1, 0.1), (2, 0.2)]}
    drawn = chart.line_chart("a < b", "x", lines, log_x=True)
    assert [len(line_of(drawn, number)) for number in range(2)] == [2, 2]
    assert "a &lt; b" in drawn
    assert "prefers-color-scheme: dark" in drawn
    assert chart.line_chart("a < b", "x", lines, log_x=True) == drawn


def test_many_decades_have_a_tick_each_and_few_values_their_own() -> None:
    """On a logarithmic axis."""
    few = chart.line_chart("t", "x", {"a": [(3, 1.0), (40, 2.0), (500, 3.0)]}, log_x=True)
    assert all(f">{tick}</text>" in few for tick in (3, 40, 500))
    many = chart.line_chart("t", "x", {"a": [(float(x), 1.0 + x) for x in range(1, 2000, 7)]}, log_x=True, log_y=True)
    assert all(f">{tick}</text>" in many for tick in ("1", "10", "100", "1,000"))
