"""`explain`, `replay-scores` and `evaluate` as they are run, over answers of a real model that a real log holds."""

import asyncio
import math
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from kafka import KafkaProducer

from headwater.internal.v1.streams_pb2 import ItemContent
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import EVENTS, ITEM_CONTENT
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from serving.api.requests import Exploration, RecommendQuery, SlateQuery
from serving.api.servicer import Servicer
from serving.events import EventLog, EventRecorder, impressions_of
from serving.metrics import ServerMetrics
from tests.broker import running_broker
from tests.deploy.cli.test_commands import headwater
from tests.serving.worlds import TASKS, VOCABULARY, World, trained_model, user_row

pytestmark = pytest.mark.timeout(180)
LISTS = 40


@dataclass(frozen=True)
class Answered:
    """A log of explored answers, and what is needed to look at them again."""

    directory: Path
    kafka: KafkaSettings
    server: str
    recommendation_id: str

    def run(self, *arguments: str, log: bool = True) -> tuple[int, str]:
        where = ("--bootstrap-servers", self.kafka.bootstrap_servers, "--tasks", "tasks.toml") if log else ()
        done = headwater(*arguments, *where, cwd=self.directory)
        return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answered]:
    """Forty explored lists of three; every list's first item was clicked, a second later."""
    directory = tmp_path_factory.mktemp("answers")
    (directory / "tasks.toml").write_text(TASKS)
    world = World(directory=directory)
    world.rows.write_users([user_row()])
    world.publish(trained_model())
    slate = SlateQuery(count=3, exploration=Exploration(temperature=0.5, candidate_count=8))

    async def answer(port: "Future[int]", leave: threading.Event) -> None:
        await world.watcher.refresh()
        for _ in range(LISTS):
            await world.pipeline.recommend(RecommendQuery(user_id="ann", slates=(slate,), seconds=5.0))
        metrics, log = ServerMetrics(), EventLog(KafkaSettings(bootstrap_servers="127.0.0.1:1"))
        server = grpc.aio.server()
        servicer = Servicer(
            world.pipeline,
            world.explainer,
            EventRecorder(log),
            metrics,
            limits=world.limits,
            admission=world.admission,
            default_deadline_seconds=5.0,
        )
        servicer.add_to(server)
        port.set_result(server.add_insecure_port("127.0.0.1:0"))
        await server.start()
        await asyncio.to_thread(leave.wait)
        await server.stop(None)

    port, leave = Future[int](), threading.Event()
    serving = threading.Thread(target=lambda: asyncio.run(answer(port, leave)))
    serving.start()
    with running_broker() as kafka:
        server = f"127.0.0.1:{port.result(60.0)}"
        ensure_topics(kafka, partitions=2)
        _write(kafka, world)
        yield Answered(directory=directory, kafka=kafka, server=server, recommendation_id=world.shown[0].info.recommendation_id)
    leave.set()
    serving.join()
    world.close()


def test_scores_come_out_again(answered: Answered) -> None:
    """From the served features, the snapshot by its version and the texts, each score is what was answered."""
    code, printed = answered.run("replay-scores", answered.recommendation_id, "--snapshot-dir", "snapshots")
    assert code == 0, printed
    assert "user ann, model v00000001, largest relative difference" in printed
    rows = [line for line in printed.splitlines() if line.startswith("│")]
    assert len(rows) == 3
    for row in rows:
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        assert [cells[1], cells[5]] == [cells[2], cells[6]]
        assert 0.0 < float(cells[1]) < 1.0


def test_scores_that_differ_are_an_error(answered: Answered, tmp_path: Path) -> None:
    """Another model under the same version is found out."""
    other = World(directory=tmp_path)
    other.publish(trained_model(seed=1))
    other.close()
    code, printed = answered.run("replay-scores", answered.recommendation_id, "--snapshot-dir", str(tmp_path / "snapshots"))
    assert code == 1
    assert "error: the scores come out" in printed


def test_answer_that_the_log_does_not_hold_is_named(answered: Answered) -> None:
    """With what that may mean."""
    code, printed = answered.run("replay-scores", "never", "--snapshot-dir", "snapshots")
    assert code == 1
    assert "holds no impression of never" in printed


def test_another_ranking_is_judged_from_the_log(answered: Answered) -> None:
    """The log's own earnings are one click a list; estimates of another ranking come with errors and the number of lists."""
    code, printed = answered.run("evaluate", "click", "--weight", "stars=1", "--temperature", "0.5")
    assert code == 0, printed
    assert f"from {LISTS} lists, worth" in printed
    [logged] = [line for line in printed.splitlines() if "earned by the lists of the log" in line]
    assert [cell.strip() for cell in logged.strip("│").split("│")][1:] == ["1.0000", "0.0000"]
    for estimator in ("IPS", "SNIPS", "doubly robust"):
        [row] = [line for line in printed.splitlines() if f"judged ranking, {estimator} " in line]
        assert all(math.isfinite(float(cell)) for cell in row.strip("│").split("│")[1:])


def test_task_that_is_not_declared_cannot_be_the_reward(answered: Answered) -> None:
    """The tasks that there are get named."""
    code, printed = answered.run("evaluate", "buy")
    assert code == 1
    assert "buy is not declared; there are: click, dwell, stars" in printed


def test_item_is_explained_in_words(answered: Answered) -> None:
    """By task: the prediction, reasons with direction and size, and past items by their titles."""
    code, printed = answered.run("explain", "ann", "i19", "--features", "--server", answered.server, log=False)
    assert code == 0, printed
    assert "click: 0." in printed
    assert "having acted on 'Item 3'" in printed
    assert " points" in printed
    assert "Inputs of the model:" in printed


def _write(kafka: KafkaSettings, world: World) -> None:
    producer = KafkaProducer(**kafka.client_options())
    for row, item in enumerate(world.table.content):
        assert item is not None
        content = ItemContent(item=item, vector=world.table.vectors[row].astype("<f4").tobytes())
        producer.send(ITEM_CONTENT.name, key=item.item_id.encode(), value=content.SerializeToString(), timestamp_ms=1)
    for shown in world.shown:
        events = list(impressions_of(shown, VOCABULARY.fingerprint))
        for event in events:
            event.occurred_at.seconds -= 1_000_000_000  # the world's clock stands in the future
        click = Event(event_id=f"{shown.info.recommendation_id}:click", user_id="ann", item_id=events[0].item_id)
        click.recommendation_id = shown.info.recommendation_id
        click.occurred_at.seconds = events[0].occurred_at.seconds + 1
        click.click.SetInParent()
        for event in (*events, click):
            producer.send(EVENTS.name, key=b"ann", value=event.SerializeToString())
    producer.flush()
    producer.close()
