"""Recommender: text adapter, attention over the user's history, shared trunk, one small head per task.

Shape suffixes are listed in training/batch.py.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from feature_repo.vocabulary import Vocabulary
from training.batch import Batch
from training.calibration import Calibration
from training.ids import IdEmbedding
from training.moments import RunningMoments
from training.trunks import TrunkName, build_trunk

__all__ = ["Attention", "Heads", "ModelConfig", "Recommender"]

_OLDEST_LOG_SECONDS = 30.0
"""Of a history's ages: all that there are lie below, a forged one may not."""
_MOST_DEVIATIONS = 20.0
"""Of a served prediction from the mean label: one that lies beyond was not made by a model."""

_OF_A_PAST = (
    *("user_silence_log", "user_session_log", "user_day_log", "user_tenure_log", "user_impressions_log"),
    *("text_nearest", "text_mean", "category_overlap"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Sizes of the model; kept in every snapshot, from which the model is rebuilt."""

    text_dimension: int = 384
    """Dimensions D of the encoder's vectors."""
    width: int = 32
    """Dimensions E that the adapter keeps of a text vector."""
    trunk: TrunkName = "shared_private"
    hidden: tuple[int, ...] = (64, 32)
    """Widths of the trunk's layers (of each network's, where a trunk has several)."""
    experts: int = 4
    """Experts of an MMoE; unused by the other trunks."""
    id_rows: int = 0
    """Users and items that can have a learned vector of their own, see `training.ids`; 0 for none."""
    id_width: int = 16
    """Dimensions of such a vector."""
    id_days: float = 30.0
    """Days after which the vector of a user or item that was not seen is forgotten."""

    def __post_init__(self) -> None:
        if self.id_rows < 0 or self.id_width < 1 or not self.id_days > 0:
            raise ValueError(f"ModelConfig: id_rows must be 0 or more, id_width 1 or more and id_days positive, got {self}")
        if not self.hidden or min(self.text_dimension, self.width, self.experts, *self.hidden) < 1:
            raise ValueError(f"ModelConfig: every size must be 1 or more and `hidden` not empty, got {self}")


class Attention(nn.Module):
    """Attends from the item to the user's history: which of the things this user judged are like this one?

    Scaled dot product (Vaswani et al., 2017, eq. 1) over adapted text, plus a learned term in the values (recency, liking).
    """

    def __init__(self, width: int, values: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.tensor(4.0))
        self.value_bias = nn.Linear(values, 1, bias=False)
        nn.init.zeros_(self.value_bias.weight)

    def forward(self, query_BE: Tensor, keys_BNE: Tensor, values_BNS: Tensor, mask_BN: Tensor) -> tuple[Tensor, Tensor]:
        """Attended text (B, E) and attended values (B, S); zeros for an empty history.

        A history of all alike comes once, with a first dimension of 1: two matrix products then serve every item.
        """
        if len(keys_BNE) == 1:
            keys_NE, values_NS = keys_BNE[0], values_BNS[0]
            scores_BN = self.temperature * (query_BE @ keys_NE.T) + self.value_bias(values_NS).squeeze(1)
            weights_BN = scores_BN.masked_fill(~mask_BN, -1e4).softmax(dim=1) * mask_BN
            return weights_BN @ keys_NE, weights_BN @ values_NS
        scores_BN = self.temperature * (keys_BNE @ query_BE.unsqueeze(2)).squeeze(2) + self.value_bias(values_BNS).squeeze(2)
        # A finite floor, not -inf: a row that is masked throughout would turn into NaN.
        weights_BN = scores_BN.masked_fill(~mask_BN, -1e4).softmax(dim=1) * mask_BN
        weights_B1N = weights_BN.unsqueeze(1)
        return (weights_B1N @ keys_BNE).squeeze(1), (weights_B1N @ values_BNS).squeeze(1)


class Heads(nn.Module):
    """One linear head per task over its hidden state, and a skip path over the plain features.

    The skip path starts at the task's own `expected` feature (item mean plus user bias), and the hidden path at zero, so
    that the first predictions are already sensible and the trunk learns what the counters cannot say.
    """

    def __init__(self, hidden: int, skip: int, *, expected: tuple[int, ...]) -> None:
        super().__init__()
        tasks = len(expected)
        self.weight_TH = nn.Parameter(torch.zeros(tasks, hidden))
        self.skip = nn.Linear(skip, tasks)
        nn.init.zeros_(self.skip.weight)
        nn.init.zeros_(self.skip.bias)
        with torch.no_grad():
            self.skip.weight[range(tasks), list(expected)] = 0.5

    def forward(self, h_BTH: Tensor, skip_BK: Tensor) -> Tensor:
        """One number for each task, (B, T): logits, or values in standard deviations from the mean."""
        outputs: Tensor = (h_BTH * self.weight_TH).sum(2) + self.skip(skip_BK)
        return outputs


class Recommender(nn.Module):
    """Scores items for users on every declared task.

    `forward` leaves the state alone; what it knows beside its weights changes only by `observe`.
    """

    binary_T: Tensor
    kept_log_T: Tensor
    at_once_T: Tensor
    of_past_F: Tensor

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config, self.vocabulary = config, vocabulary
        tasks, features = len(vocabulary.tasks), len(vocabulary.features)
        expected = tuple(vocabulary.features.index(f"{task.name}:expected") for task in vocabulary.tasks)
        self.register_buffer("binary_T", torch.tensor([task.kind == "binary" for task in vocabulary.tasks]), persistent=False)
        kept_log_T = torch.tensor([math.log(task.keep_negatives) for task in vocabulary.tasks])
        self.register_buffer("kept_log_T", kept_log_T, persistent=False)
        at_once_T = torch.tensor([task.late == "correct" for task in vocabulary.tasks])
        self.register_buffer("at_once_T", at_once_T, persistent=False)
        of_past = {*_OF_A_PAST, *(f"{task.name}:user_count_log" for task in vocabulary.tasks)}
        self.register_buffer("of_past_F", torch.tensor([name in of_past for name in vocabulary.features]), persistent=False)
        self._user_known = vocabulary.features.index("user_known")
        places = {task.name: at for at, task in enumerate(vocabulary.tasks)}
        self._givens = [(places[task.name], places[task.given]) for task in vocabulary.tasks if task.given is not None]
        self.features = RunningMoments(features, winsorised=True)
        self.targets = RunningMoments(tasks)
        self.adapter = nn.Linear(config.text_dimension, config.width, bias=False)
        if config.width <= config.text_dimension:
            # Orthogonal rows of this length keep the cosine of two texts, on average, as their dot product.
            nn.init.orthogonal_(self.adapter.weight, gain=math.sqrt(config.text_dimension / config.width))
        self.attention = Attention(config.width, tasks + 1)
        self.ids = IdEmbedding(config.id_rows, config.id_width, days=config.id_days) if config.id_rows else None
        skip, inputs = features + tasks + 1, 3 * config.width + (3 * config.id_width if config.id_rows else 0)
        self.trunk = build_trunk(config.trunk, skip + inputs, config.hidden, tasks=tasks, experts=config.experts)
        self.heads = Heads(config.hidden[-1], skip, expected=expected)
        self.calibration = Calibration(vocabulary.tasks)

    def forward(self, batch: Batch) -> Tensor:
        """Outputs (B, T) in training space: a logit for a binary task, log1p seconds for a duration, else the value itself.

        The head of a task with a `given` says how likely it is where the given one happens; its output is the logit of the
        product, which is what an impression labels (entire-space multi-task model, Ma et al., SIGIR 2018, eq. 2 and 3).
        """
        x_BF = self.features(self.visible(batch.x_BF))
        text_VE = self.adapter(batch.vectors_VD)
        item_BE = text_VE[batch.item_B]
        history_BNE = text_VE[batch.history_BN]
        taste_BE, opinion_BS = self.attention(item_BE, history_BNE, self._scaled(batch.history_values_BNS), batch.history_mask_BN)
        skip_BK = torch.cat((x_BF, opinion_BS), dim=1)
        met = [skip_BK, item_BE, taste_BE, item_BE * taste_BE]
        if self.ids is not None:
            met.append(self.ids(batch.ids_B3))
        h_BTH = self.trunk(torch.cat(met, dim=1))
        return self._joint(self._anchored(self.heads(h_BTH, skip_BK)))

    @torch.inference_mode()
    def predict(self, batch: Batch) -> Tensor:
        """Calibrated predictions (B, T) in the tasks' own units: a probability, seconds (0 or more), or the value."""
        return self.in_units(self(batch))

    def in_units(self, outputs_BT: Tensor) -> Tensor:
        """Outputs in the tasks' own units, as `predict` gives them.

        `expectation` speaks of what was learned from, this of all that is shown. Where only a part w of a task's negatives was
        learned from, log w is added to its logit (He et al., ADKDD 2014, section 6.3). Where every impression was learned as a
        negative, and as a positive too should one come, the odds that were learned are the chance (Ktena et al., RecSys 2019,
        section 4.2: fake negative calibration).
        """
        logits_BT = self.calibration(outputs_BT) + self.kept_log_T
        chances_BT = torch.where(self.at_once_T, logits_BT.clamp_max(0.0).exp(), logits_BT.sigmoid())
        expected_BT = torch.where(self.binary_T, chances_BT, outputs_BT)
        return torch.where(self.calibration.duration_T, self.calibration.seconds(outputs_BT), expected_BT)

    def expectation(self, outputs_BT: Tensor) -> Tensor:
        """Outputs on the scale of the labels that are learned from: calibrated probabilities, other outputs as they are."""
        return torch.where(self.binary_T, self.calibration(outputs_BT).sigmoid(), outputs_BT)

    def answers(self, outputs_BT: Tensor) -> Tensor:
        """What a server would answer, on the scale of the labels that are learned from."""
        return self.on_label_scale(self.in_units(outputs_BT))

    def on_label_scale(self, values_BT: Tensor) -> Tensor:
        """Predictions in units on the scale of the labels that are learned from: chances among these, and log1p of seconds."""
        chances_BT = values_BT.clamp(1e-7, 1.0 - 1e-7)
        logits_BT = torch.where(self.at_once_T, chances_BT.log(), chances_BT.logit()) - self.kept_log_T
        values_BT = torch.where(self.calibration.duration_T, values_BT.clamp_min(0.0).log1p(), values_BT)
        margin_T = _MOST_DEVIATIONS * self.targets.deviation
        values_BT = values_BT.clamp(self.targets.mean - margin_T, self.targets.mean + margin_T)
        return torch.where(self.binary_T, logits_BT.sigmoid(), values_BT)

    def observe(self, batch: Batch) -> None:
        """Folds a batch into the model's statistics of features and labels, and into the list of ids that have a vector."""
        self.features.observe(self.visible(batch.x_BF))
        self.targets.observe(batch.labels_BT)
        if self.ids is not None:
            self.ids.observe(batch.ids_B3)

    def visible(self, x_BF: Tensor) -> Tensor:
        """Features (B, F), of which those of a user's past are unknown, NaN, where there is no event of the user.

        They are 0 there, which is far from what they are for all others: what a model makes of that is chance. Unknown ones
        count as usual.
        """
        new_B1 = x_BF[:, self._user_known, None] == 0.0
        return x_BF.masked_fill(new_B1 & self.of_past_F, torch.nan)

    def _anchored(self, outputs_BT: Tensor) -> Tensor:
        """Moves outputs from "standard deviations from usual" to training space; usual is the running mean of the labels."""
        targets = self.targets
        usual_T = ((targets.mean * targets.count + 1.0) / (targets.count + 2.0)).clamp(1e-4, 1 - 1e-4)
        if self._givens:
            tasks, givens = zip(*self._givens, strict=True)
            usual_T[list(tasks)] = (usual_T[list(tasks)] / usual_T[list(givens)]).clamp(1e-4, 1 - 1e-4)
        return torch.where(self.binary_T, outputs_BT + usual_T.logit(), outputs_BT * targets.deviation + targets.mean)

    def _joint(self, outputs_BT: Tensor) -> Tensor:
        """Turns the logits of tasks that are given others into those of both together."""
        if not self._givens:
            return outputs_BT
        columns = list(outputs_BT.unbind(1))
        for task, given in self._givens:
            # Parents come first, so `given` is a product already where it has a parent of its own.
            log_chance_B = (F.logsigmoid(columns[task]) + F.logsigmoid(columns[given])).clamp_max(-1e-6)
            columns[task] = log_chance_B - (-log_chance_B.expm1()).log()
        return torch.stack(columns, dim=1)

    def _scaled(self, values_BNS: Tensor) -> Tensor:
        """Residuals in standard deviations of their task's labels, within 5; log1p of age, within 30, in tens."""
        residuals_BNT = (values_BNS[..., :-1] / self.targets.deviation).clamp(-5.0, 5.0)
        ages_BN1 = values_BNS[..., -1:].clamp(0.0, _OLDEST_LOG_SECONDS) / 10.0
        return torch.cat((residuals_BNT, ages_BN1), dim=2).nan_to_num()
