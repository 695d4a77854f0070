"""Owns published models: versioned, checksummed directories, and the pointer to the one that serves."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import safetensors
import safetensors.torch

from feature_repo.tasks import Task
from feature_repo.vocabulary import Vocabulary
from training.model import ModelConfig, Recommender

__all__ = ["Manifest", "Snapshot", "SnapshotError", "SnapshotStore", "version_name"]

WEIGHTS, MANIFEST, CURRENT = "model.safetensors", "manifest.json", "CURRENT"


class SnapshotError(RuntimeError):
    """A snapshot that is missing, damaged or does not fit; the message says which and what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a snapshot is and where it came from."""

    version: int
    parent: int | None
    """The version that was current when this one was published; after a rollback it is the one that was rolled back to."""
    created_at: float
    """Unix seconds."""
    fingerprint: int
    """Of the vocabulary that the model's features follow."""
    tasks: tuple[Task, ...]
    model: ModelConfig
    encoder_version: str
    examples: int
    """Examples learned from."""
    metrics: dict[str, dict[str, float | None]]
    """By task, then by name of the metric, as judged when it was published."""
    sha256: str
    """Of the weights file, in hexadecimal."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Snapshot:
    """A model ready to predict, and its manifest."""

    manifest: Manifest
    model: Recommender


def version_name(version: int) -> str:
    """The name of a version on disk and on the wire.

    >>> version_name(12)
    'v00000012'
    """
    return f"v{version:08d}"


class SnapshotStore:
    """Snapshots in one directory: `v00000012/{model.safetensors, manifest.json}`, and `CURRENT`, which names the one that serves.

    Readers need no lock: a version is renamed into place whole, and `CURRENT` is replaced whole. Writers take turns by a lock.
    """

    def __init__(self, directory: Path, *, keep: int = 10, clock: Callable[[], float]) -> None:
        if keep < 1:
            raise ValueError(f"SnapshotStore: keep must be 1 or more, not {keep}")
        self.directory, self._keep, self._clock = directory, keep, clock

    def publish(
        self, model: Recommender, *, encoder_version: str, examples: int, metrics: Mapping[str, Mapping[str, float | None]]
    ) -> Manifest:
        """Writes the model as the next version, makes it current, and removes the oldest beyond `keep`, save its parent."""
        weights = safetensors.torch.save({name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()})
        with self._writing():
            parent = self._read_current()
            manifest = Manifest(
                version=max((*self.versions(), parent or 0)) + 1,
                parent=parent,
                created_at=self._clock(),
                fingerprint=model.vocabulary.fingerprint,
                tasks=model.vocabulary.tasks,
                model=model.config,
                encoder_version=encoder_version,
                examples=examples,
                metrics={task: dict(values) for task, values in metrics.items()},
                sha256=hashlib.sha256(weights).hexdigest(),
            )
            partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self.directory))
            _write(partial / WEIGHTS, weights)
            _write(partial / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
            partial.chmod(0o755)
            _sync(partial)
            partial.rename(self._path(manifest.version))
            _sync(self.directory)
            self._point_to(manifest.version)
            self._retire(needed={manifest.version, parent})
        return manifest

    def versions(self) -> list[int]:
        """Versions that are held, oldest first."""
        if not self.directory.is_dir():
            return []
        names = (path.name[1:] for path in self.directory.iterdir() if path.name.startswith("v"))
        return sorted(int(name) for name in names if name.isdigit())

    def list(self) -> list[Manifest]:
        """Manifests of all versions that are held, oldest first; raises SnapshotError if one is damaged."""
        return [self.manifest(version) for version in self.versions()]

    def current(self) -> int | None:
        """The version that serves; None if nothing is published. Raises SnapshotError if `CURRENT` is damaged."""
        return self._read_current()

    def manifest(self, version: int) -> Manifest:
        """The manifest of a version; raises SnapshotError if it is missing or damaged."""
        path = self._path(version) / MANIFEST
        try:
            return msgspec.json.decode(path.read_bytes(), type=Manifest)
        except FileNotFoundError:
            held = ", ".join(version_name(held) for held in self.versions()) or "none"
            raise SnapshotError(f"{path}: there is no snapshot {version_name(version)}; held are: {held}") from None
        except (OSError, msgspec.MsgspecError) as error:
            raise SnapshotError(f"{path}: the manifest cannot be read ({error}); roll back to another version") from error

    def load(self, version: int) -> Snapshot:
        """The model of a version, ready to predict.

        Raises:
            SnapshotError: the version is missing or damaged, or made for other features than this software's.
        """
        manifest = self.manifest(version)
        path = self._path(version) / WEIGHTS
        try:
            weights = path.read_bytes()
        except OSError as error:
            raise SnapshotError(f"{path}: the weights cannot be read ({error.strerror}); roll back to another version") from error
        if (found := hashlib.sha256(weights).hexdigest()) != manifest.sha256:
            raise SnapshotError(
                f"{path}: damaged: sha256 is {found[:12]}, not {manifest.sha256[:12]} as its manifest says; roll back"
            )
        vocabulary = Vocabulary(manifest.tasks)
        if vocabulary.fingerprint != manifest.fingerprint:
            raise SnapshotError(
                f"{path}: made for vocabulary {manifest.fingerprint:08x}, but this software makes {vocabulary.fingerprint:08x} "
                "of the same tasks; serve it with the release that made it, or publish a new one"
            )
        try:
            model = Recommender(manifest.model, vocabulary)
            model.load_state_dict(safetensors.torch.load(weights))
        except (RuntimeError, ValueError, safetensors.SafetensorError) as error:
            raise SnapshotError(f"{path}: the weights do not fit the manifest ({error}); roll back to another version") from error
        return Snapshot(manifest=manifest, model=model.eval().requires_grad_(False))

    def rollback(self, version: int | None = None) -> Manifest:
        """Makes an older version current: the given one, or the parent of the current one; returns its manifest.

        The versions after it stay on disk, and the next `publish` takes a new number with this one as its parent.

        Raises:
            SnapshotError: there is nothing to roll back to, or the version is missing or damaged.
        """
        with self._writing():
            if version is None:
                current = self._read_current()
                if current is None or (version := self.manifest(current).parent) is None:
                    raise SnapshotError(f"{self.directory}: nothing to roll back to: the current snapshot has no parent")
            manifest = self.load(version).manifest
            self._point_to(version)
        return manifest

    def _path(self, version: int) -> Path:
        return self.directory / version_name(version)

    def _read_current(self) -> int | None:
        pointer = self.directory / CURRENT
        try:
            text = pointer.read_text().strip()
        except FileNotFoundError:
            return None
        if not (text.startswith("v") and text[1:].isdigit()):
            raise SnapshotError(f"{pointer}: says {text[:40]!r}; write one of the versions into it, such as {version_name(1)}")
        return int(text[1:])

    def _point_to(self, version: int) -> None:
        partial = self.directory / (CURRENT + ".partial")
        _write(partial, (version_name(version) + "\n").encode())
        partial.replace(self.directory / CURRENT)
        _sync(self.directory)

    def _retire(self, *, needed: set[int | None]) -> None:
        for version in self.versions()[: -self._keep]:
            if version not in needed:
                shutil.rmtree(self._path(version))
        for left_by_a_crash in self.directory.glob(".partial-*"):
            shutil.rmtree(left_by_a_crash)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
