"""Plain way to serve a model over a feature store: `get_online_features` for the user and the candidates, then PyTorch.

It is given every advantage: it runs in the caller's process without gRPC, its store is on the same machine, it crosses no
features of the user with those of the items, and it runs the same network in the same form.
"""

from collections.abc import Sequence

import numpy as np
import torch
from feast import FeatureStore
from torch import Tensor

from benchmarks.serving.world import ServingCatalogue
from feature_repo.settings import StoreSettings
from feature_repo.store import repo_config
from feature_repo.vocabulary import HISTORY
from training.batch import Batch

__all__ = ["PlainPath"]

_USER = ["user_activity:activity", "user_activity:recent_items", "user_activity:recent_values"]
_ITEM = ["item_activity:activity", "item_content:vector"]


class PlainPath:
    """Scores candidates with rows and vectors from Feast; with `held_vectors`, it holds the vectors and reads the rows alone."""

    def __init__(self, world: ServingCatalogue, store: StoreSettings, *, held_vectors: bool) -> None:
        self._feast = FeatureStore(config=repo_config(store))
        self._model = world.model().eval()
        self._tasks, self._features = len(world.vocabulary.tasks), len(world.vocabulary.features)
        self._rows = {item_id: row for row, item_id in enumerate(world.item_ids)}
        self._vectors_MD = world.vectors_MD if held_vectors else None

    def score(self, user_id: str, item_ids: Sequence[str]) -> Tensor:
        """Predictions (B, T)."""
        user = self._feast.get_online_features(_USER, [{"user_id": user_id}]).to_dict()
        history_ids = user["recent_items"][0][:HISTORY]
        asked = [*history_ids, *item_ids]
        wanted = _ITEM if self._vectors_MD is None else _ITEM[:1]
        items = self._feast.get_online_features(wanted, [{"item_id": item_id} for item_id in asked]).to_dict()
        places, size = len(history_ids), len(item_ids)
        activity_BA = np.array(items["activity"][places:], dtype=np.float32)
        x_BF = np.zeros((size, self._features), dtype=np.float32)
        x_BF[:, : activity_BA.shape[1]] = activity_BA
        x_BF[:, -activity_BA.shape[1] :] = user["activity"][0]
        if self._vectors_MD is None:
            vectors_AD = np.array(items["vector"], dtype=np.float32)
        else:
            vectors_AD = self._vectors_MD[[self._rows[item_id] for item_id in asked]]
        values_NS = np.array(user["recent_values"][0], dtype=np.float32).reshape(-1, 1 + self._tasks)[:places]
        unknown_BT = torch.full((size, self._tasks), torch.nan)
        batch = Batch(
            x_BF=torch.from_numpy(x_BF),
            vectors_VD=torch.from_numpy(np.concatenate((np.zeros_like(vectors_AD[:1]), vectors_AD))),
            item_B=torch.arange(1 + places, 1 + places + size),
            history_BN=torch.arange(1, 1 + places)[None],
            history_values_BNS=torch.from_numpy(values_NS)[None],
            history_mask_BN=torch.ones((1, places), dtype=torch.bool),
            labels_BT=unknown_BT,
            lower_bounds_BT=unknown_BT,
            ids_B3=torch.zeros((size, 3), dtype=torch.int64),
        )
        return self._model.predict(batch)
