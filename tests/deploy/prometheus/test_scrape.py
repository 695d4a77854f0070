"""A real Prometheus scrapes the running stack: every query of panels, rules and autoscalers has data, and alerts fire."""

import json
import math
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import yaml

from deploy.drills.prometheus import Prometheus, running_prometheus
from deploy.grafana.files import generated as dashboards
from deploy.local.stack import Stack, StackConfig
from deploy.local.state import StackState
from deploy.prometheus.catalogue import metrics
from deploy.prometheus.files import groups
from headwater.v1.events_pb2 import Event
from headwater.v1.recommender_pb2 import ListSpec, RecommendRequest, ScoreRequest
from headwater.v1.recommender_pb2_grpc import RecommenderServiceStub
from headwater.v1.topics import EVENTS
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from training.simulation.simulation import Simulation, SimulationConfig

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        shutil.which("prometheus") is None, reason="needs prometheus: apt-get install --no-install-recommends prometheus"
    ),
]

TASKS = """
[tasks.click]
kind = "binary"
event = "click"
window_seconds = 60

[tasks.read_seconds]
kind = "duration"
event = "read"
"""
DAYS = 4.0
SCALING = Path(__file__).parents[3] / "deploy" / "kubernetes" / "base" / "scaling.yaml"


def eventually(look: Callable[[], bool], seconds: float = 120.0) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + seconds
    while not look():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StackState, Prometheus]]:
    """A stack with traffic behind it, and the Prometheus that has seen that."""
    directory = tmp_path_factory.mktemp("watched")
    (directory / "tasks.toml").write_text(TASKS)
    patch = pytest.MonkeyPatch()
    patch.setenv("HEADWATER_LEARNER_FIRST_PUBLISH_EXAMPLES", "64")
    config = StackConfig(data_dir=directory / "stack", tasks_file=directory / "tasks.toml", partitions=2)
    with Stack(config, report=lambda line: None, echo=lambda name, line: None) as stack:
        state = stack.start()
        patch.undo()
        with running_prometheus(directory / "prometheus", state.metrics_ports, hurry=120.0) as prometheus:
            _traffic(state, prometheus)
            yield state, prometheus


def _traffic(state: StackState, prometheus: Prometheus) -> None:
    """An alert for want of items; then a simulated past, and a user of today who acts and asks, until a model serves."""
    assert eventually(lambda: "CatalogueEmpty" in prometheus.firing())
    world = Simulation(
        SimulationConfig(users=20, items=40, days=DAYS, begins_at=time.time() - DAYS * 86_400.0), np.random.default_rng(1)
    )
    with event_producer(KafkaSettings(bootstrap_servers=state.bootstrap_servers)) as producer:
        for change in world.catalogue():
            producer.send_change(change)
        producer.flush(raise_on_failure=True)
        assert eventually(lambda: _total(prometheus, "headwater_catalogue_items") >= 40)
        for event, _ in world.events():
            producer.send(event)
        producer.flush(raise_on_failure=True)
        assert eventually(lambda: _total(prometheus, "headwater_model_version") >= 1)
        with grpc.insecure_channel(state.server) as channel:
            stub = RecommenderServiceStub(channel)
            for number in range(5):
                stub.Recommend(RecommendRequest(user_id="ann", list=ListSpec(count=5)), timeout=10.0)
                producer.send(_click(number))
                producer.flush(raise_on_failure=True)
                time.sleep(1.0)
                stub.Score(ScoreRequest(user_id="ann", item_ids=["item-1", "item-2"]), timeout=10.0)


def _click(number: int) -> Event:
    event = Event(event_id=f"click-{number}", user_id="ann", item_id=f"item-{number}")
    event.click.SetInParent()
    event.occurred_at.GetCurrentTime()
    return event


def _total(prometheus: Prometheus, name: str) -> float:
    return sum(sample.value for sample in prometheus.query(name))


def _panel_queries() -> list[str]:
    return [
        target["expr"].replace("$__rate_interval", "1m")
        for content in dashboards().values()
        for panel in json.loads(content)["panels"]
        for target in panel.get("targets", [])
    ]


def _rule_queries() -> list[str]:
    """Recorded expressions, and alerts with their comparisons made to give 0 or 1, so that they have data when all is well."""
    return [
        re.sub(r"(?<![=!~{])(>=|<=|==|>|<)(?=\s)", r"\1 bool", rule["expr"]) if "alert" in rule else rule["expr"]
        for group in groups()
        for rule in group["rules"]
    ]


def _scaling_queries() -> list[str]:
    """What KEDA asks."""
    return [
        trigger["metadata"]["query"]
        for scaled in yaml.safe_load_all(SCALING.read_text())
        for trigger in scaled["spec"]["triggers"]
        if trigger["type"] == "prometheus"
    ]


def test_every_query_of_every_panel_rule_and_autoscaler_has_data(watched: tuple[StackState, Prometheus]) -> None:
    """No panel is empty and nothing is blind: each query gives a number, once traffic has flowed."""
    _, prometheus = watched
    waiting = [*_panel_queries(), *_rule_queries(), *_scaling_queries()]

    def answered() -> bool:
        waiting[:] = [expr for expr in waiting if not any(math.isfinite(one.value) for one in prometheus.query(expr))]
        return not waiting

    assert eventually(answered), "\n".join(waiting)
    assert prometheus.unhealthy_rules() == []


def test_every_metric_is_scraped_and_none_is_unknown(watched: tuple[StackState, Prometheus]) -> None:
    """What docs/metrics.md lists is what the processes serve."""
    _, prometheus = watched
    served = {
        re.sub(r"_(bucket|sum|count|created)$", "", sample.labels["__name__"])
        for sample in prometheus.query('{__name__=~"(headwater|grpc_server)_.+"}')
    }
    assert {name.removesuffix("_total") for name in served} == {metric.name.removesuffix("_total") for metric in metrics()}


def test_alerts_fire_when_what_they_watch_breaks(watched: tuple[StackState, Prometheus]) -> None:
    """CatalogueEmpty is over; junk raises DeadLettersHigh; a killed learner raises ProcessDown; the rest of the stack goes on."""
    from kafka import KafkaProducer

    state, prometheus = watched
    assert not prometheus.firing() & {"CatalogueEmpty", "ProcessDown", "DeadLettersHigh"}
    producer = KafkaProducer(bootstrap_servers=state.bootstrap_servers)
    for _ in range(2000):
        producer.send(EVENTS.name, key=b"ann", value=b"\xff\xff\xff")
    producer.flush()
    producer.close()
    assert eventually(lambda: "DeadLettersHigh" in prometheus.firing())
    os.kill(state.pids["learner"], signal.SIGKILL)
    assert eventually(lambda: "ProcessDown" in prometheus.firing())
    down = [one.labels["job"] for one in prometheus.query('ALERTS{alertname="ProcessDown", alertstate="firing"}')]
    assert down == ["headwater-learner"]
