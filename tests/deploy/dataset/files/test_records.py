"""Lines become records as the csv module cuts them, and an unpaired quote takes no other line with it."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from deploy.dataset.files.delimited import delimited
from deploy.dataset.files.dialect import Dialect

NAMES = ("id", "text", "more")
DIALECT = Dialect(separator=",", names=NAMES, header=True, skipped=0)
cells = st.one_of(*(st.text(st.sampled_from(signs), max_size=6).map(str.strip) for signs in ("ab ,\"'é", "ab \"\n'é")))


@given(st.lists(st.tuples(cells, cells), max_size=20))
def test_what_the_csv_module_writes_comes_back(pairs: list[tuple[str, str]]) -> None:
    """With quotes, and separators or line breaks in the texts; with both, a text may look like rows with unpaired quotes."""
    table = [(str(number), *pair) for number, pair in enumerate(pairs)]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(table)
    lines = [line.encode() for line in out.getvalue().split("\n")]
    [*batches] = delimited(lines, DIALECT)
    found = [row for batch in batches for row in batch.rows()]
    assert [bad for batch in batches for bad in batch.bad] == []
    assert found == [{name: cell for name, cell in zip(NAMES, row, strict=True) if cell} for row in table]


@given(
    st.integers(3, 40), st.sets(st.integers(0, 39), min_size=1, max_size=4), st.sampled_from(['{},"x,y', '"{},x,y', '{},x,"y'])
)
def test_stray_quotes_cost_their_own_rows(rows: int, stray: set[int], form: str) -> None:
    """However many there are, wherever they stand."""
    lines = [(form if number in stray else "{},x,y").format(number).encode() for number in range(rows)]
    [*batches] = delimited(lines, DIALECT)
    kept = [row["id"] for batch in batches for row in batch.rows()]
    assert kept == [str(number) for number in range(rows) if number not in stray]
    assert sum(len(batch.bad) for batch in batches) == sum(number < rows for number in stray)
