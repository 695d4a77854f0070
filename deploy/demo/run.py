"""Demo's course: fetch, start, publish, wait, measure, ask, report; run it with `headwater demo`."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc
from rich.console import Console
from rich.table import Table

from deploy.demo import report
from deploy.demo.measure import event_to_served, percentiles, score_latency
from deploy.demo.movielens import CITATION, MovieLens, fetch, load
from deploy.demo.predictions import wait_for_predictions
from deploy.demo.progress import DemoQuality, judge
from deploy.local.stack import Stack, StackConfig
from deploy.local.state import StackState
from deploy.observe.flow import Flow, FlowError
from deploy.observe.scrape import quantile, scrape
from headwater.client import by_task
from headwater.v1.recommender_pb2 import ListSpec, RecommendRequest
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from runtime.broker.event_producer import event_producer
from runtime.metrics import FRESHNESS_METRIC
from runtime.settings import KafkaSettings
from streams.learning.settings import LearnerSettings

__all__ = ["run"]

_TASKS = Path(__file__).with_name("movielens.toml")
_CANDIDATES = 100
_SCORE_CALLS = 500
_PROBES = 100
_USERS = 3
_LIST = 5
_CATALOGUE_SECONDS = 120.0


def run(out: Path, console: Console, *, hold: Callable[[StackState], None] | None) -> None:
    """Runs the whole demo and writes report.json and report.html into `out`.

    With `hold` the stack stays up afterwards, with its console: it is called with the addresses.

    Raises:
        FlowError: published is not folded + dead-lettered + duplicates, or nothing moves for a minute.
        ChildError, MovieLensError: a part of the stack, or the data set, is missing.
    """
    phases = _Phases(console)
    console.print(CITATION, style="dim", markup=False)
    with phases("fetch", "Fetching the data set"):
        movielens = load(fetch(out / "datasets")).ending_at(int(time.time()))
    data_dir, predictions = out / "stack", out / "predictions.jsonl"
    # One partition keeps the order of all events.
    config = StackConfig(
        data_dir=data_dir, tasks_file=_TASKS, partitions=1, predictions_file=predictions, console=hold is not None
    )
    with Stack(config, report=lambda line: console.print(f"  {line}", style="dim"), echo=lambda name, line: None) as stack:
        with phases("start", "Starting the stack"):
            # The embedded broker begins a new log; what an earlier run counted and learned would be counted on top.
            predictions.unlink(missing_ok=True)
            for leftover in ("store", "snapshots"):
                shutil.rmtree(data_dir / leftover, ignore_errors=True)
            state = stack.start()
        result, quality = _play(movielens, stack, state, phases, console, predictions)
        report.write(out, result, quality)
        console.print(report.quality_table(result))
        console.print(report.system_table(result))
        console.print(f"Report: {out / 'report.json'}, {out / 'report.html'}")
        if hold is not None:
            hold(state)
            stack.watch()


class _Phases:
    """Says which part of the demo is under way, and remembers how many seconds each took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str, title: str) -> Iterator[None]:
        self._console.print(f"[bold blue]{title}[/]")
        began = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - began, 3)


def _play(
    movielens: MovieLens, stack: Stack, state: StackState, phases: _Phases, console: Console, predictions: Path
) -> tuple[dict[str, Any], DemoQuality]:
    """Streams the ratings through a stack that is up and asks it; gives what was measured, for JSON, and its curves."""
    batch = LearnerSettings().batch_size
    with (
        event_producer(KafkaSettings(bootstrap_servers=state.bootstrap_servers)) as producer,
        grpc.insecure_channel(state.server) as channel,
    ):
        stub = RecommenderServiceStub(channel)
        flow = Flow(
            console=console,
            send=producer.send,
            check=stack.check,
            metrics_ports=state.metrics_ports,
            expected=2 * len(movielens.ratings),
        )
        with phases("catalogue", f"Publishing {len(movielens.films):,} films; their texts are encoded"):
            for film in movielens.films:
                producer.send_change(film)
            producer.flush(raise_on_failure=True)
            _await_catalogue(state, stack.check, len(movielens.films))
        with phases("ratings", f"Publishing {len(movielens.ratings):,} ratings in order of time"):
            flow.publish(movielens.events())
            producer.flush(raise_on_failure=True)
        with phases("settle", "Waiting until each event is accounted for"):
            flow.settle(batch)
        users = list(dict.fromkeys(rating.user_id for rating in reversed(movielens.ratings)))
        with phases("measure", "Measuring latency and freshness"):
            measured = _measure(stub, flow, users[:50], list(movielens.titles)[:_CANDIDATES], state, batch)
        with phases("judge", "Judging the predictions that were made when films were shown"):
            quality = judge(movielens.ratings, wait_for_predictions(predictions, flow.learned, stack.check))
        _show_lists(console, stub, movielens, users[:_USERS])
    result = {
        "events": asdict(flow.account()),
        "examples_learned": flow.learned,
        "snapshots_published": flow.snapshots,
        "quality": {"judged": quality.judged, **quality.figures},
        **measured,
        "phases": phases.seconds,
    }
    return result, quality


def _measure(
    stub: RecommenderServiceStub, flow: Flow, users: list[str], films: list[str], state: StackState, batch: int
) -> dict[str, Any]:
    """Latency of Score, and how long events take into features and into answers, in seconds."""
    latency = percentiles(score_latency(stub, users, films, calls=_SCORE_CALLS))
    before = scrape(state.metrics_ports["features"])
    flow.expected += _PROBES
    served = percentiles(event_to_served(stub, flow.send_one, user_id="probe", items=films, probes=_PROBES))
    flow.settle(batch)
    feature = {
        "p50_s": quantile(0.5, FRESHNESS_METRIC, before, flow.features),
        "p99_s": quantile(0.99, FRESHNESS_METRIC, before, flow.features),
    }
    return {"latency": {"score_100": latency}, "freshness": {"event_to_feature": feature, "event_to_served": served}}


def _await_catalogue(state: StackState, check: Callable[[], None], films: int) -> None:
    """Returns when the server can recommend all films; raises FlowError that says how many it knows."""
    deadline = time.monotonic() + _CATALOGUE_SECONDS
    while (known := scrape(state.metrics_ports["server"]).total("headwater_catalogue_items")) < films:
        check()
        if time.monotonic() > deadline:
            raise FlowError(
                f"the server knows {known:.0f} of {films} films after {_CATALOGUE_SECONDS:.0f} s; look at the log of catalogue"
            )
        time.sleep(0.2)


def _show_lists(console: Console, stub: RecommenderServiceStub, movielens: MovieLens, users: list[str]) -> None:
    for user in users:
        response = stub.Recommend(RecommendRequest(user_id=user, list=ListSpec(count=_LIST)), timeout=10.0)
        title = f"For user {user}, by model {response.info.model_version}"
        table = Table("title", "chance of a like", "stars expected", title=title, title_justify="left")
        for item in response.items:
            scores = by_task(response.tasks, item.values)
            table.add_row(item.title, f"{scores['like']:.0%}", f"{scores['stars']:.2f}")
        console.print(table)
