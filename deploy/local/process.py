"""One child process of the stack: its start, its log lines, its health and its end."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import UserError

__all__ = ["Child", "ChildDiedError", "ChildError", "ChildUnhealthyError", "Command", "brief", "is_calm"]

_TAIL = 20
_CALM = re.compile(
    r'"level": "(info|debug)"|\blevel=(info|debug)\b|^(INFO|DEBUG): |^(tansu broker|listening on:|storage:|ready in) '
)
_FULL = re.compile("disk is full|No space left on device")


def is_calm(line: str) -> bool:
    """Whether a part logs this when all is well."""
    return _CALM.search(line) is not None


def brief(line: str) -> str:
    """A log line less its traceback, which is in the log file."""
    return line.partition(' exception="Traceback')[0]


class ChildError(UserError):
    """A child that does not do its work; the message names it, quotes its last lines and says where its log is."""


class ChildDiedError(ChildError):
    """The process ended although nobody asked it to."""


class ChildUnhealthyError(ChildError):
    """The process runs but did not become healthy in time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """What to run under which name, with which environment on top of this one's, and how to tell that it is healthy."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    healthy: Callable[[], bool]


class Child:
    """A running command in a session of its own, so that a Ctrl-C in the terminal reaches the stack alone.

    Each line that it prints is added to `log_dir`/NAME.log and goes to `echo(name, line)`.
    """

    def __init__(self, command: Command, *, log_dir: Path, echo: Callable[[str, str], None]) -> None:
        self.command = command
        self.log = log_dir / f"{command.name}.log"
        self._echo = echo
        self._tail: deque[str] = deque(maxlen=_TAIL)
        log_dir.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "deploy.local.launcher", str(os.getpid()), *command.argv],
            env={**_inherited(), "PYTHONUNBUFFERED": "1", **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name=f"log-{command.name}", daemon=True)
        self._reader.start()

    @property
    def name(self) -> str:
        """The command's name."""
        return self.command.name

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the process has ended."""
        return self._process.poll() is not None

    def check(self) -> None:
        """Raises ChildDiedError if the process has ended."""
        code = self._process.poll()
        if code is not None:
            self._reader.join(timeout=1.0)
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"exited with status {code}"
            raise ChildDiedError(self._describe(how))

    def healthy(self) -> bool:
        """Whether the command's own check says so by now."""
        return self.command.healthy()

    def unhealthy(self, seconds: float) -> ChildUnhealthyError:
        """The error to raise when the child has run for `seconds` without becoming healthy."""
        return ChildUnhealthyError(self._describe(f"was not healthy after {seconds:.0f} s"))

    def wait(self) -> None:
        """Returns when the process has ended well; raises ChildDiedError otherwise."""
        if self._process.wait() != 0:
            self.check()
        self._reader.join(timeout=1.0)

    def ask_to_stop(self) -> None:
        """Lets the process begin to end, and does not wait for it."""
        self._signal(signal.SIGTERM)

    def stop(self, grace_seconds: float) -> None:
        """Ends the process and all that it started: asks with SIGTERM, kills after `grace_seconds`."""
        self.ask_to_stop()
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._echo(self.name, f"did not stop within {grace_seconds:.0f} s and is killed")
        self.kill()

    def pause(self, *, paused: bool) -> None:
        """Freezes the process and all that it started, or lets them go on."""
        self._signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def kill(self) -> None:
        """Ends the process and all that it started at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._reader.join(timeout=1.0)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return  # the whole group has ended

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines, self.log.open("ab", buffering=0) as log:
            for raw in lines:
                line = raw.decode("utf-8", errors="replace").rstrip()
                self._tail.append(line)
                with suppress(OSError):  # a full disk ends the parts that must write; their last words are to be heard
                    log.write(f"{line}\n".encode())
                self._echo(self.name, line)

    def _describe(self, what: str) -> str:
        lines = [line for line in self._tail if not is_calm(line)] or self._tail
        quoted = "\n".join(f"  | {brief(line)}" for line in lines) or "  | (it printed nothing)"
        full = "The disk is full: free some space, or choose another place.\n" if any(map(_FULL.search, lines)) else ""
        return f"{self.name} (process {self.pid}) {what}. Its last lines:\n{quoted}\n{full}The whole log: {self.log}"


def _inherited() -> dict[str, str]:
    """This process's environment, less a variable that Feast sets when it is imported and that would change every metric."""
    return {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
