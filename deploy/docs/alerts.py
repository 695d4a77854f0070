"""Page of alerts: each with what it means, by its own page in docs/runbooks."""

import re
from pathlib import Path

from deploy.prometheus.alerts import ALERTS
from deploy.prometheus.objectives import burn_alerts
from deploy.prometheus.rule import runbook

__all__ = ["page"]

_ROOT = Path(__file__).parents[2]
_PAGE = """# Alerts

What wakes someone (page) and what waits for working hours (ticket). Each alert names its page, which says where to look and what
to do. The rules are in `deploy/prometheus/rules`.

| alert | severity | means |
| --- | --- | --- |
{rows}
"""


def page() -> str:
    """docs/reference/alerts.md."""
    severities: dict[str, set[str]] = {}
    for alert in (*burn_alerts(), *ALERTS):
        severities.setdefault(alert.name, set()).add(alert.severity)
    rows = [f"| [{name}](../runbooks/{name}.md) | {', '.join(sorted(of))} | {_means(name)} |" for name, of in severities.items()]
    return _PAGE.format(rows="\n".join(rows))


def _means(alert: str) -> str:
    """The runbook's paragraph on what the alert means."""
    found = re.search(
        r"^\*\*Means\.\*\*(.*?)\n\n", (_ROOT / runbook(alert)).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return " ".join(found.group(1).split()) if found else ""
