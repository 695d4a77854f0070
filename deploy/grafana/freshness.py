"""Dashboard of the streams: how old what is served is, what waits, and what could not be used."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.panels import Query, board, graph, number, row
from runtime.metrics import FRESHNESS_METRIC

__all__ = ["freshness"]


def freshness() -> Dashboard:
    """From event to feature to answer; then each topic's lag; then the odd events."""
    return board(
        "headwater-freshness",
        "Headwater: freshness and lag",
        "How long an event takes until it counts, what waits in the log, and what could not be used.",
        row("From event to answer"),
        graph(
            "Event to feature",
            "From an event's append to the log until its user's row is written.",
            *(_quantile(q, "feature") for q in ("0.5", "0.99")),
            unit="s",
            warn_above=1.0,
        ),
        graph(
            "Event to answer",
            "From a user's newest event to the first answer that counts it: an upper bound, for users ask when they like.",
            *(_quantile(q, "served") for q in ("0.1", "0.5")),
            unit="s",
        ),
        graph(
            "Items behind",
            "Changes of items that a server has not read yet.",
            Query(expr="headwater_mirror_lag_records", legend="{{instance}}"),
            unit="none",
        ),
        row("What waits"),
        graph(
            "Lag by topic",
            "Records that are in the log and not finished.",
            Query(expr="sum by (job, topic) (headwater_consumer_lag_records)", legend="{{job}} {{topic}}"),
            unit="none",
            warn_above=10_000.0,
        ),
        graph(
            "Age of the last commit",
            "Since a group's offsets moved. High is a fault only while records wait.",
            Query(expr="max by (job, topic) (headwater_last_commit_age_seconds)", legend="{{job}} {{topic}}"),
            unit="s",
        ),
        graph(
            "Seconds of a batch by stage",
            "Mean of each stage: fold is CPU, publish the brokers, write the store.",
            Query(
                expr="sum by (agent, stage) (rate(headwater_batch_seconds_sum[$__rate_interval])) "
                "/ sum by (agent, stage) (rate(headwater_batch_seconds_count[$__rate_interval]))",
                legend="{{agent}} {{stage}}",
            ),
            unit="s",
        ),
        row("Rates"),
        graph(
            "Events folded",
            "Events and item actions that were counted, and examples made of them, each second.",
            _rate("headwater_events_folded_total", "events"),
            _rate("headwater_item_actions_folded_total", "item actions"),
            _rate("headwater_examples_published_total", "examples"),
            unit="ops",
        ),
        graph(
            "Dead letters by reason",
            "Records that could not be used, each second.",
            Query(expr="sum by (reason) (rate(headwater_events_dead_lettered_total[$__rate_interval]))", legend="{{reason}}"),
            Query(expr="sum by (task) (rate(headwater_values_clipped_total[$__rate_interval]))", legend="clipped: {{task}}"),
            unit="ops",
        ),
        graph(
            "Late and repeated events",
            "Late ones are folded as of their time; repeated ones are not counted again.",
            _rate("headwater_events_late_total", "late"),
            _rate("headwater_events_duplicate_total", "repeated"),
            unit="ops",
        ),
        row("Totals"),
        number(
            "Records that wait",
            "Over all topics.",
            Query(expr="sum(headwater_consumer_lag_records)"),
            unit="none",
            red_above=10_000.0,
        ),
        number(
            "Dead letters in a day",
            "Records that could not be used.",
            Query(expr="sum(increase(headwater_events_dead_lettered_total[1d]))"),
            unit="none",
        ),
    )


def _quantile(q: str, stage: str) -> Query:
    expr = f'histogram_quantile({q}, sum by (le) (rate({FRESHNESS_METRIC}_bucket{{stage="{stage}"}}[$__rate_interval])))'
    return Query(expr=expr, legend=f"p{float(q) * 100:g}")


def _rate(name: str, legend: str) -> Query:
    return Query(expr=f"sum(rate({name}[$__rate_interval]))", legend=legend)
