"""`headwater forget` against a real broker and a real worker: the receipt that an operator files."""

from pathlib import Path

from feature_repo.settings import StoreSettings
from feature_repo.store import apply
from protos.events_pb2 import Event
from streams.producer import EventProducer
from streams.topics import ensure_topics
from tests.broker import running_broker
from tests.deploy.cli.test_commands import headwater
from tests.streams.processes import PARTITIONS, environment_of, running_worker


def test_the_receipt_says_what_was_erased_where_and_what_is_kept(tmp_path: Path) -> None:
    """Asked before anything is done; the figures are those of the row."""
    with running_broker() as kafka:
        ensure_topics(kafka, partitions=PARTITIONS)
        store = StoreSettings(directory=tmp_path / "store")
        apply(store)
        with EventProducer(kafka) as producer:
            for number in range(3):
                event = Event(user_id="ann", item_id=f"i{number}")
                event.impression.SetInParent()
                producer.send(event)
        where = ("--bootstrap-servers", kafka.bootstrap_servers)
        unsure = headwater("forget", "ann", *where, cwd=tmp_path, stdin="n\n")
        assert (unsure.returncode, unsure.stderr) == (1, "error: nothing was erased\n")
        with running_worker("streams.features", environment_of(kafka, store, tmp_path), tmp_path / "log"):
            done = headwater("forget", "ann", "--yes", *where, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert told.startswith("User ann is forgotten. request event ")
    assert "worker's memory: 3 events counted, 0 items engaged with, 3 ids of events" in told
    assert "erased 3 impressions that awaited labels" in told
    assert "kept records in headwater.events.v1" in told
