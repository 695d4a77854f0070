"""Contest between two ways of learning: a challenger learns what the champion learns, and may take its place."""

import math
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training.batch import Batch
from training.losses import prediction_losses
from training.release.acceptance import STANDARD_ERRORS
from training.release.guard import Guard, Verdict
from training.trainer import StepReport, TrainerError

__all__ = ["ChampionChallenger", "ChampionChallengerConfig", "Comparison", "Taught"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ChampionChallengerConfig:
    """When a challenger is promoted by rule."""

    better_by: float = 0.0
    """Part of the champion's loss by which it must be better on one task, and not worse on any; 0: by command alone."""
    after: int = 20_000
    """Examples that both must have been compared on; comparisons look back about that far."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.better_by < 1.0 or self.after < 1:
            raise ValueError(f"ContestConfig: better_by must be 0 or a part below 1, and after 1 or more, got {self}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Progressive losses of the two on the same labels of one task."""

    labels: float
    champion: float
    challenger: float
    standard_errors: float
    """How many the challenger is better by; negative where it is worse."""

    @property
    def gain(self) -> float:
        """Part of the champion's loss that the challenger saves."""
        return (self.champion - self.challenger) / self.champion if self.champion else 0.0


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Taught:
    """What happened to one batch; reports and judgements are of the one that was champion when it came."""

    report: StepReport
    judgement: Verdict | None
    promoted: bool = False


class ChampionChallenger:
    """One guard, or two that learn the same batches; the champion's good weights are the ones to publish.

    Neither reads the other's state, so what each learns depends on the examples alone, whoever is champion; and so does a
    promotion by rule. The one that was champion learns on as the challenger, and may come back in the same way.
    """

    def __init__(self, first: Guard, second: Guard | None = None, config: ChampionChallengerConfig | None = None) -> None:
        self._guards = [first] if second is None else [first, second]
        self._config = config or ChampionChallengerConfig()
        self._lead = 0
        self.promotions = 0
        """How often the champion has changed."""
        self._begin()

    @property
    def champion(self) -> Guard:
        """The guard whose weights serve."""
        return self._guards[self._lead]

    @property
    def challenger(self) -> Guard | None:
        """The other guard, if there is one."""
        return self._guards[1 - self._lead] if self.has_challenger else None

    @property
    def has_challenger(self) -> bool:
        """Whether there is a challenger."""
        return len(self._guards) == 2

    def learn(self, batch: Batch, holdout_B: Tensor) -> Taught:
        """Lets both score and then learn a batch; see `Guard.learn`."""
        taught = [guard.learn(batch, holdout_B) for guard in self._guards]
        report, judgement = taught[self._lead]
        if not self.has_challenger:
            return Taught(report=report, judgement=judgement)
        self._compare(report, taught[1 - self._lead][0])
        promoted = self._examples >= self._config.after and self._is_better()
        if promoted:
            self.promote()
        return Taught(report=report, judgement=judgement, promoted=promoted)

    def comparisons(self) -> dict[str, Comparison]:
        """By task, over about the last `after` examples; only tasks that had labels."""
        found = {}
        tasks = self.champion.trainer.vocabulary.tasks
        for task, (labels, champion, challenger, squares) in zip(tasks, self._sums_4T.T.tolist(), strict=True):
            if labels >= 2.0:
                mean = (champion - challenger) / labels
                error = math.sqrt(max(squares / labels - mean**2, 0.0) / labels)
                found[task.name] = Comparison(
                    labels=labels,
                    champion=champion / labels,
                    challenger=challenger / labels,
                    standard_errors=mean / error if error else 0.0,
                )
        return found

    def promote(self) -> bool:
        """Lets champion and challenger change places; False, and nothing, where no challenger has good weights."""
        if self.challenger is None or not self.challenger.good_examples:
            return False
        self._lead = 1 - self._lead
        self.promotions += 1
        self._begin()
        return True

    def state_dict(self) -> dict[str, Any]:
        """All that later learning depends on, as copies that `torch.load(weights_only=True)` accepts."""
        return {
            "guards": [{"recipe": guard.recipe, "state": guard.state_dict()} for guard in self._guards],
            "lead": self._lead,
            "promotions": self.promotions,
            "examples": self._examples,
            "sums": self._sums_4T.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a saved state.

        Each guard takes up what was saved of its own recipe, so that settings may follow a promotion. The first takes up the
        saved champion where there is none of its recipe; a challenger of a new recipe begins.

        Raises:
            TrainerError: what the first takes up comes from other tasks or features, or from another model.
        """
        saved = {one["recipe"]: one["state"] for one in state["guards"]}
        first, *others = self._guards
        champion = state["guards"][state["lead"]]
        try:
            first.load_state_dict(saved.get(first.recipe, champion["state"]))
        except TrainerError as error:
            raise TrainerError(f"{error}{_differences(champion['recipe'], first.recipe)}") from error
        for other in others:
            if other.recipe in saved:
                other.load_state_dict(saved[other.recipe])
        self._begin()
        self._lead, self.promotions = 0, state["promotions"]
        if [guard.recipe for guard in self._guards] == [one["recipe"] for one in state["guards"]]:
            self._lead, self._examples, self._sums_4T = state["lead"], state["examples"], state["sums"].clone()

    def _begin(self) -> None:
        self._examples = 0
        self._sums_4T = torch.zeros(4, len(self.champion.trainer.vocabulary.tasks), dtype=torch.float64)

    def _compare(self, champion: StepReport, challenger: StepReport) -> None:
        """Adds up labels, both losses and squared differences by task, with the past fading."""
        if champion.skipped or challenger.skipped:
            return
        model = self.champion.trainer.model
        scale = {"binary_T": model.binary_T, "deviation_T": model.targets.deviation}
        reports = (champion, challenger)
        losses_2BT = torch.stack([prediction_losses(one.predictions_BT, one.labels_BT, **scale) for one in reports])
        known_BT = ~losses_2BT[0].isnan()
        mine_BT, theirs_BT = losses_2BT.nan_to_num().double()
        sums_4T = torch.stack((known_BT.double(), mine_BT, theirs_BT, (mine_BT - theirs_BT).square())).sum(1)
        self._sums_4T.mul_(1.0 - len(known_BT) / max(self._config.after, len(known_BT))).add_(sums_4T)
        self._examples += len(known_BT)

    def _is_better(self) -> bool:
        if not self._config.better_by:
            return False
        found = self.comparisons().values()
        gained = any(one.gain > self._config.better_by and one.standard_errors > STANDARD_ERRORS for one in found)
        return gained and not any(one.standard_errors < -STANDARD_ERRORS for one in found)


def _differences(saved: str, mine: str) -> str:
    """What two recipes say differently, and what to do; nothing where they are the same.

    >>> _differences("ModelConfig(width=32, trunk='mmoe')", "ModelConfig(width=32, trunk='separate')")[:67]
    ". It was learned with trunk='mmoe', this learner has trunk='separat"
    """
    were, are = (dict(re.findall(r"(\w+)=(\([^()]*\)|[^,()]+)", recipe)) for recipe in (saved, mine))
    names = [name for name in are if name in were and were[name] != are[name]]
    if not names:
        return ""
    old, new = (", ".join(f"{name}={recipe[name]}" for name in names) for recipe in (were, are))
    return (
        f". It was learned with {old}, this learner has {new}: set that as it was, and let a challenger learn the new way "
        "(docs/upgrades.md, Another trunk)"
    )
