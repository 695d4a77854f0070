"""The page's figures are those of about the last minute, and its curves those of the published snapshots."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from deploy.console.health import SystemHealth
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from training.model import ModelConfig, Recommender
from training.storage.snapshots import SnapshotStore

VOCABULARY = Vocabulary(parse_tasks('[tasks.click]\nkind = "binary"\nevent = "click"'))


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def url(registry: CollectorRegistry) -> Iterator[str]:
    """Where a process shows what is in the registry."""
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join()


def test_quantiles_are_of_the_last_minute(registry: CollectorRegistry, url: str, tmp_path: Path) -> None:
    """What was slow before then is out of sight; where nothing happened since, all that ever did is shown."""
    seconds = Histogram("headwater_freshness_seconds", "-", ["stage"], buckets=(0.01, 0.1, 1.0, 10.0), registry=registry).labels(
        "feature"
    )
    clock = Clock()
    health = SystemHealth({"features": url}, SnapshotStore(tmp_path, clock=clock), clock=clock)
    assert health.look()["times"]["event_to_feature"] is None
    for _ in range(100):
        seconds.observe(5.0)
    assert health.look()["times"]["event_to_feature"]["p50_s"] > 1.0
    for _ in range(3):
        clock.now += 30.0
        health.look()
    for _ in range(100):
        seconds.observe(0.05)
    found = health.look()["times"]["event_to_feature"]
    assert 0.01 <= found["p50_s"] <= found["p99_s"] <= 0.1


def test_counts_of_all_processes_are_summed(registry: CollectorRegistry, url: str, tmp_path: Path) -> None:
    """Dead letters come from more than one worker."""
    letters = Counter("headwater_events_dead_lettered_total", "-", ["reason"], registry=registry)
    letters.labels("unparseable").inc(2)
    letters.labels("future").inc()
    found = SystemHealth({"features": url, "catalogue": url}, SnapshotStore(tmp_path, clock=Clock())).look()
    assert found["dead_letters"] == 6
    assert found["silent"] == []


def test_curves_keep_what_the_store_has_removed(tmp_path: Path) -> None:
    """A point for each snapshot that was ever seen, in order, and the age of the one that serves."""
    clock = Clock()
    store = SnapshotStore(tmp_path, keep=2, clock=clock)
    health = SystemHealth({}, store)
    model = Recommender(ModelConfig(text_dimension=8), VOCABULARY)
    for number in range(1, 6):
        clock.now += 10.0
        store.publish(model, encoder_version="e", examples=100 * number, metrics={"click": {"auc": 0.5 + 0.05 * number}})
        learning = health.look()["learning"]
    assert [point["examples"] for point in learning["points"]] == [100, 200, 300, 400, 500]
    assert learning["points"][-1]["metrics"]["click"]["auc"] == 0.75
    assert (learning["version"], learning["published_at"]) == ("v00000005", 50.0)


def test_a_lag_that_no_broker_tells_is_none(registry: CollectorRegistry, url: str, tmp_path: Path) -> None:
    """The page gets JSON, which has no NaN."""
    lag = Gauge("headwater_consumer_lag_records", "-", ["topic"], registry=registry)
    lag.labels("a").set(3)
    health = SystemHealth({"features": url}, SnapshotStore(tmp_path, clock=Clock()))
    assert health.look()["lag"] == 3
    lag.labels("b").set(math.nan)
    assert health.look()["lag"] is None
