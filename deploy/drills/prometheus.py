"""Real Prometheus beside the embedded stack: it scrapes each process with our rules, and answers questions."""

import json
import math
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deploy.prometheus.files import groups

__all__ = ["MetricSample", "Prometheus", "PrometheusError", "running_prometheus"]

_HOST = "127.0.0.1"
_START_SECONDS = 60.0


class PrometheusError(RuntimeError):
    """Prometheus is not installed, does not start, or does not understand a query."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MetricSample:
    """One element of a result."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Prometheus:
    """A server that answers at `url`."""

    url: str

    def query(self, expr: str) -> list[MetricSample]:
        """The instant vector of an expression, now; raises PrometheusError for what it does not understand."""
        result = self._get("query", query=expr)["result"]
        return [MetricSample(labels=one["metric"], value=float(one["value"][1])) for one in result]

    def firing(self) -> set[str]:
        """Names of the alerts that fire."""
        return {sample.labels["alertname"] for sample in self.query('ALERTS{alertstate="firing"}')}

    def unhealthy_rules(self) -> list[str]:
        """Rules whose last evaluation failed, with the error."""
        rules = [rule for group in self._get("rules")["groups"] for rule in group["rules"]]
        return [f"{rule['name']}: {rule.get('lastError', '')}" for rule in rules if rule["health"] == "err"]

    def _get(self, path: str, **parameters: str) -> Any:
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10.0) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            # Not JSON while it starts.
            raise PrometheusError(f"{parameters}: {error}: {error.read().decode(errors='replace')}") from error


@contextmanager
def running_prometheus(
    directory: Path, metrics_ports: Mapping[str, int], *, scrape_seconds: float = 1.0, hurry: float = 1.0
) -> Iterator[Prometheus]:
    """A server that scrapes 127.0.0.1 at `metrics_ports` (by process), gone when the block ends.

    Args:
        hurry: by this factor the time for which an alert must last is shortened; drills are shorter than real outages.

    Raises:
        PrometheusError: there is no `prometheus` on the path, or it does not start.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise PrometheusError("no `prometheus` found; on Debian: apt-get install --no-install-recommends prometheus")
    directory.mkdir(parents=True, exist_ok=True)
    config, port = directory / "prometheus.yml", _free_port()
    config.write_text(yaml.safe_dump(_config(metrics_ports, scrape_seconds)), encoding="utf-8")
    (directory / "rules.yml").write_text(yaml.safe_dump({"groups": _hurried(hurry)}), encoding="utf-8")
    command = [program, f"--config.file={config}", f"--storage.tsdb.path={directory / 'data'}"]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={_HOST}:{port}"], stdout=log, stderr=log)
    try:
        server = Prometheus(url=f"http://{_HOST}:{port}")
        _await(server, process, directory / "prometheus.log")
        yield server
    finally:
        process.terminate()
        process.wait(30.0)


def _config(metrics_ports: Mapping[str, int], scrape_seconds: float) -> dict[str, Any]:
    interval = f"{max(int(scrape_seconds * 1000), 1)}ms"
    jobs = [
        {"job_name": f"headwater-{process}", "static_configs": [{"targets": [f"{_HOST}:{port}"]}]}
        for process, port in metrics_ports.items()
    ]
    times = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    return {"global": times, "rule_files": ["rules.yml"], "scrape_configs": jobs}


def _hurried(factor: float) -> list[dict[str, Any]]:
    made = groups()
    for rule in (rule for group in made for rule in group["rules"] if "for" in rule):
        amount, unit = re.fullmatch(r"(\d+)([smh])", rule["for"]).groups()  # type: ignore[union-attr]  # rules are ours
        rule["for"] = f"{math.ceil(int(amount) * {'s': 1, 'm': 60, 'h': 3600}[unit] / factor)}s"
    return made


def _await(server: Prometheus, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{server.url}/-/ready", timeout=1.0):
                return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise PrometheusError(f"prometheus did not start; its log:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((_HOST, 0))
        return int(one.getsockname()[1])
