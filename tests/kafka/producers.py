"""Producers of others that send the same steps: Kafka's own in Java, and librdkafka's by confluent-kafka."""

import base64
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import pytest
from confluent_kafka import KafkaError, Message, Producer

from deploy.drills.kafka import KafkaHome, find_kafka

__all__ = ["PRODUCERS", "Placed", "Produce", "Send", "Step"]

_SOURCE = Path(__file__).with_name("Producer.java")


@dataclass(frozen=True, kw_only=True, slots=True)
class Send:
    """One record; its key and value may be null."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] = field(default_factory=dict)


Step = Send | Literal["begin", "commit", "abort", "flush"]
Placed = tuple[int, int]
"""Partition and offset of a record."""


class Produce(Protocol):
    """Takes the steps with one producer of these settings; returns where each record went, in order."""

    def __call__(self, settings: Mapping[str, str], steps: Sequence[Step]) -> list[Placed]: ...


def java(settings: Mapping[str, str], steps: Sequence[Step]) -> list[Placed]:
    """Kafka's own producer, with its own defaults: idempotent, keys placed by murmur2. Skips the test without a JDK."""
    home = find_kafka()
    if not _compiles(home):
        pytest.skip("a program in Java needs a JDK; on Debian: apt-get install default-jdk-headless")
    argv = home.command(str(_SOURCE), *(f"{name}={value}" for name, value in settings.items()))
    lines = "".join(f"{_line(step)}\n" for step in steps)
    done = subprocess.run(argv, input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    placed = (line.split() for line in done.stdout.splitlines())
    return [(int(partition), int(offset)) for partition, offset in placed]


def librdkafka(settings: Mapping[str, str], steps: Sequence[Step]) -> list[Placed]:
    """The producer under the clients for C, Go, .NET, PHP, Node and confluent-kafka; it places keys by CRC-32."""
    placed: dict[int, Placed] = {}
    producer = Producer(dict(settings))
    if "transactional.id" in settings:
        producer.init_transactions()
    for number, step in enumerate(steps):
        if isinstance(step, Send):

            def took(error: KafkaError | None, message: Message, number: int = number) -> None:
                assert error is None, error
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                placed[number] = partition, offset

            headers: dict[str, str | bytes | None] = {**step.headers}
            producer.produce(step.topic, key=step.key, value=step.value, headers=headers, on_delivery=took)
        elif step == "begin":
            producer.begin_transaction()
        elif step == "commit":
            producer.commit_transaction()
        else:
            assert producer.flush(60.0) == 0
            if step == "abort":
                producer.abort_transaction()
    assert producer.flush(60.0) == 0
    return [placed[number] for number in sorted(placed)]


PRODUCERS: Mapping[str, Produce] = {"java": java, "librdkafka": librdkafka}


def _compiles(home: KafkaHome) -> bool:
    modules = subprocess.run([home.java, "--list-modules"], capture_output=True, text=True, check=True).stdout
    return "jdk.compiler@" in modules


def _line(step: Step) -> str:
    if not isinstance(step, Send):
        return step
    headers = (word for name, value in step.headers.items() for word in (name, _word(value)))
    return " ".join(("send", step.topic, _word(step.key), _word(step.value), *headers))


def _word(value: bytes | None) -> str:
    return "-" if value is None else base64.b64encode(value).decode()
