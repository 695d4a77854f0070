"""The system that drills break: the stack on its broker or on Apache Kafka, Redis behind a slow proxy, and an orchestrator."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from deploy.drills.kafka import ApacheKafka
from deploy.drills.proxy import SlowProxy
from deploy.drills.redis import DurableRedis
from deploy.local.stack import Stack, StackConfig
from deploy.local.state import StackState
from deploy.observe.scrape import Reading, scrape
from feature_repo.counters import ALL
from feature_repo.settings import FeatureSettings, StoreSettings
from feature_repo.store import RowStore, StoreUnavailable
from headwater.v1.catalogue_pb2 import CatalogueChange
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics

__all__ = ["DrillError", "System", "eventually", "running_system"]

_TASKS = Path(__file__).with_name("tasks.toml")
_ITEMS = 200
_SUBJECTS = ("Bread from rye", "Stars of the south", "Growing tomatoes", "Rivers in spring", "A short history of glass")
_START_SECONDS = 300.0
_BACKOFF_SECONDS = 1.0


class DrillError(RuntimeError):
    """The system did not come up, or did not come back; the message says what was waited for and where the logs are."""


class System:
    """A running stack beside Redis. `supervise` does what an orchestrator does: it starts again what has ended."""

    def __init__(
        self,
        *,
        stack: Stack,
        state: StackState,
        redis: DurableRedis,
        proxy: SlowProxy,
        items: int,
        cluster: ApacheKafka | None = None,
    ) -> None:
        self.stack, self.state, self.proxy = stack, state, proxy
        self._cluster = cluster
        self.tick: Callable[[], None] = self.supervise
        """What is done again and again while a drill waits."""
        self.kafka = KafkaSettings(bootstrap_servers=state.bootstrap_servers)
        self.items = [f"item-{number}" for number in range(items)]
        self._redis = redis
        self._vocabulary = FeatureSettings(tasks_file=Path(state.tasks_file)).vocabulary()
        own = {"kind": "redis", "directory": state.store_dir, "redis_url": f"redis://127.0.0.1:{redis.port}/0"}
        # Past the proxy: the count of a drill must not wait for what the drill does.
        self._rows = RowStore(StoreSettings.model_validate(own), self._vocabulary)
        self._down: set[str] = set()
        self._ended_at: dict[str, float] = {}

    @property
    def cluster(self) -> ApacheKafka:
        """The brokers, where they are not the stack's own."""
        assert self._cluster is not None, "this system has the embedded broker"
        return self._cluster

    @property
    def directory(self) -> Path:
        """Where all that it writes lies, logs too."""
        return self.stack.config.data_dir

    def kill(self, name: str) -> None:
        """Ends a part of the stack, or Redis, at once and keeps it down until `revive`."""
        self._down.add(name)
        if name == "redis":
            self._redis.kill()
        else:
            self.stack.kill(name)

    def revive(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        """Restarts a part, with `environment` on top of its own; does not wait until it is healthy."""
        self._down.discard(name)
        if name == "redis":
            self._redis.start()
        else:
            self.stack.restart(name, environment)

    def supervise(self) -> None:
        """Restarts what has exited on its own for a second; called again and again."""
        now = time.monotonic()
        for name in self.stack.ended():
            if name not in self._down and now - self._ended_at.setdefault(name, now) >= _BACKOFF_SECONDS:
                del self._ended_at[name]
                self.stack.restart(name)

    def healthy(self) -> bool:
        """Whether every part of the stack says so, Redis and the nodes of the cluster too."""
        nodes = self._cluster is None or all(map(self._cluster.serves, self._cluster.nodes))
        return self.stack.healthy() and self._redis.healthy() and nodes

    def wait(self, look: Callable[[], bool], seconds: float, what: str) -> None:
        """Returns once it is true; raises DrillError after so many seconds."""
        deadline = time.monotonic() + seconds
        while not look():
            self.tick()
            if time.monotonic() > deadline:
                raise DrillError(f"not within {seconds:.0f} s: {what}; the logs are in {self.directory}")
            time.sleep(0.2)

    def create_topics(self) -> None:
        """Creates the topics, and publishes the catalogue."""
        ensure_topics(self.kafka, partitions=self.stack.config.partitions)
        with event_producer(self.kafka) as producer:
            for number, item_id in enumerate(self.items):
                change = CatalogueChange()
                change.upsert.item_id, change.upsert.type = item_id, "article"
                change.upsert.title = f"{_SUBJECTS[number % len(_SUBJECTS)]}, part {number // len(_SUBJECTS) + 1}"
                producer.send_change(change)

    def reading(self, process: str) -> Reading:
        """What a process tells of itself; nothing while it does not answer."""
        try:
            return scrape(self.state.metrics_ports[process])
        except OSError:
            return Reading()

    def counted(self, users: Iterable[str]) -> Counter[str]:
        """Actions by user that their rows have counted; nothing while the store does not answer."""
        try:
            rows = self._rows.read_users(list(users))
        except StoreUnavailable:
            return Counter()
        actions = self._vocabulary.counters.index("actions")
        return Counter({user: round(float(row.counters_CH[actions, ALL])) for user, row in rows.items()})


@contextmanager
def running_system(
    directory: Path, *, snapshot_dir: Path | None, items: int = _ITEMS, cluster: ApacheKafka | None = None
) -> Iterator[System]:
    """A system whose catalogue is read, gone when the block ends; on the embedded broker, or on a `cluster` that runs.

    Raises:
        RedisMissingError: `redis-server` is not installed.
        ChildError, DrillError: a part did not come up.
    """
    with ExitStack() as cleanup:
        redis = cleanup.enter_context(DurableRedis(directory / "redis"))
        if not eventually(redis.healthy, _START_SECONDS):
            raise DrillError(f"redis-server did not start; look at {directory / 'redis' / 'redis.log'}")
        proxy = cleanup.enter_context(SlowProxy(redis.port))
        config = StackConfig(
            data_dir=directory,
            tasks_file=_TASKS,
            partitions=2 if cluster is None else len(cluster.nodes),  # each node leads one
            bootstrap_servers=None if cluster is None else cluster.bootstrap_servers,
            redis_url=f"redis://127.0.0.1:{proxy.port}/0",
            snapshot_dir=snapshot_dir,
        )
        stack = cleanup.enter_context(Stack(config, report=lambda line: None, echo=lambda name, line: None))
        state = stack.start()
        system = System(stack=stack, state=state, redis=redis, proxy=proxy, items=items, cluster=cluster)
        system.create_topics()
        known = "headwater_catalogue_items"
        if not eventually(lambda: system.reading("server").total(known) >= items, _START_SECONDS):
            raise DrillError(f"the server does not know {items} items; look at the logs in {directory / 'logs'}")
        yield system


def eventually(look: Callable[[], bool], seconds: float, *, every: float = 0.2) -> bool:
    """Whether it comes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
