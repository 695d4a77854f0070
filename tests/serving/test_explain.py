"""Every input of the model has a reason, and the words fit the size and direction of what it did."""

import numpy as np

from serving.explain import past_words, reasons_of
from tests.serving.worlds import VOCABULARY


def test_every_feature_belongs_to_a_reason_and_nothing_is_lost() -> None:
    """The reasons' contributions sum to those of all features and of the text."""
    features_F = np.random.default_rng(0).normal(size=len(VOCABULARY.features))
    reasons = reasons_of(VOCABULARY, VOCABULARY.tasks[0], features_F, 0.25)
    np.testing.assert_allclose(sum(reason.contribution for reason in reasons), features_F.sum() + 0.25)
    assert len({reason.name for reason in reasons}) == len(reasons)


def test_words_give_direction_size_and_unit() -> None:
    """Probabilities in points, durations in seconds; what rounds to nothing is said to be nothing."""
    assert past_words("Alien", "binary", 0.021) == "having acted on 'Alien' raises it by 2.10 points"
    assert past_words("Alien", "duration", -12.0) == "having acted on 'Alien' lowers it by 12.0 s"
    assert past_words("Alien", "regression", 0.001) == "having acted on 'Alien' makes no difference"
