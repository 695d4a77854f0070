"""Dashboard of the service as its callers see it: objectives, rate, errors, duration, and where the time goes."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.panels import Query, board, graph, heat, number, row
from deploy.prometheus.objectives import OBJECTIVES

__all__ = ["service"]

_ANSWERS = 'grpc_method=~"Score|Recommend"'
_QUANTILES = ("0.5", "0.9", "0.99")


def service() -> Dashboard:
    """RED, then the latency waterfall, then what degraded."""
    objectives = [
        number(
            f"{objective.name.capitalize()}: budget burnt in an hour",
            f"{objective.promise}. Above 1 the budget of 30 days is gone in less than 30 days; above 14.4 it pages.",
            Query(expr=f'headwater:errors:ratio_rate1h{{objective="{objective.name}"}} / {1.0 - objective.target:.6g}'),
            unit="none",
            red_above=1.0,
        )
        for objective in OBJECTIVES
    ]
    return board(
        "headwater-service",
        "Headwater: service",
        "What callers get: objectives, rate, errors, duration, and where the time goes.",
        row("Objectives"),
        *objectives,
        row("Rate, errors, duration"),
        graph(
            "Calls by method",
            "Calls that ended, each second.",
            Query(expr="sum by (grpc_method) (rate(grpc_server_handled_total[$__rate_interval]))", legend="{{grpc_method}}"),
            unit="reqps",
        ),
        graph(
            "Errors by code",
            "Calls that ended with another code than OK, each second.",
            Query(
                expr='sum by (grpc_method, grpc_code) (rate(grpc_server_handled_total{grpc_code!="OK"}[$__rate_interval]))',
                legend="{{grpc_method}} {{grpc_code}}",
            ),
            unit="reqps",
        ),
        graph(
            "Duration",
            "Time within the server, of Score and Recommend.",
            *(
                Query(
                    expr=f"histogram_quantile({q}, sum by (le) "
                    f"(rate(grpc_server_handling_seconds_bucket{{{_ANSWERS}}}[$__rate_interval])))",
                    legend=f"p{float(q) * 100:g}",
                )
                for q in _QUANTILES
            ),
            unit="s",
            warn_above=0.1,
        ),
        heat(
            "Durations",
            "How the durations of all calls lie: two bands are two kinds of call.",
            Query(expr="sum by (le) (increase(grpc_server_handling_seconds_bucket[$__rate_interval]))", legend="{{le}}"),
            unit="s",
        ),
        graph(
            "Calls in flight",
            "At once, by instance; those beyond HEADWATER_SERVER_MAX_IN_FLIGHT are refused.",
            Query(expr="headwater_requests_in_flight", legend="{{instance}}"),
            unit="none",
        ),
        row("Where the time goes"),
        graph(
            "Where the time goes",
            "Mean time of an answer, by stage, stacked in the order in which an answer passes them.",
            Query(
                expr="sum by (stage) (rate(headwater_stage_seconds_sum[$__rate_interval])) "
                "/ scalar(sum(rate(headwater_stage_seconds_count{stage='feature_read'}[$__rate_interval])))",
                legend="{{stage}}",
            ),
            unit="s",
            stacked=True,
        ),
        graph(
            "Slowest stages",
            "The 99th percentile of each stage: the one that grows is the cause.",
            Query(
                expr="histogram_quantile(0.99, sum by (le, stage) (rate(headwater_stage_seconds_bucket[$__rate_interval])))",
                legend="{{stage}}",
            ),
            unit="s",
        ),
        row("What is missing from answers"),
        graph(
            "Degraded answers by reason",
            "Answers that went out as less than full ones, each second. Unknown users are part of life; a store away is not.",
            Query(expr="sum by (reason) (rate(headwater_degraded_total[$__rate_interval]))", legend="{{reason}}"),
            unit="reqps",
        ),
        graph(
            "Impressions dropped",
            "Lists whose impressions did not reach the log, each second: negatives that the models never see.",
            Query(expr="sum by (instance) (rate(headwater_impressions_dropped_total[$__rate_interval]))", legend="{{instance}}"),
            unit="ops",
        ),
    )
