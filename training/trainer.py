"""Learning from the stream: each batch is scored, then learned from, and nothing else changes the weights."""

import copy
import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from feature_repo.vocabulary import Vocabulary
from runtime.errors import UserError
from training.balancing import BalancingName, build_balancing
from training.batch import Batch, concatenate
from training.censoring import completed
from training.losses import task_losses
from training.model import ModelConfig, Recommender
from training.new_items import NewItems
from training.replay import Replay

__all__ = ["StepReport", "Trainer", "TrainerConfig", "TrainerError"]


class TrainerError(UserError, ValueError):
    """A saved state that this trainer cannot take up; the message says what differs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainerConfig:
    """How the model learns."""

    model: ModelConfig = field(default_factory=ModelConfig)
    balancing: BalancingName = "fixed"
    learning_rate: float = 5e-4
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    replayed: float = 2.0
    """Recent examples learned again beside each new one."""
    seen_as_new: float = 0.0
    """Part of the replayed examples that are learned as if nothing had been done with their items yet (DropoutNet)."""
    replay_capacity: int = 16_384
    """How many of the last examples are kept to replay from; they are part of every checkpoint."""

    def __post_init__(self) -> None:
        for name in ("learning_rate", "clip_norm"):
            if not (math.isfinite(value := getattr(self, name)) and value > 0):
                raise ValueError(f"TrainerConfig: {name} must be a positive number, not {value}")
        if not 0.0 <= self.seen_as_new <= 1.0:
            raise ValueError(f"TrainerConfig: seen_as_new must lie between 0 and 1, not {self.seen_as_new}")
        if self.replay_capacity < 1 or self.replayed < 0 or self.weight_decay < 0:
            raise ValueError(f"TrainerConfig: replay_capacity must be 1 or more, replayed and weight_decay 0 or more, got {self}")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class StepReport:
    """What happened to one batch."""

    predictions_BT: Tensor
    """Made before learning: probabilities for binary tasks, training space for others (see `Recommender.expectation`)."""
    answers_BT: Tensor
    """What a server with these weights would have answered, on the scale of the labels (see `Recommender.answers`)."""
    labels_BT: Tensor
    losses_T: Tensor
    """Losses that were descended, replayed examples included."""
    gradient_norm: float
    """Before clipping; NaN if the batch was skipped."""
    skipped: bool
    """True where a loss or gradient was not finite: the batch was scored but nothing learned."""


class Trainer:
    """Learns a `Recommender` from batches in order.

    The same config, vocabulary, seed and batches give the same weights bit for bit, on one machine and number of threads,
    also across `state_dict` and `load_state_dict`.
    """

    def __init__(self, config: TrainerConfig, vocabulary: Vocabulary, *, seed: int) -> None:
        self.config, self.vocabulary = config, vocabulary
        # The initial weights come from torch's global generator; forking leaves it as it was for everyone else.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.model = Recommender(config.model, vocabulary)
        self._balancing = build_balancing(config.balancing, vocabulary.tasks)
        groups: list[dict[str, Any]] = [{"params": list(self.model.parameters())}]
        if weighed := list(self._balancing.parameters()):
            # A handful of numbers that the whole loss hangs on: they find their place faster than weights, and have no home at 0.
            groups.append({"params": weighed, "lr": 10 * config.learning_rate, "weight_decay": 0.0})
        self._optimizer = torch.optim.AdamW(
            groups, lr=config.learning_rate, weight_decay=config.weight_decay, betas=(0.9, 0.99), fused=True
        )
        self._own = list(self.model.heads.parameters())
        self._shared = [parameter for name, parameter in self.model.named_parameters() if not name.startswith("heads.")]
        self._replay = Replay(capacity=config.replay_capacity, seed=seed)
        self._new_items = NewItems(vocabulary)
        self.examples = 0
        """Examples learned from, replays not counted."""
        self.batches = 0
        """Batches learned from."""
        self.skipped = 0
        """Batches that were skipped because a loss or gradient was not finite."""

    def learn(self, batch: Batch) -> StepReport:
        """Scores a batch with the weights as they are, then learns from it.

        A batch whose loss or gradient is not finite leaves weights, statistics and replay as they were.

        Raises:
            ValueError: the batch is empty.
        """
        if not len(batch):
            raise ValueError("Trainer.learn: the batch is empty; give at least one example")
        first = not self.batches
        scored_BT = self._score_first(batch) if first else None
        mixed = self._with_replayed(batch)
        outputs_BT = self.model(mixed)
        # Weights change only below, so these outputs serve as the score too: that saves a forward pass.
        scored_BT = outputs_BT[: len(batch)].detach() if scored_BT is None else scored_BT
        predictions_BT, answers_BT = self.model.expectation(scored_BT), self.model.answers(scored_BT)
        losses_T = self._losses(outputs_BT, mixed)
        known_T = (~(mixed.labels_BT.isnan() & mixed.lower_bounds_BT.isnan())).float().mean(0)
        norm = self._descend(losses_T, known_T)
        skipped = not math.isfinite(norm)
        if skipped:
            self.skipped += 1
        else:
            self.batches += 1
            self.examples += len(batch)
            self._replay.add(batch)
            self._balancing.observe(losses_T.detach(), known_T)
            if not first:
                self.model.observe(batch)
                labels_BT = completed(scored_BT, batch.labels_BT, batch.lower_bounds_BT, self.model.targets.deviation)
                self.model.calibration.observe(scored_BT, labels_BT)
        return StepReport(
            predictions_BT=predictions_BT,
            answers_BT=answers_BT,
            labels_BT=batch.labels_BT,
            losses_T=losses_T.detach(),
            gradient_norm=norm,
            skipped=skipped,
        )

    def state_dict(self) -> dict[str, Any]:
        """All that later learning depends on, as copies that `torch.load(weights_only=True)` accepts."""
        return {
            "fingerprint": self.vocabulary.fingerprint,
            **self.weights(),
            "replay": self._replay.state_dict(),
            "examples": self.examples,
            "batches": self.batches,
            "skipped": self.skipped,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a saved state.

        Raises:
            TrainerError: the state comes from other tasks or features, another model or another replay capacity.
        """
        if state["fingerprint"] != self.vocabulary.fingerprint:
            raise TrainerError(
                f"the checkpoint was learned with vocabulary {state['fingerprint']:08x}, this trainer has "
                f"{self.vocabulary.fingerprint:08x}: restore its tasks file, or remove the checkpoint to learn afresh"
            )
        try:
            self.model.load_state_dict(state["model"])
            self._balancing.load_state_dict(state["balancing"])
            self._replay.load_state_dict(state["replay"])
        except (RuntimeError, ValueError) as error:
            reason = str(error).partition("\n")[0]  # PyTorch goes on for a page
            raise TrainerError(f"the checkpoint does not fit this trainer's configuration ({reason})") from error
        self._optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
        self.examples, self.batches, self.skipped = state["examples"], state["batches"], state["skipped"]

    def weights(self) -> dict[str, Any]:
        """What learning has made, without what it was made from: model, balancing and optimizer, as copies."""
        return {
            "model": {name: tensor.clone() for name, tensor in self.model.state_dict().items()},
            "balancing": {name: tensor.clone() for name, tensor in self._balancing.state_dict().items()},
            "optimizer": copy.deepcopy(self._optimizer.state_dict()),
        }

    def go_back(self, weights: dict[str, Any], *, forget: int) -> None:
        """Takes up earlier `weights` again, and forgets the last `forget` examples, so that none of them is replayed."""
        self.model.load_state_dict(weights["model"])
        self._balancing.load_state_dict(weights["balancing"])
        self._optimizer.load_state_dict(copy.deepcopy(weights["optimizer"]))
        self._replay.forget(forget)

    @torch.no_grad()
    def _score_first(self, batch: Batch) -> Tensor:
        """Outputs of the untrained model, which then sees the scale of features and labels before its first step."""
        outputs_BT: Tensor = self.model(batch)
        if self._losses(outputs_BT, batch).isfinite().all():
            self.model.observe(batch)
        return outputs_BT

    def _with_replayed(self, batch: Batch) -> Batch:
        count = round(len(batch) * self.config.replayed)
        if not count or not len(self._replay):
            return batch
        replayed = self._replay.sample(count)
        if new := round(count * self.config.seen_as_new):
            # Samples come in random order, so the first are as good as any.
            x_BF = replayed.x_BF.clone()
            x_BF[:new] = self._new_items(x_BF[:new], self.model.targets.mean)
            replayed = replace(replayed, x_BF=x_BF)
        return concatenate(batch, replayed)

    def _losses(self, outputs_BT: Tensor, batch: Batch) -> Tensor:
        return task_losses(
            outputs_BT,
            batch.labels_BT,
            batch.lower_bounds_BT,
            binary_T=self.model.binary_T,
            deviation_T=self.model.targets.deviation,
        )

    def _descend(self, losses_T: Tensor, known_T: Tensor) -> float:
        """Takes one step and returns the gradient's norm before clipping; NaN, and no step, if it or a loss is not finite."""
        if not losses_T.isfinite().all():
            return math.nan
        self._optimizer.zero_grad()
        self._balancing.backward(losses_T, known_T, shared=self._shared, own=self._own)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
        if not norm.isfinite():
            return math.nan
        self._optimizer.step()
        return float(norm)
