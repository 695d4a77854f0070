"""Item table: all items in dense arrays, from which a whole list of candidates is read."""

import threading
import zlib
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from feature_repo.audience import Audience
from feature_repo.counters import ALL, HALF_LIFE_NAMES
from feature_repo.items.shared_memory import ItemSharedMemory
from feature_repo.older_items import id_hash
from feature_repo.vocabulary import AUDIENCE, TYPE_BITS, Vocabulary
from headwater.v1.catalogue_pb2 import Item

__all__ = ["ItemTable", "category_bits", "type_signs"]

_CATEGORY_WORDS = 4
_ARRAYS = "counters", "updated_at", "published_at", "vectors", "categories", "types", "places", "opinions", "hashes", "live"
_HASH_BITS = 16


def category_bits(categories: Iterable[str]) -> NDArray[np.uint64]:
    """Categories as a set of hashed bits, shape (4,): 256 bits, so that overlaps are a bitwise `and` and a count."""
    words = [0] * _CATEGORY_WORDS
    for category in categories:
        bit = zlib.crc32(category.casefold().encode()) % (64 * _CATEGORY_WORDS)
        words[bit // 64] |= 1 << (bit % 64)
    return np.array(words, dtype=np.uint64)


def type_signs(item_type: str) -> NDArray[np.float32]:
    """A type of items as the model sees it, shape (8,): the bits of a hash, each -1 or 1."""
    digest = zlib.crc32(item_type.encode())
    return np.array([1.0 if digest >> bit & 1 else -1.0 for bit in range(TYPE_BITS)], dtype=np.float32)


class ItemTable:
    """Items by row number: counters, audiences, text vectors, categories and content. One writer; many may read.

    Row numbers are stable for the life of the table. A deleted item keeps its number and nothing else, so that histories
    which name it stay readable, and a process that has just read the log knows no less than one that ran all along.

    With `shared`, processes hold the vectors once between them, and an item has the same number in all.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, dimensions: int, capacity: int = 1024, shared: ItemSharedMemory | None = None
    ) -> None:
        self.vocabulary = vocabulary
        self.dimensions = dimensions
        self.index: dict[str, int] = {}
        self.ids: list[str] = []
        self.content: list[Item | None] = []
        self.counters = np.zeros((capacity, len(vocabulary.counters), len(HALF_LIFE_NAMES)))
        self.updated_at = np.zeros(capacity)
        self.published_at = np.zeros(capacity)
        if shared is None:
            self.vectors = np.zeros((capacity, dimensions), dtype=np.float32)
        else:
            self.vectors = shared.vectors(capacity, dimensions)
        self.categories = np.zeros((capacity, _CATEGORY_WORDS), dtype=np.uint64)
        self.types = np.zeros((capacity, TYPE_BITS), dtype=np.float32)
        self.places = np.zeros((capacity, AUDIENCE), dtype=np.uint16)
        self.opinions = np.zeros((capacity, len(vocabulary.tasks), AUDIENCE), dtype=np.float32)
        self.hashes = np.zeros(capacity, dtype=np.uint32)
        self.live = np.zeros(capacity, dtype=bool)
        self.followers: list[Callable[[int], None]] = []
        """Told of the row of every entry that is taken over or deleted, by the writer; of a new one before it is live."""
        self.lock = threading.Lock()
        """Whoever reads counters with their time, or places with their opinions, holds it, so that the two are of one moment."""
        self._totals = np.zeros((2, len(vocabulary.tasks)))
        self._shared = shared

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def row_bytes(self) -> int:
        """Bytes of memory of one item's numbers; its content comes on top."""
        return sum(int(getattr(self, name)[0].nbytes) for name in _ARRAYS)

    def rows(self, item_ids: Sequence[str]) -> NDArray[np.intp]:
        """Row numbers of the given items, -1 for those never heard of. Shape (B,)."""
        get = self.index.get
        return np.array([get(item_id, -1) for item_id in item_ids], dtype=np.intp)

    def rows_of_hashes(self, hashes_N: NDArray[np.uint32]) -> NDArray[np.intp]:
        """Row numbers of the items whose ids have these hashes (`older_items.id_hash`), in order."""
        if not len(hashes_N):
            return np.empty(0, dtype=np.intp)
        # A look at a few bits first leaves few rows: a search among all of them would take milliseconds.
        mask = np.uint32(2**_HASH_BITS - 1)
        some = np.zeros(2**_HASH_BITS, dtype=bool)
        some[hashes_N & mask] = True
        hashes_M = self.hashes[: len(self.ids)]
        rows_C = np.flatnonzero(some[hashes_M & mask])
        return rows_C[np.isin(hashes_M[rows_C], hashes_N)]

    def holds(self, item_id: str) -> bool:
        """Whether the item is in the catalogue as far as it has been read."""
        return (row := self.index.get(item_id)) is not None and bool(self.live[row])

    def priors(self) -> NDArray[np.float64]:
        """Mean label of each task over all items, shape (T,); 0.5 for a binary task and 0 for others before any label."""
        observations_T, sums_T = self._totals
        empty_T = np.array([0.5 if task.kind == "binary" else 0.0 for task in self.vocabulary.tasks])
        means_T: NDArray[np.float64] = (sums_T + empty_T) / (observations_T + 1.0)
        return means_T

    def set_activity(
        self, item_id: str, updated_at: float, counters_CH: NDArray[np.float64], audience: Audience | None = None
    ) -> None:
        """Takes over an item's counters, as of `updated_at`, and its audience, nobody if None."""
        row, tasks = self._row(item_id), len(self.vocabulary.tasks)
        change_2T = (counters_CH[2:, ALL] - self.counters[row, 2:, ALL]).reshape(2, tasks)
        known = 0 if audience is None else len(audience.places_A)
        with self.lock:
            self.counters[row] = counters_CH
            self.updated_at[row] = updated_at
            self.opinions[row, :, known:] = 0.0
            if audience is not None:
                self.places[row, :known] = audience.places_A
                self.opinions[row, :, :known] = audience.opinions_TA
        self._totals = self._totals + change_2T

    def set_content(self, item: Item, vector_D: NDArray[np.float32] | None) -> None:
        """Takes over a catalogue entry; `vector_D` is L2-normalised, None where the item has no text.

        Raises:
            ValueError: the vector has another width than the table.
        """
        if vector_D is not None and vector_D.shape != (self.dimensions,):
            raise ValueError(
                f"item {item.item_id}: its text vector has shape {vector_D.shape}, this process expects ({self.dimensions},); "
                "the catalogue was encoded by another encoder, so let the catalogue worker encode it again"
            )
        row = self._row(item.item_id)
        self.vectors[row] = 0.0 if vector_D is None else vector_D
        self.categories[row] = category_bits(item.categories)
        self.types[row] = type_signs(item.type)
        self.published_at[row] = item.published_at.seconds
        self.content[row] = item
        self._tell(row)
        self.live[row] = True

    def delete(self, item_id: str) -> None:
        """Takes the item out of what can be recommended, and its content out of the table; an unknown one is no error."""
        if (row := self.index.get(item_id)) is not None:
            self.live[row] = False
            self.content[row] = None
            self.vectors[row] = 0.0
            self.categories[row] = 0
            self.types[row] = 0.0
            self.published_at[row] = 0.0
            self._tell(row)

    def clear_activity(self, item_id: str) -> None:
        """Drops an item's counters, from the priors too; an unknown one is no error."""
        if (row := self.index.get(item_id)) is not None:
            self.set_activity(item_id, 0.0, np.zeros_like(self.counters[row]))

    def _tell(self, row: int) -> None:
        for follow in self.followers:
            follow(row)

    def _row(self, item_id: str) -> int:
        if item_id not in self.index:
            for new_id in [item_id] if self._shared is None else self._shared.claim(item_id):
                self._append(new_id)
        return self.index[item_id]

    def _append(self, item_id: str) -> None:
        row = len(self.ids)
        if row == len(self.live):
            self._grow()
        # A reader in another thread takes the length from `ids` and numbers from `index`: these come last.
        self.content.append(None)
        self.hashes[row] = id_hash(item_id)
        self.ids.append(item_id)
        self.index[item_id] = row

    def _grow(self) -> None:
        for name in _ARRAYS:
            array = getattr(self, name)
            if name == "vectors" and self._shared is not None:
                self.vectors = self._shared.vectors(2 * len(array), self.dimensions)
            else:
                setattr(self, name, np.concatenate((array, np.zeros_like(array))))
