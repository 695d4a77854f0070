"""Workers that are killed, stopped and started at random while others go on, as an orchestrator and its nodes would."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from tests.streams.processes import WorkerProcess

__all__ = ["Crew", "eventually"]


def eventually(look: Callable[[], bool], what: str, seconds: float = 180.0) -> None:
    """Returns once it is true; fails with `what` if it never is."""
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


@dataclass(kw_only=True)
class Crew:
    """Workers by name; whatever ends without being asked to is restarted by `tend`."""

    environment: dict[str, str]
    directory: Path
    modules: dict[str, str] = field(default_factory=dict)
    """The module of each worker that ought to run."""
    killed: int = 0
    _running: dict[str, WorkerProcess] = field(default_factory=dict)

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for worker in self._running.values():
            worker.process.kill()
            worker.process.wait()

    def join(self, name: str, module: str) -> None:
        """Starts a worker and keeps it running from now on."""
        self.modules[name] = module
        self.tend()

    def kill(self, name: str) -> None:
        """Kills a worker with SIGKILL; `tend` restarts it."""
        self._running[name].process.kill()
        self._running[name].process.wait()
        self.killed += 1

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A worker is frozen while the block runs."""
        process = self._running[name].process
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def leave(self, name: str) -> None:
        """Asks a worker to stop, waits until it has, and does not start it again."""
        self.modules.pop(name)
        process = self._running.pop(name).process
        process.terminate()
        try:
            # By the signal itself where it came before the worker had begun.
            assert process.wait(120) in (0, 1, -signal.SIGTERM), f"{name} ended with status {process.returncode}"
        except subprocess.TimeoutExpired:
            process.kill()
            raise

    def tend(self) -> None:
        """Starts what ought to run and does not."""
        for name, module in self.modules.items():
            if name not in self._running or self._running[name].process.poll() is not None:
                self._running[name] = WorkerProcess(module, self.environment, self.directory / f"{name}.log")

    def disturb(self, draw: random.Random, seconds: float, *, spare: str, spare_module: str) -> None:
        """For so long, kills one of the workers at random moments, and lets a spare one join and leave."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            # From before the first assignment to the middle of the work: starting takes a second or two.
            time.sleep(draw.uniform(0.2, 5.0))
            self.tend()
            if draw.random() < 0.3:
                if spare in self.modules:
                    self.leave(spare)
                else:
                    self.join(spare, spare_module)
            else:
                self.kill(draw.choice(sorted(self.modules)))
        self.tend()
