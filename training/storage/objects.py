"""Models in an object store (S3 and its like) through fsspec.

An object store has no rename and no lock, but each object is written whole and, by a condition, only if it is not there yet:

- A writer takes a version by creating `v00000012/claim`; of two writers one gets it, the other takes the next number.
- The last file of a version to be written, its manifest, is what makes it one: before that it is invisible.
- `CURRENT` and the learner's checkpoint are objects replaced whole, and only if they are still what was read (S3's `If-Match` and
  `If-None-Match`; in other object stores nothing keeps two writers apart between the comparison and the write).

Endpoint and credentials come from where the file system takes them: for S3 the AWS_* variables and FSSPEC_S3_ENDPOINT_URL.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import fsspec

from training.storage.ownership import Changed, Tagged
from training.storage.protocol import CURRENT, join

__all__ = ["ObjectStorage", "read_object", "read_tagged_object", "replace_object", "write_object"]

_CLAIM, _MANIFEST = "claim", "manifest.json"
_ABANDONED_SECONDS = 3600.0
_REFUSALS = "PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "412", "409"


def write_object(url: str, content: bytes) -> None:
    """Writes one object whole; raises OSError."""
    files, path = _files(url)
    with _as_os_error(url):
        files.pipe_file(path, content)


def read_object(url: str) -> bytes:
    """Content of one object; raises FileNotFoundError, or OSError where the store does not answer."""
    files, path = _files(url)
    with _as_os_error(url, FileNotFoundError):
        content: bytes = files.cat_file(path)
        return content


def read_tagged_object(url: str) -> Tagged | None:
    """An object's content with its tag; None where there is none. Raises OSError where the store does not answer."""
    files, path = _files(url)
    try:
        with _as_os_error(url, FileNotFoundError):
            # The tag comes first: where the object is replaced in between, the old tag makes the next write fail, not succeed.
            tag = _tag(files, path)
            return Tagged(content=files.cat_file(path), tag=tag)
    except FileNotFoundError:
        return None


def replace_object(url: str, content: bytes, tag: str | None) -> str:
    """Replaces an object that still has this tag, or makes one that is not there (None); returns the new tag.

    Raises:
        Changed: the object is another by now.
        OSError: the store does not answer.
    """
    files, path = _files(url)
    if not _conditional(files):
        found = read_tagged_object(url)
        if (None if found is None else found.tag) != tag:
            raise Changed(f"{url} was replaced meanwhile")
        write_object(url, content)
        return _tag(files, path)
    bucket, key, _ = files.split_path(path)
    condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
    try:
        with _as_os_error(url, OSError):
            answer = files.call_s3("put_object", Bucket=bucket, Key=key, Body=content, **condition)
    except OSError as error:
        code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code")
        if code in _REFUSALS:
            raise Changed(f"{url} was replaced meanwhile") from error
        raise OSError(f"{url}: {error!r}; check the address, the credentials, and that the bucket is there") from error
    files.invalidate_cache(path)
    return str(answer["ETag"])


def _conditional(files: Any) -> bool:
    return "s3" in ((files.protocol,) if isinstance(files.protocol, str) else files.protocol)


def _tag(files: Any, path: str) -> str:
    files.invalidate_cache(path)
    found = files.info(path)
    return str(found.get("ETag") or files.checksum(path))


class ObjectStorage:
    """A prefix of a bucket, such as `s3://models/headwater`; the bucket must be there."""

    def __init__(self, location: str, *, clock: Callable[[], float]) -> None:
        self.location = location.rstrip("/")
        self._clock = clock
        self._files, self._root = _files(self.location)

    def names(self) -> list[str]:
        return [name for name, files in self._listed().items() if _MANIFEST in files]

    def claim(self, name: str) -> bool:
        try:
            with self._reaching(FileExistsError):
                self._files.pipe_file(self._path(name, _CLAIM), repr(self._clock()).encode(), mode="create")
        except FileExistsError:
            return False
        return True

    def add(self, name: str, files: Mapping[str, bytes]) -> None:
        with self._reaching():
            for file in sorted(files, key=lambda file: file == _MANIFEST):
                self._files.pipe_file(self._path(name, file), files[file])

    def read(self, name: str, file: str) -> bytes:
        with self._reaching(FileNotFoundError):
            content: bytes = self._files.cat_file(self._path(name, file))
            return content

    def remove(self, name: str) -> None:
        with self._reaching():
            # The manifest goes first, so that no reader finds a version that is half gone.
            for file in sorted(self._listed().get(name, ()), key=lambda file: file != _MANIFEST):
                self._files.rm_file(self._path(name, file))

    def collect_garbage(self) -> None:
        """Removes versions that were claimed over an hour ago and never finished."""
        for name, files in self._listed().items():
            if _MANIFEST not in files and _CLAIM in files:
                claimed_at = float(self.read(name, _CLAIM))
                if self._clock() - claimed_at > _ABANDONED_SECONDS:
                    self.remove(name)

    def pointer(self) -> Tagged | None:
        return read_tagged_object(join(self.location, CURRENT))

    def point(self, text: str, tag: str | None) -> None:
        replace_object(join(self.location, CURRENT), text.encode(), tag)

    @contextmanager
    def writing(self) -> Iterator[None]:
        yield  # claims keep writers apart

    def _listed(self) -> dict[str, set[str]]:
        """Names of files by version."""
        self._files.invalidate_cache()
        try:
            with self._reaching(FileNotFoundError):
                paths: list[str] = self._files.find(self._root)
        except FileNotFoundError:
            return {}
        found: dict[str, set[str]] = {}
        for path in paths:
            name, _, file = path.removeprefix(self._root).lstrip("/").partition("/")
            if file:
                found.setdefault(name, set()).add(file)
        return found

    def _path(self, name: str, file: str) -> str:
        return f"{self._root}/{name}/{file}"

    def _reaching(self, expected: type[OSError] | None = None) -> AbstractContextManager[None]:
        return _as_os_error(self.location, expected)


def _files(url: str) -> tuple[Any, str]:
    files, path = fsspec.core.url_to_fs(url)
    return files, str(path).rstrip("/")


@contextmanager
def _as_os_error(url: str, expected: type[OSError] | None = None) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each file system has errors of its own for a store that does not answer
        if expected is not None and isinstance(error, expected):
            raise
        raise OSError(f"{url}: {error!r}; check the address, the credentials, and that the bucket is there") from error
