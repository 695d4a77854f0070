"""Dead letters: writing, reading and sending them back."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import structlog
from google.protobuf.message import DecodeError

from feature_repo.decode import Rejection, decode_change, decode_event
from headwater.internal.v1.streams_pb2 import DeadLetter
from headwater.v1.topics import CATALOGUE, DEAD_LETTERS, EVENTS
from runtime.broker.event_producer import event_producer
from runtime.record import Oversized, Publication, Record
from runtime.settings import KafkaSettings
from runtime.topics import read_topic

__all__ = ["Letter", "Redriven", "dead_letter", "judge", "oversized_letter", "read_letters", "redrive"]

_MAX_BYTES = 256 * 1024  # what was too large for its topic must not be too large for this one


def dead_letter(record: Record, rejection: Rejection, now: float) -> Publication:
    """The dead letter of a record rejected at `now` (Unix seconds); values over 256 KiB are cut."""
    value = record.value or b""
    detail = rejection.detail
    if len(value) > _MAX_BYTES:
        detail += f" (only the first {_MAX_BYTES} of {len(value)} bytes are kept here)"
    letter = DeadLetter(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=rejection.reason,
        # Errors quote their input, which may hold what no protobuf string may.
        detail=detail.encode("utf-8", errors="replace").decode(),
        key=(record.key or b"")[:1024],
        value=value[:_MAX_BYTES],
        value_bytes=len(value),
        rejected_at=now,
    )
    return Publication(DEAD_LETTERS.name, letter.key, letter.SerializeToString())


def oversized_letter(one: Oversized, now: float) -> Publication | None:
    """The dead letter in place of a record of ours that its topic does not take; None for a letter that is as short as can be.

    A letter that is itself too large comes back with a quarter of the value that it quotes.
    """
    topic, key, value = one.publication
    takes = "does not say how much it takes" if one.limit is None else f"takes {one.limit} (max.message.bytes)"
    detail = f"{len(value or b'')} bytes, {one.size} in a batch of its own; {topic} {takes}"
    if topic != DEAD_LETTERS.name:
        record = Record(topic=topic, partition=-1, offset=-1, key=key, value=value, appended_at=now)
        return dead_letter(record, Rejection(reason="too_large", detail=detail), now)
    letter = DeadLetter.FromString(value or b"")
    if not letter.value:
        _log.error("dead_letter_dropped", topic=letter.topic, offset=letter.offset, reason=letter.reason, detail=detail)
        return None
    letter.value = letter.value[: len(letter.value) // 4]
    return Publication(topic, key, letter.SerializeToString())


_log = structlog.get_logger(__name__)
_TOGETHER = 1000  # records sent before their letters are noted as sent: what a crash in between sends again


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """One dead letter and where it stands in its topic."""

    partition: int
    offset: int
    content: DeadLetter
    redriven: bool
    """True once it was sent back."""

    @property
    def name(self) -> str:
        """How the command line calls it: partition and offset in the topic of the dead letters."""
        return f"{self.partition}:{self.offset}"

    @property
    def whole(self) -> bool:
        """False where the value was too large to be kept, so that it cannot be sent again."""
        return self.content.value_bytes <= len(self.content.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Redriven:
    """What became of the letters that were to be sent back."""

    sent: int = 0
    refused: int = 0
    """Not sent: they would come back at once, for the rules that they break still stand."""
    cut: int = 0
    """Not sent: too large to have been kept whole."""
    before: int = 0
    """Not sent: they were sent back earlier."""


def read_letters(kafka: KafkaSettings) -> list[Letter]:
    """All dead letters that the broker still holds, the oldest first; one that a worker wrote twice appears once.

    Raises:
        TopicError: there is no such topic, or the broker stops answering.
    """
    found: dict[tuple[object, ...], tuple[int, int, DeadLetter]] = {}
    redriven: set[tuple[int, int]] = set()
    for partition, offset, letter in _records(kafka):
        if letter.HasField("redriven"):
            redriven.add((letter.redriven.partition, letter.redriven.offset))
        else:
            identity = letter.topic, letter.partition, letter.offset, letter.value
            found.setdefault(identity, (partition, offset, letter))
    letters = [
        Letter(partition=partition, offset=offset, content=letter, redriven=(partition, offset) in redriven)
        for partition, offset, letter in found.values()
    ]
    return sorted(letters, key=lambda letter: letter.content.rejected_at)


def judge(letter: DeadLetter, now: float) -> Rejection | None:
    """Why this version would refuse the record again at `now` (Unix seconds); None if it would take it or cannot tell."""
    judged: object = None
    if letter.topic == EVENTS.name:
        judged = decode_event(letter.value, key=letter.key, now=now)
    elif letter.topic == CATALOGUE.name:
        judged = decode_change(letter.value, key=letter.key, now=now)
    return judged if isinstance(judged, Rejection) else None


def redrive(kafka: KafkaSettings, letters: Sequence[Letter], *, clock: Callable[[], float]) -> Redriven:
    """Sends records back as they were, and notes it beside their letters; those that would be refused again stay.

    Sending one twice does no harm: events carry ids, and the last change of an item wins.

    Raises:
        DeliveryError: the broker did not take all of them; the same call again goes on with the rest.
    """
    now = clock()
    before = [letter for letter in letters if letter.redriven]
    cut = [letter for letter in letters if not letter.redriven and not letter.whole]
    rest = [letter for letter in letters if not letter.redriven and letter.whole]
    sound = [letter for letter in rest if judge(letter.content, now) is None]
    with event_producer(kafka) as producer:
        for start in range(0, len(sound), _TOGETHER):
            part = sound[start : start + _TOGETHER]
            for letter in part:
                producer.send_bytes(letter.content.topic, letter.content.key, letter.content.value)
            producer.flush(raise_on_failure=True)
            for letter in part:
                producer.send_bytes(DEAD_LETTERS.name, letter.content.key, _note(letter, clock()))
            producer.flush(raise_on_failure=True)
    return Redriven(sent=len(sound), refused=len(rest) - len(sound), cut=len(cut), before=len(before))


def _note(letter: Letter, now: float) -> bytes:
    content = letter.content
    note = DeadLetter(topic=content.topic, partition=content.partition, offset=content.offset, rejected_at=now)
    note.redriven.partition, note.redriven.offset = letter.partition, letter.offset
    return note.SerializeToString()


def _records(kafka: KafkaSettings) -> Iterator[tuple[int, int, DeadLetter]]:
    for record in read_topic(kafka, DEAD_LETTERS.name):
        try:
            yield record.partition, record.offset, DeadLetter.FromString(record.value or b"")
        except DecodeError as error:
            _log.warning("no_dead_letter", partition=record.partition, offset=record.offset, error=str(error))
