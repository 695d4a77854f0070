"""Files that are made from rules and metrics: their content, and where each lies."""

from pathlib import Path
from typing import Any

import yaml

from deploy.prometheus.alerts import ALERTS
from deploy.prometheus.catalogue import page
from deploy.prometheus.objectives import burn_alerts, recordings

__all__ = ["KUBERNETES_RULES", "METRICS_PAGE", "RULES", "generated", "groups"]

_HERE = Path(__file__).parent

RULES = _HERE / "rules" / "headwater.yml"
"""What a Prometheus server is pointed at."""
KUBERNETES_RULES = _HERE.parent / "kubernetes" / "base" / "rules.yaml"
"""The same for the operator of Prometheus."""
METRICS_PAGE = _HERE.parents[1] / "docs" / "metrics.md"
"""What each metric says, for people."""

_HEADER = "# Written by `make generated` from deploy/prometheus/*.py; a test fails when it is not current.\n"


def groups() -> list[dict[str, Any]]:
    """All rules, as the `groups` of a rule file."""
    return [
        {"name": "headwater-objectives", "rules": [rule.render() for rule in recordings()]},
        {"name": "headwater-budgets", "rules": [rule.render() for rule in burn_alerts()]},
        {"name": "headwater-causes", "rules": [rule.render() for rule in ALERTS]},
    ]


def generated() -> dict[Path, str]:
    """Content by path of each file."""
    rules = {"groups": groups()}
    wrapped = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "headwater"},
        "spec": rules,
    }
    return {RULES: _yaml(rules), KUBERNETES_RULES: _yaml(wrapped), METRICS_PAGE: page()}


def _yaml(content: dict[str, Any]) -> str:
    return f"{_HEADER}{yaml.safe_dump(content, sort_keys=False, width=120)}"
