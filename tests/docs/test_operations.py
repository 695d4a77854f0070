"""docs/operations.md without containers, as printed: the processes start, Prometheus watches them, and all is well."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from deploy.drills.prometheus import Prometheus, PrometheusError
from deploy.local.ports import answers, free_ports
from deploy.observe.scrape import scrape
from headwater.v1.catalogue_pb2 import CatalogueChange
from headwater.v1.events_pb2 import Event
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from tests.broker import running_broker
from tests.redis import redis_process

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text()
LISTENS = ("9101", "9102", "9103", "9104", "50051", "9090")
"""Ports of the page, for which free ones are put: metrics of the four processes, gRPC, Prometheus."""


def block(language: str, begins: str) -> str:
    """The one block of code of the page that begins so."""
    [found] = [
        one for one in re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL) if one.startswith(begins)
    ]
    return str(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """Where the page's lines run, and what stands there for the names that they use."""

    directory: Path
    kafka: KafkaSettings
    names: Mapping[str, str]

    def here(self, text: str) -> str:
        """The text with this machine's addresses and paths."""
        return re.sub("|".join(self.names), lambda found: self.names[found[0]], text)

    def shell(self, lines: str) -> "subprocess.Popen[str]":
        """Starts lines of shell as a reader would, with `python` and `headwater` on the path; ended with this process."""
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PATH": f"{self.directory / 'bin'}:{os.environ['PATH']}",
            "HEADWATER_SERVER_PORT": self.names["50051"],
            "COLUMNS": "120",
        }
        command = [sys.executable, "-m", "deploy.local.launcher", str(os.getpid()), "sh", "-e", "-c", self.here(lines)]
        output = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.directory, env=environment, text=True, stdout=output, stderr=output, start_new_session=True
        )

    def output(self, lines: str) -> str:
        """What the lines print, which must succeed."""
        done = self.shell(lines)
        out, error = done.communicate(timeout=120)
        assert done.returncode == 0, out + error
        return out

    def wait(self, look: Callable[[], bool], what: str) -> None:
        """Returns once it is true; fails with the processes' logs."""
        deadline = time.monotonic() + 150.0
        while not look():
            logs = "\n".join(f"{path}:\n{path.read_text()[-2000:]}" for path in self.directory.glob("*.log"))
            assert time.monotonic() < deadline, f"{what} not within 150 s; {logs}"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A broker, a Redis, a tasks file, `python` and `headwater` on the path; nothing of ours runs yet."""
    directory = tmp_path_factory.mktemp("machine")
    shutil.copy(ROOT / "deploy" / "local" / "tasks.toml", directory)
    (directory / "bin").mkdir()
    # Processes end with the shell that started them, however it ends.
    tied = f'exec {sys.executable} -m deploy.local.launcher $PPID {sys.executable} "$@"'
    for name, line in {"python": tied, "headwater": 'exec python -c "from deploy.cli import main; main()" "$@"'}.items():
        (directory / "bin" / name).write_text(f"#!/bin/sh\n{line}\n")
        (directory / "bin" / name).chmod(0o755)
    with running_broker() as kafka, redis_process() as (_, url):
        names = {
            "localhost:9092": kafka.bootstrap_servers,
            "localhost:6379": f"127.0.0.1:{url.port}",
            "/var/lib/headwater": str(directory / "state"),
            "/etc/headwater": str(directory),
            "CLONE": str(ROOT),
            "localhost": "127.0.0.1",
            "HOST": "127.0.0.1",
            **dict(zip(LISTENS, map(str, free_ports(len(LISTENS))), strict=True)),
        }
        yield Machine(directory=directory, kafka=kafka, names=names)


@pytest.fixture(scope="module")
def started(machine: Machine) -> Iterator[Machine]:
    """The machine after the page's lines: four processes that say they are well, an item and a user's click."""
    shell = machine.shell(f"{block('sh', 'cat > headwater.env')}wait\n")
    try:
        for port in LISTENS[:4]:
            machine.wait(partial(answers, int(machine.names[port])), f"/healthz at the port for {port}")
        with event_producer(machine.kafka) as producer:
            item = {"item_id": "rye", "type": "product", "title": "Rye bread"}
            producer.send_change(CatalogueChange(upsert=item))
            for number in range(3):
                event = Event(user_id="ann", item_id=f"other-{number}")
                event.click.SetInParent()
                producer.send(event)
        machine.wait(lambda: scrape(int(machine.names["9102"])).total("headwater_events_folded_total") == 3, "the clicks")
        machine.wait(lambda: scrape(int(machine.names["9104"])).total("headwater_catalogue_items") == 1, "the item")
        yield machine
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.communicate(timeout=60)


def test_the_page_says_how_to_see_that_it_is_well(started: Machine) -> None:
    """Every question of the block is answered, with the settings of the processes and no more."""
    output = started.output("set -a; . ./headwater.env; set +a\n" + block("sh", "headwater topics ").replace("USER", "ann"))
    for expected in ("headwater.events.v1", "headwater-features-users", "version", "click", "Rye bread", "NO_MODEL"):
        assert expected in output
    assert ["headwater.events.v1", "32", "3"] in [line.split()[:3] for line in output.splitlines()]


def up(prometheus: Prometheus) -> set[str]:
    """Jobs that are up; none while Prometheus itself is not."""
    try:
        return {one.labels["job"] for one in prometheus.query("up == 1")}
    except (OSError, PrometheusError):
        return set()


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="needs prometheus: apt-get install --no-install-recommends prometheus"
)
def test_prometheus_reads_what_the_page_gives_it(started: Machine) -> None:
    """Each process is up under the name that rules and dashboards use, and no rule is at fault."""
    directory, port = started.directory, started.names["9090"]
    (directory / "prometheus.yml").write_text(started.here(block("yaml", "global:")))
    process = started.shell(
        f"exec prometheus --config.file=prometheus.yml --storage.tsdb.path={directory}/tsdb --web.listen-address=127.0.0.1:{port}"
    )
    try:
        prometheus = Prometheus(url=f"http://127.0.0.1:{port}")
        jobs = {"headwater-catalogue", "headwater-features", "headwater-learner", "headwater-server"}
        started.wait(lambda: up(prometheus) == jobs, "all four up")
        assert prometheus.unhealthy_rules() == []
    finally:
        process.terminate()
        process.communicate(timeout=60)
