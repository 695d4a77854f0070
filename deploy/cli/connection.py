"""Owns how a command finds what it talks to: a flag or variable first, else the stack that runs on this machine."""

import socket
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local.state import NoStackError, StackState, find_running
from feature_repo.settings import KafkaSettings, StoreSettings

__all__ = ["BootstrapServers", "CliError", "DataDir", "Server", "console", "kafka_settings", "server_address", "store_settings"]

_CONNECT_SECONDS = 3.0

console = Console(highlight=False)

DataDir = Annotated[
    Path | None,
    typer.Option(envvar="HEADWATER_DATA_DIR", help="Data directory of a running stack; found by itself where one runs here."),
]
BootstrapServers = Annotated[
    str | None,
    typer.Option(envvar="HEADWATER_KAFKA_BOOTSTRAP_SERVERS", help="Kafka brokers, host:port by comma; else the local stack's."),
]
Server = Annotated[
    str | None,
    typer.Option(envvar="HEADWATER_SERVER", help="host:port of the gRPC server; else the local stack's."),
]


class CliError(Exception):
    """What the user asked for cannot be done; the message says why and what to do instead."""


def kafka_settings(bootstrap_servers: str | None, data_dir: Path | None) -> KafkaSettings:
    """How to reach the event log, security options from HEADWATER_KAFKA_* included.

    Raises:
        CliError: no broker listens there (the client itself would try for half a minute).
    """
    if bootstrap_servers is None:
        bootstrap_servers = _stack(data_dir, "--bootstrap-servers").bootstrap_servers
    if not any(_listens(server.strip()) for server in bootstrap_servers.split(",")):
        raise CliError(f"no Kafka broker listens at {bootstrap_servers}; check the address, or start a stack with `headwater up`")
    return KafkaSettings(bootstrap_servers=bootstrap_servers)


def server_address(server: str | None, data_dir: Path | None) -> str:
    """host:port of the gRPC server."""
    return server or _stack(data_dir, "--server").server


def store_settings(data_dir: Path | None) -> tuple[StoreSettings, Path]:
    """The local stack's online store, and its tasks file."""
    stack = find_running(data_dir)
    directory = Path(stack.store_dir)
    tasks_file = Path(stack.tasks_file)
    if stack.redis_url is None:
        return StoreSettings(kind="sqlite", directory=directory), tasks_file
    return StoreSettings.model_validate({"kind": "redis", "directory": directory, "redis_url": stack.redis_url}), tasks_file


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
