"""Processes whose broker is unreachable, or refuses the password that it took before: each waits, says so, and goes on."""

import math
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion
from pydantic import SecretStr

from deploy.drills.kafka import ApacheKafka
from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from runtime.broker.event_producer import event_producer
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.kafka.conftest import StartKafka
from tests.serving.servers import RunningServer, prepared_place
from tests.streams.processes import WorkerProcess, environment_of, running_worker
from tests.streams.traffic import traffic

pytestmark = pytest.mark.timeout(500)
WORKERS = ("features", "catalogue", "learner")
SILENT, LAG, MIRROR_LAG = (
    "headwater_broker_silent_seconds",
    "headwater_consumer_lag_records",
    "headwater_mirror_lag_records",
)
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def _send(kafka: KafkaSettings, count: int, *, first: int = 0) -> None:
    with event_producer(kafka) as producer:
        for event in traffic(count, first=first):
            producer.send(event)


def _environment(kafka: KafkaSettings, directory: Path) -> dict[str, str]:
    store = StoreSettings(directory=directory / "store")
    apply(store)
    settings = {"HEADWATER_WORKER_STALL_SECONDS": "2", "HEADWATER_WORKER_EXIT_SECONDS": "20"}
    return environment_of(kafka, store, directory) | settings


def _change_password(cluster: ApacheKafka, password: str) -> None:
    changed = UserScramCredentialUpsertion("ann", ScramMechanism.SCRAM_SHA_512, password.encode())
    assert cluster.ask(lambda admin: admin.alter_user_scram_credentials([changed])) == {"ann": None}


def _all(workers: list[WorkerProcess], look: Callable[[WorkerProcess], object], seconds: float = 180.0) -> None:
    """Returns once it is true of each."""
    deadline = time.monotonic() + seconds
    while waiting := [worker for worker in workers if not look(worker)]:
        assert all(worker.running for worker in workers), waiting[0].log_text[-3000:]
        assert time.monotonic() < deadline, (waiting[0].health, waiting[0].log_text[-3000:])
        time.sleep(0.1)


def test_workers_wait_for_an_unreachable_broker(start_kafka: StartKafka, tmp_path: Path) -> None:
    """Before their start and while they run, for longer than a stuck worker lives; lag is unknown then, and no event is lost."""
    cluster = start_kafka()
    kafka = cluster.inside
    ensure_topics(kafka, partitions=1)
    cluster.kill(1)
    environment = _environment(kafka, tmp_path)
    with ExitStack() as stack:
        workers = [
            stack.enter_context(running_worker(f"streams.workers.{name}", environment, tmp_path / f"{name}.log"))
            for name in WORKERS
        ]
        _all(workers, lambda worker: worker.health[0] == 503 and "no broker for" in worker.health[1])
        cluster.restart(1)
        _all(workers, lambda worker: worker.health == (200, "ok") and worker.total(LAG) == 0)
        _send(kafka, 200)
        workers[0].wait_for("headwater_events_folded_total", 200)

        cluster.kill(1)
        _all(workers, lambda worker: worker.total(SILENT) > 40 and math.isnan(worker.total(LAG)))
        assert all("no broker for" in worker.health[1] for worker in workers)
        cluster.restart(1)
        _send(kafka, 200, first=200)
        workers[0].wait_for("headwater_events_folded_total", 400)
        workers[0].wait_for("headwater_item_actions_folded_total", 400)
        _all(workers, lambda worker: worker.health == (200, "ok") and worker.total(LAG) == 0)
        assert workers[0].total("headwater_events_folded_total") == 400
        assert workers[0].total("headwater_events_duplicate_total") == 0


def test_a_password_that_is_changed_on_the_broker_is_named(start_kafka: StartKafka, tmp_path: Path) -> None:
    """The worker stays up with 503 and the reason; its connections are from before, so that nothing else would tell."""
    cluster = start_kafka(
        protocol="SASL_PLAINTEXT",
        settings={
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": _SCRAM,
            "listener.name.clients.connections.max.reauth.ms": "5000",
        },
        format_arguments=["--add-scram", "SCRAM-SHA-512=[name=ann,password=apple]"],
    )
    ensure_topics(cluster.inside, partitions=1)
    ann = KafkaSettings(
        bootstrap_servers=cluster.bootstrap_servers,
        security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-512",
        sasl_username="ann",
        sasl_password=SecretStr("apple"),
    )
    environment = _environment(ann, tmp_path) | {"HEADWATER_KAFKA_SASL_PASSWORD": "apple"}
    with running_worker("streams.workers.features", environment, tmp_path / "log") as worker:
        _all([worker], lambda worker: worker.health == (200, "ok"))
        _change_password(cluster, "pear")
        _all([worker], lambda worker: worker.health[0] == 503 and "refuses the login of User:ann" in worker.health[1], 60.0)
        _all([worker], lambda worker: worker.total(SILENT) > 30)
        _change_password(cluster, "apple")
        _all([worker], lambda worker: worker.health == (200, "ok"))
        _send(cluster.inside, 100)
        worker.wait_for("headwater_events_folded_total", 100)


def test_a_server_says_that_its_broker_does_not_answer_and_serves_on(start_kafka: StartKafka, tmp_path: Path) -> None:
    """It stays ready, for its items and rows are there; how far behind its items are is unknown."""
    cluster = start_kafka()
    place = prepared_place(tmp_path, cluster.inside)
    with place.server() as server:
        server.wait_healthy()
        assert _values(server) == {SILENT: pytest.approx(0.0, abs=10.0), MIRROR_LAG: 0.0}
        cluster.freeze(1)
        server.wait_healthy(healthy=False)
        cluster.wait_for(lambda: math.isnan(_values(server)[MIRROR_LAG]))
        assert _values(server)[SILENT] > 10.0
        assert server.get("readyz") is not None
        with pytest.raises(urllib.error.HTTPError, match="503") as refused:
            urllib.request.urlopen(f"{server.http}/healthz", timeout=5.0)
        with refused.value as answer:
            assert answer.read().decode().startswith("no broker for ")
        cluster.thaw(1)
        server.wait_healthy()
        cluster.wait_for(lambda: _values(server)[MIRROR_LAG] == 0.0)


def _values(server: RunningServer) -> dict[str, float]:
    text = server.get("metrics") or ""
    return {
        name: float(value)
        for name, _, value in (line.partition(" ") for line in text.splitlines())
        if name in (SILENT, MIRROR_LAG)
    }
