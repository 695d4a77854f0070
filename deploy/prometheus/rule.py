"""Two kinds of rule, as Prometheus reads them."""

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Alert", "Recording", "Severity", "runbook"]

Severity = Literal["page", "ticket"]
"""page: users notice now, someone gets up. ticket: it waits for working hours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """A series that Prometheus computes at each evaluation."""

    record: str
    expr: str
    labels: tuple[tuple[str, str], ...] = ()

    def render(self) -> dict[str, Any]:
        """The rule as a mapping for YAML."""
        labels = {"labels": dict(self.labels)} if self.labels else {}
        return {"record": self.record, "expr": self.expr, **labels}


@dataclass(frozen=True, kw_only=True, slots=True)
class Alert:
    """A condition that someone must act on; its page in docs/runbooks says how."""

    name: str
    expr: str
    severity: Severity
    summary: str
    """One sentence for whoever is woken; Prometheus' templates are allowed in it."""
    hold: str | None = None
    """How long the condition must last; None where the expression's windows see to that."""
    labels: tuple[tuple[str, str], ...] = ()

    def render(self) -> dict[str, Any]:
        """The rule as a mapping for YAML."""
        hold = {"for": self.hold} if self.hold else {}
        return {
            "alert": self.name,
            "expr": self.expr,
            **hold,
            "labels": {"severity": self.severity, **dict(self.labels)},
            "annotations": {"summary": self.summary, "runbook": runbook(self.name)},
        }


def runbook(alert: str) -> str:
    """Path of an alert's page in the repository."""
    return f"docs/runbooks/{alert}.md"
