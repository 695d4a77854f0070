"""`headwater forget` against a real broker and a real worker: the receipt that an operator files."""

from dataclasses import replace
from pathlib import Path

import pytest

from deploy.cli.connection import CliError
from deploy.cli.features import features
from deploy.local.state import DataDirectory
from feature_repo.rows import UserRow
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore, apply
from feature_repo.tasks import load_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import SourcePosition
from headwater.v1.events_pb2 import Event
from runtime.broker.event_producer import event_producer
from runtime.topics import ensure_topics
from tests.broker import running_broker
from tests.deploy.cli.test_commands import headwater
from tests.deploy.local.test_state import STATE
from tests.streams.processes import PARTITIONS, environment_of, running_worker


def test_the_receipt_says_what_was_erased_where_and_what_is_kept(tmp_path: Path) -> None:
    """Asked before anything is done; the figures are those of the row."""
    with running_broker() as kafka:
        ensure_topics(kafka, partitions=PARTITIONS)
        store = StoreSettings(directory=tmp_path / "store")
        apply(store)
        with event_producer(kafka) as producer:
            for number in range(3):
                event = Event(user_id="ann", item_id=f"i{number}")
                event.impression.SetInParent()
                producer.send(event)
        where = ("--bootstrap-servers", kafka.bootstrap_servers)
        unsure = headwater("forget", "ann", *where, cwd=tmp_path, stdin="n\n")
        assert (unsure.returncode, unsure.stderr) == (1, "error: nothing was erased\n")
        with running_worker("streams.workers.features", environment_of(kafka, store, tmp_path), tmp_path / "log"):
            done = headwater("forget", "ann", "--yes", *where, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    output = " ".join(done.stdout.split())
    assert output.startswith("User ann is forgotten. request event ")
    assert "worker's memory: 3 events counted, 0 items engaged with, 3 ids of events" in output
    assert "erased 3 impressions that awaited labels" in output
    assert "kept records in headwater.events.v1" in output


def test_nothing_is_shown_of_a_forgotten_user(tmp_path: Path) -> None:
    """Not zeros whose first event is of 1970, but until when events are not counted."""
    settings, tasks_file = StoreSettings(directory=tmp_path / "store"), tmp_path / "tasks.toml"
    tasks_file.write_text('[tasks.click]\nkind = "binary"\nevent = "click"\n')
    apply(settings)
    vocabulary = Vocabulary(load_tasks(tasks_file))
    row = UserRow.empty("ann", vocabulary)
    row.erase("wish", SourcePosition(log=1, partition=0, offset=1), 86_400.0)
    RowStore(settings, vocabulary).write_users([row])
    with DataDirectory(tmp_path / "data") as directory:
        directory.write(replace(STATE, store_dir=str(settings.directory), tasks_file=str(tasks_file)))
        with pytest.raises(CliError, match=r"'ann' was erased on request .* until 1970-01-02 00:00:00 UTC are not counted"):
            features("ann", data_dir=directory.path)
