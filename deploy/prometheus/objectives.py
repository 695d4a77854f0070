"""Service-level objectives, and the alerts on how fast their error budgets burn.

Windows and factors are those of the Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts", for a budget of
30 days: 2 % of it gone in an hour, or 5 % in six hours, pages; 10 % in three days opens a ticket.
"""

from dataclasses import dataclass

from deploy.prometheus.rule import Alert, Recording, Severity

__all__ = ["OBJECTIVES", "WINDOWS", "Objective", "burn_alerts", "recordings"]

WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")

_ANSWERS = 'grpc_method=~"Score|Recommend"'
_FAULTS = 'grpc_code=~"INTERNAL|UNAVAILABLE|RESOURCE_EXHAUSTED|DEADLINE_EXCEEDED"'
_LESS = 'reason=~"store_unavailable|no_model|empty_catalogue"'


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """A promise: at least the fraction `target` of what is counted is good, over 30 days."""

    name: str
    alert: str
    target: float
    promise: str
    """The sentence for the documents and for whoever is on call."""
    errors: str
    """Fraction of bad ones as PromQL, with WINDOW where its range goes."""


OBJECTIVES = (
    Objective(
        name="availability",
        alert="AvailabilityBudgetBurns",
        target=0.999,
        promise="99.9 % of calls end without a fault of ours",
        errors=f"sum(rate(grpc_server_handled_total{{{_FAULTS}}}[WINDOW])) / sum(rate(grpc_server_handled_total[WINDOW]))",
    ),
    Objective(
        name="latency",
        alert="LatencyBudgetBurns",
        target=0.99,
        promise="99 % of Score and Recommend are answered within 100 ms",
        errors=(
            f'1 - sum(rate(grpc_server_handling_seconds_bucket{{{_ANSWERS}, le="0.1"}}[WINDOW])) '
            f"/ sum(rate(grpc_server_handling_seconds_count{{{_ANSWERS}}}[WINDOW]))"
        ),
    ),
    Objective(
        name="freshness",
        alert="FreshnessBudgetBurns",
        target=0.99,
        promise="99 % of events are in their user's features within 1 s of their append to the log",
        errors=(
            '1 - sum(rate(headwater_freshness_seconds_bucket{stage="feature",le="1.0"}[WINDOW])) '
            '/ sum(rate(headwater_freshness_seconds_count{stage="feature"}[WINDOW]))'
        ),
    ),
    Objective(
        name="completeness",
        alert="CompletenessBudgetBurns",
        target=0.99,
        promise="99 % of answers have store, model and catalogue behind them",
        errors=(
            f"sum(rate(headwater_degraded_total{{{_LESS}}}[WINDOW])) "
            f'/ sum(rate(grpc_server_handled_total{{{_ANSWERS}, grpc_code="OK"}}[WINDOW]))'
        ),
    ),
)

_BURNS: tuple[tuple[Severity, tuple[tuple[float, str, str], ...]], ...] = (
    ("page", ((14.4, "1h", "5m"), (6.0, "6h", "30m"))),
    ("ticket", ((3.0, "1d", "2h"), (1.0, "3d", "6h"))),
)


def recordings() -> list[Recording]:
    """The error ratio of each objective over each window."""
    return [
        Recording(
            record=_series(window), expr=objective.errors.replace("WINDOW", window), labels=(("objective", objective.name),)
        )
        for objective in OBJECTIVES
        for window in WINDOWS
    ]


def burn_alerts() -> list[Alert]:
    """A page and a ticket for each objective; a long window says that it matters, a short one that it still goes on."""
    return [_burn_alert(objective, severity, burns) for objective in OBJECTIVES for severity, burns in _BURNS]


def _burn_alert(objective: Objective, severity: Severity, burns: tuple[tuple[float, str, str], ...]) -> Alert:
    def burning(factor: float, long: str, short: str) -> str:
        bound, chosen = f"{factor * (1.0 - objective.target):.6g}", f'{{objective="{objective.name}"}}'
        return f"({_series(long)}{chosen} > {bound} and {_series(short)}{chosen} > {bound})"

    speed = "fast" if severity == "page" else "slowly"
    return Alert(
        name=objective.alert,
        expr=" or ".join(burning(*burn) for burn in burns),
        severity=severity,
        summary=f"The error budget of {objective.name} burns {speed}; promised: {objective.promise}.",
        labels=(("objective", objective.name),),
    )


def _series(window: str) -> str:
    return f"headwater:errors:ratio_rate{window}"
