"""Redis of the drills: one that forgets nothing that it has acknowledged, and can be killed and started again."""

import shutil
from functools import partial
from pathlib import Path
from types import TracebackType

from deploy.local.ports import HOST, free_ports, listens
from deploy.local.process import Child, Command

__all__ = ["DurableRedis", "RedisMissingError"]


class RedisMissingError(RuntimeError):
    """`redis-server` is not installed; the message says how to get it."""


class DurableRedis:
    """A server that answers for a write only when it is on disk: what it has acknowledged survives its death.

    A context manager; raises RedisMissingError.
    """

    def __init__(self, directory: Path) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise RedisMissingError("no `redis-server` found; on Debian: apt-get install --no-install-recommends redis-server")
        self.port = free_ports(1)[0]
        self._directory = directory
        options = ("--port", str(self.port), "--bind", HOST, "--dir", str(directory), "--save", "")
        durable = ("--appendonly", "yes", "--appendfsync", "always")
        argv = [program, *options, *durable]
        self._command = Command(name="redis", argv=argv, environment={}, healthy=partial(listens, self.port))

    def __enter__(self) -> "DurableRedis":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._child.stop(10.0)

    def start(self) -> None:
        """Starts it, with what it wrote before; does not wait until it answers."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self._child = Child(self._command, log_dir=self._directory, echo=lambda name, line: None)

    def kill(self) -> None:
        """Ends it at once."""
        self._child.kill()

    def healthy(self) -> bool:
        """Whether it takes connections."""
        return not self._child.ended and self._child.healthy()
