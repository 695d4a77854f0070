"""The forms that public data sets and companies keep histories in are recognized, and what they hold becomes events."""

import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.dataset.files import HistoryFileError, Source
from deploy.dataset.guess.catalogue import declared_of_items, draft_catalogue, known_items
from deploy.dataset.guess.draft import Declared, draft_history, finish_drafts
from deploy.dataset.guess.profile import profile
from deploy.dataset.project import parse_project
from deploy.dataset.sources import SourcesRead, read_sources
from deploy.dataset.write import HistoryDraft, project_text, tasks_text
from feature_repo.decoded_event import IMPRESSION
from feature_repo.tasks import parse_tasks

BEGIN = datetime(2026, 9, 1, 8, 0, 5, tzinfo=UTC)
ITEMS = [f"N{10000 + n}" for n in range(20)]


def made(
    directory: Path, *files: str, catalogue: str = "", declared: Mapping[str, str] | None = None, form: str = ""
) -> tuple[list[HistoryDraft], SourcesRead]:
    """What the files are taken for, and what is read of them; the tasks that go with them are sound."""
    of_items = profile(Source(location=str(directory / catalogue))) if catalogue else None
    tables = [profile(Source(location=str(directory / file))) for file in files]
    named = {} if of_items is None else declared_of_items(of_items, tables, {})
    known = frozenset() if of_items is None else known_items(of_items, named)
    drafts = [draft_history(table, Declared(columns=dict(declared or {}), form=form), items=known) for table in tables]
    kinds = finish_drafts(drafts)
    assert parse_tasks(tasks_text(kinds, timed=True, rated_up_to=5.0))
    text = project_text(drafts, None if of_items is None else draft_catalogue(of_items, "item", named))
    return drafts, read_sources(parse_project(text, root=directory), now=time.time())


def at(number: int) -> datetime:
    return BEGIN + timedelta(minutes=7 * number)


def rejected(read: SourcesRead) -> int:
    return sum(sum(rejects.counts.values()) for rejects in read.rejects.values())


def csv(path: Path, header: str, rows: Sequence[Sequence[object]], sign: str = ",") -> None:
    path.write_text("\n".join([*([header] if header else []), *(sign.join(map(str, row)) for row in rows), ""]))


def slates(count: int, items: Sequence[Any] = ITEMS) -> list[tuple[list[Any], Any]]:
    """Lists of six items, and the one that was clicked."""
    rng = random.Random(3)
    return [(shown := rng.sample(items, 6), rng.choice(shown)) for _ in range(count)]


def test_mind_is_recognized_without_a_header(tmp_path: Path) -> None:
    """Every list is shown with its positions and its click, in its order; the clicks before come before the user's first list."""
    lists = slates(90)
    rows = [
        [n, f"U{n % 30}", at(n).strftime("%-m/%-d/%Y %-I:%M:%S %p"), "N10000 N10001" if n % 2 else "", _labelled(*lists[n])]
        for n in range(90)
    ]
    csv(tmp_path / "behaviors.tsv", "", rows, "\t")
    news = [
        [item, "sports", f"golf{n % 2}", f'Cup "number {n}" is won', f"Abstract of {n}", "https://x/y", "[]", "[]"]
        for n, item in enumerate(ITEMS)
    ]
    csv(tmp_path / "news.tsv", "", news, "\t")
    [draft], read = made(tmp_path, "behaviors.tsv", catalogue="news.tsv")
    assert (draft.form, draft.columns) == (
        "lists",
        {"user_id": "2", "occurred_at": "3", "recommendation_id": "1", "shown": "5", "past": "4"},
    )
    assert rejected(read) == 0
    assert read.kinds == {IMPRESSION: 540, "click": 90 + 2 * 15}
    assert [item.title for item in read.items[:2]] == ['Cup "number 0" is won', 'Cup "number 1" is won']
    shown = [event for event in read.events if event.kind == IMPRESSION and event.recommendation_id == "41"]
    assert [(event.item_id, event.position) for event in shown] == list(zip(lists[41][0], range(6), strict=True))
    assert {event.at for event in shown} == {at(41).timestamp()}
    [click] = [event for event in read.events if event.kind == "click" and event.recommendation_id == "41"]
    assert click.item_id == lists[41][1]
    first = next(event for event in read.events if event.user_id == "U1")
    assert (first.kind, first.item_id, first.at < at(1).timestamp()) == ("click", "N10000", True)


def _labelled(shown: Sequence[str], clicked: str) -> str:
    return " ".join(f"{item}-{int(item == clicked)}" for item in shown)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_ebnerd_is_recognized(tmp_path: Path, kind: str) -> None:
    """Lists of what was in view and clicked, times read and how far was scrolled; as Parquet or written out."""
    ids = [9_000_000 + n for n in range(20)]
    rows = [
        {
            "impression_id": n,
            "article_id": None if n % 2 else float(ids[n % 20]),
            "impression_time": at(n).replace(tzinfo=None),
            "read_time": 9.5,
            "article_ids_inview": shown,
            "article_ids_clicked": [clicked],
            "user_id": 100 + n % 30,
            "session_id": n // 3,
            "next_read_time": 20.0 + n,
            "next_scroll_percentage": 55.0,
        }
        for n, (shown, clicked) in enumerate(slates(90, ids))
    ]
    table = pa.Table.from_pylist(rows)
    if kind == "parquet":
        pq.write_table(table, tmp_path / "behaviors.parquet")
    else:
        cells = [["" if cell is None else f'"{cell}"' for cell in row.values()] for row in rows]
        csv(tmp_path / "behaviors.csv", ",".join(rows[0]), cells)
    [draft], read = made(tmp_path, f"behaviors.{kind}")
    assert draft.columns == {
        "user_id": "user_id",
        "occurred_at": "impression_time",
        "recommendation_id": "impression_id",
        "shown": "article_ids_inview",
        "acted": "article_ids_clicked",
    }
    assert draft.outcomes == {"read": "next_read_time", "scroll": "next_scroll_percentage"}
    assert read.kinds == {IMPRESSION: 540, "click": 90, "read": 90, "scroll": 90}
    assert rejected(read) == 0
    assert {event.item_id for event in read.events} <= {str(one) for one in ids}
    assert [event.value for event in read.events if event.kind == "read"] == [20.0 + n for n in range(90)]


def test_the_time_read_on_a_page_is_a_read_of_that_page(tmp_path: Path) -> None:
    """Where nothing tells the time that the next page was read."""
    rows = [
        [n, f"u{n % 9}", at(n).isoformat(), f'"{shown}"', f"\"['{one}']\"", ITEMS[n % 20], 5 + n]
        for n, (shown, one) in enumerate(slates(60))
    ]
    csv(
        tmp_path / "a.csv",
        "impression_id,user_id,impression_time,article_ids_inview,article_ids_clicked,article_id,read_time",
        rows,
    )
    drafts, read = made(tmp_path, "a.csv")
    assert [draft.event for draft in drafts] == ["click", "read"]
    assert read.kinds == {IMPRESSION: 360, "click": 60, "read": 60}
    assert {(event.item_id, event.value) for event in read.events if event.kind == "read"} == {
        (ITEMS[n % 20], 5.0 + n) for n in range(60)
    }


def test_lists_of_items_and_their_times_are_single_events(tmp_path: Path) -> None:
    """As EB-NeRD's history holds them, a row for each user."""
    times = [at(k).replace(tzinfo=None) for k in range(4)]
    columns = {
        "user_id": list(range(9)),
        "impression_time_fixed": [times] * 9,
        "scroll_percentage_fixed": [[50.0] * 4] * 9,
        "article_id_fixed": [[n, n + 1, n + 2, n + 3] for n in range(9)],
        "read_time_fixed": [[3.5] * 4] * 9,
    }
    pq.write_table(pa.table(columns), tmp_path / "history.parquet")
    [draft], read = made(tmp_path, "history.parquet")
    assert draft.columns == {
        "user_id": "user_id",
        "item_id": "article_id_fixed",
        "occurred_at": "impression_time_fixed",
        "value": "read_time_fixed",
    }
    assert read.kinds == {"read": 36}
    assert (read.events[-1].at, len({event.item_id for event in read.events})) == (at(3).timestamp(), 12)


def test_flags_say_what_came_of_an_impression(tmp_path: Path) -> None:
    """What is no action is none, and an amount stands in a column of its own; milliseconds are told by a name."""
    rows = [
        [
            f"u{n % 9}",
            n % 20,
            int(at(n).timestamp() * 1000),
            int(n % 3 == 0),
            int(n % 5 == 0),
            1,
            1500 * (n % 3 == 0),
            int(n % 9 == 0),
            "2,50",
        ]
        for n in range(90)
    ]
    csv(tmp_path / "a.csv", "user_id;video_id;time_ms;is_click;is_like;is_weekend;play_time_ms;is_purchase;price", rows, ";")
    [draft], read = made(tmp_path, "a.csv")
    assert draft.form == "flags"
    assert draft.outcomes == {"click": "is_click", "like": "is_like", "read": "play_time_ms", "purchase": "is_purchase"}
    assert (draft.amounts, draft.value_unit) == ({"purchase": "price"}, "milliseconds")
    assert "is_weekend" in draft.unused
    assert read.kinds == {IMPRESSION: 90, "click": 30, "like": 18, "read": 30, "purchase": 10}
    values = {kind: {event.value for event in read.events if event.kind == kind} for kind in ("read", "purchase", "like")}
    assert values == {"read": {1.5}, "purchase": {2.5}, "like": {1.0}}


def test_a_label_is_a_flag_and_a_constant_is_none(tmp_path: Path) -> None:
    """As logs of click rates have them; a purchase on every row is a file of purchases."""
    csv(
        tmp_path / "ctr.csv",
        "user_id,item_id,timestamp,label",
        [[n % 9, n % 7, int(at(n).timestamp()), n % 2] for n in range(60)],
    )
    assert made(tmp_path, "ctr.csv")[1].kinds == {IMPRESSION: 60, "click": 30}
    csv(
        tmp_path / "buys.csv",
        "user_id,item_id,timestamp,purchase",
        [[n % 9, n % 7, int(at(n).timestamp()), 1] for n in range(60)],
    )
    [draft], _ = made(tmp_path, "buys.csv")
    assert (draft.form, draft.event) == ("events", "purchase")


def test_event_types_are_named_by_their_values(tmp_path: Path) -> None:
    """In capitals, in the plural, with signs between."""
    kinds = ["VIEW", "LIKE", "ADD_TO_CART", "orders"]
    csv(
        tmp_path / "a.csv",
        "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE",
        [[n % 9, n % 7, int(at(n).timestamp()), kinds[n % 4]] for n in range(60)],
    )
    [draft], read = made(tmp_path, "a.csv")
    assert draft.names == {"VIEW": "click", "LIKE": "like", "ADD_TO_CART": "add_to_cart", "orders": "purchase"}
    assert draft.sampled_impressions > 0
    assert read.kinds == dict.fromkeys(("click", "like", "add_to_cart", "purchase"), 15)


@pytest.mark.parametrize("sign", ["\t", "::", ","])
def test_movielens_needs_no_header(tmp_path: Path, sign: str) -> None:
    """User, item, stars and seconds; titles in Latin-1, and genres by bars. Ratings alone get impressions to learn from."""
    csv(tmp_path / "u.data", "", [[1 + n % 9, 1 + n % 20, 1 + n % 5, 880_000_000 + n] for n in range(200)], sign)
    films = "".join(f"{n}::Caf\u00e9 {n} (1995)::{('Comedy', 'Drama', 'Crime')[n % 3]}|Film\n" for n in range(1, 21))
    (tmp_path / "movies.dat").write_bytes(films.encode("latin-1"))
    [draft], read = made(tmp_path, "u.data", catalogue="movies.dat")
    assert (draft.form, draft.event, draft.columns) == (
        "ratings",
        "rate",
        {"user_id": "1", "item_id": "2", "occurred_at": "4", "value": "3"},
    )
    assert (draft.rated_up_to, draft.sampled_impressions > 0) == (5.0, True)
    assert read.kinds == {"rate": 200}
    assert any(event.kind == IMPRESSION for event in read.events)
    assert (read.items[0].title, list(read.items[0].categories)) == ("Caf\u00e9 1 (1995)", ["Drama", "Film"])
    assert [task.name for task in parse_tasks(tasks_text({"rate", IMPRESSION}, timed=True))] == ["rate", "like", "rating"]


def test_matrices_of_ratings_are_read_either_way(tmp_path: Path) -> None:
    """A column for each item, named by id or by title; a column for each user; zeros are no ratings where most cells hold one."""
    stars = [[(3 * n + k) % 6 or "" for k in range(8)] for n in range(12)]
    csv(tmp_path / "a.csv", "user," + ",".join(f"i{k}" for k in range(8)), [[f"u{n}", *row] for n, row in enumerate(stars)])
    csv(tmp_path / "b.csv", "user,Alien,Jaws,Heat,Up,Big,Her,Ran,Her 2", [[f"u{n}", *row] for n, row in enumerate(stars)])
    sparse = [[5 if (n + k) % 4 == 0 else 0 for k in range(8)] for n in range(12)]
    csv(tmp_path / "c.csv", "movie," + ",".join(f"u{k}" for k in range(8)), [[f"i{n}", *row] for n, row in enumerate(sparse)])
    rated = sum(cell != "" for row in stars for cell in row)
    for file, users, items, count in (("a.csv", 12, 8, rated), ("b.csv", 12, 8, rated), ("c.csv", 8, 12, 24)):
        [draft], read = made(tmp_path, file)
        assert (draft.form, draft.timed) == ("matrix", False)
        assert read.kinds == {"rate": count}
        rates = [event for event in read.events if event.kind == "rate"]
        assert (len({event.user_id for event in rates}), len({event.item_id for event in rates})) == (users, items)
        assert rejected(read) == 0


def test_sessions_are_recognized(tmp_path: Path) -> None:
    """Rows with a session for a user; objects in objects; lists of what a search gave; sequences in a cell."""
    clicks = [[n // 4, at(n).isoformat(), 214_500_000 + n % 20, 0] for n in range(80)]
    csv(tmp_path / "clicks.dat", "", clicks)
    [draft], read = made(tmp_path, "clicks.dat")
    assert (draft.columns, read.kinds["click"]) == ({"user_id": "1", "item_id": "3", "occurred_at": "2"}, 80)
    sessions = [
        {
            "session": n,
            "events": [
                {"aid": n % 7, "ts": int(at(4 * n + k).timestamp() * 1000), "type": ("clicks", "orders")[k]} for k in (0, 1)
            ],
        }
        for n in range(40)
    ]
    (tmp_path / "otto.jsonl").write_text("\n".join(map(json.dumps, sessions)))
    [draft], read = made(tmp_path, "otto.jsonl")
    assert draft.columns == {"user_id": "session", "item_id": "aid", "occurred_at": "ts", "event": "type"}
    assert (read.kinds, len({event.event_id for event in read.events})) == ({"click": 40, "purchase": 40}, len(read.events))
    searches = [
        [f"u{n % 9}", f"s{n // 3}", int(at(n).timestamp()), "clickout item", one, "|".join(shown), "|".join("50" for _ in shown)]
        for n, (shown, one) in enumerate(slates(60))
    ]
    csv(tmp_path / "search.csv", "user_id,session_id,timestamp,action_type,reference,impressions,prices", searches)
    assert made(tmp_path, "search.csv")[1].kinds == {IMPRESSION: 360, "click": 60}
    csv(tmp_path / "seq.csv", "session_id,items", [[f"s{n}", " ".join(ITEMS[n % 9 : n % 9 + 4])] for n in range(40)])
    assert made(tmp_path, "seq.csv")[1].kinds == {"click": 160}


def test_messages_need_no_columns(tmp_path: Path) -> None:
    """Events as `headwater produce` takes them say themselves what they are."""
    lines = [
        {
            "event_id": f"e{n}",
            "user_id": "u",
            "item_id": f"i{n}",
            "occurred_at": at(n).isoformat(),
            **({"impression": {"position": 2}} if n % 2 else {"action": {"name": "like"}}),
        }
        for n in range(20)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, lines)))
    [draft], read = made(tmp_path, "a.jsonl")
    assert (draft.form, draft.columns, draft.kinds) == ("messages", {}, {IMPRESSION, "like"})
    assert Counter(event.position for event in read.events) == {2: 10, 0: 10}


def test_lists_that_nothing_explains_are_refused(tmp_path: Path) -> None:
    """And never taken for one id: under a name that tells nothing, and as the column that was named for the item."""
    csv(
        tmp_path / "a.csv",
        "user_id,things,timestamp",
        [[f"u{n % 9}", " ".join(ITEMS[n % 9 : n % 9 + 3]), n + 1] for n in range(40)],
    )
    with pytest.raises(
        HistoryFileError, match=r"column 'things' holds lists \('N10000 N10001 N10002'\) that no known form explains"
    ):
        made(tmp_path, "a.csv")
    with pytest.raises(HistoryFileError, match=r"--column shown=things .* sequence=things"):
        made(tmp_path, "a.csv", declared={"item_id": "things"})
    [draft], read = made(tmp_path, "a.csv", declared={"sequence": "things"})
    assert (draft.form, read.kinds) == ("lists", {"click": 120})


def test_a_form_that_is_asked_for_must_fit(tmp_path: Path) -> None:
    """It says what the form needs."""
    csv(tmp_path / "a.csv", "user_id,item_id,timestamp", [[f"u{n % 9}", n % 7, int(at(n).timestamp())] for n in range(40)])
    for form, needs in (("mind", "N1-1 N2-0"), ("flags", "is_click"), ("matrix", "a column for each item")):
        with pytest.raises(HistoryFileError, match=f"is not in the form {form}, which needs .*{needs}"):
            made(tmp_path, "a.csv", form=form)
    assert made(tmp_path, "a.csv", form="sessions")[1].kinds == {"click": 40}
