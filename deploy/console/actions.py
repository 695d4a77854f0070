"""Actions that a person can take on an item in the console, derived from the declared tasks."""

from collections.abc import Sequence
from typing import Any

from feature_repo.tasks import Task

__all__ = ["possible_actions"]

_TIMED = "read"


def possible_actions(tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """What each task is labelled by, a click where none says what follows a look, and hiding.

    `input` says where the value comes from: timer, number or nothing. A number stands at what `task` predicts, else at `value`.
    `types` are those of the items that it can be done with; none for all.

    >>> task = Task(name="stars", kind="regression", event="rate")
    >>> [(action["kind"], action["input"], action["task"]) for action in possible_actions([task])]
    [('click', 'none', None), ('rate', 'number', 'stars'), ('hide', 'none', None)]
    """
    opening = [] if any(task.implicit for task in tasks) else ["click"]
    return [_action(kind, tasks) for kind in dict.fromkeys([*opening, *(task.event for task in tasks), "hide"])]


def _action(kind: str, tasks: Sequence[Task]) -> dict[str, Any]:
    labelled = [task for task in tasks if task.event == kind]
    valued = [task for task in labelled if not task.implicit]
    return {
        "kind": kind,
        "input": "timer" if kind == _TIMED else "number" if valued else "none",
        "task": next((task.name for task in valued if task.kind != "binary"), None),
        "types": sorted({one for task in labelled for one in task.item_types})
        if all(task.item_types for task in labelled)
        else [],
        "value": next((task.at_least for task in valued if task.at_least is not None), 1.0),
    }
