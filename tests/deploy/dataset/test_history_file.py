"""Recorded histories of every format become the same checked events, and a bad row is named."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.dataset.history_file import Columns, HistoryFileError, read_catalogue, read_history
from feature_repo.decoded_event import IMPRESSION

NOW = 2e9
CSV = "userId,movieId,rating,timestamp\nu1,i1,4.5,1000\nu2,i2,3,900\n"
COLUMNS = Columns(user_id="userId", item_id="movieId", value="rating", occurred_at="timestamp")


def written(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_of_ratings_is_read_in_order_of_time(tmp_path: Path) -> None:
    """Columns go by the given names; a row implies an impression where that is asked for; the earlier row comes first."""
    path = written(tmp_path, "ratings.csv", CSV)
    found = read_history(path, columns=COLUMNS, event="rate", imply_impressions=True, now=NOW)
    assert [(event.user_id, event.item_id, event.kind, event.value, event.at) for event in found] == [
        ("u2", "i2", IMPRESSION, None, 900.0),
        ("u2", "i2", "rate", 3.0, 900.0),
        ("u1", "i1", IMPRESSION, None, 1000.0),
        ("u1", "i1", "rate", 4.5, 1000.0),
    ]
    assert len({event.event_id for event in found}) == 4


def test_every_format_gives_the_same_events(tmp_path: Path) -> None:
    """Parquet, TSV and JSON lines agree with CSV, but for the file's name in the ids that they make up."""
    flat = '{"userId": "u1", "movieId": "i1", "rating": 4.5, "timestamp": "1970-01-01T00:16:40Z"}\n'
    flat += '{"userId": "u2", "movieId": "i2", "rating": 3, "timestamp": 900}\n'
    paths = [
        written(tmp_path, "r.csv", CSV),
        written(tmp_path, "r.tsv", CSV.replace(",", "\t")),
        written(tmp_path, "r.jsonl", flat),
        tmp_path / "r.parquet",
    ]
    times = pa.array([1000, 900], type=pa.timestamp("s"))
    columns = {"userId": ["u1", "u2"], "movieId": ["i1", "i2"], "rating": [4.5, 3.0], "timestamp": times}
    pq.write_table(pa.table(columns), paths[-1])
    read = [read_history(path, columns=COLUMNS, event="rate", now=NOW) for path in paths]
    facts = [[(event.user_id, event.item_id, event.at, event.kind, event.value) for event in events] for events in read]
    assert facts == [[("u2", "i2", 900.0, "rate", 3.0), ("u1", "i1", 1000.0, "rate", 4.5)]] * len(paths)


def test_what_produce_sends_can_be_replayed(tmp_path: Path) -> None:
    """A line may be an event in protobuf's JSON, and a flat line may stand beside it."""
    lines = '{"eventId": "e1", "userId": "u", "itemId": "i", "occurredAt": "2020-01-01T00:00:00Z", "read": {"seconds": 9}}\n\n'
    lines += '{"user_id": "u", "item_id": "i", "occurred_at": 5, "event": "click", "recommendation_id": "r1"}\n'
    click, read = read_history(written(tmp_path, "events.jsonl", lines), now=NOW)
    assert (click.kind, click.at, click.recommendation_id, click.event_id) == ("click", 5.0, "r1", "events.jsonl:3")
    assert (read.kind, read.value, read.event_id) == ("read", 9.0, "e1")


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("a.csv", "user_id,item_id,occurred_at,event\nu,i,5,click\nu,,5,click\n", "row 2: column 'item_id' is missing or empty"),
        ("a.csv", "user_id,item_id,occurred_at\nu,i,5\n", "row 1: column 'event' is missing or empty.*--event"),
        ("a.csv", "user_id,item_id,occurred_at,event\nu,i,soon,click\n", "row 1: column 'occurred_at' holds 'soon'"),
        ("a.csv", "user_id,item_id,occurred_at,event\nu,i,nan,click\n", "row 1: column 'occurred_at' holds 'nan'"),
        ("a.csv", "user_id,item_id,occurred_at,event\nu,i,2020-13-01,click\n", "row 1: .*nor an ISO 8601 time"),
        ("a.csv", "user_id,item_id,occurred_at,event\nu,i,5000000000,click\n", "row 1: .*ahead of this machine's clock"),
        ("a.csv", "user_id,item_id,occurred_at,event,value\nu,i,5,read,long\n", "row 1: column 'value' holds 'long'"),
        ("a.csv", "user_id,item_id,occurred_at,event\nu,i,5,Click Me\n", "row 1: action.name is 'Click Me'"),
        ("a.csv", "user_id,item_id\nu,i,5\n", "row 1: more fields than the header names"),
        ("a.csv", "user_id,item_id\n", "holds no rows"),
        ("a.jsonl", '{"user_id": "u"\n', "row 1: no JSON object"),
        ("a.jsonl", '{"userId": "u", "itemId": "i", "clicks": {}, "click": {}}\n', "row 1: .*clicks"),
        ("a.parquet", "not parquet at all", "is no Parquet file"),
        ("a.xlsx", "", "ends in .xlsx"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path: Path, name: str, text: str, complaint: str) -> None:
    """File, row and column, and what is wrong with it."""
    with pytest.raises(HistoryFileError, match=complaint):
        read_history(written(tmp_path, name, text), now=NOW)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The path is quoted back."""
    with pytest.raises(HistoryFileError, match=r"absent\.csv: cannot be read"):
        read_history(tmp_path / "absent.csv", now=NOW)


def test_a_catalogue_is_read_as_its_changes_leave_it(tmp_path: Path) -> None:
    """The last upsert of an item counts, a deleted one is gone, and a bad line is named."""
    lines = '{"upsert": {"item_id": "i1", "type": "film", "title": "Alien"}}\n'
    lines += '{"upsert": {"item_id": "i2", "type": "film"}}\n{"delete": {"item_id": "i2"}}\n'
    [item] = read_catalogue(written(tmp_path, "c.jsonl", lines), now=NOW)
    assert (item.item_id, item.title) == ("i1", "Alien")
    with pytest.raises(HistoryFileError, match=r"row 1: upsert\.item_id is missing"):
        read_catalogue(written(tmp_path, "d.jsonl", '{"upsert": {"type": "film"}}\n'), now=NOW)
