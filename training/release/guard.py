"""Guarded learning: some examples are held out, weights are judged by them, and what does not pass is undone."""

import copy
import math
from collections import deque
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from feature_repo.tasks import Task
from training.batch import Batch
from training.losses import prediction_losses
from training.model import Recommender
from training.release.acceptance import LEAST_LOSS, STANDARD_ERRORS, Bounds, Objection, Reason, judge
from training.release.heads import begin_head, head_of, put_head
from training.replay import Replay
from training.trainer import StepReport, Trainer

__all__ = ["FATES", "Fate", "Guard", "GuardConfig", "Verdict"]

_WAITED_OUT: tuple[Reason, ...] = ("mean", "calibration")
"""Reasons that hold of a task alone: older weights may fail by them too, so going on learning is the way out."""
_ACCEPTED_KEPT = 4
"""Good weights that are kept; new ones are compared with the oldest of them."""
_PARTS = 4
"""Parts of an interval that are judged on their own: wrong labels in one would not show in the mean of all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GuardConfig:
    """What is held out, and when weights are judged."""

    share: float = 0.03
    """Part of the examples that is held out; each is scored like all others but never learned from."""
    capacity: int = 1024
    """Held-out examples that are remembered: they reach back capacity / share examples."""
    first: int = 512
    """Examples before the first judgement,"""
    every: int = 1024
    """and from one to the next, rounded up to whole batches."""
    patience: int = 8
    """Judgements that may fail by surprise before one passes; labels that are as strange for longer are how the world is now."""
    bounds: Bounds = field(default_factory=Bounds)

    def __post_init__(self) -> None:
        if not 0.0 < self.share < 1.0:
            raise ValueError(f"GuardConfig: share must lie between 0 and 1, not {self.share}")
        if min(self.capacity, self.first, self.every, self.patience) < 1:
            raise ValueError(f"GuardConfig: capacity, first, every and patience must be 1 or more, got {self}")


Fate = Literal["passed", "held", "refused", "unjudged"]
FATES: tuple[Fate, ...] = get_args(Fate)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What became of the weights of some moment; without an objection they are the good ones from now on."""

    objection: Objection | None = None
    undone: int = 0
    """Examples whose learning was undone."""
    held: tuple[Objection, ...] = ()
    """Why tasks keep their last good heads, while the others' are good from now on."""
    tasks: dict[str, Fate] = field(default_factory=dict)
    """By task: `passed`; `held`, its last good head stays; `unjudged`, the same for want of labels that could judge it;
    `refused`, all weights are refused for its sake."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Accepted:
    """Weights that passed judgement."""

    weights: dict[str, Any]
    examples: int
    """How many the trainer had seen when they passed."""
    since: int
    """How many it had seen when it last learned on from here: then, or when it came back."""
    losses: dict[str, float]
    """Mean progressive loss by task on the way here, of tasks with enough labels; of binary ones, with labels of both kinds."""
    entropies: dict[str, float] = field(default_factory=dict)
    """Of the labels of those binary tasks, in nats: the loss of always saying their mean. A checkpoint of before lacks them."""
    heads: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    """By task that was held: its last good head, published in place of the one in `weights`; empty where none was good yet."""


class Guard:
    """Learns through a trainer, and keeps the last weights that passed judgement: only those may be published.

    Weights are judged after a fixed number of examples, never by the clock, so that what is undone is a function of the examples
    alone. They are compared with those that passed a few judgements ago: harm that creeps adds up until it shows. If they do not
    pass, those older ones are the good ones again: the trainer goes on from them, and forgets what it has learned since. Where
    there are none yet, or weights fail a bound that does not compare them, it learns on and nothing new is good. Weights that
    learned from labels which surprise far more than usual do not pass either, for a while: a burst of wrong labels is refused
    before it shows anywhere else, a lasting change is accepted in the end.

    Tasks are judged apart. One that is out of calibration, or no better than its mean, or that no labels can judge, stops no
    other: what is published keeps its last good head, beside what the others have learned. Only where none of those that could
    be judged passes are the weights refused.
    """

    def __init__(self, trainer: Trainer, config: GuardConfig, *, seed: int) -> None:
        self.trainer, self.config = trainer, config
        self._holdout = Replay(capacity=config.capacity, seed=seed)
        self._accepted: deque[_Accepted] = deque(maxlen=_ACCEPTED_KEPT)
        self._judged_examples = 0
        self._held_out_count = 0
        self._surprises: dict[str, int] = {}
        self._heads: dict[str, dict[str, Tensor]] = {}
        self._begin_interval()

    @property
    def recipe(self) -> str:
        """How it learns, as text that is the same for the same configuration."""
        return repr(self.trainer.config)

    @property
    def good_examples(self) -> int:
        """Examples that the trainer had seen when the good weights passed; 0 while there are none."""
        return self._accepted[-1].examples if self._accepted else 0

    def good(self) -> Recommender | None:
        """A model of the good weights; None while there are none."""
        return self._model(self._accepted[-1]) if self._accepted else None

    def learn(self, batch: Batch, holdout_B: Tensor) -> tuple[StepReport, Verdict | None]:
        """Scores a batch, learns from what is not held out, and judges where it is time.

        Args:
            held_out_B: True for the examples that are not learned from.

        Returns:
            the report, whose labels are those of all examples, and the judgement if one was made.
        """
        labels_BT = batch.labels_BT
        held_out_B1 = holdout_B.unsqueeze(1)
        masked = replace(
            batch,
            labels_BT=labels_BT.masked_fill(held_out_B1, torch.nan),
            lower_bounds_BT=batch.lower_bounds_BT.masked_fill(held_out_B1, torch.nan),
        )
        since = self.trainer.examples - self._judged_examples
        report = replace(self.trainer.learn(masked), labels_BT=labels_BT)
        if not report.skipped:
            self._follow(report, since)
            if holdout_B.any():
                self._holdout.add(batch.rows(holdout_B))
                self._held_out_count += int(holdout_B.sum())
        seen = self.trainer.examples
        due = seen - self._judged_examples >= (self.config.every if self._judged_examples else self.config.first)
        return report, self._judge() if due else None

    def state_dict(self) -> dict[str, Any]:
        """All that later learning depends on, as copies that `torch.load(weights_only=True)` accepts."""
        return {
            "trainer": self.trainer.state_dict(),
            "held_out": self._holdout.state_dict(),
            "accepted": [
                {
                    "weights": copy.deepcopy(accepted.weights),
                    "examples": accepted.examples,
                    "since": accepted.since,
                    "losses": accepted.losses,
                    "entropies": accepted.entropies,
                    "heads": copy.deepcopy(accepted.heads),
                }
                for accepted in self._accepted
            ],
            "judged_examples": self._judged_examples,
            "held_out_count": self._held_out_count,
            "surprises": dict(self._surprises),
            "heads": copy.deepcopy(self._heads),
            "interval": self._interval_P4T.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a saved state.

        Raises:
            TrainerError: the state comes from other tasks or features, or from another model.
            ValueError: it holds out another number of examples.
        """
        self.trainer.load_state_dict(state["trainer"])
        self._holdout.load_state_dict(state["held_out"])
        self._accepted = deque((_Accepted(**copy.deepcopy(accepted)) for accepted in state["accepted"]), maxlen=_ACCEPTED_KEPT)
        self._judged_examples, self._held_out_count = state["judged_examples"], state["held_out_count"]
        # An earlier release counted for all tasks at once, and had no heads of their own.
        self._surprises = dict(state["surprises"]) if isinstance(state["surprises"], dict) else {}
        self._heads = copy.deepcopy(state.get("heads", {}))
        self._begin_interval()
        if state["interval"].shape == self._interval_P4T.shape:  # an earlier release counted less: its interval starts again
            self._interval_P4T.copy_(state["interval"])

    def _judge(self) -> Verdict:
        trainer = self.trainer
        seen = self._judged_examples = trainer.examples
        holdout = self._holdout.all() if len(self._holdout) else None
        past = self._accepted[0] if self._accepted else None
        held_out_count, self._held_out_count = self._held_out_count, 0
        losses, entropies, surprises = self._end_interval()
        for task in surprises:
            self._surprises[task] = self._surprises.get(task, 0) + 1
        lasting = {task for task, times in self._surprises.items() if times > self.config.patience}
        surprises = {task: found for task, found in surprises.items() if task not in lasting}
        judged = judge(trainer.model, self._model(past) if past else None, holdout, self.config.bounds)
        objections = surprises | {task: found for task, found in judged.objections.items() if task not in surprises}
        passed = judged.tasks.keys() - objections.keys()
        reason = judged.whole or next(
            (found for found in objections.values() if found.reason not in _WAITED_OUT or not passed), None
        )
        tasks = self._fates(passed, objections, refused=reason is not None)
        if reason is None:
            for task in passed:
                self._surprises.pop(task, None)
            if lasting:
                # What was usual in a world that is no more would make this one a surprise again, and what was held out in it
                # would speak against all that is learned of this one.
                self._surprises.clear()
                self._accepted.clear()
                self._holdout.forget(len(self._holdout))
            self._accept(seen, losses, entropies, objections, passed)
            return Verdict(held=tuple(objections.values()), tasks=tasks)
        if past is None or reason.reason in _WAITED_OUT:
            return Verdict(objection=reason, tasks=tasks)
        last = past
        if reason.reason == "surprise":
            # Its labels came since the last judgement, so nothing before is doubtful; held-out ones among them must not judge.
            last = self._accepted[-1]
            self._holdout.forget(held_out_count)
        while self._accepted[-1] is not last:
            self._accepted.pop()
        self._accepted[-1] = replace(last, since=seen)
        trainer.go_back(last.weights, forget=seen - last.since)
        return Verdict(objection=reason, undone=seen - last.since, tasks=tasks)

    def _fates(self, passed: Set[str], objections: Mapping[str, Objection], *, refused: bool) -> dict[str, Fate]:
        at_fault: Fate = "refused" if refused else "held"
        names = [task.name for task in self.trainer.vocabulary.tasks]
        return {name: "passed" if name in passed else at_fault if name in objections else "unjudged" for name in names}

    def _accept(
        self,
        seen: int,
        losses: dict[str, float],
        entropies: dict[str, float],
        objections: Mapping[str, Objection],
        passed: Set[str],
    ) -> None:
        """Makes the weights the good ones; of tasks that did not pass, the head that did last stays.

        One that no labels can judge and that never passed is published as it was learned: nothing speaks against it.
        """
        weights, heads = self.trainer.weights(), dict[str, dict[str, Tensor]]()
        for index, task in enumerate(self.trainer.vocabulary.tasks):
            if task.name in passed:
                self._heads[task.name] = head_of(weights["model"], index)
            elif task.name in self._heads or task.name in objections:
                heads[task.name] = self._heads.get(task.name, {})
        self._accepted.append(
            _Accepted(weights=weights, examples=seen, since=seen, losses=losses, entropies=entropies, heads=heads)
        )

    def _begin_interval(self) -> None:
        self._interval_P4T = torch.zeros(_PARTS, 4, len(self.trainer.vocabulary.tasks), dtype=torch.float64)

    def _follow(self, report: StepReport, since: int) -> None:
        """Counts labels, adds up losses, their squares and the labels, by task; `since` examples came in this interval before."""
        model = self.trainer.model
        losses_BT = prediction_losses(
            report.predictions_BT, report.labels_BT, binary_T=model.binary_T, deviation_T=model.targets.deviation
        ).double()
        known_BT = ~losses_BT.isnan()
        losses_BT = losses_BT.nan_to_num()
        labels_BT = report.labels_BT.double().nan_to_num()
        part = min(_PARTS * since // self.config.every, _PARTS - 1)
        self._interval_P4T[part] += torch.stack((known_BT, losses_BT, losses_BT.square(), labels_BT)).sum(1)

    def _end_interval(self) -> tuple[dict[str, float], dict[str, float], dict[str, Objection]]:
        """Mean progressive losses and entropies of the labels since the last judgement, and objections to those that surprise.

        At a beginning clicks are known and what was passed over is not. Where all labels are of one kind hardly any loss is left:
        to call that usual would make the first labels of the other kind a surprise. Where nearly all are, little is left.
        """
        losses, entropies, found = {}, {}, dict[str, Objection]()
        for index, task in enumerate(self.trainer.vocabulary.tasks):
            whole_4 = self._interval_P4T[:, :, index].sum(0)
            count, total, _, labels = whole_4.tolist()
            if count < self.config.bounds.labels_at_least:
                continue
            if task.kind == "binary":
                entropies[task.name] = _entropy(labels / count)
            if task.kind != "binary" or 0.0 < labels < count:
                losses[task.name] = total / count
            for sums_4 in (whole_4, *self._interval_P4T[:, :, index]):
                if task.name not in found and (surprise := self._surprise(task, sums_4, entropies.get(task.name))) is not None:
                    found[task.name] = surprise
        self._begin_interval()
        return losses, entropies, found

    def _surprise(self, task: Task, sums_4: Tensor, entropy: float | None) -> Objection | None:
        """The objection to an interval, or a part of one, whose labels cost more than usual; `entropy` is the interval's."""
        bounds, (count, total, squares, labels) = self.config.bounds, sums_4.tolist()
        passed = [accepted for accepted in self._accepted if task.name in accepted.losses]
        if count < bounds.labels_at_least or not passed:
            return None
        if entropy is not None:
            entropy = max(entropy, _entropy(labels / count))
        loss = total / count
        usual = fmean(accepted.losses[task.name] * _mixed_more(entropy, accepted.entropies.get(task.name)) for accepted in passed)
        error = math.sqrt(max(squares / count - loss**2, 0.0) / count)
        if loss <= bounds.surprise_at_most * usual or loss - usual <= max(STANDARD_ERRORS * error, LEAST_LOSS):
            return None
        detail = f"progressive loss {loss:.4f} on {count:.0f} new labels, usually {usual:.4f}"
        return Objection(reason="surprise", task=task.name, detail=detail)

    def _model(self, accepted: _Accepted) -> Recommender:
        model = copy.deepcopy(self.trainer.model).requires_grad_(False)
        model.load_state_dict(accepted.weights["model"])
        for index, task in enumerate(self.trainer.vocabulary.tasks):
            if (head := accepted.heads.get(task.name)) is None:
                continue
            if head:
                put_head(model.state_dict(), index, head)
            else:
                begin_head(model, index)
        return model


def _entropy(mean: float) -> float:
    """Of 0 and 1 with this mean, in nats: the log loss of always saying it.

    >>> round(_entropy(0.5), 3), _entropy(0.0)
    (0.693, 0.0)
    """
    return sum(-part * math.log(part) for part in (mean, 1.0 - mean) if part > 0.0)


def _mixed_more(entropy: float | None, usual: float | None) -> float:
    """How many times more mixed labels are than usual, 1 or more: so much more loss is usual (He et al. 2014, section 3)."""
    return max(1.0, entropy / usual) if entropy and usual else 1.0
