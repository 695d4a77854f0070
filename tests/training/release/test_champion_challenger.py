"""The contest: two ways of learning on the same examples, compared, promoted, and the same after a restart."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.checks import assert_same_state
from training.model import ModelConfig
from training.release.champion_challenger import ChampionChallenger, ChampionChallengerConfig
from training.release.guard import Guard, GuardConfig
from training.storage.checkpoints import CheckpointFile
from training.trainer import Trainer, TrainerConfig, TrainerError

Stream = Callable[..., list[Batch]]
SLOW = TrainerConfig(model=ModelConfig(text_dimension=24, width=4, hidden=(8,)), replay_capacity=256, learning_rate=1e-5)
QUICK = replace(SLOW, learning_rate=3e-3, model=replace(SLOW.model, trunk="mmoe"))
GUARD = GuardConfig(share=0.1, capacity=128, first=64, every=64)


def _guard(config: TrainerConfig, vocabulary: Vocabulary) -> Guard:
    return Guard(Trainer(config, vocabulary, seed=1), GUARD, seed=1)


def _contest(
    vocabulary: Vocabulary, first: TrainerConfig, second: TrainerConfig, *, better_by: float = 0.0
) -> ChampionChallenger:
    return ChampionChallenger(
        _guard(first, vocabulary), _guard(second, vocabulary), ChampionChallengerConfig(better_by=better_by, after=800)
    )


def _learn(contest: ChampionChallenger, batches: list[Batch]) -> int:
    """Learns; returns how many promotions there were."""
    return sum(contest.learn(batch, torch.arange(len(batch)) % 10 == 0).promoted for batch in batches)


def test_each_learns_as_if_it_were_alone(vocabulary: Vocabulary, stream: Stream) -> None:
    """A challenger costs time, never a bit of the champion's weights."""
    batches, contest = stream(40), _contest(vocabulary, SLOW, QUICK)
    _learn(contest, batches)
    for config, contender in ((SLOW, contest.champion), (QUICK, contest.challenger)):
        alone = ChampionChallenger(_guard(config, vocabulary))
        _learn(alone, batches)
        assert contender is not None
        assert_same_state(contender.state_dict(), alone.champion.state_dict())


def test_a_better_challenger_is_seen_and_promoted_by_rule(vocabulary: Vocabulary, stream: Stream) -> None:
    """Once, after enough examples; and the slow one, now the challenger, does not come back."""
    contest = _contest(vocabulary, SLOW, QUICK, better_by=0.02)
    assert _learn(contest, stream(200)) == 1
    assert contest.champion.recipe == repr(QUICK)
    assert all(found.gain < 0.0 and found.standard_errors < 0.0 for found in contest.comparisons().values())


def test_without_a_rule_nothing_is_promoted_but_by_command(vocabulary: Vocabulary, stream: Stream) -> None:
    """The comparison is there to be read; the command is refused while the challenger has no good weights."""
    contest = _contest(vocabulary, SLOW, QUICK)
    assert not contest.promote()
    assert _learn(contest, stream(200)) == 0
    assert contest.comparisons()["click"].gain > 0.02
    assert contest.promote()
    assert (contest.champion.recipe, contest.promotions) == (repr(QUICK), 1)


def test_equals_are_not_promoted(vocabulary: Vocabulary, stream: Stream) -> None:
    """Chance gains stay within their standard errors."""
    other = replace(SLOW, weight_decay=0.011)
    assert _learn(_contest(vocabulary, SLOW, other, better_by=0.001), stream(200)) == 0


def test_a_restart_changes_nothing_and_settings_may_follow_a_promotion(
    vocabulary: Vocabulary, stream: Stream, tmp_path: Path
) -> None:
    """Killed along the way, a promotion included: the same bits. Then the winner's settings become the learner's."""
    batches, file = stream(120), CheckpointFile(tmp_path / "checkpoint")
    whole = _contest(vocabulary, SLOW, QUICK, better_by=0.02)
    assert _learn(whole, batches) == 1
    contest = _contest(vocabulary, SLOW, QUICK, better_by=0.02)
    for start in range(0, 120, 17):
        _learn(contest, batches[start : start + 17])
        file.claim()
        file.save(contest.state_dict())
        contest = _contest(vocabulary, SLOW, QUICK, better_by=0.02)
        contest.load_state_dict(file.load() or {})
    assert_same_state(contest.state_dict(), whole.state_dict())

    winner = ChampionChallenger(_guard(QUICK, vocabulary))
    winner.load_state_dict(contest.state_dict())
    assert_same_state(winner.champion.state_dict(), contest.champion.state_dict())
    wider = replace(QUICK, model=replace(QUICK.model, width=8))
    with pytest.raises(TrainerError, match="learned with width=4, this learner has width=8: set that as it was"):
        ChampionChallenger(_guard(wider, vocabulary)).load_state_dict(contest.state_dict())
    anew = _contest(vocabulary, QUICK, wider)
    anew.load_state_dict(contest.state_dict())
    assert anew.challenger is not None
    assert anew.challenger.trainer.examples == 0, "a challenger of a new recipe begins"
