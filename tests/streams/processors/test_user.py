"""Batches of events: what they lead to, and that crashes, repeats and batch sizes change nothing."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from feature_repo.decoded_event import FORGET, IMPRESSION, DecodedEvent
from feature_repo.items.table import ItemTable
from feature_repo.owned_rows import OwnedRows
from feature_repo.settings import StoreSettings
from feature_repo.store import RowStore
from feature_repo.tasks import parse_tasks
from feature_repo.vocabulary import Vocabulary
from headwater.internal.v1.streams_pb2 import DeadLetter, Erasure, Example, ItemAction
from headwater.v1.events_pb2 import Event
from headwater.v1.topics import DEAD_LETTERS, EVENTS, EXAMPLES, ITEM_ACTIONS
from runtime.record import Record
from streams.processors.user import UserProcessor, UserWork
from tests.feature_repo.worlds import VOCABULARY, histories, table_of
from tests.streams.memory import MemoryRows

NOW = 2_000_000.0
STARS = Vocabulary(parse_tasks('[tasks.stars]\nkind = "regression"\nevent = "rate"'))
FATES = st.sampled_from(["go on", "crash before write", "crash after write"])


def _record(event: DecodedEvent, offset: int, *, user_id: str) -> Record:
    message = Event(event_id=event.event_id, user_id=user_id, item_id=event.item_id)
    message.occurred_at.FromNanoseconds(int(event.at * 1e9))
    if event.kind == IMPRESSION:
        message.impression.SetInParent()
    elif event.kind == FORGET:
        message.forget.SetInParent()
    elif event.kind == "click":
        message.click.SetInParent()
    elif event.kind == "read":
        message.read.seconds = event.value or 0.0
    else:
        message.action.name = event.kind
        if event.value is not None:
            message.action.value = event.value
    return _raw(message.SerializeToString(), offset, key=user_id.encode())


def _raw(value: bytes | None, offset: int, *, key: bytes = b"u0") -> Record:
    return Record(topic=EVENTS.name, partition=0, offset=offset, key=key, value=value, appended_at=NOW)


def _processor(store: MemoryRows, *, log: int = 1, cached_rows: int = 2) -> UserProcessor:
    return UserProcessor(table=table_of(), store=store, log=lambda: log, clock=lambda: NOW, cached_rows=cached_rows)


def _stars_processor(store: MemoryRows) -> UserProcessor:
    table = ItemTable(STARS, dimensions=4)
    return UserProcessor(table=table, store=store, log=lambda: 1, clock=lambda: NOW, cached_rows=2)


def _published(works: Sequence[UserWork]) -> dict[tuple[str, int, int], bytes]:
    """Actions and examples as their readers count them: the first of each source."""
    counted: dict[tuple[str, int, int], bytes] = {}
    for work in works:
        for topic, _, value in work.publications:
            assert value is not None
            if topic == ITEM_ACTIONS.name:
                counted.setdefault((topic, ItemAction.FromString(value).source.offset, 0), value)
            else:
                example = Example.FromString(value)
                counted.setdefault((topic, example.source.offset, example.index), value)
    return counted


def _receipts(works: Sequence[UserWork]) -> list[bytes]:
    """The receipts that were given, each once."""
    return sorted({confirmation.value or b"" for work in works for confirmation in work.confirmations})


@settings(deadline=None, max_examples=60)
@given(
    events=histories(max_size=24),
    repeats=st.lists(st.integers(0, 23), max_size=6),
    sizes=st.lists(
        st.tuples(st.integers(1, 7), st.sampled_from(["go on", "crash before write", "crash after write"])), max_size=30
    ),
)
def test_crashes_repeats_and_batch_sizes_change_no_row(
    events: list[DecodedEvent], repeats: list[int], sizes: list[tuple[int, str]]
) -> None:
    """Whatever is redelivered or sent twice, rows, actions, examples and receipts equal those of one clean pass."""
    sent = [(event, f"u{at % 3}") for at, event in enumerate(events)]
    sent += [sent[at] for at in repeats if at < len(sent)]
    records = [_record(event, offset, user_id=user_id) for offset, (event, user_id) in enumerate(sent)]
    clean, rough = MemoryRows(VOCABULARY), MemoryRows(VOCABULARY)
    processor = _processor(clean)
    whole = processor.process(records)
    processor.write(whole)

    works: list[UserWork] = []
    processor, committed = _processor(rough), 0
    for size, fate in [*sizes, *((7, "go on"),) * len(records)]:
        batch = records[committed : committed + size]
        work = processor.process(batch)
        works.append(work)
        if fate == "crash before write":
            processor = _processor(rough)
            continue
        processor.write(work)
        if fate == "crash after write":  # its offsets were not committed, so the batch comes again
            processor = _processor(rough)
            continue
        committed += len(batch)
    assert rough.users == clean.users
    assert _published(works) == _published([whole])
    assert _receipts(works) == _receipts([whole])


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(st.tuples(st.integers(1, 30), FATES), max_size=12), burst_at=st.integers(25, 59))
def test_a_burst_counts_as_usual_whatever_crashes(sizes: list[tuple[int, str]], burst_at: int) -> None:
    """One of 50,000 among stars counts as 5; what is usual is the same wherever batches end and workers die."""
    records = []
    for at in range(60):
        stars = 50_000.0 if at == burst_at else 1.0 + at % 5
        rated = DecodedEvent(event_id=f"e{at}", user_id=f"u{at % 7}", item_id="i1", at=1000.0 + at, kind="rate", value=stars)
        records.append(_record(rated, at, user_id=rated.user_id))
    clean, rough = MemoryRows(STARS), MemoryRows(STARS)
    whole = _stars_processor(clean).process(records)
    _stars_processor(clean).write(whole)
    counted = [
        ItemAction.FromString(value or b"").label_sums[0] for topic, _, value in whole.publications if topic == ITEM_ACTIONS.name
    ]
    assert (counted[burst_at], max(counted), dict(whole.clipped)) == (5.0, 5.0, {"stars": 1})

    processor, committed = _stars_processor(rough), 0
    for size, fate in [*sizes, *((7, "go on"),) * len(records)]:
        batch = records[committed : committed + size]
        work = processor.process(batch)
        if fate != "crash before write":
            processor.write(work)
        if fate == "go on":
            committed += len(batch)
        else:
            processor = _stars_processor(rough)
    assert rough.users == clean.users
    assert rough.states == clean.states


def test_a_value_that_a_task_refuses_is_a_dead_letter() -> None:
    """It changes no row, and the letter says which task and range."""
    strict = Vocabulary(parse_tasks('[tasks.stars]\nkind = "regression"\nevent = "rate"\nmin = 1\nmax = 5\noutside = "refuse"'))
    table = ItemTable(strict, dimensions=4)
    rated = DecodedEvent(event_id="e", user_id="u0", item_id="i1", at=1000.0, kind="rate", value=50_000.0)
    users = UserProcessor(table=table, store=MemoryRows(strict), log=lambda: 1, clock=lambda: NOW, cached_rows=2)
    work = users.process([_record(rated, 0, user_id="u0")])
    [letter] = [DeadLetter.FromString(value or b"") for _, _, value in work.publications]
    assert (letter.reason, work.rows) == ("constraint", {})
    assert "task stars takes 1 to 5" in letter.detail


def test_every_record_is_folded_a_duplicate_or_a_dead_letter() -> None:
    """The accounting that the demo proves rests on this."""
    good = _record(DecodedEvent(event_id="e", user_id="u0", item_id="i1", at=1000.0, kind="click"), 0, user_id="u0")
    again = good._replace(offset=3)
    work = _processor(MemoryRows(VOCABULARY)).process([good, _raw(b"junk", 1), _raw(None, 2), again])
    assert (len(work.folded_appended_at), work.duplicates, dict(work.rejected)) == (1, 1, {"unparseable": 2})
    letters = [DeadLetter.FromString(value or b"") for topic, _, value in work.publications if topic == DEAD_LETTERS.name]
    assert [(letter.offset, letter.value, letter.reason) for letter in letters] == [
        (1, b"junk", "unparseable"),
        (2, b"", "unparseable"),
    ]


def test_a_user_in_two_partitions_is_noticed() -> None:
    """Each change of partition counts, also in a later batch; that a new log begins at another partition is none."""
    clicks = [DecodedEvent(event_id=f"e{at}", user_id="u0", item_id="i1", at=1000.0 + at, kind="click") for at in range(4)]
    records = [
        _record(click, 0, user_id="u0")._replace(partition=partition)
        for click, partition in zip(clicks, (0, 1, 0, 1), strict=True)
    ]
    store = MemoryRows(VOCABULARY)
    first = _processor(store)
    work = first.process(records[:2])
    first.write(work)
    assert (len(work.folded_appended_at), work.wrong_partition) == (2, 1)
    assert _processor(store).process(records[2:3]).wrong_partition == 1
    assert _processor(store, log=2).process(records[2:3]).wrong_partition == 0


def test_two_workers_that_share_a_user_write_over_each_other(store_settings: StoreSettings) -> None:
    """As docs/faq.md says of two partitioners: each keeps its own count, the last to write is left, and one change is noticed."""
    store = RowStore(store_settings, VOCABULARY)
    owned = [OwnedRows(store, "users", log=lambda: 1) for _ in range(2)]
    workers = [UserProcessor(table=table_of(), store=rows, log=lambda: 1, clock=lambda: NOW, cached_rows=2) for rows in owned]
    for partition, rows in enumerate(owned):
        rows.claim([partition])
    wrong_partition = 0
    for at in range(6):
        click = DecodedEvent(event_id=f"e{at}", user_id="u0", item_id="i1", at=1000.0 + at, kind="click")
        worker = workers[at % 2]
        work = worker.process([_record(click, at, user_id="u0")._replace(partition=at % 2)])
        owned[at % 2].begin({at % 2: at + 1})
        worker.write(work)
        owned[at % 2].finish()
        wrong_partition += work.wrong_partition
    assert len(store.read_users(["u0"])["u0"].seen) == 4, "the first of one worker, and all three of the other"
    assert wrong_partition == 1


def test_a_dead_letter_can_always_be_written() -> None:
    """Errors quote what they could not read, which need not be text; huge values are cut."""
    records = [_raw(b'{"event_id": "\\ud800"}', 0), _raw(b"x" * 2_000_000, 1)]
    work = _processor(MemoryRows(VOCABULARY)).process(records)
    assert dict(work.rejected) == {"unparseable": 1, "too_large": 1}
    assert max(len(value or b"") for _, _, value in work.publications) < 300_000


def test_a_recreated_log_hides_nothing_behind_the_old_offsets() -> None:
    """A broker that restarts gives offset 0 again; its events count."""
    store = MemoryRows(VOCABULARY)
    first = _record(DecodedEvent(event_id="e1", user_id="u0", item_id="i1", at=1000.0, kind="click"), 9, user_id="u0")
    second = _record(DecodedEvent(event_id="e2", user_id="u0", item_id="i2", at=1001.0, kind="click"), 0, user_id="u0")
    for log, record, folded in ((1, first, 1), (2, second, 1), (2, second, 0)):
        processor = _processor(store, log=log)
        work = processor.process([record])
        processor.write(work)
        assert len(work.folded_appended_at) == folded


def test_served_features_of_another_width_are_rejected_not_learned() -> None:
    """One example of a wrong width would stop the learner's batch."""
    message = Event(event_id="e", user_id="u0", item_id="i1")
    message.occurred_at.seconds = 1000
    message.impression.served.fingerprint = VOCABULARY.fingerprint
    message.impression.served.values.extend([1.0, 2.0])
    work = _processor(MemoryRows(VOCABULARY)).process([_raw(message.SerializeToString(), 0)])
    assert dict(work.rejected) == {"constraint": 1}
    assert not [topic for topic, _, _ in work.publications if topic == EXAMPLES.name]


def test_a_receipt_is_given_again_until_it_is_acknowledged() -> None:
    """A crash between the write and the receipt leaves nobody waiting: the wish is redelivered and answered from the row."""
    store = MemoryRows(VOCABULARY)
    click = DecodedEvent(event_id="e", user_id="u0", item_id="i1", at=1000.0, kind="click")
    wish = DecodedEvent(event_id="w", user_id="u0", item_id="", at=1001.0, kind=FORGET)
    records = [_record(click, 0, user_id="u0"), _record(wish, 1, user_id="u0")]
    processor = _processor(store)
    first = processor.process(records)
    processor.write(first)
    again = _processor(store).process(records)
    assert again.confirmations == first.confirmations
    assert (first.forgotten, again.forgotten, again.duplicates) == (1, 0, 2)
    receipt = Erasure.FromString(first.confirmations[0].value or b"")
    assert (receipt.user_id, receipt.event_id, receipt.events, receipt.engagements) == ("u0", "w", 1, 1)
