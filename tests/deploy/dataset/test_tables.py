"""Rows come out the same of every format, and a file that is none is named."""

import gzip
from pathlib import Path

import pytest

from deploy.dataset.tables import SURPLUS, HistoryFileError, read_rows


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str) -> None:
    """Commas, semicolons, tabs and bars, whatever the file's ending says."""
    path = tmp_path / "a.csv"
    path.write_text("user,item\nu1,\nu2,i2\n".replace(",", delimiter))
    assert list(read_rows(path)) == [(1, {"user": "u1"}), (2, {"user": "u2", "item": "i2"})]


def test_a_gzipped_table_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    """As spreadsheets and archives leave them."""
    path = tmp_path / "a.dat.gz"
    path.write_bytes(gzip.compress("\ufeffuser\titem\nu1\t二\n".encode()))
    assert list(read_rows(path)) == [(1, {"user": "u1", "item": "二"})]


def test_columns_without_a_header_are_numbered(tmp_path: Path) -> None:
    """From 1, and the first line is a row."""
    path = tmp_path / "u.data"
    path = path.with_suffix(".tsv")
    path.write_text("u1\ti1\nu2\ti2\n")
    assert [row for _, row in read_rows(path, header=False)] == [{"1": "u1", "2": "i1"}, {"1": "u2", "2": "i2"}]


def test_a_row_with_too_many_fields_is_marked(tmp_path: Path) -> None:
    """The rows around it are read: one stray separator costs one row."""
    path = tmp_path / "a.csv"
    path.write_text("user,item\nu1,i1\nu2,i2,stray\nu3,i3\n")
    assert [SURPLUS in row for _, row in read_rows(path)] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", b"user\n\xff\xfe\n", "save it as UTF-8"),
        ("a.csv.gz", b"no gzip", "Not a gzipped file"),
        ("a.parquet.gz", b"", "ends in .parquet"),
        ("a", b"", "ends in no suffix"),
        ("a.json", b"[]", "an array becomes lines by: jq"),
        ("a.xlsx", b"", "save the sheet as CSV"),
    ],
)
def test_what_is_no_table_is_named(tmp_path: Path, name: str, content: bytes, complaint: str) -> None:
    """With what to do."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(HistoryFileError, match=complaint):
        list(read_rows(tmp_path / name))
