"""Labels that mean nothing are told no better than by chance, in whatever form a history comes."""

import csv
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.dataset.leak_test import leak_test
from deploy.dataset.project import load_project
from deploy.dataset.shuffled import hold_lists, shuffled
from deploy.dataset.sources import Sources
from deploy.dataset.timeline import Row
from feature_repo.decoded_event import IMPRESSION, DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.tasks import load_tasks, parse_tasks
from feature_repo.vocabulary import Vocabulary
from training.history import HistoryRun
from training.metrics.judged import Judged
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig

USERS, ITEMS, LISTS, SIZE = 60, 50, 140, 6
SEEDS = range(5)
VOCABULARY = Vocabulary(parse_tasks('[tasks.click]\nkind = "binary"\nevent = "click"\n'))
BEGIN = 1.75e9

Shown = tuple[str, float, list[str], list[str]]


def drawn(seed: int) -> list[Shown]:
    """Lists of items drawn at random, and which of each are clicked, drawn at random too: user, time, shown, clicked."""
    rng, at, found = random.Random(seed), BEGIN, list[Shown]()
    for _ in range(LISTS):
        at += rng.expovariate(1 / 400)
        shown = [f"N{item}" for item in rng.sample(range(ITEMS), SIZE)]
        clicked = [item for item in shown if rng.random() < 0.3]
        found.append((f"U{rng.randrange(USERS)}", float(int(at)), shown, clicked))
    return found


def rows_of(lists: list[Shown], *, timed: bool, named: bool, event: bool) -> Iterator[list[object]]:
    """A header and rows: one with a flag for each item, or one for each impression and each click."""
    yield ["user_id", "item_id", *["timestamp"] * timed, *["recommendation_id"] * named, "event" if event else "is_click"]
    for number, (user, at, shown, clicked) in enumerate(lists):
        for place, item in enumerate(shown):
            # Without a name, a list has one time; rows without a list have one each.
            when = [at if named else at + 7 * place] * timed
            common = [*when, *[f"L{number}"] * named]
            yield [user, item, *common, "impression" if event else int(item in clicked)]
            if event and item in clicked:
                yield [user, item, *([at + 60 + place] * timed), *common[len(when) :], "click"]


def table(**form: bool) -> Callable[[Path, list[Shown]], list[str]]:
    def write(path: Path, lists: list[Shown]) -> list[str]:
        with (path / "a.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows_of(lists, **form))
        return ["a.csv"]

    return write


def mind(path: Path, lists: list[Shown]) -> list[str]:
    with (path / "behaviors.tsv").open("w") as file:
        for number, (user, at, shown, clicked) in enumerate(lists):
            when = time.strftime("%m/%d/%Y %I:%M:%S %p", time.gmtime(at))
            labels = " ".join(f"{item}-{int(item in clicked)}" for item in shown)
            file.write(f"{number + 1}\t{user}\t{when}\t{shown[0]} {shown[-1]}\t{labels}\n")
    return ["behaviors.tsv"]


def ebnerd(path: Path, lists: list[Shown]) -> list[str]:
    users, times, shown, clicked = zip(*lists, strict=True)
    columns = {
        "impression_id": list(range(len(lists))),
        "user_id": users,
        "impression_time": pa.array(np.array(times).astype("datetime64[s]")),
        "article_ids_inview": shown,
        "article_ids_clicked": clicked,
    }
    pq.write_table(pa.table(columns), path / "behaviors.parquet")
    return ["behaviors.parquet"]


def messages(path: Path, lists: list[Shown]) -> list[str]:
    with (path / "a.jsonl").open("w") as file:
        for number, (user, at, shown, clicked) in enumerate(lists):
            for after, some, body in ((0, shown, "impression"), (30, clicked, "click")):
                for item in some:
                    occurred = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at + after))
                    event = {
                        "user_id": user,
                        "item_id": item,
                        "recommendation_id": f"L{number}",
                        "occurred_at": occurred,
                        body: {},
                    }
                    file.write(json.dumps(event) + "\n")
    return ["a.jsonl"]


def ratings(path: Path, lists: list[Shown]) -> list[str]:
    rng = random.Random(len(lists))
    with (path / "u.data").open("w") as file:
        for user, at, shown, _ in lists:
            for place, item in enumerate(shown):
                file.write(f"{user[1:]}\t{item[1:]}\t{rng.randint(1, 5)}\t{int(at) + place}\n")
    return ["u.data"]


def positives(*, timed: bool) -> Callable[[Path, list[Shown]], list[str]]:
    def write(path: Path, lists: list[Shown]) -> list[str]:
        with (path / "likes.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["user_id", "item_id", *["timestamp"] * timed])
            rows.writerows([user, item, *[at] * timed] for user, at, shown, _ in lists for item in shown[:3])
        return ["likes.csv"]

    return write


FORMS = {
    "flags in lists with times": table(timed=True, named=True, event=False),
    "flags with times": table(timed=True, named=False, event=False),
    "flags in lists": table(timed=False, named=True, event=False),
    "flags": table(timed=False, named=False, event=False),
    "events in lists with times": table(timed=True, named=True, event=True),
    "events with times": table(timed=True, named=False, event=True),
    "events in lists": table(timed=False, named=True, event=True),
    "messages": messages,
    "mind": mind,
    "ebnerd": ebnerd,
    "ratings": ratings,
    "positives with times": positives(timed=True),
    "positives": positives(timed=False),
}


def imported(form: str, seed: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Sources, Vocabulary]:
    """What init and reading make of a history in this form."""
    monkeypatch.chdir(path)
    [file] = FORMS[form](path, drawn(seed))
    done = CliRunner().invoke(app, ["init", "p", "--force", "--history", file, "--yes"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    project = load_project(Path("p"))
    return Sources(project, now=time.time(), rng=random.Random(seed), progress=lambda *_: None), Vocabulary(
        load_tasks(project.tasks)
    )


def replayed(vocabulary: Vocabulary, sources: Sources, seed: int) -> Judged:
    """As `headwater replay` does it, but without texts."""
    table = ItemTable(vocabulary, dimensions=4)
    config = TrainerConfig(model=ModelConfig(text_dimension=4, width=4, hidden=(16,)), learning_rate=2e-3)
    run = HistoryRun(table, Trainer(config, vocabulary, seed=seed))
    run.play(sources.read().events)
    return run.judged()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("form", FORMS)
def test_random_labels_are_told_by_chance(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what `replay` reports of the real labels, and by the leak test of `check`: each within its own stated error."""
    off = []
    for seed in SEEDS:
        sources, vocabulary = imported(form, seed, tmp_path, monkeypatch)
        figures = replayed(vocabulary, sources, seed).figures()
        for windows in figures.values():
            ours = windows["all"]["headwater"]
            for metric in ("auc", "list_auc"):
                value, error = ours.get(metric), ours.get(f"{metric}_error")
                if value is not None and error is not None:
                    off.append((value - 0.5) / error)
        events, listed = sources.shuffled(random.Random(seed), rows=10_000)
        for found in leak_test(vocabulary, (), events, listed=listed):
            if found.enough:
                off.append((found.auc.value - 0.5) / found.auc.stated)
    assert len(off) >= 2 * len(SEEDS)
    assert max(map(abs, off)) <= 1.4, "one figure in 370 is off by its stated error by chance, and there are dozens"
    assert abs(np.mean(off)) < 1.0 / 3.0


def test_an_import_that_counts_a_click_before_the_rest_of_its_list_is_found_out() -> None:
    """Each row a moment of its own, its click at once: features of the rows below hold it already."""
    events = []
    for number, (user, _, shown, clicked) in enumerate(made for seed in range(5) for made in drawn(seed)):
        for place, item in enumerate(shown):
            at = BEGIN + 60.0 * (SIZE * number + place)
            one = DecodedEvent(
                event_id=f"{number}-{place}", user_id=user, item_id=item, at=at, kind=IMPRESSION, recommendation_id=f"L{number}"
            )
            events.append(one)
            if item in clicked[:1]:
                events.append(replace(one, event_id=f"{one.event_id}#click", kind="click", at=at + 0.001))
    [found] = leak_test(VOCABULARY, (), events, listed=True)
    assert found.leaks
    assert found.auc.value > 0.6


def rows_with(*kinds: str, lists: int, listed: bool) -> list[Row]:
    """Lists of three items, the first of which is clicked and rated with its number."""
    rows = []
    for number in range(lists):
        for place in range(3):
            shown = DecodedEvent(
                event_id=f"{number}-{place}",
                user_id=f"u{number % 7}",
                item_id=f"i{number}-{place}",
                at=1000.0 * number + (0.0 if listed else 10.0 * place),
                kind=IMPRESSION,
                recommendation_id=f"L{number}" if listed else "",
            )
            done = [replace(shown, event_id=f"{shown.event_id}#{kind}", kind=kind, value=float(number)) for kind in kinds]
            rows.append(Row(file=0, events=[shown, *(done if place == 0 else [])]))
    return rows


@pytest.mark.parametrize("apart", [False, True])
def test_labels_stay_in_their_list_and_go_to_any_of_its_items(apart: bool) -> None:
    """As many as there were, with their values, whether an outcome stands in the row of its impression or in one of its own."""
    rows = rows_with("click", "rate", lists=300, listed=True)
    if apart:
        rows = [replace(row, events=[event]) for row in rows for event in row.events]
    assert hold_lists(rows)
    made = [event for row in shuffled(rows, random.Random(0)) for event in row.events]
    places = Counter[str]()
    for kind in ("click", "rate"):
        done = sorted((event for event in made if event.kind == kind), key=lambda event: event.at)
        assert [event.recommendation_id for event in done] == [f"L{number}" for number in range(300)]
        assert [event.value for event in done] == list(map(float, range(300)))
        places.update(event.item_id[-1] for event in done)
    assert all(150 < places[place] < 250 for place in "012")
    assert [event for event in made if event.kind == IMPRESSION] == [row.events[0] for row in rows_with(lists=300, listed=True)]


def test_labels_without_lists_go_to_any_time_and_ratings_to_any_rating() -> None:
    """Each keeps its distance from its impression."""
    rows = rows_with("click", lists=200, listed=False)
    assert not hold_lists(rows)
    made = [event for row in shuffled(rows, random.Random(0)) for event in row.events]
    shown_at = {(event.user_id, event.item_id): event.at for event in made if event.kind == IMPRESSION}
    clicks = [event for event in made if event.kind == "click"]
    assert len(clicks) == 200
    assert all(event.at == shown_at[event.user_id, event.item_id] for event in clicks)
    assert len({event.item_id for event in clicks if not event.item_id.endswith("-0")}) > 100
    rated = [
        Row(
            file=0, events=[DecodedEvent(event_id=f"{n}", user_id="u", item_id=f"i{n}", at=float(n), kind="rate", value=float(n))]
        )
        for n in range(50)
    ]
    after = [row.events[0] for row in shuffled(rated, random.Random(0))]
    assert [event.item_id for event in after] == [f"i{n}" for n in range(50)]
    assert sorted(event.value or 0.0 for event in after) == list(map(float, range(50)))
    assert after != [row.events[0] for row in rated]
