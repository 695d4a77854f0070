"""Tasks: name, kind, labelling events, and the TOML file in which they are declared."""

import math
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import msgspec

from feature_repo.decode import MAX_VALUE
from runtime.errors import UserError

__all__ = ["Kind", "Late", "Outside", "Task", "TasksError", "load_tasks", "parse_tasks"]

Kind = Literal["binary", "duration", "regression"]
Late = Literal["wait", "correct"]
Outside = Literal["clip", "refuse"]


class TasksError(UserError, ValueError):
    """A tasks file that cannot be used; the message says which file and key, and what to write instead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One thing to predict.

    A binary task without `at_least` is labelled implicitly: positive when `event` follows an impression within
    `window_seconds`, negative when none does. Every other task is labelled by the event itself: a binary one is
    positive when the event's value reaches `at_least`, a duration or regression takes the value. A read whose
    end was not seen (`censored`) tells only what its seconds have reached.
    """

    name: str
    kind: Kind
    """`binary`, `duration` (learned on the logarithm, told in seconds) or `regression`."""
    event: str
    """`click`, `read` (value: seconds), `purchase` (value: amount) or the name of an action."""
    at_least: float | None = None
    """Of a binary task: the event's value from which on its label is positive."""
    window_seconds: float = 1800.0
    """How long after an impression the event may come; without it, the impression is then a negative."""
    weight: float = 1.0
    """Share in the training loss."""
    priority: int = 0
    """Where tasks are balanced by priorities: what a task learns may not set back one of higher priority."""
    rank_weight: float = 1.0
    """Share in the ranking score of `Recommend` when the request names none."""
    given: str | None = None
    """An earlier task without which this one cannot happen, such as click for a purchase: predicted as their product."""
    late: Late = "wait"
    """When the negative is learned: `wait`, once the window has passed; `correct`, at once, and the positive too should it come,
    with predictions corrected for the negatives that were none. The second is for windows of hours and days."""
    keep_negatives: float = 1.0
    """Part of the negatives that is learned from, where they are many; what is predicted is corrected for it."""
    item_types: tuple[str, ...] = ()
    """Item types that the task is about; empty for all."""
    min: float | None = None
    """Of a duration (in seconds) or regression: the least value that there is. With neither this nor `max`, values far outside
    the usual ones are clipped."""
    max: float | None = None
    """The greatest value that there is, such as 5 for stars."""
    outside: Outside = "clip"
    """What becomes of a value outside `min` and `max`: `clip`, it counts as the nearest within; `refuse`, the event is a dead
    letter."""

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or self.name != self.name.lower():
            raise TasksError(f"task name {self.name!r}: use lower-case letters, digits and underscores")
        if not self.event or self.event == "impression":
            raise TasksError(f"task {self.name}: `event` must name the event that labels it, such as click or read")
        if self.kind != "binary" and self.at_least is not None:
            raise TasksError(f'task {self.name}: `at_least` belongs to binary tasks only; remove it or set kind = "binary"')
        if self.kind != "binary" and self.event == "click":
            raise TasksError(f'task {self.name}: a click has no value to predict; use kind = "binary"')
        if self.given is not None and not self.implicit:
            raise TasksError(
                f'task {self.name}: `given` belongs to tasks that every impression labels: kind = "binary", no `at_least`'
            )
        if not 0.0 < self.keep_negatives <= 1.0:
            raise TasksError(f"task {self.name}: `keep_negatives` is a part of the negatives, above 0 and up to 1")
        if self.reshaped and (not self.implicit or self.given is not None):
            raise TasksError(
                f"task {self.name}: `late` and `keep_negatives` belong to tasks that every impression labels and that are "
                "`given` no other"
            )
        self._check_range()
        for field, value in (("window_seconds", self.window_seconds), ("weight", self.weight)):
            if not (math.isfinite(value) and value > 0):
                raise TasksError(f"task {self.name}: `{field}` must be a positive number, not {value}")

    def _check_range(self) -> None:
        if not self.ranged:
            if self.outside == "refuse":
                raise TasksError(f'task {self.name}: `outside = "refuse"` needs a range; give `min`, `max` or both')
            return
        if self.kind == "binary":
            raise TasksError(f"task {self.name}: `min` and `max` belong to durations and regressions; remove them")
        low, high = (-math.inf if self.min is None else self.min), (math.inf if self.max is None else self.max)
        if not low < high:
            raise TasksError(f"task {self.name}: `min` must be less than `max`, not {low:g} and {high:g}")

    @property
    def ranged(self) -> bool:
        """True where the task declares what values there are."""
        return self.min is not None or self.max is not None

    @property
    def implicit(self) -> bool:
        """True where the absence of the event within the window is the negative label."""
        return self.kind == "binary" and self.at_least is None

    @property
    def reshaped(self) -> bool:
        """True where what is learned from has another rate than what is shown; see `Recommender.in_units`."""
        return self.late == "correct" or self.keep_negatives < 1.0

    @property
    def meaning(self) -> str:
        """What the labels are, as one line: every field that decides which events label an impression, and with what number.

        Weights and priorities are left out: they change how a task is learned and ranked, not what its labels mean.

        >>> one, other = (Task(name="buy", kind="binary", event="purchase", weight=weight) for weight in (1.0, 2.0))
        >>> one.meaning == other.meaning
        True
        """
        emphasis = ("weight", "priority", "rank_weight")
        # Left out where nothing is declared: rows of releases that knew no ranges stay readable.
        silent = () if self.ranged else ("min", "max", "outside")
        return " ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.name not in (*emphasis, *silent))

    def label(self, value: float | None, *, censored: bool = False) -> float | None:
        """The label, in training space, that this task's event gives; None where it has no value to label with.

        A `censored` value is the least that it can have been, so it labels nothing but that a threshold was reached.
        """
        if self.implicit:
            return 1.0
        if value is None:
            return None
        if self.at_least is not None:
            reached = value >= self.at_least
            return None if censored and not reached else float(reached)
        return None if censored else self.in_training_space(value)

    @property
    def label_range(self) -> tuple[float, float]:
        """The least and the greatest label, in training space, that an event can give, as a number of 32 bits may round it."""
        if self.kind == "binary":
            return 0.0, 1.0
        least, greatest = self.in_training_space(-MAX_VALUE), self.in_training_space(MAX_VALUE)
        rounding = 1e-6 * max(abs(least), abs(greatest))
        return least - rounding, greatest + rounding

    def lower_bound(self, value: float | None) -> float | None:
        """The least that the label of a censored value can be, in training space; None where that says nothing."""
        return None if value is None or self.kind == "binary" else self.in_training_space(value)

    def lies_outside(self, value: float) -> bool:
        """Whether a value lies outside what the task declares.

        >>> Task(name="stars", kind="regression", event="rate", min=1.0, max=5.0).lies_outside(50_000.0)
        True
        """
        return (self.min is not None and value < self.min) or (self.max is not None and value > self.max)

    def refuses(self, kind: str, value: float | None) -> bool:
        """Whether an event of this kind and value is refused."""
        return self.outside == "refuse" and self.event == kind and value is not None and self.lies_outside(value)

    def in_training_space(self, value: float) -> float:
        """A value within the declared range, as it is learned: the logarithm of a duration's seconds."""
        if self.min is not None:
            value = max(value, self.min)
        if self.max is not None:
            value = min(value, self.max)
        return math.log1p(max(value, 0.0)) if self.kind == "duration" else value

    def displayed(self, label: float) -> float:
        """A label as people read it: of a duration the seconds.

        >>> play = Task(name="play", kind="duration", event="read")
        >>> round(play.displayed(play.label(90.0)), 6)
        90.0
        """
        return math.expm1(label) if self.kind == "duration" else label


class _File(msgspec.Struct, forbid_unknown_fields=True):
    tasks: dict[str, dict[str, object]]


def _task(name: str, body: dict[str, object]) -> Task:
    allowed = [field.name for field in fields(Task) if field.name != "name"]
    if unknown := sorted(body.keys() - allowed):
        raise TasksError(f"task {name}: unknown key {', '.join(unknown)}; a task has {', '.join(allowed)}")
    return msgspec.convert({"name": name, **body}, Task)


def _check_givens(tasks: tuple[Task, ...]) -> None:
    for at, task in enumerate(tasks):
        # A product of two chances is learned over all impressions, each once: else it would be that of nothing.
        earlier = [other.name for other in tasks[:at] if other.implicit and not other.reshaped]
        if task.given is not None and task.given not in earlier:
            raise TasksError(
                f"task {task.name}: `given` is {task.given!r}, but must name a task declared before it that every impression "
                f"labels, with all negatives kept and waited for; here: {', '.join(earlier) or 'none'}"
            )


def parse_tasks(text: str, *, source: str = "tasks") -> tuple[Task, ...]:
    """Tasks of a TOML text, in order of declaration.

    Raises:
        TasksError: the text is not TOML, a key is unknown or a value does not fit; the message names it.

    >>> parse_tasks('[tasks.click]\\nkind = "binary"\\nevent = "click"')[0].implicit
    True
    """
    try:
        declared = msgspec.convert(tomllib.loads(text), _File).tasks
        tasks = tuple(_task(name, body) for name, body in declared.items())
        _check_givens(tasks)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, TasksError) as error:
        raise TasksError(f'{source}: {error}. A task reads: [tasks.click] kind = "binary" event = "click"') from error
    if not tasks:
        raise TasksError(f"{source}: no task is declared; add a table such as [tasks.click]")
    return tasks


def load_tasks(path: Path) -> tuple[Task, ...]:
    """Tasks of the TOML file at `path`; raises TasksError as `parse_tasks` does, or if the file cannot be read."""
    try:
        return parse_tasks(path.read_text(encoding="utf-8"), source=str(path))
    except OSError as error:
        raise TasksError(f"{path}: cannot be read ({error.strerror}); set HEADWATER_TASKS_FILE to a tasks file") from error
    except UnicodeDecodeError as error:
        raise TasksError(f"{path}: cannot be read ({error}); save it as UTF-8") from error
