"""docs/capacity.md says what the files of figures say, and a plan grows with its load."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from benchmarks.capacity.page import page
from benchmarks.capacity.plan import SteadyLoad, plan

ROOT = Path(__file__).parents[2]
LOAD = SteadyLoad(users=1_000_000, items=10_000, events_per_s=6_000.0)
CAPACITY = {
    "store": {
        "user_few_bytes": 4_000.0,
        "user_many_bytes": 40_000.0,
        "item_full_activity_bytes": 500.0,
        "item_content_bytes": 2_500.0,
        "item_table_bytes": 2_000.0,
    },
    "processes": {"events_per_core_s": 2_000.0, "requests_per_core_s": {"recommend_10": 90.0}},
}


def results(name: str) -> dict[str, Any]:
    """The checked-in figures."""
    found: dict[str, Any] = msgspec.json.decode((ROOT / "benchmarks" / "results" / f"{name}.json").read_bytes())
    return found


def test_the_page_is_made_of_the_figures() -> None:
    """What is checked in is what the figures make of it."""
    made = page(results("capacity"), results("quality"))
    assert (ROOT / "docs" / "capacity.md").read_text() == made, "run `make capacity` and commit what it writes"


def test_a_plan_leaves_room() -> None:
    """Cores are 60 % busy, memory 60 % full; nine of ten events are impressions of lists of ten."""
    found = plan(LOAD, CAPACITY, learner_examples_per_s=9_000.0)
    assert found.feature_workers == 5  # 6,000 / (0.6 x 2,000)
    assert found.servers == 10  # 540 lists/s / (0.6 x 90)
    assert found.user_bytes == pytest.approx(7.6e9)  # a tenth of the users at 40 kB, the others at 4 kB
    assert found.redis_nodes == 1
    assert found.learner_share == 1.0  # 5,400 examples/s are 60 % of 9,000


@pytest.mark.parametrize("field", ["users", "items", "events_per_s"])
def test_more_needs_no_less(field: str) -> None:
    """Ten times of anything needs at least as much of everything, and the learner's share does not rise."""
    before = plan(LOAD, CAPACITY, learner_examples_per_s=9_000.0)
    after = plan(replace(LOAD, **{field: 10 * getattr(LOAD, field)}), CAPACITY, learner_examples_per_s=9_000.0)
    for name in ("feature_workers", "servers", "user_bytes", "item_bytes", "redis_nodes", "table_bytes"):
        assert getattr(after, name) >= getattr(before, name)
    assert after.learner_share <= before.learner_share
