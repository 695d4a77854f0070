"""A table wherever and however it is kept: finds out its form, then reads it batch by batch."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import IO, cast

from deploy.dataset.files.batch import HistoryFileError, RowBatch, exploded
from deploy.dataset.files.delimited import delimited
from deploy.dataset.files.dialect import Dialect, sniff
from deploy.dataset.files.locations import Part, parts_of
from deploy.dataset.files.objects import looks_like_objects, objects
from deploy.dataset.files.parquet import MAGIC, parquet
from deploy.dataset.files.text import Encoding, encoding_of, lines_of, opened

__all__ = ["Form", "Source"]

_SNIFFED = 2_000
_SNIFFED_BYTES = 1 << 22


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """What is said of a text before it is looked at; what is not said is found."""

    encoding: str = ""
    separator: str = ""
    header: bool | None = None
    """Whether the first row names the columns; otherwise they are called 1, 2, 3, ..."""


@dataclass(kw_only=True, slots=True)
class Source:
    """A table at a location (see `locations.parts_of`); its notes are complete once all batches were read."""

    location: str
    form: Form = field(default_factory=Form)
    notes: list[str] = field(default_factory=list)
    """What the reader did that its user should know: an encoding that was guessed, lines passed over, columns of one name."""
    header: bool = True
    """Whether a first row names the columns, once a batch was read."""

    def batches(self) -> Iterator[RowBatch]:
        """All rows.

        Raises:
            HistoryFileError: the table cannot be read; the message names the file and what to do.
        """
        parts = parts_of(self.location)
        self.notes.clear()
        for part in parts:
            several = part.name if len(parts) > 1 else ""
            try:
                for batch in self._part(part, several):
                    batch = exploded(batch)
                    missing = {name: value for name, value in part.partition.items() if name not in batch.columns}
                    if missing:
                        columns = {**batch.columns, **{name: [value] * len(batch) for name, value in missing.items()}}
                        batch = replace(batch, columns=columns)
                    yield batch
            except HistoryFileError as error:
                told = str(error)
                raise HistoryFileError(told if told.startswith(self.location) else f"{self.location}: {told}") from error

    def _part(self, part: Part, several: str) -> Iterator[RowBatch]:
        with opened(part) as stream:
            head = stream.read(len(MAGIC))
        if head == MAGIC:
            with opened(part) as stream:
                yield from parquet(_whole(stream), part=several)
            return
        encoding = Encoding(name=self.form.encoding) if self.form.encoding else encoding_of(part)
        if encoding.guessed:
            self._note(several, f'is read as {encoding.name}; if letters come out wrong, set encoding = "..."')
        try:
            with opened(part) as stream:
                lines = lines_of(stream, encoding.name)
                first = list(_first(lines))
                rest = chain(first, lines)
                if looks_like_objects(b"\n".join(first[:10])):
                    yield from objects(rest, part=several)
                elif (dialect := sniff(first, separator=self.form.separator, header=self.form.header)) is not None:
                    self._take(dialect, several)
                    yield from delimited(rest, dialect, part=several)
        except LookupError as error:
            raise HistoryFileError(f"{part.name}: {error}; name an encoding that Python knows") from error

    def _take(self, dialect: Dialect, several: str) -> None:
        self.header = dialect.header
        for note in dialect.notes:
            self._note(several, note)

    def _note(self, several: str, note: str) -> None:
        self.notes.append(f"{several}: {note}" if several else note)


def _first(lines: Iterator[bytes]) -> Iterator[bytes]:
    size = 0
    for line in islice(lines, _SNIFFED):
        yield line
        size += len(line)
        if size > _SNIFFED_BYTES:
            return


def _whole(stream: IO[bytes]) -> IO[bytes]:
    """A stream that can be read from any place, as Parquet needs it."""
    import io

    raw = getattr(stream, "raw", None)
    inner = getattr(raw, "_stream", None)
    if inner is not None and inner.seekable():
        inner.seek(0)
        return cast(IO[bytes], inner)
    return io.BytesIO(stream.read())
