"""Runs the conformance suite over every trunk and every balancing."""

from collections.abc import Callable

import pytest

from feature_repo.vocabulary import Vocabulary
from training.balancing import BALANCINGS, BalancingName
from training.batch import Batch
from training.checks import CHECKS, Build
from training.model import ModelConfig
from training.trainer import Trainer, TrainerConfig
from training.trunks import TRUNKS, TrunkName

Check = Callable[[Build, Batch], None]
Stream = Callable[..., list[Batch]]


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_trunk_conforms(check: Check, trunk: TrunkName, vocabulary: Vocabulary, stream: Stream) -> None:
    """Whatever trunk is configured, the guarantees of `training.checks` hold."""
    config = TrainerConfig(model=ModelConfig(text_dimension=24, width=8, trunk=trunk, hidden=(16, 8)))
    check(lambda: Trainer(config, vocabulary, seed=3), stream(1)[0])


@pytest.mark.parametrize("balancing", BALANCINGS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_every_balancing_conforms(check: Check, balancing: BalancingName, vocabulary: Vocabulary, stream: Stream) -> None:
    """Whatever balancing is configured, the guarantees of `training.checks` hold."""
    config = TrainerConfig(model=ModelConfig(text_dimension=24, width=8, hidden=(16, 8)), balancing=balancing)
    check(lambda: Trainer(config, vocabulary, seed=3), stream(1)[0])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_learning_of_items_seen_as_new_conforms(check: Check, vocabulary: Vocabulary, stream: Stream) -> None:
    """With part of the examples seen as of new items, the guarantees of `training.checks` hold."""
    config = TrainerConfig(model=ModelConfig(text_dimension=24, width=8, hidden=(16, 8)), seen_as_new=0.5)
    check(lambda: Trainer(config, vocabulary, seed=3), stream(1)[0])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_learning_of_ids_conforms(check: Check, vocabulary: Vocabulary, stream: Stream) -> None:
    """With vectors of users and items, in a table so small that they collide, the guarantees of `training.checks` hold."""
    config = TrainerConfig(model=ModelConfig(text_dimension=24, width=8, hidden=(16, 8), id_rows=16, id_width=4))
    check(lambda: Trainer(config, vocabulary, seed=3), stream(1)[0])
