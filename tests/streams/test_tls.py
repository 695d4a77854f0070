"""A worker over TLS: it folds what comes, or ends and says which certificate does not fit."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, apply
from headwater.producer.spool import Spool
from runtime.broker.errors import BrokerTlsError
from runtime.broker.event_producer import event_producer
from runtime.offsets import standing
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from tests.certificates import Authority
from tests.feature_repo.worlds import VOCABULARY
from tests.streams.processes import PARTITIONS, environment_of, running_worker
from tests.streams.traffic import traffic
from tests.tls_broker import tls_broker

EVENTS = 200
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaSettings]:
    """A broker with our topics that is reached over TLS alone."""
    with tls_broker(tmp_path_factory.mktemp("certificates")) as kafka:
        ensure_topics(kafka, partitions=PARTITIONS)
        yield kafka


def _store(directory: Path) -> StoreSettings:
    settings = StoreSettings(directory=directory / "store")
    apply(settings)
    return settings


def test_a_worker_folds_what_came_over_tls(secured: KafkaSettings, tmp_path: Path) -> None:
    """Producer, mirror, consumers, publisher and the readers of offsets and of the log's id: every client there is."""
    store = _store(tmp_path)
    with event_producer(secured) as producer:
        for event in traffic(EVENTS):
            producer.send(event)
    with running_worker("streams.workers.features", environment_of(secured, store, tmp_path), tmp_path / "log") as worker:
        worker.wait_for("headwater_item_actions_folded_total", EVENTS)
        worker.process.terminate()
        assert worker.process.wait(110) == 0
    actions = VOCABULARY.counters.index("actions")
    sent = list(traffic(EVENTS))
    rows = RowStore(store, VOCABULARY).read_users(sorted({event.user_id for event in sent}))
    assert sum(row.counters_CH[actions, -1] for row in rows.values()) == sum(event.HasField("action") for event in sent)
    assert {state.group: state.waiting for state in standing(secured)} == dict.fromkeys(
        ("headwater-features-users", "headwater-features-items"), 0
    )


def test_a_worker_that_does_not_trust_the_broker_says_so_and_ends(secured: KafkaSettings, tmp_path: Path) -> None:
    """Its log names the address and the setting."""
    wrong = secured.model_copy(update={"ssl_cafile": str(Authority(tmp_path, "other").certificate)})
    environment = environment_of(wrong, _store(tmp_path), tmp_path)
    with running_worker("streams.workers.features", environment, tmp_path / "log") as worker:
        assert worker.process.wait(110) == 1
    log = (tmp_path / "log").read_text()
    assert f"{secured.bootstrap_servers}: its certificate is not trusted" in log
    assert f"HEADWATER_KAFKA_SSL_CAFILE={wrong.ssl_cafile}" in log


def test_a_producer_that_does_not_trust_the_broker_raises_or_spools(secured: KafkaSettings, tmp_path: Path) -> None:
    """Without a spool the application hears it at once; with one the events wait until the certificates fit."""
    wrong = secured.model_copy(update={"ssl_cafile": str(Authority(tmp_path, "other").certificate)})
    with pytest.raises(BrokerTlsError, match="not trusted"):
        event_producer(wrong)
    event = next(traffic(1))
    with event_producer(wrong, spool=Spool(tmp_path / "spool"), give_up_seconds=1.0) as producer:
        producer.send(event)
        assert producer.flush().spooled == 1
    with event_producer(secured, spool=Spool(tmp_path / "spool")) as producer:
        assert producer.flush().spooled == 0
