"""Owns what a person can do with an item on the page, as it follows from the declared tasks."""

from collections.abc import Sequence
from typing import Any

from feature_repo.tasks import Task

__all__ = ["possible_deeds"]

_TIMED = "read"


def possible_deeds(tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """A click, what each task is labelled by, and hiding; `input` says where the value comes from: timer, number or nothing.

    >>> task = Task(name="stars", kind="regression", event="rate")
    >>> [(deed["kind"], deed["input"]) for deed in possible_deeds([task])]
    [('click', 'none'), ('rate', 'number'), ('hide', 'none')]
    """
    kinds = dict.fromkeys(["click", *(task.event for task in tasks), "hide"])
    valued = {task.event for task in tasks if not task.implicit}
    return [{"kind": kind, "input": "timer" if kind == _TIMED else "number" if kind in valued else "none"} for kind in kinds]
