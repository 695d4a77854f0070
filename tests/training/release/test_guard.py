"""Guarded learning: what is held out, undone and accepted, and that none of it hangs on more than the examples."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.checks import assert_same_state
from training.model import ModelConfig, Recommender
from training.release.guard import Guard, GuardConfig, Verdict
from training.release.heads import head_of
from training.storage.checkpoints import CheckpointFile
from training.trainer import Trainer, TrainerConfig
from training.trunks import TRUNKS, TrunkName

Stream = Callable[..., list[Batch]]
CONFIG = TrainerConfig(model=ModelConfig(text_dimension=24, width=4, hidden=(8,)), replay_capacity=1024, learning_rate=3e-3)
GUARD = GuardConfig(share=0.25, capacity=512, first=256, every=128, patience=8)
UNGUARDED = replace(GUARD, every=10**9)
FIRST_POISONED, LAST_POISONED = 120, 150


def _guard(vocabulary: Vocabulary, config: GuardConfig = GUARD) -> Guard:
    return Guard(Trainer(CONFIG, vocabulary, seed=1), config, seed=1)


def _every_fourth(batch: Batch) -> torch.Tensor:
    return torch.arange(len(batch)) % 4 == 0


def _learn(guard: Guard, batches: Iterable[Batch]) -> list[Verdict]:
    return [made for batch in batches if (made := guard.learn(batch, _every_fourth(batch))[1]) is not None]


def _poisoned(batch: Batch) -> Batch:
    """The same examples, every label turned into its contrary."""
    contrary_T = torch.tensor([1.0, 6.0, 7.0])
    return replace(batch, labels_BT=contrary_T - batch.labels_BT)


@torch.inference_mode()
def _error(model: Recommender | None, batch: Batch) -> float:
    assert model is not None
    wrong_BT = (model.expectation(model(batch)) - batch.labels_BT).square()
    return float(wrong_BT[:, 0].nanmean())


def test_held_out_examples_are_scored_and_not_learned(vocabulary: Vocabulary, stream: Stream) -> None:
    """Whatever their labels say, the weights are the same; the report has them all the same."""
    batch, all_held_out = stream(1)[0], torch.ones(16, dtype=torch.bool)
    one, other = _guard(vocabulary), _guard(vocabulary)
    report, _ = one.learn(batch, all_held_out)
    other.learn(replace(_poisoned(batch), lower_bounds_BT=torch.full_like(batch.labels_BT, 9.0)), all_held_out)
    assert_same_state(one.trainer.weights(), other.trainer.weights())
    assert torch.equal(report.labels_BT.nan_to_num(), batch.labels_BT.nan_to_num())


@pytest.mark.parametrize("one_kind", [80, 79])
def test_labels_of_nearly_one_kind_make_no_usual_loss(vocabulary: Vocabulary, stream: Stream, one_kind: int) -> None:
    """As at a beginning, when clicks are known and what was passed over is not: the others are no surprise then, few or many."""
    batches = stream(160)
    for batch in batches[:one_kind]:
        batch.labels_BT[:, 0] = 1.0
    made = _learn(_guard(vocabulary), batches)
    assert [one.objection for one in made[:2]] == [None, None]
    assert "surprise" not in {one.objection.reason for one in made if one.objection}
    assert made[-1].objection is None


def test_a_poisoned_burst_is_refused_and_the_good_weights_do_not_move(vocabulary: Vocabulary, stream: Stream) -> None:
    """Thirty batches of contrary labels: without the guard they turn the model round, with it nothing of them stays."""
    batches, test = stream(220), stream(1, size=800, seed=9)[0]
    batches[FIRST_POISONED:LAST_POISONED] = map(_poisoned, batches[FIRST_POISONED:LAST_POISONED])
    guarded, unguarded = _guard(vocabulary), _guard(vocabulary, UNGUARDED)
    for guard in (guarded, unguarded):
        assert all(made.objection is None for made in _learn(guard, batches[:FIRST_POISONED]))
    before, version = _error(guarded.good(), test), guarded.good_examples
    refused = _learn(guarded, batches[FIRST_POISONED:LAST_POISONED])
    _learn(unguarded, batches[FIRST_POISONED:LAST_POISONED])
    assert len(refused) >= 3
    assert {made.objection.reason for made in refused if made.objection} == {"surprise"}
    assert guarded.good_examples == version, "what may be published has not moved"
    assert _error(guarded.good(), test) == before
    assert _error(unguarded.trainer.model, test) > 1.3 * before, "the burst would have done harm"
    after = _learn(guarded, batches[LAST_POISONED:])
    assert after[-1].objection is None
    assert guarded.good_examples > version
    assert _error(guarded.good(), test) < 1.05 * before


@pytest.mark.parametrize("first", [96, 120])
def test_a_burst_in_a_part_of_an_interval_is_refused(vocabulary: Vocabulary, stream: Stream, first: int) -> None:
    """Seven of 32 batches with contrary labels, at its beginning or its end: the mean loss of all of them would not tell."""
    batches, test = stream(160), stream(1, size=800, seed=9)[0]
    guard = _guard(vocabulary, replace(GUARD, first=512, every=512))
    made = _learn(guard, batches[:96])
    assert all(judgement.objection is None for judgement in made)
    before = _error(guard.good(), test)
    batches[first : first + 7] = map(_poisoned, batches[first : first + 7])
    [judgement] = _learn(guard, batches[96:128])
    assert judgement.objection is not None
    assert judgement.objection.reason == "surprise"
    assert _error(guard.good(), test) == before


def test_weights_after_a_refusal_are_the_good_ones_and_replay_forgets(vocabulary: Vocabulary, stream: Stream) -> None:
    """The trainer goes on from the last good weights, bit for bit, and no poisoned label is left to be replayed."""
    batches = stream(128)
    guard = _guard(vocabulary)
    _learn(guard, batches[:120])
    good = guard.good()
    assert good is not None
    made = _learn(guard, map(_poisoned, batches[120:]))
    assert [judgement.undone for judgement in made] == [128]
    assert_same_state(dict(guard.trainer.model.state_dict()), dict(good.state_dict()))
    labels = guard.trainer.state_dict()["replay"]["ring"]["labels"]
    assert int(labels.isnan().all(1).sum()) >= 128


@pytest.mark.parametrize("trunk", TRUNKS)
def test_a_lasting_change_is_accepted_in_the_end(vocabulary: Vocabulary, stream: Stream, trunk: TrunkName) -> None:
    """What comes for longer than the patience is how the world is now: the guard must not hold on to the past forever.

    Nor may it undo what was learned of the new world because one judgement on the way was no surprise, and the next one was.
    """
    batches, test = stream(360), _poisoned(stream(1, size=800, seed=9)[0])
    learning = replace(CONFIG, model=replace(CONFIG.model, trunk=trunk))
    guard = Guard(Trainer(learning, vocabulary, seed=1), replace(GUARD, patience=2, capacity=128), seed=1)
    _learn(guard, batches[:120])
    before = _error(guard.good(), test)
    made = _learn(guard, map(_poisoned, batches[120:]))
    assert [judgement.objection is None for judgement in made[:3]].count(False) >= 2
    assert made[-1].objection is None
    assert max(judgement.undone for judgement in made) <= 128
    assert _error(guard.good(), test) < 0.5 * before


@pytest.mark.parametrize("trunk", TRUNKS)
def test_examples_of_a_world_that_is_gone_judge_nothing(vocabulary: Vocabulary, stream: Stream, trunk: TrunkName) -> None:
    """Once a change counts, what was held out before it is gone: weights that go on learning are not refused for it."""
    learning = replace(CONFIG, model=replace(CONFIG.model, trunk=trunk))
    guard = Guard(Trainer(learning, vocabulary, seed=1), replace(GUARD, patience=2), seed=1)
    batches = stream(240)
    _learn(guard, batches[:120])
    for batch in map(_poisoned, batches[120:]):
        judgements = _learn(guard, [batch])
        if judgements and judgements[0].objection is None:
            break
    assert judgements, "the change was never accepted"
    assert bool(guard.state_dict()["held_out"]["ring"]["labels"].isnan().all())


def test_a_restart_changes_nothing(vocabulary: Vocabulary, stream: Stream, tmp_path: Path) -> None:
    """Killed before, between and after refusals, through a checkpoint file: the same bits as in one go."""
    batches = stream(180)
    batches[FIRST_POISONED:LAST_POISONED] = map(_poisoned, batches[FIRST_POISONED:LAST_POISONED])
    whole, file = _guard(vocabulary), CheckpointFile(tmp_path / "checkpoint")
    _learn(whole, batches)
    guard = _guard(vocabulary)
    for start in range(0, 180, 13):
        _learn(guard, batches[start : start + 13])
        file.claim()
        file.save(guard.state_dict())
        state = file.load()
        assert state is not None
        guard = _guard(vocabulary)
        guard.load_state_dict(state)
    assert_same_state(guard.state_dict(), whole.state_dict())


def _head(model: Recommender | None, task: int) -> dict[str, torch.Tensor]:
    assert model is not None
    return head_of(dict(model.state_dict()), task)


@pytest.mark.parametrize("never", [True, False])
def test_a_task_without_any_positive_blocks_no_other_and_keeps_its_head(
    vocabulary: Vocabulary, stream: Stream, never: bool
) -> None:
    """A click rate of 0, from the beginning or from some moment on: the others are published, and clicks as they last passed."""
    batches = stream(120)
    for batch in batches[0 if never else 60 :]:
        batch.labels_BT[:, 0] = torch.where(batch.labels_BT[:, 0].isnan(), torch.nan, 0.0)
    guard = Guard(Trainer(CONFIG, vocabulary, seed=1), replace(GUARD, capacity=128, patience=1), seed=1)
    made, heads = [], []
    for batch in batches:
        judgements = _learn(guard, [batch])
        made += judgements
        heads += [(guard.good_examples, _head(guard.good(), 0), _head(guard.good(), 1)) for _ in judgements if guard.good()]
    late = made[-3:]
    assert [one.objection for one in late] == [None] * 3
    assert {one.tasks["click"] for one in late} <= {"unjudged", "held"}
    assert {one.tasks["seconds"] for one in late} == {"passed"}
    (_, clicks, seconds), (examples, clicks_last, seconds_last) = heads[-3], heads[-1]
    assert examples == guard.trainer.examples
    assert not torch.equal(seconds["heads.skip.weight"], seconds_last["heads.skip.weight"])
    if not never:
        assert_same_state(dict(clicks), dict(clicks_last))


def test_a_task_that_never_passed_is_published_as_its_counters_say(vocabulary: Vocabulary, stream: Stream) -> None:
    """Labels turned round for half of the held-out examples alone: clicks are no better than their mean, and never were."""
    batches, rng = stream(60), torch.Generator().manual_seed(3)
    for batch in batches:
        chance_B = torch.rand(len(batch), generator=rng)
        batch.labels_BT[:, 0] = torch.where(
            _every_fourth(batch), (batch.x_BF[:, 1] < 3.0).float(), (batch.x_BF[:, 1] > 3.0).float()
        )
        batch.labels_BT[chance_B < 0.1, 0] = torch.nan
    guard = _guard(vocabulary, replace(GUARD, first=640))
    made = _learn(guard, batches)
    assert {one.tasks["click"] for one in made} == {"held"}
    assert {one.objection for one in made} == {None}
    head = _head(guard.good(), 0)
    assert bool((head["heads.weight_TH"] == 0.0).all())
    assert float(head["heads.skip.weight"].abs().sum()) == 0.5


def test_settings_that_mean_nothing_are_refused() -> None:
    """Nothing held out leaves nothing to judge by."""
    with pytest.raises(ValueError, match="share must lie between 0 and 1"):
        GuardConfig(share=0.0)
    with pytest.raises(ValueError, match="patience"):
        GuardConfig(patience=0)
