"""Scores written at once: the same message as one filled item by item."""

import numpy as np
import pytest

from headwater.v1 import recommender_pb2 as pb
from serving.api.responses import Info, ResponseTimings, Scored
from serving.api.score_bytes import item_scores

NAN = float("nan")


@pytest.mark.parametrize("item_ids", [["a"], ["a", "item-17", "ß" * 256, "x" * 200], [str(number) for number in range(1000)]])
def test_bytes_are_those_of_the_message(item_ids: list[str]) -> None:
    """Whatever the ids' lengths and letters are, which tasks an item has, and whether it is known."""
    random, tasks = np.random.default_rng(0), ("click", "a_task_of_a_rather_long_name" * 5, "stars")
    values_BT = random.normal(size=(len(item_ids), 3)).astype(np.float32)
    values_BT[random.random(values_BT.shape) < 0.3] = NAN
    unknown_B = random.random(len(item_ids)) < 0.5
    info = Info(recommendation_id="r", model_version="v", features_as_of=None, degradations=())
    scored = Scored(
        item_ids=item_ids, tasks=tasks, values_BT=values_BT, unknown_B=unknown_B, info=info, report=ResponseTimings(stages={})
    )
    expected = pb.ScoreResponse()
    for item_id, values_T, unknown in zip(item_ids, values_BT.tolist(), unknown_B.tolist(), strict=True):
        scores = {task: value for task, value in zip(tasks, values_T, strict=True) if value == value}
        expected.items.add(item_id=item_id, scores=scores, unknown_item=unknown)
    assert pb.ScoreResponse.FromString(item_scores(scored)) == expected
