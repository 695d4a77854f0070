"""Real Redis for tests: Debian's redis-server on a free port, gone when the block ends."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import RedisDsn

from feature_repo.settings import StoreSettings
from tests.broker import free_port
from tests.certificates import Certificate

__all__ = ["redis_process", "running_redis"]


@contextmanager
def running_redis(directory: Path) -> Iterator[StoreSettings]:
    """An empty Redis with the feature registry in `directory`; skips the test where redis-server is not installed."""
    with redis_process() as (process, url):
        assert process.poll() is None
        yield StoreSettings(kind="redis", directory=directory, redis_url=url)


@contextmanager
def redis_process(
    port: int | None = None, *, tls: Certificate | None = None
) -> Iterator[tuple["subprocess.Popen[bytes]", RedisDsn]]:
    """The same with its process, for tests of what happens when it hangs or dies; with a certificate it speaks TLS alone."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not installed; on Debian and Ubuntu: apt-get install redis-server")
    port = port or free_port()
    listens = ["--port", str(port)]
    if tls is not None:
        listens = ["--port", "0", "--tls-port", str(port), "--tls-cert-file", str(tls.certificate)]
        listens += ["--tls-key-file", str(tls.key), "--tls-auth-clients", "no"]
    options = [*listens, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen([server, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20.0
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
                break
            except OSError:
                assert process.poll() is None, f"redis-server ended with status {process.poll()}"
                assert time.monotonic() < deadline, "redis-server did not listen in 20 s"
                time.sleep(0.02)
        yield process, RedisDsn(f"{'redis' if tls is None else 'rediss'}://127.0.0.1:{port}/0")
    finally:
        process.kill()
        process.wait()
