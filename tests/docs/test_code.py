"""The code in the guide for producers runs: its Python against a real stack, its shell up to the broker."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.demo.scrape import scrape
from deploy.local.stack import Stack, StackConfig
from deploy.local.state import StackState
from feature_repo.decode import decode_event
from feature_repo.occurrence import Occurrence
from feature_repo.settings import KafkaSettings
from protos.catalogue_pb2 import CatalogueChange
from protos.streams_pb2 import Erasure
from protos.topics import ERASURES
from streams.producer import EventProducer
from tests.streams.processes import PARTITIONS, read_topic

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
ITEMS = 8


def blocks(page: str, language: str) -> list[str]:
    """The page's blocks of code in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (GUIDES / page).read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackState]:
    """A running stack with a small catalogue."""
    directory = tmp_path_factory.mktemp("documents")
    tasks = ROOT / "deploy" / "local" / "tasks.toml"
    config = StackConfig(data_dir=directory, tasks_file=tasks, partitions=PARTITIONS)
    lines: list[str] = []
    with Stack(config, report=lines.append, echo=lambda name, line: lines.append(line)) as stack:
        state = stack.start()
        with EventProducer(KafkaSettings(bootstrap_servers=state.bootstrap_servers)) as producer:
            for number in range(ITEMS):
                item = {"item_id": f"bread-{number}", "type": "product", "title": f"Bread of kind {number}"}
                producer.send_change(CatalogueChange(upsert=item))
        eventually(lambda: scrape(state.metrics_ports["server"]).total("headwater_catalogue_items") == ITEMS)
        yield state


@pytest.fixture
def environment(state: StackState) -> dict[str, str]:
    """What the documents tell their readers to set."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HEADWATER_KAFKA_BOOTSTRAP_SERVERS": state.bootstrap_servers,
        "HEADWATER_SERVER": state.server,
    }


def eventually(look: Callable[[], bool]) -> None:
    """Returns once it is true."""
    deadline = time.monotonic() + 120.0
    while not look():
        assert time.monotonic() < deadline, "not within two minutes"
        time.sleep(0.1)


def run(command: list[str], environment: dict[str, str], directory: Path) -> str:
    """Runs a command that must succeed; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env=environment, cwd=directory, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_producers_guide(state: StackState, environment: dict[str, str], tmp_path: Path) -> None:
    """Every block of Python runs, in order, and what it sends is folded; the last one forgets the user."""
    kafka = KafkaSettings(bootstrap_servers=state.bootstrap_servers)
    printed = run([sys.executable, "-c", "\n".join(blocks("producers.md", "python"))], environment, tmp_path)
    assert "acknowledged=2, failed=0" in printed
    eventually(lambda: scrape(state.metrics_ports["features"]).total("headwater_users_forgotten_total") == 1)
    [receipt] = [Erasure.FromString(record.value or b"") for record in read_topic(kafka, ERASURES.name)]
    assert (receipt.user_id, receipt.events) == ("ann", 3)
    assert scrape(state.metrics_ports["features"]).total("headwater_events_dead_lettered_total") == 0


def test_what_kcat_is_given_is_sound(environment: dict[str, str], tmp_path: Path) -> None:
    """Each line is the key, then an event of that user. A stand-in takes the lines: kcat cannot talk to the embedded broker."""
    stand_in = tmp_path / "kcat"
    stand_in.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/arguments\ncat > {tmp_path}/lines\n')
    stand_in.chmod(0o755)
    [command] = blocks("producers.md", "kcat")
    run(["sh", "-c", command], {**environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, tmp_path)
    lines = (tmp_path / "lines").read_bytes().splitlines()
    decoded = [decode_event(value, key=key, now=time.time()) for key, _, value in (line.partition(b"|") for line in lines)]
    assert [one.kind if isinstance(one, Occurrence) else one for one in decoded] == ["click", "like"]
    assert "-K | -X partitioner=murmur2_random" in (tmp_path / "arguments").read_text()
