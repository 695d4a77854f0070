"""The blend that orders a list: one scale for all kinds of tasks, fair over item types, the same on every replica."""

import numpy as np

from serving.ranking.blending import blend, comparable
from tests.serving.worlds import VOCABULARY

MEAN_T, DEVIATION_T = np.array([0.1, 3.0, 3.5]), np.array([0.3, 1.0, 1.0])


def test_every_kind_of_task_lands_between_zero_and_one_and_keeps_its_order() -> None:
    """A probability stays, a median duration or value is a half, and more is never less."""
    values_BT = np.array([[0.2, np.expm1(3.0), 3.5], [0.2, 1e6, 9.0], [0.2, 0.0, -9.0]], dtype=np.float32)
    scaled_BT = comparable(values_BT, VOCABULARY.tasks, MEAN_T, DEVIATION_T)
    np.testing.assert_allclose(scaled_BT[0], [0.2, 0.5, 0.5], atol=1e-6)
    assert (scaled_BT[1, 1:] > 0.99).all()
    assert (scaled_BT[2, 1:] < 0.01).all()


def test_task_that_is_not_about_an_item_does_not_pull_it_down() -> None:
    """Two items that are equally good on the tasks they share rank alike."""
    np.testing.assert_allclose(blend(np.array([[0.8, 0.8], [0.8, np.nan]]), np.array([1.0, 3.0])), [0.8, 0.8])


def test_negative_weight_pushes_down() -> None:
    """What is likely to be hidden goes last."""
    rank_B = blend(np.array([[0.9], [0.1]]), np.array([-1.0]))
    assert rank_B.argmax() == 1
