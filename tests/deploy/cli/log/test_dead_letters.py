"""`headwater dead-letters` against a real broker: what it lists, how it explains, what it sends back."""

import time
from collections.abc import Iterator, Sequence

import pytest

from feature_repo.decode import Rejection, decode_event
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import DEAD_LETTERS, EVENTS
from runtime.broker.event_producer import event_producer
from runtime.record import Record
from runtime.settings import KafkaSettings
from runtime.topics import ensure_topics
from streams.dead_letters import dead_letter, read_letters, redrive
from tests.broker import running_broker
from tests.deploy.cli.test_commands import ROOT, events, headwater

AHEAD = 86_400.0


@pytest.fixture
def kafka() -> Iterator[KafkaSettings]:
    """A broker with four letters: junk, an event without an item (JSON), one a day ahead, one too large."""
    with running_broker() as settings:
        ensure_topics(settings, partitions=2)
        now = time.time()
        ahead = Event(event_id="ahead", user_id="u1", item_id="i1", click={})
        # As of an hour ago it lay a day ahead of what was allowed; by now its time has come.
        ahead.occurred_at.FromNanoseconds(int((now - 60.0) * 1e9))
        values = [
            (b"u1", b"\xff\x1b[31mjunk", now),
            (b"u2", b'{"event_id": "e2", "user_id": "u2", "click": {}}', now),
            (b"u1", ahead.SerializeToString(), now - AHEAD),
            (b"u1", b"x" * 300_000, now),
        ]
        _write(settings, values)
        yield settings


def _write(kafka: KafkaSettings, values: Sequence[tuple[bytes, bytes, float]]) -> None:
    with event_producer(kafka) as producer:
        for offset, (key, value, now) in enumerate(values):
            record = Record(topic=EVENTS.name, partition=0, offset=offset, key=key, value=value, appended_at=now)
            rejection = decode_event(value, key=key, now=now)
            assert isinstance(rejection, Rejection)
            letter = dead_letter(record, rejection, now)
            assert letter.value is not None
            for _ in range(2):  # as after a crash between publishing and acknowledging
                producer.send_bytes(DEAD_LETTERS.name, letter.key, letter.value)


def test_letters_are_listed_filtered_and_counted(kafka: KafkaSettings) -> None:
    """One that was written twice is listed once; unknown filters are refused with a message."""
    where = ("--bootstrap-servers", kafka.bootstrap_servers)
    listed = headwater("dead-letters", "list", *where, cwd=ROOT)
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.splitlines()[-1].startswith("4 dead letters (")
    assert "1 future" in listed.stdout
    assert "0 of them sent back" in listed.stdout
    assert "\x1b" not in listed.stdout, "what a producer sent must not steer the terminal"
    few = headwater("dead-letters", "list", "--reason", "constraint", "--key", "u2", *where, cwd=ROOT)
    assert few.stdout.splitlines()[-1] == "1 dead letters (1 constraint), 0 of them sent back"
    wrong = headwater("dead-letters", "list", "--reason", "ugly", *where, cwd=ROOT)
    assert (wrong.returncode, wrong.stderr.startswith("error: there is no reason 'ugly'; there are unparseable")) == (1, True)


def test_a_letter_is_explained_with_its_bytes(kafka: KafkaSettings) -> None:
    """What was wrong, what to do, where it came from, and the record in the form in which it can be read."""
    where = ("--bootstrap-servers", kafka.bootstrap_servers)
    by_reason = {letter.content.reason: letter.name for letter in read_letters(kafka)}
    shown = headwater("dead-letters", "show", by_reason["constraint"], *where, cwd=ROOT)
    assert shown.returncode == 0, shown.stderr
    for part in ("item_id is missing", f"{EVENTS.name} 0@1", "would be refused again", '{"event_id": "e2", "user_id": "u2"'):
        assert part in shown.stdout
    junk = headwater("dead-letters", "show", by_reason["unparseable"], *where, cwd=ROOT)
    assert b"\xff\x1b[31mjunk".hex(" ") in junk.stdout
    ahead = headwater("dead-letters", "show", by_reason["future"], *where, cwd=ROOT)
    assert f"headwater dead-letters redrive {by_reason['future']}" in ahead.stdout
    assert '"event_id": "ahead"' in ahead.stdout.replace("eventId", "event_id")
    absent = headwater("dead-letters", "show", "0:999", *where, cwd=ROOT)
    assert (absent.returncode, "there is no dead letter 0:999" in absent.stderr) == (1, True)


def test_what_is_sent_back_lands_in_its_topic_once(kafka: KafkaSettings) -> None:
    """Records that would come back at once stay, cut ones too; a second call sends nothing again."""
    where = ("--bootstrap-servers", kafka.bootstrap_servers)
    unclear = headwater("dead-letters", "redrive", *where, cwd=ROOT)
    assert (unclear.returncode, "or --all" in unclear.stderr) == (1, True)
    sent = headwater("dead-letters", "redrive", "--all", *where, cwd=ROOT)
    assert sent.returncode == 0, sent.stderr
    assert [line.split(" ", 1)[0] for line in sent.stdout.splitlines()] == ["1", "2", "1"]
    again = headwater("dead-letters", "redrive", "--all", *where, cwd=ROOT)
    assert again.stdout.splitlines()[0] == "0 sent back"
    assert "1 had been sent back before" in again.stdout
    assert [event.event_id for event in events(kafka)] == ["ahead"]
    assert [letter.content.reason for letter in read_letters(kafka) if letter.redriven] == ["future"]


def test_letters_of_topics_that_are_not_judged_are_sent_as_they_are(kafka: KafkaSettings) -> None:
    """Only the owner of the tasks file can tell whether an item action would be taken now."""
    letters = [letter for letter in read_letters(kafka) if letter.content.reason == "unparseable"]
    letters[0].content.topic = "headwater.item-actions.v1"
    assert redrive(kafka, letters, clock=time.time).sent == 1
