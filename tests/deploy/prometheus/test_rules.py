"""Rules are current, Prometheus takes them, each alert is seen to fire, and each has a page that speaks of what exists."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.grafana.files import generated as dashboards
from deploy.prometheus.alerts import ALERTS
from deploy.prometheus.catalogue import metrics
from deploy.prometheus.files import RULES, generated
from deploy.prometheus.objectives import burn_alerts
from deploy.prometheus.rule import runbook
from tests.deploy.settings import variables

ROOT = Path(__file__).parents[3]
RUNBOOKS = ROOT / "docs" / "runbooks"
NAMES = sorted({alert.name for alert in (*ALERTS, *burn_alerts())})
TESTS = RULES.parents[1] / "rules_test.yml"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs promtool: apt-get install --no-install-recommends prometheus"
)


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_generated_files_are_current(path: Path) -> None:
    """What is checked in is what the sources make."""
    assert path.read_text() == generated()[path], "run `make generated` and commit what it writes"


@needs_promtool
@pytest.mark.parametrize("command", [("check", "rules", str(RULES)), ("test", "rules", str(TESTS))], ids=lambda c: c[0])
def test_prometheus_takes_the_rules(command: tuple[str, ...]) -> None:
    """Prometheus' own tool finds no fault with them, and each alert fires in its case and in no other."""
    done = subprocess.run(["promtool", *command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_each_alert_has_a_case_in_which_it_fires(name: str) -> None:
    """rules_test.yml expects the alert among those that fire, at least once."""
    expected = [
        sample["labels"]
        for case in yaml.safe_load(TESTS.read_text())["tests"]
        for query in case["promql_expr_test"]
        for sample in query["exp_samples"]
    ]
    assert any(f'alertname="{name}"' in labels and "firing" in labels for labels in expected)


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    """The pages are those that the alerts name."""
    assert sorted(path.stem for path in RUNBOOKS.glob("*.md")) == NAMES
    assert all((ROOT / runbook(name)).is_file() for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_pages_speak_of_what_exists(name: str) -> None:
    """Settings, metrics, dashboards, panels and other pages that a runbook names are there."""
    text = (RUNBOOKS / f"{name}.md").read_text()
    declared = {metric.name for metric in metrics()}
    assert set(re.findall(r"HEADWATER_[A-Z_]+", text)) <= variables()
    assert set(re.findall(r"\b(?:headwater|grpc_server)_[a-z_]+", text)) <= declared
    boards = [json.loads(content) for content in dashboards().values()]
    assert set(re.findall(r"Dashboard \*(.+?)\*", text)) <= {
        board["title"].removeprefix("Headwater: ").capitalize() for board in boards
    }
    assert set(re.findall(r"[Pp]anel \*(.+?)\*", text)) <= {panel["title"] for board in boards for panel in board["panels"]}
    for link in re.findall(r"\]\((.+?)\)", text):
        assert (RUNBOOKS / link.partition("#")[0]).is_file()


def test_settings_are_found() -> None:
    """The set of variables that the pages are held against is the processes' own."""
    assert {"HEADWATER_SERVER_PORT", "HEADWATER_METRICS_PORT", "HEADWATER_TASKS_FILE"} <= variables()
