"""Files as people have them go through `init` and `check` without a word from their owner, and each fault is told."""

import gzip
import json
import os
import re
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from deploy.cli import app
from deploy.cli.connection import CliError
from deploy.dataset.files import HistoryFileError
from deploy.dataset.project import ProjectError, load_project
from deploy.dataset.sources import SourcesRead, read_sources

ROWS = 120
HEADER = "user_id,item_id,timestamp,event"
BEGIN = datetime(2026, 9, 1, 8, 7, 56, tzinfo=UTC)
ITEMS = "item_id,title,category\n" + "".join(f"{n},Lamp number {n},{('oak', 'red')[n % 2]}\n" for n in range(20))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a catalogue in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HEADWATER_TASKS_FILE", raising=False)
    (tmp_path / "items.csv").write_text(ITEMS)
    return tmp_path


def rows(form: str = "%Y-%m-%dT%H:%M:%S") -> list[list[str]]:
    """Of 12 users, 20 items and two kinds of events, ten minutes apart."""
    return [
        [f"{100 + n % 12}", f"{n % 20}", (BEGIN + timedelta(minutes=10 * n)).strftime(form), ("view", "buy")[n % 7 == 0]]
        for n in range(ROWS)
    ]


def table(cells: Sequence[Sequence[str]], header: str = HEADER, sign: str = ",") -> str:
    return "\n".join([header.replace(",", sign), *(sign.join(row) for row in cells), ""])


def headwater(*arguments: str) -> str:
    """What a command says, its line breaks taken out."""
    done = CliRunner().invoke(app, list(arguments), terminal_width=200, catch_exceptions=False)
    return " ".join(done.output.split())


def made(file: str, *flags: str, catalogue: str = "items.csv") -> tuple[str, str, SourcesRead]:
    """What init says of a file, what check says of the project, and what is read of it."""
    said = headwater("init", "p", "--force", "--history", file, "--catalogue", catalogue, "--yes", *flags)
    return said, headwater("check", "p"), read_sources(load_project(Path("p")), now=time.time())


@pytest.mark.parametrize(
    ("form", "quote"),
    [
        ("%Y-%m-%d %H:%M:%S UTC", ""),
        ("%d-%b-%Y %H:%M:%S", ""),
        ("%d/%b/%Y:%H:%M:%S +0000", ""),
        ("%a, %d %b %Y %H:%M:%S GMT", '"'),
        ("%m/%d/%Y %I:%M:%S %p", ""),
        ("%B %d, %Y %H:%M:%S", '"'),
        ("%d.%m.%y %H:%M:%S", ""),
        ("%Y%m%d%H%M%S", ""),
    ],
)
def test_common_forms_of_times_are_found_and_written(here: Path, form: str, quote: str) -> None:
    """Every row is used, at its time."""
    (here / "events.csv").write_text(table([[u, i, f"{quote}{at}{quote}", what] for u, i, at, what in rows(form)]))
    _, checked, read = made("events.csv")
    assert f"{ROWS} │ 0" in checked
    assert [load_project(here / "p").history[0].time_formats != (), read.events[0].at] == [True, BEGIN.timestamp()]


def test_a_time_that_nobody_knows_is_told_at_once(here: Path) -> None:
    """With a cell and the line to write."""
    (here / "events.csv").write_text(table([[u, i, f"day {n}", what] for n, (u, i, _, what) in enumerate(rows())]))
    said = headwater("init", "p", "--history", "events.csv", "--yes")
    assert "column 'timestamp' is taken for occurred_at, but 'day 0' is no time of a known form: write time_formats" in said


def test_a_date_and_a_clock_in_two_columns_are_one_time(here: Path) -> None:
    """Whatever they are called."""
    cut = [[u, i, *at.split("T"), what] for u, i, at, what in rows()]
    (here / "events.csv").write_text(table(cut, "user_id,item_id,date,time,event"))
    _, checked, read = made("events.csv")
    assert f"{ROWS} │ 0" in checked
    assert load_project(here / "p").history[0].columns["clock"] == "time"
    assert read.events[-1].at == (BEGIN + timedelta(minutes=10 * (ROWS - 1))).timestamp()


def test_a_missing_id_is_no_user_and_no_item(here: Path) -> None:
    """NULL, \\N, NaN and None are rejected as an empty cell is, and counted by column."""
    cells = rows()
    for n, word in enumerate(("NULL", "\\N", "NaN", "None", "", "[1, 2]")):
        cells[n][0], cells[10 + n][1] = word, word
    (here / "events.csv").write_text(table(cells).replace("[1, 2]", '"[1, 2]"'))
    _, checked, read = made("events.csv")
    assert "5 rows: column 'user_id' is missing or empty" in checked
    assert "5 rows: column 'item_id' is missing or empty" in checked
    assert "1 row: column 'user_id' holds a list, not one id" in checked
    assert {event.user_id for event in read.events} == {f"{100 + n}" for n in range(12)}


def test_a_float_that_is_nan_in_parquet_is_no_item(here: Path) -> None:
    """Ids with nothing behind the point are integers, as pandas makes them floats where some are missing."""
    u, i, at, what = (list(column) for column in zip(*rows(), strict=True))
    ids = [float("nan") if n % 10 == 0 else float(item) for n, item in enumerate(i)]
    pq.write_table(pa.table({"user_id": u, "item_id": ids, "timestamp": at, "event": what}), "events.parquet")
    _, checked, _ = made("events.parquet")
    assert "12 rows: column 'item_id' is missing or empty" in checked
    assert "catalogue lacks" not in checked


@pytest.mark.parametrize(
    ("change", "way"),
    [
        (lambda item: f"{item}.0", "fraction"),
        (lambda item: f"{item:0>8}", "zeros"),
        (lambda item: "".join(chr(ord(sign) + 0xFEE0) for sign in item), "unicode"),
    ],
)
def test_ids_that_differ_between_files_are_explained_and_normalized(here: Path, change: Callable[[str], str], way: str) -> None:
    """init writes the setting and says what differs; without it, check says so with an id of each side."""
    (here / "events.csv").write_text(table([[u, change(i), at, what] for u, i, at, what in rows()]), encoding="utf-8")
    said, checked, read = made("events.csv")
    assert f"20 of 20 ids in column 'item_id' differ from the others only by {way}" in said
    assert "catalogue lacks" not in checked
    assert {event.item_id for event in read.events} == {str(n) for n in range(20)}
    toml = here / "p/headwater.toml"
    toml.write_text(re.sub(r"normalize_ids.*\n", "", toml.read_text(encoding="utf-8")), encoding="utf-8")
    checked = headwater("check", "p")
    assert "120 of 120 actions (100%) are on items that the catalogue lacks" in checked
    assert f"20 of 20 such ids differ only by {way}, such as '{change('0')}' in the history and '0' in the catalogue" in checked


def test_ids_of_two_files_of_one_shop_are_brought_together(here: Path) -> None:
    """Users too, and blanks around ids need no setting."""
    (here / "views.csv").write_text(table([[f"{u} ", f" {i}", at, what] for u, i, at, what in rows()]))
    (here / "orders.csv").write_text(table([[f"{u}.0", i, at] for u, i, at, _ in rows()[::5]], "user_id,item_id,timestamp"))
    said, checked, read = made("views.csv", "--history", "orders.csv", "--event", "", "--event", "purchase")
    assert "12 of 12 ids in column 'user_id' differ from the others only by fraction" in said
    assert "12 users, 20 items acted on" in checked
    assert len({event.user_id for event in read.events}) == 12


@pytest.mark.parametrize("last", ['{"user_id": 1, "item', '{"user_id": 1, "price": NaN', "not JSON", "[1, 2]"])
def test_one_broken_line_of_json_is_one_rejected_row(here: Path, last: str) -> None:
    """Of any kind; NaN in a good line is a missing value."""
    lines = [json.dumps({"user_id": int(u), "item_id": int(i), "timestamp": at, "event": what}) for u, i, at, what in rows()]
    lines[50] = lines[50].replace("}", ', "price": NaN}')
    (here / "events.jsonl").write_text("\n".join([*lines, last]))
    _, checked, read = made("events.jsonl")
    assert f"{ROWS + 1} │ 1" in checked
    assert f"row {ROWS + 1}: no JSON object" in checked
    assert sum(read.kinds.values()) == ROWS


@pytest.mark.parametrize("before", ["sep=;\n", "\n", "\n\nsep=;\n", "# export of 2026-11-01\n"])
def test_lines_before_the_header_cost_nothing(here: Path, before: str) -> None:
    """What is passed over is shown, unless it says nothing."""
    (here / "events.csv").write_text(before + table(rows(), sign=";"))
    checked = headwater("check", "events.csv")
    assert f"{ROWS} │ 0" in checked
    assert ("line 1 is passed over: # export of 2026-11-01" in checked) == before.startswith("#")


def test_rows_with_more_fields_than_the_header_are_told_so(here: Path) -> None:
    """And not that there are none."""
    (here / "events.csv").write_text(table([[*row, f"{n}"] for n, row in enumerate(rows())]))
    with pytest.raises(HistoryFileError, match=r"the header names 4 columns .* but its rows have 5 fields"):
        headwater("check", "events.csv")


@pytest.mark.parametrize(
    "encoded",
    [
        lambda text: text.encode("utf-16"),
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("latin-1"),
        lambda text: gzip.compress(text.encode()),
    ],
)
def test_encodings_and_archives_are_read_under_any_name(here: Path, encoded: Callable[[str], bytes]) -> None:
    """UTF-16 as spreadsheets save it, a byte order mark, Latin-1, and a gzip file that is called .csv."""
    cells = [[f"J\u00fcrgen {u}", *rest] for u, *rest in rows()]
    (here / "events.csv").write_bytes(encoded(table(cells, sign="\t")))
    _, checked, read = made("events.csv")
    assert f"{ROWS} │ 0" in checked
    assert {event.user_id for event in read.events} == {f"J\u00fcrgen {100 + n}" for n in range(12)}


def test_two_columns_of_one_name_are_told_of(here: Path) -> None:
    """The first one counts, and both places are named by init and by check."""
    cells = [[*row, "AB"[n % 2]] for n, row in enumerate(rows())]
    (here / "events.csv").write_text(table(cells, f"{HEADER},item_id"))
    said, checked, read = made("events.csv")
    assert "columns 2 and 5 are both called 'item_id'" in said
    assert "columns 2 and 5 are both called 'item_id'" in checked
    assert len({event.item_id for event in read.events}) == 20


@pytest.mark.parametrize("genres", ["\"['oak', 'home']\"", '"oak, home"', "oak|home", "oak; home", '"[""oak"", ""home""]"'])
def test_lists_of_categories_are_several_categories(here: Path, genres: str) -> None:
    """Written out as lists, or parted by a sign that is found; check shows them."""
    kinds = ("oak", "red", "blue")
    lines = (f"{n},Lamp number {n},{genres.replace('oak', kinds[n % 3])}\n" for n in range(20))
    (here / "lists.csv").write_text("item_id,title,genres\n" + "".join(lines))
    (here / "events.csv").write_text(table(rows()))
    _, checked, read = made("events.csv", catalogue="lists.csv")
    assert list(read.items[0].categories) == ["oak", "home"]
    assert "4 categories: home, oak" in checked


def test_amounts_with_signs_are_plain_and_a_missing_one_costs_nothing(here: Path) -> None:
    """What cannot be read leaves the purchase a purchase, and is noted."""
    prices = ['"$1,272.50"', "$872.50", "N/A", "—", "on request", '"1,272"']
    cells = [[u, i, at, prices[n % 6]] for n, (u, i, at, _) in enumerate(rows())]
    (here / "events.csv").write_text(table(cells, "user_id,item_id,timestamp,price"))
    _, checked, read = made("events.csv")
    assert f"{ROWS} │ 0" in checked
    assert "used without it, 20 rows: column 'price' holds no number" in checked
    assert "row 5: column 'price' holds 'on request', not a number (line 6)" in checked
    paid = [event.value for event in read.events if event.kind == "purchase"]
    assert paid[:6] == [1272.5, 872.5, 0.0, 0.0, 0.0, 1272.0]


def test_a_comma_before_a_fraction_is_written_down(here: Path) -> None:
    """Where a cell could be a thousand: the other cells of the column tell."""
    prices = ['"1.272,50 €"', '"1.272"', '"3,5"']
    cells = [[u, i, at, prices[n % 3]] for n, (u, i, at, _) in enumerate(rows())]
    (here / "events.csv").write_text(table(cells, "user_id,item_id,timestamp,price"))
    _, _, read = made("events.csv")
    assert load_project(here / "p").history[0].decimal == ","
    assert [event.value for event in read.events if event.kind == "purchase"][:3] == [1272.5, 1272.0, 3.5]


def test_durations_by_colons_are_seconds(here: Path) -> None:
    """Every read is used."""
    cells = [[u, i, at, f"00:46:{n % 60:02d}"] for n, (u, i, at, _) in enumerate(rows())]
    (here / "events.csv").write_text(table(cells, "user_id,item_id,timestamp,duration"))
    _, checked, read = made("events.csv")
    assert f"{ROWS} │ 0" in checked
    assert [event.value for event in read.events if event.kind == "read"][:2] == [2760.0, 2761.0]


def test_a_value_column_without_a_number_is_told_of(here: Path) -> None:
    """When the project is made."""
    cells = [[u, i, at, "cheap"] for u, i, at, _ in rows()]
    (here / "events.csv").write_text(table(cells, "user_id,item_id,timestamp,price"))
    said, _, _ = made("events.csv")
    assert "no cell of column 'price', taken for the value, is a number: 'cheap'" in said


def test_part_files_are_one_table_and_two_colons_part_fields(here: Path) -> None:
    """A directory of Parquet with a mark of success in it, and ratings as MovieLens has them."""
    u, i, at, what = (list(column) for column in zip(*rows(), strict=True))
    for part in (0, 1):
        half = slice(part, None, 2)
        (here / "events.parquet").mkdir(exist_ok=True)
        columns = {"user_id": u[half], "item_id": i[half], "timestamp": at[half], "event": what[half]}
        pq.write_table(pa.table(columns), here / f"events.parquet/part-{part}.parquet")
    (here / "events.parquet/_SUCCESS").touch()
    assert f"{ROWS} │ 0" in headwater("check", "events.parquet")
    stars = [[a, b, f"{1 + n % 5}", f"{int(BEGIN.timestamp()) + n}"] for n, (a, b, *_) in enumerate(rows())]
    for header in ("user,item,rating,timestamp", ""):
        (here / "ratings.dat").write_text(table(stars, header, sign="::").lstrip("\n"))
        checked = headwater("check", "ratings.dat")
        assert f"{ROWS} │ 0" in checked
        assert "12 users, 20 items acted on" in checked


def test_local_times_ahead_of_now_name_the_zone(here: Path) -> None:
    """And not a clock; with the zone in headwater.toml all rows are used."""
    ahead = datetime.now(UTC) + timedelta(hours=8)
    times = [(ahead - timedelta(minutes=5 * n)).strftime("%Y-%m-%d %H:%M:%S") for n in range(1, ROWS + 1)]
    (here / "events.csv").write_text(table([[u, i, at, what] for at, (u, i, _, what) in zip(times, rows(), strict=True)]))
    _, checked, _ = made("events.csv")
    assert "column 'timestamp' holds local times ahead of now: name their zone" in checked
    assert "clock" not in checked
    toml = here / "p/headwater.toml"
    toml.write_text('time_zone = "Asia/Shanghai"\n' + toml.read_text())
    assert f"{ROWS} │ 0" in headwater("check", "p")
    _, checked, read = made("events.csv", "--time-zone", "Asia/Shanghai")
    assert f"{ROWS} │ 0" in checked
    assert time.time() - 600 < read.events[-1].at < time.time()


def test_kinds_that_come_late_in_a_file_are_found(here: Path) -> None:
    """In a file that is sorted by event, beyond the first thousands of rows."""
    late = [
        [f"{n % 40}", f"{n % 20}", f"{1_788_250_000 + 60 * n}", "view" if n < 6_000 else "buy" if n < 6_990 else "share"]
        for n in range(7_000)
    ]
    (here / "events.csv").write_text(table(late))
    headwater("init", "p", "--history", "events.csv", "--yes")
    assert load_project(here / "p").history[0].names == {"view": "click", "buy": "purchase", "share": "share"}


def test_an_event_id_that_comes_again_is_none(here: Path) -> None:
    """init does not take it; where a project names it, no row is lost, and check says so."""
    cells = [[*row, f"{n // 4}"] for n, row in enumerate(rows())]
    (here / "events.csv").write_text(table(cells, f"{HEADER},event_id"))
    said, _, _ = made("events.csv")
    assert "event_id = event_id" not in said
    toml = here / "p/headwater.toml"
    toml.write_text(toml.read_text().replace("[history.columns]", '[history.columns]\nevent_id = "event_id"', 1))
    checked = headwater("check", "p")
    assert "used without it, 90 rows: the event id stands for another row already" in checked
    assert len({event.event_id for event in read_sources(load_project(here / "p"), now=time.time()).events}) > ROWS


def test_a_lone_quote_costs_one_row_and_is_told(here: Path) -> None:
    """Rows read and rows in the file are both shown."""
    text = table(rows()).splitlines()
    text[40] = text[40].replace(",", ',"', 1)
    (here / "events.csv").write_text("\n".join(text))
    checked = headwater("check", "events.csv")
    assert f"{ROWS} │ 1" in checked
    assert "row 40: a quote is not closed" in checked


def test_a_type_and_attributes_are_taken_by_flags(here: Path) -> None:
    """A type without a catalogue; attributes of the items with one."""
    (here / "events.csv").write_text(table(rows()))
    headwater("init", "q", "--history", "events.csv", "--item-type", "lamp", "--yes")
    assert {item.type for item in read_sources(load_project(here / "q"), now=time.time()).items} == {"lamp"}
    (here / "priced.csv").write_text("item_id,title,price\n" + "".join(f"{n},Lamp number {n},{n}.5\n" for n in range(20)))
    _, _, read = made("events.csv", "--column", "attributes.price=price", catalogue="priced.csv")
    assert dict(read.items[3].attributes) == {"price": "3.5"}


def test_an_attribute_as_long_as_a_page_is_refused_with_its_size(here: Path) -> None:
    """The check names the bound, and where a long text belongs."""
    (here / "events.csv").write_text(table(rows()))
    pages = [f"{n},Lamp number {n},page {n} {'of it ' * (1_500 if n == 3 else 1)}\n" for n in range(20)]
    (here / "paged.csv").write_text("item_id,title,page\n" + "".join(pages))
    _, checked, read = made("events.csv", "--column", "attributes.page=page", catalogue="paged.csv")
    assert "upsert.attributes is too large" in checked
    assert len(read.items) == 19


def test_several_files_are_mapped_apart_by_flags(here: Path) -> None:
    """A column of one file by the file's name, or by its number."""
    (here / "a.csv").write_text(table([[u, i, at] for u, i, at, _ in rows()], "von,item_id,timestamp"))
    (here / "b.csv").write_text(table([[i, u, at] for u, i, at, _ in rows()], "von,an,timestamp"))
    flags = [
        "--column",
        "a.csv:user_id=von",
        "--column",
        "2:user_id=an",
        "--column",
        "2:item_id=von",
        "--event",
        "click",
        "--event",
        "like",
    ]
    headwater("init", "p", "--history", "a.csv", "--history", "b.csv", *flags, "--yes")
    first, second = load_project(here / "p").history
    assert (first.columns["user_id"], first.event) == ("von", "click")
    assert (second.columns["user_id"], second.columns["item_id"], second.event) == ("an", "von", "like")


def test_a_pipe_is_checked_and_is_no_part_of_a_project(here: Path) -> None:
    """As process substitution and /dev/stdin give one: a project's files are read at every start."""
    os.mkfifo("events.csv")
    with pytest.raises(CliError, match=r"events.csv is a pipe, and .* save it as a file"):
        headwater("init", "p", "--history", "events.csv", "--yes")
    writer = threading.Thread(target=Path("events.csv").write_text, args=[table(rows())])
    writer.start()
    assert f"{ROWS} │ 0" in headwater("check", "events.csv")
    writer.join()


@pytest.mark.parametrize("command", ["check", "replay", "up"])
def test_a_project_that_is_not_there_is_named(here: Path, command: str) -> None:
    """By its place."""
    with pytest.raises((CliError, HistoryFileError, ProjectError), match="absent"):
        headwater(command, "absent")


@pytest.mark.parametrize("command", ["check", "replay"])
def test_a_directory_without_a_project_is_named(here: Path, command: str) -> None:
    """And how to make one there."""
    with pytest.raises(CliError, match=f"there is no headwater.toml here .{here}.; make one with `headwater init`"):
        headwater(command)
