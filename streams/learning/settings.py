"""Settings of the learner and of its challenger; read once, at its start."""

from dataclasses import replace
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from training.balancing import BalancingName
from training.model import ModelConfig
from training.release.acceptance import Bounds
from training.release.champion_challenger import ChampionChallengerConfig
from training.release.guard import GuardConfig
from training.trainer import TrainerConfig
from training.trunks import TrunkName

__all__ = ["ChallengerSettings", "LearnerSettings"]


class LearnerSettings(BaseSettings):
    """How the learner learns and publishes; read from HEADWATER_LEARNER_* (the directory from HEADWATER_SNAPSHOT_DIR)."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_LEARNER_", frozen=True, populate_by_name=True)

    snapshot_dir: str = Field(
        default="data/snapshots",
        validation_alias="HEADWATER_SNAPSHOT_DIR",
        description="Where snapshots and the checkpoint lie: a directory or a URL, such as s3://models/headwater.",
    )
    batch_size: int = Field(default=32, ge=1, description="Examples a step; part of what makes two runs equal.")
    seed: int = Field(default=1, description="Of the initial weights and of what is replayed.")
    trunk: TrunkName = Field(default="shared_private", description="Network between features and heads.")
    hidden: tuple[int, ...] = Field(default=(64, 32), description="Widths of its layers, such as [64, 32].")
    experts: int = Field(default=4, ge=1, description="Experts of an MMoE trunk.")
    text_width: int = Field(default=32, ge=1, description="Dimensions that are learned of a text vector.")
    id_rows: int = Field(
        default=0,
        ge=0,
        description="Users and items that can have a learned vector of their own, beside what features tell; each step takes "
        "time by their number. 0: none.",
    )
    id_width: int = Field(default=16, ge=1, description="Dimensions of such a vector.")
    id_days: float = Field(
        default=30.0,
        gt=0,
        description="Days of the examples' time after which a user or item that was not seen loses it.",
    )
    balancing: BalancingName = Field(default="fixed", description="How the losses of tasks become one step.")
    learning_rate: float = Field(default=5e-4, gt=0, description="Of AdamW, for each step.")
    weight_decay: float = Field(default=1e-2, ge=0, description="Of AdamW: how strongly weights are drawn to zero.")
    clip_norm: float = Field(default=1.0, gt=0, description="Gradients are scaled down to this norm.")
    replayed: float = Field(default=2.0, ge=0, description="Recent examples that are learned again beside each new one.")
    seen_as_new: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Part of those that is learned as if the item were new, so that text tells of new ones; 0.1 if they matter.",
    )
    replay_capacity: int = Field(default=16_384, ge=1, description="Examples that are kept to replay from.")
    checkpoint_examples: int = Field(default=4096, ge=1, description="A checkpoint is written after so many examples,")
    checkpoint_seconds: float = Field(default=10.0, gt=0, description="or after so many seconds in which any were learned.")
    first_publish_examples: int = Field(
        default=512, ge=1, description="Examples before weights are first judged, and published if they pass."
    )
    judge_examples: int = Field(default=1024, ge=1, description="Weights are judged after so many examples more.")
    publish_seconds: float = Field(default=10.0, gt=0, description="The last good weights are published at most this often.")
    held_out_share: float = Field(default=0.03, gt=0, lt=1, description="Part of the examples that is judged by, not learned.")
    held_out_examples: int = Field(default=1024, ge=1, description="The latest held-out examples, by which weights are judged.")
    judged_examples: int = Field(default=5000, ge=1, description="The latest predictions that `recent` metrics are about.")
    worse_at_most: float = Field(
        default=1.03,
        gt=1,
        description="Times the last good weights' held-out loss, and that of the mean label, past which weights are rejected.",
    )
    surprise_at_most: float = Field(
        default=1.5,
        gt=1,
        description="Times the usual progressive loss; labels that surprise more are not learned from,",
    )
    surprise_patience: int = Field(default=8, ge=1, description="unless they come for more than so many judgements.")
    calibration_at_most: float = Field(
        default=1.5, gt=1, description="Times that mean prediction and mean label may differ, either way."
    )
    norm_at_most: float = Field(default=2.0, gt=1, description="Times the last good weights' norm.")
    keep_snapshots: int = Field(default=20, ge=2, description="Latest snapshots that are kept, to roll back to.")
    predictions_file: Path | None = Field(
        default=None,
        description="Every prediction made when an item was shown goes here as a JSON line, with its label; grows without bound.",
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.trainer(1)
        self.guard()
        return self

    def trainer(self, text_dimension: int) -> TrainerConfig:
        """What of this concerns the trainer; `text_dimension` is the encoder's."""
        return TrainerConfig(
            model=ModelConfig(
                text_dimension=text_dimension,
                width=self.text_width,
                trunk=self.trunk,
                hidden=self.hidden,
                experts=self.experts,
                id_rows=self.id_rows,
                id_width=self.id_width,
                id_days=self.id_days,
            ),
            balancing=self.balancing,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            clip_norm=self.clip_norm,
            replayed=self.replayed,
            seen_as_new=self.seen_as_new,
            replay_capacity=self.replay_capacity,
        )

    def guard(self) -> GuardConfig:
        """What of this concerns the guard."""
        return GuardConfig(
            share=self.held_out_share,
            capacity=self.held_out_examples,
            first=self.first_publish_examples,
            every=self.judge_examples,
            patience=self.surprise_patience,
            bounds=Bounds(
                worse_at_most=self.worse_at_most,
                surprise_at_most=self.surprise_at_most,
                calibration_at_most=self.calibration_at_most,
                norm_at_most=self.norm_at_most,
            ),
        )


class ChallengerSettings(BaseSettings):
    """What a challenger does otherwise than the champion; read from HEADWATER_CHALLENGER_*. Without any, there is none."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_CHALLENGER_", frozen=True)

    trunk: TrunkName | None = Field(default=None, description="In place of the champion's.")
    hidden: tuple[int, ...] | None = Field(default=None, description="In place of the champion's.")
    experts: int | None = Field(default=None, ge=1, description="In place of the champion's.")
    text_width: int | None = Field(default=None, ge=1, description="In place of the champion's.")
    id_rows: int | None = Field(default=None, ge=0, description="In place of the champion's.")
    id_width: int | None = Field(default=None, ge=1, description="In place of the champion's.")
    id_days: float | None = Field(default=None, gt=0, description="In place of the champion's.")
    balancing: BalancingName | None = Field(default=None, description="In place of the champion's.")
    learning_rate: float | None = Field(default=None, gt=0, description="In place of the champion's.")
    weight_decay: float | None = Field(default=None, ge=0, description="In place of the champion's.")
    clip_norm: float | None = Field(default=None, gt=0, description="In place of the champion's.")
    replayed: float | None = Field(default=None, ge=0, description="In place of the champion's.")
    seen_as_new: float | None = Field(default=None, ge=0, le=1, description="In place of the champion's.")
    promote_better_by: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Promoted automatically once it saves this part of a task's loss and is worse on none; 0: by command alone.",
    )
    promote_after_examples: int = Field(default=20_000, ge=1, description="Examples that the two are compared on.")

    def trainer(self, champion: TrainerConfig) -> TrainerConfig | None:
        """The champion's configuration with what is set here; None where nothing is.

        Raises:
            ValueError: what is set is what the champion has: the two would learn the same.
        """
        chosen = self.model_dump(exclude_none=True, exclude={"promote_better_by", "promote_after_examples"})
        if not chosen:
            return None
        sizes = {"width" if name == "text_width" else name: chosen.pop(name) for name in _SIZES if name in chosen}
        challenger = replace(champion, model=replace(champion.model, **sizes), **chosen)
        if challenger == champion:
            raise ValueError("HEADWATER_CHALLENGER_*: the learner has all that is set there; set what should differ, or nothing")
        return challenger

    def champion_challenger(self) -> ChampionChallengerConfig:
        """What of this concerns promotion."""
        return ChampionChallengerConfig(better_by=self.promote_better_by, after=self.promote_after_examples)


_SIZES = ("trunk", "hidden", "experts", "text_width", "id_rows", "id_width", "id_days")
