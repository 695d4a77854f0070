"""Settings of the online store and of the tasks file."""

from pathlib import Path
from typing import Literal

from pydantic import Field, RedisDsn
from pydantic_settings import BaseSettings, SettingsConfigDict

from feature_repo.tasks import load_tasks
from feature_repo.vocabulary import Vocabulary

__all__ = ["FeatureSettings", "StoreSettings"]

_DAY = 86_400


class StoreSettings(BaseSettings):
    """Where feature rows live; read from HEADWATER_STORE_*."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_STORE_", frozen=True, hide_input_in_errors=True)

    kind: Literal["sqlite", "redis"] = Field(default="sqlite", description="SQLite for one machine, Redis for more.")
    directory: Path = Field(default=Path("data/store"), description="Holds the Feast registry and, for SQLite, the rows.")
    redis_url: RedisDsn = Field(default=RedisDsn("redis://127.0.0.1:6379/0"), description="Used where kind is redis.")
    redis_timeout_seconds: float = Field(default=0.5, gt=0, description="A call that takes longer counts as failed.")
    user_ttl_seconds: float = Field(
        default=180 * _DAY, gt=0, description="A user's row whose newest event is older than this is treated as absent."
    )


class FeatureSettings(BaseSettings):
    """What is predicted and so counted, and of which items; read from HEADWATER_*."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_", frozen=True)

    tasks_file: Path = Field(default=Path("tasks.toml"), description="TOML file that declares the tasks.")
    encoder_mismatch_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Part of the items that a process starts without, because the log holds only another encoder's vectors of "
        "them; while there are more, it waits.",
    )

    def vocabulary(self) -> Vocabulary:
        """Names and order of all counters and features; raises TasksError for a file that cannot be used."""
        return Vocabulary(load_tasks(self.tasks_file))
