"""Finds what a command talks to: a flag or variable first, then the stack that runs on this machine."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict
from rich.console import Console

from deploy.local.state import NoStackError, StackState, find_running
from feature_repo.settings import StoreSettings
from runtime.errors import UserError
from runtime.settings import KafkaSettings

if TYPE_CHECKING:
    from feature_repo.vocabulary import Vocabulary
    from headwater.client import ClientOptions
    from runtime.broker.rights import Right
    from training.storage.snapshots import SnapshotStore

__all__ = [
    "BootstrapServers",
    "CliError",
    "ClientSettings",
    "DataDir",
    "Server",
    "SnapshotDir",
    "TasksFile",
    "called",
    "console",
    "declared",
    "kafka_settings",
    "server_address",
    "snapshot_store",
    "store_settings",
]

_CONNECT_SECONDS = 3.0

console = Console(highlight=False)

DataDir = Annotated[
    Path | None,
    typer.Option(envvar="HEADWATER_DATA_DIR", help="Data directory of a running stack; found automatically where one runs here."),
]
BootstrapServers = Annotated[
    str | None,
    typer.Option(envvar="HEADWATER_KAFKA_BOOTSTRAP_SERVERS", help="Kafka brokers, host:port by comma; else the local stack's."),
]
Server = Annotated[
    str | None,
    typer.Option(envvar="HEADWATER_SERVER", help="host:port of the gRPC server; else the local stack's."),
]
SnapshotDir = Annotated[
    str | None,
    typer.Option(envvar="HEADWATER_SNAPSHOT_DIR", help="Directory or URL of the snapshots; else the local stack's."),
]
TasksFile = Annotated[
    Path | None,
    typer.Option("--tasks", envvar="HEADWATER_TASKS_FILE", help="TOML file of the tasks; else the local stack's."),
]


class CliError(UserError):
    """What the user asked for cannot be done; the message says why and what to do instead."""


def kafka_settings(bootstrap_servers: str | None, data_dir: Path | None, rights: Iterable["Right"]) -> KafkaSettings:
    """How to reach the event log, security options from HEADWATER_KAFKA_* included; the broker was asked and allows `rights`.

    Raises:
        CliError: no broker listens there.
        BrokerError: TLS or the login fails (the clients themselves would try for half a minute), or rights are missing.
    """
    if bootstrap_servers is None:
        bootstrap_servers = _stack(data_dir, "--bootstrap-servers").bootstrap_servers
    if not any(_listens(server.strip()) for server in bootstrap_servers.split(",")):
        raise CliError(f"no Kafka broker listens at {bootstrap_servers}; check the address, or start a stack with `headwater up`")
    from runtime.broker.access import check_access

    settings = KafkaSettings(bootstrap_servers=bootstrap_servers)
    check_access(settings, rights)
    return settings


def server_address(server: str | None, data_dir: Path | None) -> str:
    """host:port of the gRPC server."""
    return server or _stack(data_dir, "--server").server


def called(seen_from: Path = Path(".")) -> str:
    """How this command is called in a directory: by its name where the shell finds that, else by its shortest path."""
    program = Path(sys.argv[0])
    if program.name != "headwater" or shutil.which("headwater") is not None:
        return "headwater"
    return min(os.path.relpath(program, seen_from), os.path.abspath(program), key=len)


class ClientSettings(BaseSettings):
    """How commands call the gRPC server, where it asks for more than an address."""

    model_config = SettingsConfigDict(env_prefix="HEADWATER_CLIENT_", frozen=True)

    token: SecretStr = Field(default=SecretStr(""), description="Bearer token.")
    tls_ca: Path | None = Field(default=None, description="PEM file of the authority of the server's certificate.")
    tls_certificate: Path | None = Field(default=None, description="PEM file of the client's certificate, for mutual TLS.")
    tls_key: Path | None = Field(default=None, description="PEM file of that certificate's key.")
    tls_server_name: str = Field(default="", description="Name in the server's certificate, where it is not the address.")

    def options(self, deadline_seconds: float) -> "ClientOptions":
        from headwater.client import ClientOptions, Tls

        tls = Tls(ca=self.tls_ca, certificate=self.tls_certificate, key=self.tls_key, server_name=self.tls_server_name)
        return ClientOptions(
            deadline_seconds=deadline_seconds, token=self.token.get_secret_value(), tls=None if self.tls_ca is None else tls
        )


def snapshot_store(snapshot_dir: str | None, data_dir: Path | None) -> "SnapshotStore":
    """The published models."""
    from training.storage.snapshots import SnapshotStore

    return SnapshotStore(snapshot_dir or find_running(data_dir).snapshot_dir, clock=time.time)


def declared(tasks_file: Path | None, data_dir: Path | None) -> "Vocabulary":
    """What the tasks file declares; raises TasksError."""
    from feature_repo.tasks import load_tasks
    from feature_repo.vocabulary import Vocabulary

    return Vocabulary(load_tasks(tasks_file or Path(_stack(data_dir, "--tasks").tasks_file)))


def store_settings(data_dir: Path | None) -> StoreSettings:
    """The online store that HEADWATER_STORE_* name, as for a process; else the local stack's."""
    configured = StoreSettings()
    if data_dir is None and configured.model_fields_set:
        return configured
    stack = _stack(data_dir, "HEADWATER_STORE_*")
    redis = {} if stack.redis_url is None else {"redis_url": stack.redis_url}
    kind = "redis" if redis else "sqlite"
    return StoreSettings.model_validate({"kind": kind, "directory": stack.store_dir, **redis})


def _listens(server: str) -> bool:
    host, _, port = server.rpartition(":")
    if not port.isdigit():
        raise CliError(f"{server!r} is no broker address; write host:port")
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def _stack(data_dir: Path | None, flag: str) -> StackState:
    try:
        return find_running(data_dir)
    except NoStackError as error:
        raise CliError(f"{error}; or name the address with {flag}") from error
