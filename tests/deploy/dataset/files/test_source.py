"""A table comes out the same however it is kept, and what is broken in it costs as little as it can."""

import bz2
import gzip
import json
import lzma
import os
import threading
import zipfile
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deploy.dataset.files import Form, HistoryFileError, Source

ROWS = [{"user": "ann", "item": "二"}, {"user": "bo", "item": "jö"}]
TEXT = "user,item\nann,二\nbo,jö\n"


def read(location: object, **form: Any) -> tuple[list[dict[str, Any]], list[str], list[str]]:
    """Rows, rows that are broken, and notes."""
    source = Source(location=str(location), form=Form(**form))
    batches = list(source.batches())
    bad = [f"{one.place}: {one.detail}" for batch in batches for one in batch.bad]
    return [row for batch in batches for row in batch.rows()], bad, source.notes


def written(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(content)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "::", "\x01"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    """Whatever the file's ending says, and with an empty cell."""
    path = written(tmp_path / "a.csv", "user,item,n\nu1,,1\nu2,i2,2\n".replace(",", delimiter))
    assert read(path)[0] == [{"user": "u1", "n": "1"}, {"user": "u2", "item": "i2", "n": "2"}]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd, bytes])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_packing_and_encoding_are_found(tmp_path: Path, pack: Any, encoding: str) -> None:
    """By the first bytes, whatever the file is called."""
    text = TEXT.replace("二", "two").replace("jö", "jo")
    path = written(tmp_path / "a.csv", pack(text.encode(encoding)))
    assert read(path)[0] == [{"user": "ann", "item": "two"}, {"user": "bo", "item": "jo"}]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("user,item\nJürgen,Käse\nRené,Brot\n", "cp1252"),
        ("user,item\n张三,苹果手机\n李四,香蕉\n", "gb18030"),
    ],
)
def test_an_encoding_without_a_mark_is_guessed_and_said(tmp_path: Path, text: str, encoding: str) -> None:
    """Of the West and of China; a named one is taken without a word."""
    path = written(tmp_path / "a.csv", text.encode(encoding))
    rows, bad, [note] = read(path)
    assert [",".join(row.values()) for row in rows] == text.splitlines()[1:]
    assert encoding in note
    assert not bad
    assert read(path, encoding=encoding)[2] == []


def test_a_few_broken_bytes_are_a_broken_row_and_no_encoding(tmp_path: Path) -> None:
    """Most lines with letters beyond ASCII are UTF-8; NUL bytes are what a crash leaves."""
    path = written(tmp_path / "a.csv", "user,item\nü,i\nv,j\nö,k\n".encode() + b"x\xff,l\n\0\0\0\0\nw,m\n")
    rows, bad, notes = read(path)
    assert [row["item"] for row in rows] == ["i", "j", "k", "m"]
    assert ["row 4 (line 5): bytes that are not" in bad[0], "row 5 (line 6): NUL bytes" in bad[1], notes] == [True, True, []]


def test_an_archive_is_a_table_of_its_files(tmp_path: Path) -> None:
    """In order of their names; what an operating system adds is passed over."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("day/2.csv", "user,item\nbo,jö\n")
        archive.writestr("day/1.csv", "user,item\nann,二\n")
        archive.writestr("__MACOSX/day/._1.csv", "\0")
    assert read(tmp_path / "a.zip")[0] == ROWS


def test_a_directory_a_pattern_and_an_address_are_tables(tmp_path: Path) -> None:
    """Names of directories are columns; each part has its own header; the place of a bad row names its part."""
    for day in (1, 2):
        written(tmp_path / f"log/date=2026-09-0{day}/part-0.csv", f"user,item\nu{day},i\nu,i,j\n")
    written(tmp_path / "log/_SUCCESS", "")
    dated = [{"user": "u1", "item": "i", "date": "2026-09-01"}, {"user": "u2", "item": "i", "date": "2026-09-02"}]
    rows, bad, _ = read(tmp_path / "log")
    assert rows == dated
    assert [one.partition(":")[0] for one in bad] == [f"date=2026-09-0{day}/part-0.csv, row 2 (line 3)" for day in (1, 2)]
    assert read(tmp_path / "log/*/*.csv")[0] == dated
    memory = fsspec.filesystem("memory")
    for day in (1, 2):
        memory.pipe(f"/bucket/log/date=2026-09-0{day}/part-0.csv", f"user,item\nu{day},i\n".encode())
    assert read("memory://bucket/log")[0] == dated
    assert read("memory://bucket/log/date=2026-09-02/*.csv")[0] == dated[1:]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_pipe_is_a_table_that_can_be_read_again(tmp_path: Path, pack: Any) -> None:
    """It gives its bytes once, and the reader opens a file several times."""
    pipe = tmp_path / "a.csv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[pack(TEXT.encode())])
    writer.start()
    assert [read(pipe)[0], read(pipe)[0]] == [ROWS, ROWS]
    writer.join()


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    """Lists and times stay such; NaN is an empty cell; a directory of part files is one table."""
    table = pa.table({"u": [1.0, float("nan")], "l": [["a"], []], "t": pa.array([0, 1], pa.timestamp("s", tz="UTC"))})
    for part in (0, 1):
        (tmp_path / "events.parquet").mkdir(exist_ok=True)
        pq.write_table(table, tmp_path / f"events.parquet/part-{part}.parquet")
    rows = read(tmp_path / "events.parquet")[0]
    assert len(rows) == 4
    assert (rows[0]["u"], rows[0]["l"], rows[0]["t"].year, "u" in rows[1]) == (1.0, ["a"], 1970, False)


def test_columns_without_a_header_are_numbered(tmp_path: Path) -> None:
    """Numbers above numbers, or ids of one shape, are no header; a header is not taken for a row."""
    for text in ("1\t2\t3\n4\t5\t3\n", "N1\tnews\tx\nN2\tsport\ty\n"):
        first = text.split("\n", 1)[0].split("\t")
        path = written(tmp_path / "u.data", text)
        assert read(path)[0][0] == dict(zip("123", first, strict=True))
    named = written(tmp_path / "b.csv", "user,i1,i2\nu1,3,4\nu2,5,\n")
    assert read(named)[0][0] == {"user": "u1", "i1": "3", "i2": "4"}
    assert read(named, header=False)[0][0] == {"1": "user", "2": "i1", "3": "i2"}


@pytest.mark.parametrize("before", ["sep=;\n", "\n", "\n  \nsep=;\n", "# export of today\n", "Report;\nfor;me\n\n"])
def test_lines_before_the_header_are_passed_over(tmp_path: Path, before: str) -> None:
    """Blank lines and what spreadsheets say without a word, others with one."""
    path = written(tmp_path / "a.csv", f"{before}user;item;at\nu1;i1;5\nu2;i2;6\nu3;i3;7\n")
    rows, bad, notes = read(path)
    assert [row["user"] for row in rows] == ["u1", "u2", "u3"]
    assert not bad
    assert len(notes) == (before.startswith("#") or 2 * before.startswith("R"))


def test_a_header_with_too_few_names_is_refused(tmp_path: Path) -> None:
    """It says how many there are of each."""
    path = written(tmp_path / "a.csv", "user,item\n" + "u,i,5\n" * 5)
    with pytest.raises(HistoryFileError, match=r"the header names 2 columns \(user, item\), but its rows have 3 fields"):
        read(path)


def test_two_columns_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """The first one keeps the name, and a note gives both places."""
    rows, _, [note] = read(written(tmp_path / "a.csv", "item,user,item\n18,ann,A\n19,bo,B\n"))
    assert rows[0] == {"item": "18", "user": "ann", "item.3": "A"}
    assert "columns 1 and 3 are both called 'item'" in note


def test_one_broken_row_costs_one_row(tmp_path: Path) -> None:
    """An extra separator, and a quote that is not closed: alone, or with another at the end of the file."""
    lines = [f"u{n},i{n},5" for n in range(600)]
    lines[80], lines[300], lines[599] = 'u80,"i80,5', "u300,i300,5,more", 'u599,i599",5'
    rows, bad, _ = read(written(tmp_path / "a.csv", "\n".join(["user,item,at", *lines])))
    assert len(rows) == 598
    assert bad[0].startswith("row 81 (line 82): a quote is not closed")
    assert bad[1].startswith("row 301 (line 302): more fields than the header names; is a separator not in quotes?")
    lines[599] = "u599,i599,5"
    assert len(read(written(tmp_path / "b.csv", "\n".join(["user,item,at", *lines])))[0]) == 598


def test_texts_may_hold_quotes_separators_and_lines(tmp_path: Path) -> None:
    """Doubled quotes, quotes behind backslashes, and quotes that are nothing but letters."""
    whole = [{"id": f"{n}", "text": f'A "big", red\nlamp {n}'} for n in range(5)]
    doubled = "".join('{id},"{text}"\n'.format(id=row["id"], text=row["text"].replace('"', '""')) for row in whole)
    assert read(written(tmp_path / "a.csv", f"id,text\n{doubled}"))[0] == whole
    escaped = "".join(f'{n},"A \\"big\\", red lamp"\n' for n in range(5))
    assert read(written(tmp_path / "b.csv", f"id,text\n{escaped}"))[0][0]["text"] == 'A "big", red lamp'
    plain = "".join(f'{n}\t"Big" lamp, 12"\t"x\n' for n in range(5))
    assert read(written(tmp_path / "c.tsv", f"id\ttext\tmore\n{plain}"))[0][0] == {
        "id": "0",
        "text": '"Big" lamp, 12"',
        "more": '"x',
    }


def test_rows_may_be_short_or_end_in_a_separator(tmp_path: Path) -> None:
    """What is not there is an empty cell."""
    assert read(written(tmp_path / "a.csv", "a,b,c\n1,2,3\n1,2\n1,2,3,\n1,2,3\n"))[0] == [
        {"a": "1", "b": "2", "c": "3"},
        {"a": "1", "b": "2"},
        *[{"a": "1", "b": "2", "c": "3"}] * 2,
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "b": NaN}\n\n{"a": 2, "c": ""}\n',
        '[{"a": 1, "b": null},\n {"a": 2}]',
        '{"data": [{"a": 1}, {"a": 2}], "n": 2}',
        '{\n "a": 1\n}\n{\n "a": 2\n}',
        '\ufeff[{"a": 1}, {"a": 2}]',
    ],
)
def test_json_is_read_in_every_layout(tmp_path: Path, text: str) -> None:
    """An object a line, an array, an object that holds one, objects over several lines; NaN and nothing are empty."""
    rows, bad, _ = read(written(tmp_path / "a.json", text))
    assert rows == [{"a": 1}, {"a": 2}]
    assert not bad


def test_one_broken_object_costs_one_row(tmp_path: Path) -> None:
    """In lines, cut off at the end, and in an array."""
    lines = [json.dumps({"a": n}) for n in range(9)]
    lines[4], lines[8] = "[1]", '{"a": 8'
    rows, bad, _ = read(written(tmp_path / "a.jsonl", "\n".join(lines)))
    assert [row["a"] for row in rows] == [0, 1, 2, 3, 5, 6, 7]
    assert [one.partition(" (")[0] for one in bad] == ["row 5: no JSON object", "row 9: no JSON object"]
    array = '[\n{"a": 1},\n{"a": oops},\n{"a": NaN},\n{"a": 4},\n{"a":'
    rows, bad, _ = read(written(tmp_path / "b.json", array))
    assert rows == [{"a": 1}, {}, {"a": 4}]
    assert ["line 3" in bad[0], len(bad)] == [True, 2]


def test_objects_in_objects_are_columns(tmp_path: Path) -> None:
    """By their path; messages stay as they are."""
    path = written(tmp_path / "a.jsonl", '{"user": {"id": 3, "of": {"shop": "x"}}, "item": 4}\n' * 2)
    assert read(path)[0][0] == {
        "user": {"id": 3, "of": {"shop": "x"}},
        "item": 4,
        "user.id": 3,
        "user.of": {"shop": "x"},
        "user.of.shop": "x",
    }
    message = written(tmp_path / "b.jsonl", '{"user_id": "u", "read": {"seconds": 9}}\n' * 2)
    assert read(message)[0][0] == {"user_id": "u", "read": {"seconds": 9}}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", b"PAR1 and then nothing", "no whole Parquet file"),
        ("a.csv.gz", gzip.compress(b"user,item\nu,i\n" * 999, mtime=0)[:-9], "ended before the end-of-stream marker"),
        ("a.sqlite", b"SQLite format 3\0", "export the table as CSV"),
        ("a.json", b'{"a": {"b": 1}}', None),
        ("a.json", b"[]", "JSON without a list of objects"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, name: str, content: bytes, complaint: str | None) -> None:
    """With what to do."""
    path = written(tmp_path / name, content)
    if complaint is None:
        assert read(path)[0] == [{"a": {"b": 1}, "a.b": 1}]
        return
    with pytest.raises(HistoryFileError, match=complaint):
        read(path)


def test_places_without_data_are_named(tmp_path: Path) -> None:
    """A file that is not there, a pattern that matches none, a spreadsheet."""
    for location in (tmp_path / "absent.csv", tmp_path / "*.csv", tmp_path, "nowhere://b/k"):
        with pytest.raises(HistoryFileError, match=str(location).replace("*", r"\*")):
            read(location)
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as book:
        book.writestr("[Content_Types].xml", "")
    with pytest.raises(HistoryFileError, match="save the sheet as CSV"):
        read(tmp_path / "a.xlsx")
    with pytest.raises(HistoryFileError, match="an encoding that Python knows"):
        read(written(tmp_path / "b.csv", TEXT), encoding="klingon")
