"""Published models: versioned, checksummed, in a directory or an object store, and the pointer to the one that serves."""

import hashlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import safetensors
import safetensors.torch
import torch

from feature_repo.tasks import Task
from feature_repo.vocabulary import Vocabulary
from runtime.errors import UserError
from training.model import ModelConfig, Recommender
from training.storage import CURRENT, Changed, Owner, SupersededError, join, storage_at

__all__ = ["Manifest", "Snapshot", "SnapshotError", "SnapshotStore", "version_name"]

WEIGHTS, MANIFEST = "model.safetensors", "manifest.json"
_HELD = "held"
_LINE_BREAKS = 16


class SnapshotError(UserError):
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


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pointer:
    """What `CURRENT` says."""

    version: int | None
    """The version that serves; None for none yet."""
    held: bool
    """Whether it stays, whatever is published."""
    tag: str | None


class SnapshotStore:
    """Snapshots in a directory or under a URL: `v00000012/{model.safetensors, manifest.json}`, and `CURRENT`, which names the one
    that serves. Readers need no lock: they see a version whole or not at all.
    """

    def __init__(self, location: str | Path, *, keep: int = 10, clock: Callable[[], float]) -> None:
        """Args: `location` is a directory, or a URL that fsspec understands, such as `s3://models/headwater`."""
        if keep < 1:
            raise ValueError(f"SnapshotStore: keep must be 1 or more, not {keep}")
        self._storage = storage_at(location, clock=clock)
        self.location, self._keep, self._clock = self._storage.location, keep, clock

    def publish(
        self,
        model: Recommender,
        *,
        encoder_version: str,
        examples: int,
        metrics: Mapping[str, Mapping[str, float | None]],
        owner: Owner | None = None,
    ) -> Manifest:
        """Writes the model as the next version, makes it current, and removes the oldest beyond `keep`, save its parent.

        While a version is held (see `rollback`), it stays current.

        With an `owner`, it is made current only while that one owns the learner's checkpoint.

        Raises:
            OSError: it could not be written; what serves has not changed.
            SupersededError: another owner has claimed the checkpoint; nothing is left of the version.
        """
        if owner is not None:
            owner.check()
        weights = safetensors.torch.save({name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()})
        with self._storage.writing():
            parent = self._read_pointer().version
            version = max((*self.versions(), parent or 0)) + 1
            while not self._storage.claim(version_name(version)):
                version += 1
            manifest = Manifest(
                version=version,
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
            files = {WEIGHTS: weights, MANIFEST: msgspec.json.format(msgspec.json.encode(manifest))}
            self._storage.add(version_name(version), files)
            try:
                current = self._serve(version, owner)
            except SupersededError:
                self._storage.remove(version_name(version))
                raise
            self._retire(needed={version, parent, current})
        return manifest

    def versions(self) -> list[int]:
        """Versions that are held, oldest first."""
        names = (name[1:] for name in self._storage.names() if name.startswith("v"))
        return sorted(int(name) for name in names if name.isdigit())

    def list(self) -> list[Manifest]:
        """Manifests of all versions that are held, oldest first; raises SnapshotError if one is damaged."""
        return [self.manifest(version) for version in self.versions()]

    def current(self) -> int | None:
        """The version that serves; None if nothing is published. Raises SnapshotError if `CURRENT` is damaged."""
        return self._read_pointer().version

    def held(self) -> bool:
        """Whether the current version stays, whatever is published. Raises SnapshotError if `CURRENT` is damaged."""
        return self._read_pointer().held

    def manifest(self, version: int) -> Manifest:
        """The manifest of a version; raises SnapshotError if it is missing or damaged."""
        path = self._path(version, MANIFEST)
        try:
            return msgspec.json.decode(self._storage.read(version_name(version), MANIFEST), type=Manifest)
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
        path = self._path(version, WEIGHTS)
        try:
            weights = self._storage.read(version_name(version), WEIGHTS)
        except OSError as error:
            raise SnapshotError(f"{path}: the weights cannot be read ({error}); roll back to another version") from error
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
        if unsound := next((name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()), None):
            raise SnapshotError(f"{path}: {unsound} holds values that are not finite; roll back to another version")
        return Snapshot(manifest=manifest, model=model.eval().requires_grad_(False))

    def rollback(self, version: int | None = None) -> Manifest:
        """Makes an older version current: the given one, or the parent of the current one; returns its manifest.

        It is held: what is published later does not serve until `release`. The versions after it stay, and the next `publish`
        takes a new number with this one as its parent.

        Raises:
            SnapshotError: there is nothing to roll back to, or the version is missing or damaged.
        """
        while True:
            pointer, target = self._read_pointer(), version
            if target is None and pointer.version is not None:
                target = self.manifest(pointer.version).parent
            if target is None:
                raise SnapshotError(f"{self.location}: nothing to roll back to: the current snapshot has no parent")
            manifest = self.load(target).manifest
            with suppress(Changed):
                self._point_to(target, pointer, held=True)
                return manifest

    def release(self) -> Manifest:
        """Ends what `rollback` holds: the newest version serves, and so will those to come; returns its manifest.

        Raises:
            SnapshotError: nothing is held, or the newest version is missing or damaged.
        """
        while True:
            pointer = self._read_pointer()
            if not pointer.held:
                raise SnapshotError(f"{self.location}: no version is held, so there is none to release; new ones serve already")
            manifest = self.load(self.versions()[-1]).manifest
            with suppress(Changed):
                self._point_to(manifest.version, pointer)
                return manifest

    def claim(self, owner: Owner) -> None:
        """Makes sure that no earlier owner makes a version current any more, not even one that has just looked whether it may.

        Raises OSError.
        """
        while True:
            pointer = self._read_pointer()
            if pointer.version is None:
                return
            with suppress(Changed):
                self._point_to(pointer.version, pointer, held=pointer.held, epoch=owner.epoch)
                return

    def _path(self, version: int, file: str) -> str:
        return join(join(self.location, version_name(version)), file)

    def _serve(self, version: int, owner: Owner | None) -> int | None:
        """Makes a version current, unless one is held, be it only by now; returns the version that serves then."""
        while True:
            pointer = self._read_pointer()
            if owner is not None:
                owner.check()
            if pointer.held:
                return pointer.version
            with suppress(Changed):
                self._point_to(version, pointer, epoch=0 if owner is None else owner.epoch)
                return version

    def _read_pointer(self) -> _Pointer:
        found = self._storage.pointer()
        if found is None:
            return _Pointer(version=None, held=False, tag=None)
        text = found.content.decode(errors="replace")
        name, _, hold = text.strip().partition(" ")
        if not (name.startswith("v") and name[1:].isdigit() and hold in ("", _HELD)):
            where = join(self.location, CURRENT)
            raise SnapshotError(f"{where}: says {text[:40]!r}; write one of the versions into it, such as {version_name(1)}")
        return _Pointer(version=int(name[1:]), held=bool(hold), tag=found.tag)

    def _point_to(self, version: int, pointer: _Pointer, *, held: bool = False, epoch: int = 0) -> None:
        """Replaces the pointer that was read; raises Changed where it is another by now."""
        # The line breaks differ from owner to owner, so that the object has another tag although it names the same version.
        line_breaks = "\n" * (1 + epoch % _LINE_BREAKS)
        self._storage.point(f"{version_name(version)}{f' {_HELD}' if held else ''}{line_breaks}", pointer.tag)

    def _retire(self, *, needed: set[int | None]) -> None:
        for version in self.versions()[: -self._keep]:
            if version not in needed:
                self._storage.remove(version_name(version))
        self._storage.collect_garbage()
