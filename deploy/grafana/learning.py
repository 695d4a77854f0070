"""The dashboard of learning: how good predictions were when their items were shown, and what is published."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from deploy.grafana.panels import Query, board, graph, number, row

__all__ = ["learning"]


def learning() -> Dashboard:
    """Quality by task; then the snapshots; then what comes in."""
    return board(
        "headwater-learning",
        "Headwater: learning",
        "Quality of each task by progressive validation (predicted when shown, then learned), and the models that are served.",
        row("Quality by task"),
        graph(
            "AUC",
            "Chance that a positive is scored above a negative, over the latest predictions. 0.5 is guessing.",
            _quality("headwater_progressive_auc"),
            unit="none",
        ),
        graph(
            "Log loss",
            "Nats for each label, binary tasks; lower is better. A step upwards is a change of taste, or of the data.",
            _quality("headwater_progressive_log_loss"),
            unit="none",
        ),
        graph(
            "RMSE",
            "Root mean squared error in training space: of probabilities, log1p seconds, or values.",
            _quality("headwater_progressive_rmse"),
            unit="none",
        ),
        graph(
            "Calibration",
            "Mean prediction over mean label: 1 is right, 2 is twice too high.",
            _quality("headwater_progressive_calibration_ratio"),
            unit="none",
        ),
        graph(
            "Calibration error",
            "Expected calibration error of binary tasks: how far chances are from rates, bin by bin. 0 is right.",
            _quality("headwater_progressive_calibration_error_ratio"),
            unit="none",
        ),
        graph(
            "AUC since the start",
            "The same over all that the learner remembers, which moves slowly.",
            _quality("headwater_progressive_auc", window="all"),
            unit="none",
        ),
        row("Models"),
        number(
            "Version that serves",
            "The newest snapshot on any server.",
            Query(expr="max(headwater_model_version)"),
            unit="none",
        ),
        graph(
            "Model version",
            "By server: lines that part are servers that disagree.",
            Query(expr="headwater_model_version", legend="{{instance}}"),
            unit="none",
        ),
        graph(
            "Model age",
            "Since the snapshot that a server scores with was published.",
            Query(expr="headwater_model_age_seconds", legend="{{instance}}"),
            unit="s",
            warn_above=3600.0,
        ),
        graph(
            "Snapshots",
            "Published, rejected by the guard, not loadable by a server, and tasks that kept their last head, in ten minutes.",
            Query(expr="sum(increase(headwater_snapshots_published_total[10m]))", legend="published"),
            Query(expr="sum(increase(headwater_snapshots_rejected_total[10m]))", legend="rejected"),
            Query(expr="sum(increase(headwater_model_load_failures_total[10m]))", legend="not served"),
            Query(
                expr='sum by (task) (increase(headwater_task_verdicts_total{verdict=~"held|unjudged"}[10m]))',
                legend="kept: {{task}}",
            ),
            unit="none",
        ),
        row("Examples"),
        graph(
            "Examples learned",
            "Each second, beside those published by the features workers.",
            Query(expr="sum(rate(headwater_examples_learned_total[$__rate_interval]))", legend="learned"),
            Query(expr="sum(rate(headwater_examples_published_total[$__rate_interval]))", legend="published"),
            unit="ops",
        ),
        graph(
            "Examples passed over",
            "Repeated ones, those made for other tasks, and batches without a finite loss, each second.",
            Query(expr="sum(rate(headwater_examples_duplicate_total[$__rate_interval]))", legend="repeated"),
            Query(expr="sum(rate(headwater_examples_unusable_total[$__rate_interval]))", legend="unusable"),
            Query(expr="sum(rate(headwater_batches_skipped_total[$__rate_interval]))", legend="batches skipped"),
            unit="ops",
        ),
    )


def _quality(name: str, window: str = "recent") -> Query:
    return Query(expr=f'{name}{{window="{window}"}}', legend="{{task}}")
