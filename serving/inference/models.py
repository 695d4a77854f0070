"""Model watcher: checks new snapshots and swaps them in without touching requests in flight."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray
from torch import Tensor

from feature_repo.vocabulary import Vocabulary
from serving.inference.compiled import compiled
from training.batch import Batch
from training.model import Recommender
from training.storage.snapshots import SnapshotError, SnapshotStore, version_name

__all__ = ["ModelWatcher", "ServedModel"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ServedModel:
    """A snapshot that has passed every check; a request keeps the one that it began with."""

    number: int
    version: str
    created_at: float
    """When it was published, Unix seconds."""
    recommender: Recommender
    predict: Callable[[Batch], Tensor]
    """As the recommender's own, sooner; for candidates that share one history."""
    mean_T: NDArray[np.float64]
    """Of each task's labels in training space, as the model has seen them."""
    deviation_T: NDArray[np.float64]


class ModelWatcher:
    """Follows the store's `CURRENT`. A snapshot that cannot be served changes nothing: the last good one stays, loudly."""

    def __init__(
        self,
        store: SnapshotStore,
        vocabulary: Vocabulary,
        *,
        dimensions: int,
        encoder_version: str,
        poll_seconds: float,
        swapped: Callable[[ServedModel], None],
        rejected: Callable[[], None],
    ) -> None:
        self._store = store
        self._vocabulary = vocabulary
        self._dimensions = dimensions
        self._encoder_version = encoder_version
        self._poll_seconds = poll_seconds
        self._swapped = swapped
        self._rejected = rejected
        self._complaint = ""
        self._current: ServedModel | None = None

    def current(self) -> ServedModel | None:
        """The model currently served; None until there is a first good snapshot."""
        return self._current

    async def watch(self) -> None:
        """Looks for new snapshots until it is cancelled."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._poll_seconds)

    async def refresh(self) -> None:
        """Takes over the current snapshot, if there is another than the one held and it can be served."""
        held = None if self._current is None else self._current.number
        try:
            model = await asyncio.to_thread(self._load, held)
        except Exception as error:  # of whatever kind: what cannot be loaded changes nothing, and the next one may be sound
            if str(error) != self._complaint:  # once for each fault, not at every look
                self._complaint = str(error)
                self._rejected()
                serves = None if self._current is None else self._current.version
                unforeseen = None if isinstance(error, SnapshotError | OSError) else error
                _log.error("snapshot_not_served", error=str(error), still_serves=serves, exc_info=unforeseen)
            return
        self._complaint = ""
        if model is not None:
            self._current = model
            self._swapped(model)
            _log.info("model_swapped", version=model.version)

    def _load(self, held: int | None) -> ServedModel | None:
        """The store's current snapshot; None where there is none or it is `held` already. Raises SnapshotError."""
        number = self._store.current()
        if number is None or number == held:
            return None
        version, snapshot = version_name(number), self._store.load(number)
        manifest = snapshot.manifest
        if manifest.fingerprint != self._vocabulary.fingerprint or manifest.tasks != self._vocabulary.tasks:
            raise SnapshotError(
                f"{version} was trained for other tasks ({', '.join(task.name for task in manifest.tasks)}; fingerprint "
                f"{manifest.fingerprint:08x}, here {self._vocabulary.fingerprint:08x}): give the learner and the server "
                "one tasks file, and restart both"
            )
        if manifest.encoder_version != self._encoder_version or manifest.model.text_dimension != self._dimensions:
            raise SnapshotError(
                f"{version} was trained on vectors of {manifest.encoder_version} ({manifest.model.text_dimension} dimensions), "
                f"this server has {self._encoder_version} ({self._dimensions}): set one HEADWATER_ENCODER for all processes"
            )
        targets = snapshot.model.targets
        return ServedModel(
            number=number,
            version=version,
            created_at=manifest.created_at,
            recommender=snapshot.model,
            predict=compiled(snapshot.model),
            mean_T=targets.mean.double().numpy().copy(),
            deviation_T=targets.deviation.double().numpy().copy(),
        )
