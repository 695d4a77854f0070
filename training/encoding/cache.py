"""Cache of text vectors on disk, so that a text is encoded once for each version of the encoder."""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["CachedEncoder", "Encoder", "VectorCache", "content_hash", "item_text"]

_VARIABLES = 500
"""Hashes asked for in one query; SQLite limits the number of a query's parameters."""


class Encoder(Protocol):
    """What turns texts into vectors."""

    @property
    def version(self) -> str:
        """Changes whenever the same text would get another vector."""
        ...

    @property
    def dimension(self) -> int:
        """D, the dimensions of a vector."""
        ...

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors (n, D), of length 1 or 0."""
        ...


def item_text(title: str, text: str) -> str:
    """The one text by which an item is encoded.

    >>> item_text("Heat (1995)", "A thief and a detective.")
    'Heat (1995)\\nA thief and a detective.'
    """
    return "\n".join(part for part in (title.strip(), text.strip()) if part)


def content_hash(text: str) -> str:
    """128-bit hash of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class VectorCache:
    """Vectors in one SQLite file, by encoder version and content hash; threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = Lock()
        self._connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS vectors "
            "(version TEXT, hash TEXT, vector BLOB NOT NULL, PRIMARY KEY (version, hash)) WITHOUT ROWID"
        )

    def get(self, version: str, hashes: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Those of the vectors that are held, by hash."""
        found: dict[str, npt.NDArray[np.float32]] = {}
        with self._lock:
            for start in range(0, len(hashes), _VARIABLES):
                asked = hashes[start : start + _VARIABLES]
                query = f"SELECT hash, vector FROM vectors WHERE version = ? AND hash IN ({','.join('?' * len(asked))})"
                for key, blob in self._connection.execute(query, (version, *asked)):
                    found[key] = np.frombuffer(blob, dtype="<f4")
        return found

    def put(self, version: str, vectors: Mapping[str, npt.NDArray[np.float32]]) -> None:
        """Holds vectors by hash; those held already stay."""
        rows = [(version, key, vector.astype("<f4").tobytes()) for key, vector in vectors.items()]
        with self._lock, self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        """Closes the file; the cache is not used after this."""
        with self._lock:
            self._connection.close()


class CachedEncoder:
    """An encoder that asks the cache first; itself an `Encoder`."""

    def __init__(self, encoder: Encoder, cache: VectorCache) -> None:
        self._encoder, self._cache = encoder, cache

    @property
    def version(self) -> str:
        """Version of the encoder beneath."""
        return self._encoder.version

    @property
    def dimension(self) -> int:
        """D, the dimensions of a vector."""
        return self._encoder.dimension

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors (n, D) float32 of the texts; only texts not seen before are encoded, each once."""
        hashes = [content_hash(text) for text in texts]
        vectors = self._cache.get(self.version, list(dict.fromkeys(hashes)))
        missing = {key: text for key, text in zip(hashes, texts, strict=True) if key not in vectors}
        if missing:
            encoded = dict(zip(missing, self._encoder.encode(list(missing.values())), strict=True))
            self._cache.put(self.version, encoded)
            vectors.update(encoded)
        if not texts:
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.stack([vectors[key] for key in hashes])
