"""Owns the settings of the learner; read once, at its start."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from training.guard import GuardConfig
from training.judge import Bounds

__all__ = ["LearnerSettings"]


class LearnerSettings(BaseSettings):
    """How the learner learns and publishes; read from HEADWATER_LEARNER_* (the directory from HEADWATER_SNAPSHOT_DIR)."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_LEARNER_", frozen=True, populate_by_name=True)

    snapshot_dir: str = Field(
        default="data/snapshots",
        validation_alias="HEADWATER_SNAPSHOT_DIR",
        description="Where snapshots and the checkpoint lie: a directory or a URL, such as s3://models/headwater.",
    )
    batch_size: int = Field(default=32, ge=1, description="Examples a step; part of what makes two runs equal.")
    seed: int = Field(default=1)
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
    keep_snapshots: int = Field(default=20, ge=2)
    predictions_file: Path | None = Field(
        default=None, description="Every prediction made before learning goes here as a JSON line; grows without bound."
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
