"""Settings of the stream workers; each process reads them once, at its start."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["CatalogueSettings", "WorkerSettings"]


class WorkerSettings(BaseSettings):
    """What every worker needs; read from HEADWATER_WORKER_* (the metrics port from HEADWATER_METRICS_PORT)."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_WORKER_", frozen=True, populate_by_name=True)

    metrics_host: str = Field(default="127.0.0.1", description="Address that /metrics, /healthz and /livez listen on.")
    metrics_port: int = Field(
        default=9100,
        ge=0,
        le=65535,
        validation_alias="HEADWATER_METRICS_PORT",
        description="Port of /healthz, /livez and /metrics.",
    )
    batch_size: int = Field(
        default=4000,
        ge=1,
        description="Records that are folded and written together at most. The catalogue's worker and the learner, which take "
        "longer for each, hold fewer at once.",
    )
    batch_within_seconds: float = Field(default=0.02, gt=0, description="How long a batch waits for more records.")
    fetch_wait_seconds: float = Field(default=0.05, gt=0, description="How long a fetch may wait at the broker for records.")
    cached_rows: int = Field(default=50_000, ge=1, description="User rows, and item rows, that are kept in memory.")
    session_timeout_seconds: float = Field(
        default=10.0, gt=0, description="A worker that is silent for longer loses its partitions to others."
    )
    commit_interval_seconds: float = Field(
        default=0.5, gt=0, description="How often offsets are committed; a restart reads again what came after."
    )
    ready_timeout_seconds: float = Field(default=120.0, gt=0, description="How long the start waits for the items to be read.")
    stall_seconds: float = Field(default=10.0, gt=0, description="Unhealthy when records wait and none was finished for so long.")
    exit_seconds: float = Field(
        default=120.0, gt=0, description="The worker ends itself when it has stood still for so long and a restart may help."
    )

    lost_records: Literal["stop", "continue"] = Field(
        default="stop",
        description="What a worker does when retention deleted records before it read them: stop and say how many of what time, "
        "or count them and go on with what is left.",
    )

    def holding(self, most: int) -> "WorkerSettings":
        """The same with batches of at most so many records, for a worker that takes milliseconds for each: a batch of the usual
        size would look as if it stood still."""
        return self.model_copy(update={"batch_size": min(self.batch_size, most)})


class CatalogueSettings(BaseSettings):
    """What the catalogue worker encodes with; read from HEADWATER_*."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_", frozen=True)

    cache_dir: Path = Field(default=Path("data/cache"), description="Holds the vectors of texts encoded before.")
    encoder_threads: int = Field(default=1, ge=1, description="CPU threads that encoding may take.")
