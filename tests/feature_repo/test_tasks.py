"""The tasks file: what it may say, and the words for what it may not."""

import math
from pathlib import Path

import pytest

from feature_repo.tasks import Task, TasksError, load_tasks, parse_tasks
from feature_repo.vocabulary import HALF_LIVES, Vocabulary

CLICK = '[tasks.click]\nkind = "binary"\nevent = "click"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "tasks"),
        ("[tasks]", "no task"),
        ("[tasks.click", "tasks.toml"),
        ('[tasks.click]\nkind = "ordinal"\nevent = "click"', "ordinal"),
        ('[tasks.click]\nkind = "binary"', "event"),
        (CLICK + "windw_seconds = 3", "windw_seconds"),
        (CLICK + "window_seconds = -1", "window_seconds"),
        ('[tasks."Click me"]\nkind = "binary"\nevent = "click"', "Click me"),
        ('[tasks.t]\nkind = "regression"\nevent = "click"', "no value"),
        ('[tasks.t]\nkind = "duration"\nevent = "read"\nat_least = 3', "at_least"),
        (CLICK + '[tasks.t]\nkind = "duration"\nevent = "read"\ngiven = "click"', "every impression"),
        (CLICK + '[tasks.t]\nkind = "binary"\nevent = "buy"\ngiven = "read"', "declared before it.*here: click"),
        (CLICK + 'given = "click"', "here: none"),
        (CLICK + 'late = "never"', "never"),
        ('[tasks.t]\nkind = "duration"\nevent = "read"\nlate = "correct"', "every impression labels"),
        (CLICK + "keep_negatives = 0", "above 0 and up to 1"),
        ('[tasks.t]\nkind = "duration"\nevent = "read"\nkeep_negatives = 0.5', "every impression labels"),
        (
            CLICK + 'keep_negatives = 0.5\n[tasks.t]\nkind = "binary"\nevent = "buy"\ngiven = "click"',
            "all negatives kept",
        ),
    ],
)
def test_mistake_is_named_with_its_place(text: str, words: str) -> None:
    """Every mistake ends in an error that says which file and what."""
    with pytest.raises(TasksError, match=words) as caught:
        parse_tasks(text, source="tasks.toml")
    assert "tasks.toml" in str(caught.value)


def test_a_censored_value_says_what_it_has_reached() -> None:
    """A read cut off after a minute lasted a minute at least: over a threshold of half a one, and not known to be below two."""
    half, two, seconds, amount, seen = (
        Task(name="half", kind="binary", event="read", at_least=30.0),
        Task(name="two", kind="binary", event="read", at_least=120.0),
        Task(name="seconds", kind="duration", event="read"),
        Task(name="amount", kind="regression", event="read"),
        Task(name="seen", kind="binary", event="read"),
    )
    assert [task.label(60.0, censored=True) for task in (half, two, seconds, amount, seen)] == [1.0, None, None, None, 1.0]
    bounds = [task.lower_bound(60.0) for task in (half, two, seconds, amount, seen)]
    assert bounds == [None, None, pytest.approx(math.log(61.0)), 60.0, None]
    assert seconds.lower_bound(None) is None


def test_missing_file_says_which_setting_to_change(tmp_path: Path) -> None:
    """A wrong path is told with the setting that holds it."""
    with pytest.raises(TasksError, match="HEADWATER_TASKS_FILE"):
        load_tasks(tmp_path / "none.toml")


def test_fingerprint_follows_the_names_and_their_order() -> None:
    """Processes agree on a fingerprint exactly if they agree on every name and place."""
    buy = '[tasks.buy]\nkind = "binary"\nevent = "purchase"\n'
    one, same, turned = (Vocabulary(parse_tasks(text)) for text in (CLICK + buy, CLICK + buy + "weight = 2.0", buy + CLICK))
    assert one.fingerprint == same.fingerprint != turned.fingerprint
    assert len(set(one.features)) == len(one.features)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('kind = "binary"\nevent = "read"\nat_least = 30.0', 'kind = "duration"\nevent = "read"'),
        ('kind = "binary"\nevent = "read"\nat_least = 30.0', 'kind = "binary"\nevent = "read"\nat_least = 60.0'),
        ('kind = "binary"\nevent = "read"', 'kind = "binary"\nevent = "share"'),
        ('kind = "binary"\nevent = "read"', 'kind = "binary"\nevent = "read"\nwindow_seconds = 60.0'),
        ('kind = "binary"\nevent = "read"', 'kind = "binary"\nevent = "read"\nlate = "correct"'),
        ('kind = "binary"\nevent = "read"', 'kind = "binary"\nevent = "read"\nkeep_negatives = 0.5'),
        ('kind = "binary"\nevent = "read"', 'kind = "binary"\nevent = "read"\ngiven = "click"'),
        ('kind = "binary"\nevent = "read"', 'kind = "binary"\nevent = "read"\nitem_types = ["article"]'),
    ],
)
def test_fingerprint_follows_what_the_labels_mean(before: str, after: str) -> None:
    """A task of the same name whose labels mean something else must not share rows or checkpoints with the old one."""
    one, other = (Vocabulary(parse_tasks(f"{CLICK}[tasks.read]\n{body}")) for body in (before, after))
    assert one.features == other.features
    assert one.fingerprint != other.fingerprint


def test_fingerprint_follows_the_half_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counters of one name that decay at another pace are other counters."""
    tasks = parse_tasks(CLICK)
    before = Vocabulary(tasks).fingerprint
    monkeypatch.setattr("feature_repo.vocabulary.HALF_LIVES", tuple((name, 2.0 * seconds) for name, seconds in HALF_LIVES))
    assert Vocabulary(tasks).fingerprint != before
