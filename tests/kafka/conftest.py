"""Apache Kafka for tests; skipped with the reason where its jars or Java are missing (`deploy/drills/kafka.py` looks for them).

| fixture | what it gives |
| --- | --- |
| `kafka` | `KafkaSettings` of one node for all tests; Headwater's topics and groups are deleted before each test |
| `apache_kafka` | that node (`ApacheKafka`): `ask`, `configure`, `leader`, `output`; leave it running and its settings alone |
| `start_kafka` | `start_kafka(nodes=3, settings={...})`: a cluster of the test's own, which it may break; ends with the test |

    def test_lag_is_unknown_while_the_leader_is_frozen(start_kafka: StartKafka) -> None:
        cluster = start_kafka(nodes=3)
        ensure_topics(cluster.inside, partitions=2)
        cluster.freeze(cluster.leader(EVENTS.name))      # also: kill, stop, thaw, launch, restart

A node takes 4 s to start, three 10 s: share `kafka` where a topic's own settings are enough (`apache_kafka.configure`).
A batch that our producers do not write (a transaction, a codec) comes from a producer of aiokafka or confluent-kafka.
`python -m tests.kafka COMMAND...` runs a command, such as `pytest tests/streams`, against a node.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from deploy.drills.kafka import ApacheKafka, KafkaMissingError, find_kafka
from runtime.settings import KafkaSettings
from tests.broker import empty

__all__ = ["StartKafka"]


_JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1",)  # compiled less: a third less processor time for a node that lives for seconds


class StartKafka(Protocol):
    """Starts a cluster in a directory of the test's own; the arguments are those of ApacheKafka."""

    def __call__(
        self,
        *,
        nodes: int = 1,
        settings: Mapping[str, object] | None = None,
        node_settings: Mapping[int, Mapping[str, object]] | None = None,
        format_arguments: Sequence[str] = (),
        protocol: str = "PLAINTEXT",
    ) -> ApacheKafka: ...


@pytest.fixture(scope="session")
def kafka_is_here() -> None:
    """Skips the test where Apache Kafka cannot run."""
    try:
        find_kafka()
    except KafkaMissingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def apache_kafka(kafka_is_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    """One node for the tests of the session."""
    with ApacheKafka(tmp_path_factory.mktemp("kafka"), java_options=_JAVA_OPTIONS) as cluster:
        yield cluster


@pytest.fixture
def kafka(apache_kafka: ApacheKafka) -> KafkaSettings:
    """The connection to that node, without Headwater's topics and groups."""
    empty(apache_kafka.inside)
    return apache_kafka.inside


@pytest.fixture
def start_kafka(kafka_is_here: None, tmp_path: Path) -> Iterator[StartKafka]:
    """Clusters of the test's own."""
    with ExitStack() as clusters:
        numbers = itertools.count(1)

        def start(
            *,
            nodes: int = 1,
            settings: Mapping[str, object] | None = None,
            node_settings: Mapping[int, Mapping[str, object]] | None = None,
            format_arguments: Sequence[str] = (),
            protocol: str = "PLAINTEXT",
        ) -> ApacheKafka:
            return clusters.enter_context(
                ApacheKafka(
                    tmp_path / f"kafka-{next(numbers)}",
                    nodes=nodes,
                    settings=settings,
                    node_settings=node_settings,
                    format_arguments=format_arguments,
                    protocol=protocol,
                    java_options=_JAVA_OPTIONS,
                )
            )

        yield start
