"""Files of a running stack: the lock on its data directory, and stack.json, by which other commands find it."""

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from runtime.errors import UserError

__all__ = ["DEFAULT_DIRECTORIES", "DataDirectory", "DirectoryInUseError", "NoStackError", "StackState", "find_running"]

DEFAULT_DIRECTORIES = (Path("build/stack"), Path("build/demo/stack"))
"""Where `headwater up` and `headwater demo` put their data unless told otherwise."""


class DirectoryInUseError(UserError):
    """Another stack holds the data directory."""


class NoStackError(UserError):
    """No running stack was found, or more than one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StackState:
    """Where the parts of a running stack are: addresses, ports of GET /metrics by process, paths and process ids."""

    pid: int
    bootstrap_servers: str
    server: str
    metrics_ports: dict[str, int]
    pids: dict[str, int]
    store_dir: str
    redis_url: str | None
    snapshot_dir: str
    tasks_file: str
    console: str | None = None
    """Address of the page, where it is served."""


class DataDirectory:
    """A directory that one stack at a time owns; the kernel drops the lock with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None

    @property
    def state_file(self) -> Path:
        """Where the running stack describes itself."""
        return self.path / "stack.json"

    @property
    def _lock_file(self) -> Path:
        return self.path / "lock"

    def __enter__(self) -> "DataDirectory":
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def acquire(self) -> None:
        """Takes the directory for this process, which may hold it already; raises DirectoryInUseError that says who has it."""
        if self._lock is not None:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        lock = self._lock_file.open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise DirectoryInUseError(
                f"{self.path} is in use by process {holder}; stop that one (kill {holder}), or choose another --data-dir"
            ) from error
        try:
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
        except OSError as error:
            error.filename = str(self.path)  # the error of a full disk does not name the file
            raise
        self._lock = lock
        self.state_file.unlink(missing_ok=True)  # of one that was killed

    def release(self) -> None:
        """Gives the directory back; stack.json goes with it."""
        if self._lock is not None:
            self.state_file.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def write(self, state: StackState) -> None:
        """Publishes the state in one atomic step."""
        partial = self.state_file.with_suffix(".partial")
        partial.write_bytes(msgspec.json.format(msgspec.json.encode(state)))
        partial.replace(self.state_file)

    @property
    def held(self) -> bool:
        """Whether a stack has this directory, be it still starting."""
        try:
            with self._lock_file.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def running(self) -> StackState | None:
        """The state of the stack that holds this directory; None where none does or it is still starting."""
        try:
            return msgspec.json.decode(self.state_file.read_bytes(), type=StackState) if self.held else None
        except FileNotFoundError:
            return None


def find_running(data_dir: Path | None) -> StackState:
    """The stack that runs on `data_dir`, or on one of the default directories.

    Raises:
        NoStackError: none runs there, it is still starting or stopping, or both defaults do.
    """
    places = DEFAULT_DIRECTORIES if data_dir is None else (data_dir,)
    found = [(place, state) for place in places if (state := DataDirectory(place).running()) is not None]
    if not found:
        if held := [str(place) for place in places if DataDirectory(place).held]:
            raise NoStackError(f"the stack on {held[0]} is still starting, or stopping: try again in some seconds")
        where = " or ".join(str(place) for place in places)
        raise NoStackError(
            f"no stack runs on {where}; start one with `headwater up`, go to the directory in which it was started, "
            "or say where its data are with --data-dir"
        )
    if len(found) > 1:
        raise NoStackError(f"stacks run on {' and '.join(str(place) for place, _ in found)}; choose one with --data-dir")
    return found[0][1]
