"""Leak test: shuffled labels must not be told, or figures of the real ones are not to be believed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from feature_repo.decoded_event import DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.tasks import Task
from feature_repo.vocabulary import Vocabulary
from headwater.v1.catalogue_pb2 import Item
from training.history import HistoryRun
from training.metrics.lists import Estimate, auc_of_all, list_quality
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig

__all__ = ["LEAK_ROWS", "ShuffledAuc", "leak_test"]

LEAK_ROWS = 3_000
"""Rows whose labels are shuffled and learned: a leak of the import is in all of them."""

_DIMENSIONS = 4
_FEW = 30
_CHANCE = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class ShuffledAuc:
    """How well a binary task's labels were told although they were shuffled."""

    task: Task
    listed: bool
    """Whether within lists; else over all labels."""
    judged: int
    """Lists, or labels of the rarer kind."""
    auc: Estimate

    @property
    def enough(self) -> bool:
        """Whether there is enough to say anything."""
        return self.judged >= _FEW and self.auc.stated == self.auc.stated

    @property
    def leaks(self) -> bool:
        """Whether it is off chance by more than its stated error."""
        return self.enough and abs(self.auc.value - _CHANCE) > self.auc.stated


def leak_test(
    vocabulary: Vocabulary,
    items: Iterable[Item],
    events: Sequence[DecodedEvent],
    *,
    listed: bool,
    watched: Callable[[Sequence[DecodedEvent]], Iterable[DecodedEvent]] = iter,
) -> list[ShuffledAuc]:
    """Learns events whose labels were shuffled (see `Sources.shuffled`) as `replay` does, but without texts.

    Args:
        listed: whether labels were shuffled within lists, so that they must be judged there.
        watched: shows how far reading is.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        table = ItemTable(vocabulary, dimensions=_DIMENSIONS)
        present = {event.item_id for event in events}
        for item in items:
            if item.item_id in present:
                table.set_content(item, np.zeros(_DIMENSIONS, dtype=np.float32))
        config = TrainerConfig(model=ModelConfig(text_dimension=_DIMENSIONS, width=4, hidden=(16,)), learning_rate=2e-3)
        run = HistoryRun(table, Trainer(config, vocabulary, seed=0))
        run.play(watched(events))
    finally:
        torch.set_num_threads(threads)
    judged = run.judged()
    users, lists = judged.users, judged.lists
    found = []
    for index, task in enumerate(vocabulary.tasks):
        if task.kind == "binary":
            known = np.flatnonzero(~np.isnan(judged.labels[:, index]))
            labels, scores = judged.labels[known, index], judged.predictions[known, index]
            if listed and task.implicit:
                quality = list_quality(lists[known], users[known], labels, scores)
                found.append(ShuffledAuc(task=task, listed=True, judged=quality.lists, auc=quality.auc))
            else:
                rarer = int(min(labels.sum(), len(labels) - labels.sum()))
                found.append(ShuffledAuc(task=task, listed=False, judged=rarer, auc=auc_of_all(users[known], labels, scores)))
    return found
