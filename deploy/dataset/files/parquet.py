"""Parquet as batches of columns of Python values."""

from collections.abc import Iterator
from typing import IO, Any

from deploy.dataset.files.batch import HistoryFileError, RowBatch

__all__ = ["MAGIC", "parquet"]

MAGIC = b"PAR1"
_ROWS = 20_000


def parquet(stream: IO[bytes], *, part: str = "") -> Iterator[RowBatch]:
    """Rows of a Parquet file; NaN is an empty cell.

    Raises:
        HistoryFileError: it is broken.
    """
    # Imported here: a host that replays JSON does not need it.
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(stream) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                columns = {field.name: _cells(column) for field, column in zip(batch.schema, batch.columns, strict=True)}
                yield RowBatch(part=part, numbers=range(number + 1, number + batch.num_rows + 1), columns=columns)
                number += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise HistoryFileError(f"{part or 'the file'}: is no whole Parquet file ({error})") from error


def _cells(column: Any) -> list[Any]:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    cells: list[Any] = column.to_pylist()
    if pa.types.is_floating(kind):
        return [None if cell is None or cell != cell else cell for cell in cells]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):  # what writers without text types leave
        return [None if not cell else cell.decode(errors="replace") for cell in cells]
    return (
        [None if cell == "" else cell for cell in cells] if pa.types.is_string(kind) or pa.types.is_large_string(kind) else cells
    )
