"""Alerts on causes: what no objective shows early enough, or does not point to."""

from deploy.prometheus.rule import Alert

__all__ = ["ALERTS"]

_OK = 'grpc_server_handled_total{grpc_method=~"Score|Recommend", grpc_code="OK"}'

ALERTS = (
    # The processes.
    Alert(
        name="ProcessDown",
        expr='up{job=~"headwater-.+"} == 0',
        hold="2m",
        severity="ticket",
        summary="{{ $labels.job }} at {{ $labels.instance }} has not answered Prometheus for 2 minutes.",
    ),
    Alert(
        name="ServiceGone",
        expr=(  # absent() alone would fire where a process has never run
            'max by (job) (up{job=~"headwater-(catalogue|features|learner|server)"} '
            'or 0 * max_over_time(up{job=~"headwater-(catalogue|features|learner|server)"}[7d])) == 0'
        ),
        hold="5m",
        severity="page",
        summary="No {{ $labels.job }} has answered Prometheus for 5 minutes.",
    ),
    Alert(
        name="FileHandlesRunOut",
        expr='process_open_fds{job=~"headwater-.+"} / process_max_fds > 0.8',
        hold="5m",
        severity="ticket",
        summary="{{ $labels.job }} at {{ $labels.instance }} holds {{ $value | humanizePercentage }} of its file handles.",
    ),
    # Streams.
    Alert(
        name="ConsumerStalled",
        expr=(
            "(headwater_consumer_lag_records > 0 or headwater_consumer_lag_records != headwater_consumer_lag_records) "
            "and headwater_last_commit_age_seconds > 120"
        ),
        hold="1m",
        severity="page",
        summary="{{ $labels.job }} at {{ $labels.instance }} finishes nothing of {{ $labels.topic }}; {{ $value }} records wait.",
    ),
    Alert(
        name="ConsumerLagHigh",
        expr="sum by (job, topic) (headwater_consumer_lag_records) > 10000",
        hold="10m",
        severity="ticket",
        summary="{{ $value | humanize }} records of {{ $labels.topic }} wait for {{ $labels.job }}.",
    ),
    Alert(
        name="BrokerUnreachable",
        expr="headwater_broker_silent_seconds > 60",
        severity="page",
        summary="{{ $labels.job }} at {{ $labels.instance }} has been served by no broker for {{ $value | humanizeDuration }}.",
    ),
    Alert(
        name="WrongPartition",
        expr="sum(increase(headwater_events_wrong_partition_total[15m])) > 0",
        severity="ticket",
        summary="{{ $value | humanize }} events lie in another partition than the one before of their user.",
    ),
    Alert(
        name="RecordsLost",
        expr="sum by (job, topic) (increase(headwater_records_lost_total[1h])) > 0",
        hold="0m",
        severity="page",
        summary="{{ $value | humanize }} records of {{ $labels.topic }} were gone before {{ $labels.job }} read them.",
    ),
    Alert(
        name="DeadLettersHigh",
        expr=(
            "sum(rate(headwater_events_dead_lettered_total[15m])) "
            "/ (sum(rate(headwater_events_folded_total[15m])) + sum(rate(headwater_events_dead_lettered_total[15m]))) > 0.01"
        ),
        hold="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of the records read could not be used.",
    ),
    Alert(
        name="MirrorBehind",
        expr="headwater_mirror_lag_records > 1000 or headwater_mirror_lag_records != headwater_mirror_lag_records",
        hold="2m",
        severity="ticket",
        summary="The server at {{ $labels.instance }} has not read {{ $value }} changes of items (NaN: no broker tells).",
    ),
    Alert(
        name="EncoderMismatch",
        expr="headwater_encoder_mismatch_items > 0",
        hold="10m",
        severity="ticket",
        summary="The server at {{ $labels.instance }} lacks {{ $value }} items: only another encoder has written their vectors.",
    ),
    # Answers.
    Alert(
        name="StoreUnavailable",
        expr=f'sum(rate(headwater_degraded_total{{reason="store_unavailable"}}[5m])) / sum(rate({_OK}[5m])) > 0.05',
        hold="2m",
        severity="page",
        summary="{{ $value | humanizePercentage }} of answers go out without the user's features: the online store fails.",
    ),
    Alert(
        name="CatalogueEmpty",
        expr="headwater_catalogue_items == 0",
        hold="5m",
        severity="page",
        summary="The server at {{ $labels.instance }} knows no item to recommend.",
    ),
    Alert(
        name="ServerSheds",
        expr=(
            'sum(rate(grpc_server_handled_total{grpc_code="RESOURCE_EXHAUSTED"}[5m])) '
            "/ sum(rate(grpc_server_handled_total[5m])) > 0.01"
        ),
        hold="5m",
        severity="ticket",
        summary="{{ $value | humanizePercentage }} of calls are refused, for more come than the servers can take.",
    ),
    Alert(
        name="ImpressionsDropped",
        expr="sum(increase(headwater_impressions_dropped_total[10m])) > 0",
        severity="ticket",
        summary="{{ $value | humanize }} impressions did not reach the log in 10 minutes: the models lose their negatives.",
    ),
    # Learning.
    Alert(
        name="ModelStale",
        expr="min(headwater_model_age_seconds) > 3600 and sum(rate(headwater_examples_published_total[1h])) > 0",
        hold="10m",
        severity="ticket",
        summary="No server has a model newer than {{ $value | humanizeDuration }}, although examples come.",
    ),
    Alert(
        name="ServersDisagreeOnModel",
        expr="max(headwater_model_age_seconds) - min(headwater_model_age_seconds) > 600",
        hold="10m",
        severity="ticket",
        summary="One server's model is {{ $value | humanizeDuration }} older than another's.",
    ),
    Alert(
        name="ModelNotServed",
        expr="sum(increase(headwater_model_load_failures_total[15m])) > 0",
        severity="ticket",
        summary="A published snapshot could not be served; the last good one stays.",
    ),
    Alert(
        name="SnapshotsRejected",
        expr="sum(increase(headwater_snapshots_rejected_total[30m])) >= 3",
        severity="ticket",
        summary="{{ $value | humanize }} candidates were not good enough to publish in 30 minutes.",
    ),
    Alert(
        name="BatchesSkipped",
        expr="sum(increase(headwater_batches_skipped_total[15m])) > 0",
        severity="ticket",
        summary="{{ $value | humanize }} batches were not learned from: their loss was not finite.",
    ),
    Alert(
        name="PredictionsMiscalibrated",
        expr='abs(ln(headwater_progressive_calibration_ratio{window="recent"})) > 0.405',
        hold="30m",
        severity="ticket",
        summary="Predictions of {{ $labels.task }} are off their labels by more than a factor of 1.5.",
    ),
    Alert(
        name="PredictionsNoBetterThanChance",
        expr='headwater_progressive_auc{window="recent"} < 0.52',
        hold="1h",
        severity="ticket",
        summary="Of {{ $labels.task }}, the latest predictions have an AUC of {{ $value | humanize }}.",
    ),
)
