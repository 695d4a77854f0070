"""Text of a file as lines of UTF-8, however it is compressed and encoded."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast

from deploy.dataset.files.batch import HistoryFileError
from deploy.dataset.files.locations import Part

__all__ = ["Encoding", "encoding_of", "lines_of", "opened", "without_mark"]

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CHUNK = 1 << 20
_HEAD = 4096
_NULS = 0.3  # of the bytes of a text in Latin letters as UTF-16, half are 0
_PAIR = re.compile(rb"[\xa1-\xfe][\xa1-\xfe]")
_HIGH = re.compile(rb"[\x80-\xff]")
_MOST = 0.95
_ZSTD = b"\x28\xb5\x2f\xfd"
_OTHERS = {
    b"ARROW1": "is an Arrow file; write it as Parquet",
    b"ORC": "is an ORC file; write it as Parquet",
    b"Obj\x01": "is an Avro file; write it as JSON lines",
    b"SQLite format 3": "is an SQLite database; export the table as CSV",
    b"\xd0\xcf\x11\xe0": "is a spreadsheet; save the sheet as CSV, in UTF-8",
    b"%PDF": "is a PDF",
    b"\x89HDF": "is an HDF5 file; write it as Parquet",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """How a text is encoded; `guessed` where neither a mark nor valid UTF-8 says so."""

    name: str
    guessed: bool = False


@contextmanager
def opened(part: Part) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where its first bytes say that it is compressed, whatever it is called.

    Raises:
        HistoryFileError: it cannot be read, or is of a kind that is neither text nor Parquet.
    """
    try:
        with part.open() as raw, _unpacked(io.BufferedReader(_Raw(raw), _CHUNK)) as stream:
            yield stream
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise HistoryFileError(f"{part.name}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


class _Raw(io.RawIOBase):
    """Any stream as one that can be looked ahead in."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        found = self._stream.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


@contextmanager
def _unpacked(stream: io.BufferedReader) -> Iterator[IO[bytes]]:
    head = stream.peek(16)[:16]
    if head.startswith(b"\x1f\x8b"):
        with gzip.GzipFile(fileobj=stream) as unpacked:
            yield cast(IO[bytes], unpacked)
    elif head.startswith(_ZSTD):
        import pyarrow as pa

        with pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd") as unpacked:
            yield io.BufferedReader(_Raw(unpacked), _CHUNK)
    elif head.startswith(b"BZh"):
        with bz2.BZ2File(stream) as unpacked:
            yield cast(IO[bytes], unpacked)
    elif head.startswith(b"\xfd7zXZ\x00"):
        with lzma.LZMAFile(stream) as unpacked:
            yield cast(IO[bytes], unpacked)
    else:
        yield stream


def encoding_of(part: Part) -> Encoding:
    """How a text is encoded: by its mark, as UTF-8 where most lines are, else by what its bytes look like.

    A few lines that are no UTF-8 among others that are make no other encoding: they are broken lines.
    """
    good = bad = 0
    strange = b""
    with opened(part) as stream:
        head = stream.read(_HEAD)
        for mark, name in _MARKS.items():
            if head.startswith(mark):
                return Encoding(name=name)
        for mark, what in _OTHERS.items():
            if head.startswith(mark):
                raise HistoryFileError(f"{part.name}: {what}")
        if head.count(0) > _NULS * len(head):
            little = head[1::2].count(0) > head[::2].count(0)
            return Encoding(name="utf-16-le" if little else "utf-16-be", guessed=True)
        rest = head + stream.readline()
        while rest:
            if not rest.isascii():
                for line in rest.split(b"\n"):
                    try:
                        line.decode()
                        good += not line.isascii()
                    except UnicodeDecodeError:
                        bad += 1
                        if len(strange) < _CHUNK:
                            strange += line
            rest = stream.read(_CHUNK)
            rest += stream.readline() if rest else b""
    if bad <= good:
        return Encoding(name="utf-8")
    paired = 2 * len(_PAIR.findall(strange)) >= _MOST * len(_HIGH.findall(strange))
    if paired and _decodes(strange, "gb18030"):
        return Encoding(name="gb18030", guessed=True)
    return Encoding(name="cp1252" if _decodes(strange, "cp1252") else "latin-1", guessed=True)


def _decodes(text: bytes, encoding: str) -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def without_mark(line: bytes) -> bytes:
    """A first line of UTF-8 without a byte order mark."""
    return line.removeprefix(codecs.BOM_UTF8)


def lines_of(stream: IO[bytes], encoding: str) -> Iterator[bytes]:
    """Lines as UTF-8, without what ends them; of a text in UTF-8 those bytes that are none stay as they are."""
    head = io.BufferedReader(_Raw(stream), _CHUNK)
    if encoding in ("utf-8", "utf-8-sig") and not _lone_returns(head.peek(_HEAD)):
        if encoding == "utf-8-sig":
            head.read(len(codecs.BOM_UTF8))
        for line in head:
            yield line.rstrip(b"\r\n")
        return
    for text in io.TextIOWrapper(head, encoding=encoding, errors="replace"):
        yield text.rstrip("\n").encode()


def _lone_returns(head: bytes) -> bool:
    """Whether lines end as they did on old Macs."""
    return b"\n" not in head and b"\r" in head
