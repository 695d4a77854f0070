"""Where a table is kept: a file, a directory or pattern of part files, an archive of them, here or at any fsspec address."""

import atexit
import glob
import io
import itertools
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from deploy.dataset.files.batch import HistoryFileError

__all__ = ["Part", "is_address", "is_stream", "parts_of"]

_SPREADSHEET = "[Content_Types].xml"
_ZIP = b"PK\x03\x04"
_spools: dict[tuple[int, int], Path] = {}
"""Copies of pipes, by device and inode: a pipe has several names, and gives its bytes once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One file of a table; `partition` holds the columns that its directories name, such as `date=2026-09-01`."""

    name: str
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    size: int | None = None
    """In bytes, as kept."""
    partition: Mapping[str, str] = field(default_factory=dict)


def is_address(location: str) -> bool:
    """Whether this is an address such as s3://bucket/key, and no path on this machine."""
    return "://" in location


def is_stream(path: Path) -> bool:
    """Whether this gives its bytes once only: a pipe, such as `<(zcat a.gz)` makes, or a terminal."""
    return path.is_fifo() or path.is_char_device() or path.is_socket()


def parts_of(location: str) -> list[Part]:
    """The files at a place, in order of their names.

    Args:
        location: a file, a directory (all files below it but those that begin with . or _), a pattern with * or ?, or such at
            an address that fsspec knows. A pipe is copied to a temporary file when it is first asked for.

    Raises:
        HistoryFileError: there is none, or the place cannot be reached.
    """
    parts = _remote(location) if is_address(location) else _local(location)
    if not parts:
        what = "matches no file" if glob.has_magic(location) else "holds no file of data"
        raise HistoryFileError(f"{location}: {what}; names that begin with . or _ are passed over")
    return [member for part in parts for member in _members(part)]


def _local(location: str) -> list[Part]:
    path = Path(location).expanduser()
    if path.is_file():
        return [_file(path, path.parent)]
    if is_stream(path):
        spool = _spooled(path)
        return [_file(spool, spool.parent)]
    if path.is_dir():
        return [_file(one, path) for one in sorted(path.rglob("*")) if one.is_file() and _is_data(one.relative_to(path).parts)]
    if glob.has_magic(location):
        root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), path.parts))
        found = [Path(one) for one in sorted(glob.glob(str(path), recursive=True))]
        below = [file for one in found for file in (sorted(one.rglob("*")) if one.is_dir() else [one])]
        return [_file(one, root) for one in dict.fromkeys(below) if one.is_file() and _is_data(one.relative_to(root).parts)]
    raise HistoryFileError(f"{location}: cannot be read (No such file or directory)")


def _spooled(path: Path) -> Path:
    """A temporary file with all that a pipe gives, kept until the process ends: a table is opened more than once."""
    stat = path.stat()
    if (spool := _spools.get((stat.st_dev, stat.st_ino))) is None:
        handle, name = tempfile.mkstemp(prefix="headwater-", suffix=path.name)
        spool = _spools[stat.st_dev, stat.st_ino] = Path(name)
        atexit.register(spool.unlink, missing_ok=True)
        try:
            with path.open("rb") as stream, open(handle, "wb") as copy:
                shutil.copyfileobj(stream, copy)
        except OSError as error:
            raise HistoryFileError(f"{path}: cannot be read ({error.strerror})") from error
    return spool


def _file(path: Path, root: Path) -> Part:
    below = path.relative_to(root)
    return Part(name=str(below), open=lambda: path.open("rb"), size=path.stat().st_size, partition=_partition(path.parts))


def _remote(location: str) -> list[Part]:
    # Imported here: a producer host has no fsspec, and no bucket to read from.
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(location)
        if glob.has_magic(path):
            found = [one for one in sorted(system.glob(path)) if not system.isdir(one)]
        elif system.isdir(path):
            found = [one for one in sorted(system.find(path)) if _is_data(one[len(path) :].split("/"))]
        else:
            found = [path]
        return [_object(system, one, path) for one in found]
    except (OSError, ValueError, ImportError) as error:
        raise HistoryFileError(f"{location}: cannot be read ({error})") from error


def _object(system: Any, path: str, root: str) -> Part:
    name = path[len(root) :].lstrip("/") if path.startswith(root) and path != root else path.rpartition("/")[2]
    size: int | None = system.size(path)
    return Part(name=name, open=lambda: system.open(path, "rb"), size=size, partition=_partition(path.split("/")))


def _is_data(parts: Any) -> bool:
    return not any(fnmatch(part, "[._]*") for part in parts)


def _partition(parts: Any) -> dict[str, str]:
    """Columns that the names of directories hold, as Hive and Spark write them.

    >>> _partition(("events", "date=2026-09-01", "part-0.parquet"))
    {'date': '2026-09-01'}
    """
    pairs = (part.partition("=") for part in parts[:-1])
    return {name: unquote(value) for name, sign, value in pairs if sign and name.isidentifier()}


def _members(part: Part) -> list[Part]:
    """The files in a zip archive, or the part itself where it is none."""
    with part.open() as stream:
        if stream.read(len(_ZIP)) != _ZIP:
            return [part]
    try:
        with part.open() as stream, zipfile.ZipFile(_seekable(stream)) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise HistoryFileError(f"{part.name}: is a broken zip archive ({error})") from error
    if _SPREADSHEET in names:
        raise HistoryFileError(f"{part.name}: is a spreadsheet; save the sheet as CSV, in UTF-8")
    files = [name for name in sorted(names) if not name.endswith("/") and _is_data(name.split("/"))]
    files = [name for name in files if "__MACOSX" not in name]
    return [
        Part(name=name, open=_member(part, name), partition={**part.partition, **_partition(name.split("/"))}) for name in files
    ]


def _member(part: Part, name: str) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    @contextmanager
    def opened() -> Iterator[IO[bytes]]:
        with part.open() as stream, zipfile.ZipFile(_seekable(stream)) as archive, archive.open(name) as member:
            yield member

    return opened


def _seekable(stream: IO[bytes]) -> IO[bytes]:
    return stream if stream.seekable() else io.BytesIO(stream.read())
