"""Console's settings; read once, from HEADWATER_CONSOLE_* and the few names that all processes share."""

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["ConsoleSettings"]


class ConsoleSettings(BaseSettings):
    """Where the page is served, what it looks at, and whether it may send events."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_CONSOLE_", frozen=True, populate_by_name=True)

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; before any other, set a tokens file and put TLS in front."
    )
    port: int = Field(default=8080, ge=0, le=65535, description="HTTP port of the page.")
    hostnames: tuple[str, ...] = Field(
        default=("127.0.0.1", "localhost", "[::1]"),
        description="Names under which browsers may ask for the page, as a JSON list; any other is refused.",
    )
    server: str = Field(default="127.0.0.1:50051", description="host:port of the gRPC server.")
    server_ca: Path | None = Field(
        default=None, description="PEM file of the authority of the server's certificate; with it, the server is asked over TLS."
    )
    tokens_file: Path | None = Field(
        default=None,
        validation_alias=AliasChoices("HEADWATER_CONSOLE_TOKENS_FILE", "HEADWATER_SERVER_TOKENS_FILE"),
        description="The server's tokens file: the page then wants a token with the scopes admin and score, to act also ingest.",
    )
    read_only: bool = Field(default=True, description="Send no events; `headwater up` sets it to false.")
    metrics_urls: dict[str, str] = Field(
        default={},
        description="JSON object: /metrics by process (features, catalogue, learner, server); one that is missing is not shown.",
    )
    snapshot_dir: str = Field(
        default="data/snapshots",
        validation_alias=AliasChoices("HEADWATER_CONSOLE_SNAPSHOT_DIR", "HEADWATER_SNAPSHOT_DIR"),
        description="Where the learner publishes: a directory or a URL.",
    )
