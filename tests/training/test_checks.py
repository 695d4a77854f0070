"""Runs the conformance suite over every trunk."""

from collections.abc import Callable

import pytest

from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.checks import CHECKS, Build
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig
from training.trunks import TrunkName


@pytest.mark.parametrize("trunk", ["shared_bottom", "mmoe"])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_trunk_conforms(
    check: Callable[[Build, Batch], None], trunk: TrunkName, vocabulary: Vocabulary, stream: Callable[..., list[Batch]]
) -> None:
    """Whatever trunk is configured, the guarantees of `training.checks` hold."""
    config = TrainerConfig(model=ModelConfig(text_dimension=24, width=8, trunk=trunk, hidden=(16, 8)))
    check(lambda: Trainer(config, vocabulary, seed=3), stream(1)[0])
