"""headwater-client as an application installs it: what it puts into site-packages, what it needs, and that it works there."""

import asyncio
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import grpc
import pytest

from headwater.v1.events_pb2 import Event
from headwater.v1.topics import EVENTS
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from serving.api.servicer import Servicer
from serving.events import EventLog, EventRecorder
from serving.metrics import ServerMetrics
from tests.broker import broker_process
from tests.serving.worlds import World
from tests.streams.processes import read_topic
from tests.wheels import ROOT, Wheels, closure, link, new_environment

PROGRAM = """
import asyncio
import sys

from headwater.client import AsyncClient, Client, by_task
from headwater.v1.recommender_pb2 import ListSpec, RecommendRequest, ScoreRequest

REQUEST = RecommendRequest(user_id="ann", list=ListSpec(count=3))


async def shown(address: str) -> list[str]:
    async with AsyncClient(address) as client:
        return [item.item_id for item in (await client.recommend(REQUEST)).items]


with Client(sys.argv[1]) as client:
    response = client.recommend(REQUEST)
    assert [item.item_id for item in response.items] == asyncio.run(shown(sys.argv[1]))
    scored = client.score(ScoreRequest(user_id="ann", item_ids=["i1"]))
    print(len(response.items), sorted(by_task(scored.tasks, scored.items[0].values)))
    print(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[2:])))
"""
PRODUCER = """
import sys

from headwater.producer import EventProducer
from headwater.v1.events_pb2 import Click, Event

with EventProducer(sys.argv[1]) as producer:
    producer.send(Event(event_id="e1", user_id="ann", item_id="i1", click=Click()))
print(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[2:])))
"""
MISTAKE = """
from headwater.client import Client
from headwater.v1.recommender_pb2 import RecommendRequest

with Client(50051) as client:
    client.recommend(RecommendRequest(user_id=7))
"""


@pytest.fixture(scope="module")
def site_packages(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment that holds the client alone."""
    return new_environment(tmp_path_factory.mktemp("application") / "environment", wheels.client)


def test_it_puts_nothing_but_its_namespace_into_site_packages(site_packages: Path) -> None:
    """The namespace is nobody's: it has no __init__.py, so that the application can add to it."""
    assert {path.name for path in site_packages.iterdir()} == {"headwater", "headwater_client-0.1.0.dist-info"}
    assert {path.name for path in (site_packages / "headwater").iterdir()} == {"client", "producer", "v1"}


async def test_it_calls_a_server_with_grpcio_and_protobuf_alone(site_packages: Path, tmp_path: Path) -> None:
    """Threads and asyncio; the path holds the environment and what the distribution requires, and nothing else."""
    needed = closure("headwater-client", frozenset())
    assert needed == {"grpcio", "protobuf", "typing-extensions"}
    link(needed, tmp_path)
    world = World(directory=tmp_path / "world")
    recorder = EventRecorder(EventLog(KafkaSettings(bootstrap_servers="127.0.0.1:1")))
    servicer = Servicer(
        world.pipeline,
        world.explainer,
        recorder,
        ServerMetrics(),
        limits=world.limits,
        admission=world.admission,
        default_deadline_seconds=5.0,
    )
    server = grpc.aio.server()
    servicer.add_to(server)
    address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    python = site_packages.parents[2] / "bin" / "python"
    command = [str(python), "-c", PROGRAM, address, "numpy", "serving", "runtime", "kafka"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    await server.stop(None)
    world.close()
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["3 ['click', 'stars']", "[]"]


def test_its_producer_needs_kafka_python_and_says_so(site_packages: Path, tmp_path: Path) -> None:
    """Without the extra the import names it; with it an event is on the log, and nothing of the application was imported."""
    (tmp_path / "bare").mkdir()
    (tmp_path / "extra").mkdir()
    link(closure("headwater-client", frozenset()), tmp_path / "bare")
    link(closure("headwater-client", frozenset({"kafka"})), tmp_path / "extra")
    with broker_process() as (broker, _):
        ensure_topics(broker, partitions=1)
        command = [
            str(site_packages.parents[2] / "bin" / "python"),
            "-c",
            PRODUCER,
            broker.bootstrap_servers,
            "runtime",
            "pydantic",
        ]
        bare, extra = (
            subprocess.run(
                command,
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(tmp_path / kind)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            for kind in ("bare", "extra")
        )
        sent = read_topic(broker, EVENTS.name, partitions=1)
    assert "install headwater-client with its extra `kafka`" in bare.stderr
    assert (extra.returncode, extra.stdout) == (0, "[]\n"), extra.stderr
    [record] = sent
    assert (record.key, Event.FromString(record.value or b"").event_id) == (b"ann", "e1")


def test_it_tells_type_checkers_its_types(site_packages: Path, tmp_path: Path) -> None:
    """A checker that sees only the environment finds what is wrong in an application's call."""
    (tmp_path / "application.py").write_text(MISTAKE)
    python = site_packages.parents[2] / "bin" / "python"
    command = [sys.executable, "-m", "mypy", "--python-executable", str(python), "--config-file", "", "application.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=110, check=False)
    found = [line.split('"')[1::2] for line in done.stdout.splitlines()[:-1]]
    assert found == [["Client", "int", "str | Sequence[str]"], ["user_id", "RecommendRequest", "int", "str | None"]], done.stdout


def test_both_distributions_bear_one_version() -> None:
    """The application requires the client of its own version."""
    application, client = (
        tomllib.loads((directory / "pyproject.toml").read_text())["project"] for directory in (ROOT, ROOT / "clients" / "python")
    )
    assert application["version"] == client["version"]
    assert f"headwater-client[kafka]=={client['version']}" in application["dependencies"]
