"""Server's settings; read once, from HEADWATER_SERVER_* and the few names that all processes share."""

from pathlib import Path
from typing import Self

from pydantic import AliasChoices, Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["ServerSettings"]


def _shared(name: str) -> AliasChoices:
    """A setting that every process knows by one name, which the server's own name overrides."""
    return AliasChoices(f"HEADWATER_SERVER_{name}", f"HEADWATER_{name}")


class ServerSettings(BaseSettings):
    """How the gRPC server listens, what bounds its work, and where its model comes from."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_SERVER_", frozen=True, populate_by_name=True)

    host: str = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(default=50051, ge=0, le=65535, description="gRPC port; 0 takes a free one.")
    processes: int = Field(
        default=1, ge=1, description="Server processes, one a core; they share the port and the texts' vectors."
    )
    metrics_port: int = Field(
        default=9100,
        ge=0,
        le=65535,
        validation_alias=_shared("METRICS_PORT"),
        description="Port of /healthz, /readyz, /livez and /metrics.",
    )
    snapshot_dir: str = Field(
        default="data/snapshots",
        validation_alias=_shared("SNAPSHOT_DIR"),
        description="Where the learner publishes: a directory or a URL, such as s3://models/headwater.",
    )
    tls_certificate: Path | None = Field(default=None, description="PEM file of the certificate chain; without it, no TLS.")
    tls_key: Path | None = Field(default=None, description="PEM file of the certificate's key.")
    tls_client_ca: Path | None = Field(
        default=None, description="PEM file of the authority of clients' certificates; with it, a client needs one (mutual TLS)."
    )
    tokens_file: Path | None = Field(
        default=None, description="TOML file of the clients' hashed tokens (serving/api/tokens.py); without it, anyone may call."
    )
    reflection: bool = Field(default=True, description="Tell grpcurl and its like which methods there are.")
    snapshot_poll_seconds: float = Field(default=1.0, gt=0, description="How often to look for a new snapshot.")
    max_candidates: int = Field(default=1000, ge=1, description="Items that one Score may name.")
    candidate_pool: int = Field(default=500, ge=1, description="Items that one Recommend scores, and the most it returns.")
    max_events: int = Field(default=1000, ge=1, description="Events that one RecordEvents may carry.")
    max_in_flight: int = Field(
        default=1000,
        ge=1,
        description="Requests that may be answered or wait for their turn at once; more are refused, and so is one whose turn "
        "would come too late for its deadline.",
    )
    retry_megabytes: int = Field(
        default=64,
        ge=0,
        description="Memory of each process for the recommendations of the last ten minutes, which answer retries of the "
        "same request_id; 64 hold some 30,000 lists of ten items. When it is full, the oldest are forgotten.",
    )
    max_context_characters: int = Field(default=4000, ge=1, description="Length of the context text that a request may carry.")
    default_deadline_seconds: float = Field(default=1.0, gt=0, description="Time for a request that sets no deadline.")
    store_timeout_seconds: float = Field(
        default=0.25,
        gt=0,
        description="After it the answer goes without the user's row; a hanging store stops a process once for as long.",
    )
    context_timeout_seconds: float = Field(default=0.1, gt=0, description="After it the answer goes without the context text.")
    impression_queue: int = Field(default=1000, ge=1, description="Lists whose impressions may wait; more are dropped, counted.")
    scoring_threads: int = Field(
        default=1, ge=1, description="Threads that make lists, and score where much is to be done; with several, all scores."
    )
    compute_threads: int = Field(default=1, ge=1, description="Threads within one matrix product, of PyTorch and of NumPy.")
    drain_notice_seconds: float = Field(
        default=1.0, ge=0, description="Time at shutdown in which health says NOT_SERVING and requests are still answered."
    )
    drain_seconds: float = Field(default=10.0, ge=0, description="Time that requests in flight then have to end.")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("HEADWATER_SERVER_TLS_CERTIFICATE and HEADWATER_SERVER_TLS_KEY go together: set both, or neither")
        if self.tls_client_ca is not None and self.tls_certificate is None:
            raise ValueError("HEADWATER_SERVER_TLS_CLIENT_CA needs TLS: set HEADWATER_SERVER_TLS_CERTIFICATE and _KEY, too")
        return self
