"""The compose file fits together: images that can be built, settings that exist and suffice, files and volumes that are there."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.console.settings import ConsoleSettings
from tests.deploy.docker import dockerfile
from tests.deploy.effective import effective, unfit
from tests.deploy.settings import variables, variables_of

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def environment_of(service: str) -> dict[str, str]:
    """What a service's process is told: by its image, and on top by the file."""
    build = SERVICES[service].get("build", {})
    image = dockerfile.environment(build["target"]) if build else {}
    return {**image, **SERVICES[service].get("environment", {})}


def checked(file: Path) -> str:
    """What the schema of the Compose Specification has against a file; empty where it has nothing."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_file_says_what_compose_understands() -> None:
    """It fits the specification's schema, and is open to this machine alone."""
    assert checked(DEPLOY / "compose.yaml") == ""
    for name, service in SERVICES.items():
        assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.get("ports", ())), name
        if "healthcheck" in service:
            assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("restart: unless-stopped", "restarts: unless-stopped"),
        ("service_healthy", "service_well"),
        ("stop_grace_period: 20s", "stop_grace_period: [20s]"),
    ],
)
def test_a_mistake_in_the_file_is_found(right: str, wrong: str, tmp_path: Path) -> None:
    """A key and a condition that the specification does not know, and a list for a text."""
    text = (DEPLOY / "compose.yaml").read_text()
    assert right in text
    (tmp_path / "compose.yaml").write_text(text.replace(right, wrong))
    assert wrong.partition(":")[0].strip() in checked(tmp_path / "compose.yaml")


def test_services_wait_for_what_they_need() -> None:
    """A dependency is a service, and one that is waited for as healthy has a check."""
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[needed]


def test_everything_that_is_mounted_is_there() -> None:
    """Paths exist beside the file, and volumes are declared, each of them used."""
    used = set()
    for service in SERVICES.values():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
            else:
                used.add(source)
    assert used == set(COMPOSE["volumes"])


def test_images_are_targets_of_the_dockerfile() -> None:
    """Each of our services names a target; each process has a service, under the name that Prometheus looks for."""
    ours = {name: service["build"] for name, service in SERVICES.items() if "build" in service}
    for build in ours.values():
        assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == dockerfile.PATH
        assert build["target"] in dockerfile.stages()
    assert set(ours) == {*dockerfile.PROCESSES, "console", "topics"}
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    names = {name for job in scraped for config in job["dns_sd_configs"] for name in config["names"]}
    assert names == set(dockerfile.PROCESSES)


@pytest.mark.parametrize("process", dockerfile.PROCESSES)
def test_settings_exist_and_suffice(process: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process reads each variable that it is given, takes the values, and is told everything that has no default for it."""
    environment = environment_of(process)
    ours = {name for name in environment if name.startswith("HEADWATER_")}
    assert ours <= variables()
    assert ours & variables_of(process)
    assert list(unfit(effective(process, environment, monkeypatch))) == []
    mounted = [mount.split(":")[1] for mount in SERVICES[process]["volumes"]]
    assert environment["HEADWATER_TASKS_FILE"] in mounted


def test_the_console_asks_services_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes what it is told, changes nothing, and is open to this machine alone."""
    environment = environment_of("console")
    assert {name for name in environment if name.startswith("HEADWATER_")} <= variables()
    [settings, *others] = effective("console", environment, monkeypatch)
    assert isinstance(settings, ConsoleSettings)
    assert list(unfit(others)) == []
    assert settings.read_only
    for address in (settings.server, *settings.metrics_urls.values()):
        assert re.sub(r"^\w+:/+|:.*$", "", address) in SERVICES
    assert SERVICES["console"]["ports"] == [f"127.0.0.1:{settings.port}:{settings.port}"]
