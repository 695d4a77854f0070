"""Apache Kafka (KRaft) on this machine: one node or several, which can be killed, frozen, stopped and started again.

Kafka's jars come from the folder that HEADWATER_KAFKA_LIBS names, from `libs` under KAFKA_HOME (an unpacked download of Kafka),
or from `../shared/kafka/libs` beside the checkout; they need Java 17 or newer.
"""

import base64
import os
import random
import re
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient
from kafka.errors import KafkaError

from deploy.local.ports import HOST, listens
from deploy.local.process import Child, Command
from runtime.settings import KafkaSettings

__all__ = ["ApacheKafka", "KafkaHome", "KafkaMissingError", "find_kafka"]

_JAVA = 17
_BESIDE_CHECKOUT = Path(__file__).resolve().parents[3] / "shared" / "kafka" / "libs"
_SHORT_LIVED = "-XX:TieredStopAtLevel=1"
"""A third less processor time for a process that does not live long; one that does becomes faster without it."""
_START_SECONDS = 120.0
_STOP_SECONDS = 20.0
_LISTENER, _INSIDE, _CONTROLLER = "CLIENTS", "PLAINTEXT", "CONTROLLER"
_LOGGING = """\
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=OUT
appender.out.type=Console
appender.out.name=OUT
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c)%n
"""


class KafkaMissingError(RuntimeError):
    """Kafka's jars or Java are not here; the message says which, where they were looked for and how to get them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KafkaHome:
    """Kafka's jars and the Java that runs them."""

    libs: Path
    java: str

    @property
    def version(self) -> str:
        """Of the broker, such as 4.3.1."""
        return next(self.libs.glob("kafka-clients-*.jar")).stem.removeprefix("kafka-clients-")

    def command(self, *arguments: str, options: Sequence[str] = (_SHORT_LIVED,)) -> list[str]:
        """The command line that runs a class, or a file of Java source, with Kafka's jars."""
        # Without a heap of its own size, each would take a quarter of the machine.
        return [self.java, "-Xmx512m", "-XX:+UseSerialGC", *options, "-cp", f"{self.libs}/*", *arguments]


def find_kafka() -> KafkaHome:
    """Kafka's jars and Java on this machine.

    Raises:
        KafkaMissingError: either is missing.
    """
    named = os.environ.get("HEADWATER_KAFKA_LIBS"), os.environ.get("KAFKA_HOME")
    libs = Path(named[0]) if named[0] else Path(named[1]) / "libs" if named[1] else _BESIDE_CHECKOUT
    if not any(libs.glob("kafka-clients-*.jar")):
        raise KafkaMissingError(
            f"no Apache Kafka in {libs}: unpack a download of Kafka 4 and set KAFKA_HOME to its folder, "
            "or HEADWATER_KAFKA_LIBS to the folder of its jars"
        )
    java = shutil.which("java", path=f"{os.environ['JAVA_HOME']}/bin" if "JAVA_HOME" in os.environ else None)
    if java is None:
        raise KafkaMissingError("Apache Kafka needs Java 17 or newer; on Debian: apt-get install default-jre-headless")
    version = subprocess.run([java, "-version"], capture_output=True, text=True, check=True).stderr
    found = re.search(r'version "(\d+)', version)
    if found is None or int(found[1]) < _JAVA:
        raise KafkaMissingError(f"Apache Kafka needs Java {_JAVA} or newer, and {java} is another: {version.splitlines()[0]}")
    return KafkaHome(libs=libs.resolve(), java=java)


class ApacheKafka:
    """A cluster of `nodes` nodes, numbered from 1, each broker and controller at once; a context manager that starts and ends it.

    Three nodes have replication factor 3 and `min.insync.replicas` 2; one has 1 and 1. Topics are not created automatically.
    `settings` are broker settings for every node, `node_settings` for single ones, on top of these. `format_arguments` go to
    Kafka's StorageTool, such as ("--add-scram", "SCRAM-SHA-512=[name=ann,password=apple]"), `java_options` to each node's Java.

    Every node has a PLAINTEXT listener, whose user (ANONYMOUS) is a super user: `inside` is its address, for nodes, and for tests
    that look past passwords and rights. With `protocol` other than PLAINTEXT, clients have a second listener named CLIENTS, which
    settings such as `listener.name.clients.plain.sasl.jaas.config` configure, and `bootstrap_servers` is its address.

    A node ends with the thread that started it (Linux ties a child to a thread): start nodes from one that stays.
    """

    def __init__(
        self,
        directory: Path,
        *,
        nodes: int = 1,
        settings: Mapping[str, object] | None = None,
        node_settings: Mapping[int, Mapping[str, object]] | None = None,
        format_arguments: Sequence[str] = (),
        protocol: str = "PLAINTEXT",
        java_options: Sequence[str] = (),
    ) -> None:
        self.home = find_kafka()
        self.directory = directory
        self.nodes = range(1, nodes + 1)
        self._settings, self._node_settings = dict(settings or {}), dict(node_settings or {})
        self._format_arguments, self._protocol, self._java_options = format_arguments, protocol, java_options
        ports = _free_ports(3 * nodes)
        self._ports = {_INSIDE: ports[:nodes], _CONTROLLER: ports[nodes : 2 * nodes], _LISTENER: ports[2 * nodes :]}
        self._children: dict[int, Child] = {}
        self._wanted: set[int] = set()

    def __enter__(self) -> "ApacheKafka":
        self._format()
        try:
            for node in self.nodes:
                self._launch(node)
            self.wait_until_up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends every node at once; nobody reads their logs again."""
        for child in self._children.values():
            child.kill()

    @property
    def bootstrap_servers(self) -> str:
        """Addresses for clients."""
        return self._addresses(_INSIDE if self._protocol == "PLAINTEXT" else _LISTENER)

    @property
    def inside(self) -> KafkaSettings:
        """The connection of a super user, in the clear."""
        return KafkaSettings(bootstrap_servers=self._addresses(_INSIDE), security_protocol="PLAINTEXT")

    def log_dir(self, node: int) -> Path:
        """Where a node keeps its partitions."""
        return Path(str(self._properties(node)["log.dirs"]))

    def running(self, node: int) -> bool:
        """Whether the process of a node is there; a frozen one is."""
        return node in self._children and not self._children[node].ended

    @property
    def pids(self) -> list[int]:
        """Process ids of the nodes that run."""
        return [child.pid for child in self._children.values() if not child.ended]

    def serves(self, node: int) -> bool:
        """Whether a node runs and takes connections."""
        return self.running(node) and self._children[node].healthy()

    def output(self, node: int) -> str:
        """What a node has printed: warnings and errors."""
        log = self.directory / f"node-{node}.log"
        return log.read_text(errors="replace") if log.exists() else ""

    def kill(self, node: int) -> None:
        """Ends a node at once (SIGKILL)."""
        self._wanted.discard(node)
        self._children[node].kill()

    def stop(self, node: int) -> None:
        """Ends a node as an operator does (SIGTERM): it hands its leaderships on first."""
        self._wanted.discard(node)
        self._children[node].stop(_STOP_SECONDS)

    def freeze(self, node: int) -> None:
        """Freezes a node (SIGSTOP): its connections stay open and nothing is answered."""
        self._children[node].pause(paused=True)

    def thaw(self, node: int) -> None:
        """Lets a frozen node go on (SIGCONT)."""
        self._children[node].pause(paused=False)

    def restart(self, node: int, settings: Mapping[str, object] | None = None) -> None:
        """Starts a node that has ended on its own log, with other broker settings on top if given; returns once it is up."""
        self.launch(node, settings)
        self.wait_until_up()

    def launch(self, node: int, settings: Mapping[str, object] | None = None) -> None:
        """The same, and does not wait."""
        if settings:
            self._node_settings[node] = {**self._node_settings.get(node, {}), **settings}
            self._write_properties(node)
        self._launch(node)

    def wait_until_up(self) -> None:
        """Returns once every node that runs takes clients.

        Raises:
            ChildDiedError, ChildUnhealthyError: one ended, or did not answer in two minutes.
        """
        deadline = time.monotonic() + _START_SECONDS
        running = [self._children[node] for node in sorted(self._wanted)]
        while not self._all_serve(running):
            for child in running:
                child.check()
                if time.monotonic() > deadline:
                    raise child.unhealthy(_START_SECONDS)
            time.sleep(0.1)

    def leader(self, topic: str, partition: int = 0) -> int:
        """The node that leads a partition."""
        return int(self._partition(topic, partition)["leader_id"])

    def in_sync(self, topic: str, partition: int = 0) -> set[int]:
        """The nodes whose copies of a partition are complete."""
        return set(self._partition(topic, partition)["isr_nodes"])

    def configure(self, topic: str, settings: Mapping[str, object]) -> None:
        """Changes settings of a topic, such as `cleanup.policy`, and waits until a node has them; the others stay."""
        configs = {key: str(value) for key, value in settings.items()}
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs)
        self.ask(lambda admin: admin.alter_configs([resource]))

        def known() -> bool:
            found = self.ask(lambda admin: admin.describe_configs([resource], config_filter="all"))["topic"][topic]
            return all(found[key]["value"] == value for key, value in configs.items())

        self.wait_for(known)

    def wait_for(self, look: Callable[[], bool], seconds: float = 60.0) -> None:
        """Returns once it comes true; raises TimeoutError with what the nodes have printed."""
        deadline = time.monotonic() + seconds
        while not look():
            if time.monotonic() > deadline:
                printed = "".join(f"node {node}:\n{self.output(node)[-2000:]}" for node in self.nodes)
                raise TimeoutError(f"not within {seconds:.0f} s; the nodes printed:\n{printed}")
            time.sleep(0.1)

    def whole(self) -> bool:
        """Whether each partition of every topic has its leader, and all of its copies are complete."""
        try:
            topics = self.ask(lambda admin: admin.describe_topics())
        except KafkaError:
            return False
        partitions = [one for topic in topics for one in topic["partitions"]]
        return all(one["leader_id"] >= 0 and set(one["isr_nodes"]) == set(one["replica_nodes"]) for one in partitions)

    def limit_clients(self, settings: Mapping[str, int]) -> None:
        """Sets quotas of every client, such as `producer_byte_rate` (bytes per second at each node); takes away those of 0."""
        given = ",".join(f"{name}={value}" for name, value in settings.items() if value)
        gone = ",".join(name for name, value in settings.items() if not value)
        change = [*(("--add-config", given) if given else ()), *(("--delete-config", gone) if gone else ())]
        tool = ("kafka.admin.ConfigCommand", "--bootstrap-server", self.inside.bootstrap_servers)
        argv = self.home.command(*tool, "--alter", *change, "--entity-type", "clients", "--entity-default")
        subprocess.run(argv, capture_output=True, text=True, check=True)

    def ask(self, question: Callable[[Any], Any]) -> Any:
        """The result of a function of an admin client (kafka-python's) of the super user."""
        admin = KafkaAdminClient(**self.inside.client_options())
        try:
            return question(admin)
        finally:
            admin.close()

    def _partition(self, topic: str, partition: int) -> Mapping[str, Any]:
        described = self.ask(lambda admin: admin.describe_topics([topic]))[0]
        return next(one for one in described["partitions"] if one["partition_index"] == partition)

    def _all_serve(self, running: Sequence[Child]) -> bool:
        if not all(child.healthy() for child in running):
            return False
        with suppress(KafkaError, OSError):
            return len(self.ask(lambda admin: admin.describe_cluster())["brokers"]) >= len(running)
        return False

    def _launch(self, node: int) -> None:
        argv = self.home.command("kafka.Kafka", str(self._properties_file(node)), options=self._java_options)
        environment = {"JAVA_TOOL_OPTIONS": f"-Dlog4j2.configurationFile={self.directory / 'log4j2.properties'}"}
        healthy = partial(listens, self._ports[_INSIDE][node - 1])
        command = Command(name=f"node-{node}", argv=argv, environment=environment, healthy=healthy)
        self._children[node] = Child(command, log_dir=self.directory, echo=lambda name, line: None)
        self._wanted.add(node)

    def _format(self) -> None:
        """Gives each node its settings and an empty log."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "log4j2.properties").write_text(_LOGGING)
        cluster, *directories = (_identity() for _ in range(len(self.nodes) + 1))
        controllers = zip(self.nodes, self._ports[_CONTROLLER], directories, strict=True)
        voters = ",".join(f"{node}@{HOST}:{port}:{directory}" for node, port, directory in controllers)

        def format_one(node: int) -> None:
            self._write_properties(node)
            given = ("-c", str(self._properties_file(node)), "--initial-controllers", voters, *self._format_arguments)
            argv = self.home.command("kafka.tools.StorageTool", "format", "-t", cluster, *given)
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"node {node} cannot be formatted:\n{done.stdout}{done.stderr}")

        with ThreadPoolExecutor(len(self.nodes)) as pool:
            list(pool.map(format_one, self.nodes))

    def _properties_file(self, node: int) -> Path:
        return self.directory / f"node-{node}.properties"

    def _write_properties(self, node: int) -> None:
        lines = (f"{key}={value}\n" for key, value in self._properties(node).items())
        self._properties_file(node).write_text("".join(lines))

    def _properties(self, node: int) -> dict[str, object]:
        copies, in_sync = (3, 2) if len(self.nodes) >= 3 else (1, 1)
        protocols = {_INSIDE: "PLAINTEXT", _CONTROLLER: "PLAINTEXT"}
        if self._protocol != "PLAINTEXT":
            protocols[_LISTENER] = self._protocol
        listeners = ",".join(f"{name}://{HOST}:{self._ports[name][node - 1]}" for name in protocols)
        return {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.bootstrap.servers": self._addresses(_CONTROLLER),
            "listeners": listeners,
            "advertised.listeners": listeners,
            "listener.security.protocol.map": ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
            "controller.listener.names": _CONTROLLER,
            "inter.broker.listener.name": _INSIDE,
            "super.users": "User:ANONYMOUS",
            "log.dirs": self.directory / f"node-{node}",
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": in_sync,
            # Tests have short sessions, and want rebalances, retention and compaction at once.
            "group.min.session.timeout.ms": 1000,
            "group.initial.rebalance.delay.ms": 0,
            "log.retention.check.interval.ms": 1000,
            "log.cleaner.backoff.ms": 1000,
            **self._settings,
            **self._node_settings.get(node, {}),
        }

    def _addresses(self, listener: str) -> str:
        return ",".join(f"{HOST}:{port}" for port in self._ports[listener])


def _identity() -> str:
    """An id as Kafka writes it: 16 random bytes. It must not begin with `-`, which its command line takes for an option."""
    return f"K{base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip('=')[1:]}"


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, below those that the system gives to outgoing connections.

    A node that is started again needs its port back, which a connection could have taken meanwhile.
    """
    candidates = random.sample(range(15_000, 32_000), 2_000)
    free = (port for port in candidates if _can_be_bound(port))
    return [next(free) for _ in range(count)]


def _can_be_bound(port: int) -> bool:
    with socket.socket() as one, suppress(OSError):
        one.bind((HOST, port))
        return True
    return False
