"""What the page offers to do with an item, by the tasks."""

from deploy.console.actions import possible_actions
from feature_repo.tasks import parse_tasks

MUSIC = """
[tasks.play]
kind = "binary"
event = "play"
[tasks.listened]
kind = "regression"
event = "listen"
item_types = ["song"]
[tasks.like]
kind = "binary"
event = "like"
item_types = ["song"]
"""
STARS = """
[tasks.good]
kind = "binary"
event = "rate"
at_least = 4
[tasks.read_seconds]
kind = "duration"
event = "read"
"""


def test_only_what_labels_a_task_is_offered() -> None:
    """No click where plays open an item; a like of songs alone; hiding always."""
    actions = possible_actions(parse_tasks(MUSIC))
    assert [(action["kind"], action["types"]) for action in actions] == [
        ("play", []),
        ("listen", ["song"]),
        ("like", ["song"]),
        ("hide", []),
    ]
    assert [(action["input"], action["task"]) for action in actions[:2]] == [("none", None), ("number", "listened")]


def test_a_click_is_offered_where_nothing_else_opens_an_item() -> None:
    """A number without a prediction of its own begins at what counts as good."""
    click, rate, read, hide = possible_actions(parse_tasks(STARS))
    assert (click["kind"], hide["kind"]) == ("click", "hide")
    assert (rate["input"], rate["task"], rate["value"]) == ("number", None, 4)
    assert read["input"] == "timer"
