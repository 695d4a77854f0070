"""When imported events happen: no label stands ahead of what is to predict it."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from deploy.dataset.timeline import Row, in_moments, timeline
from feature_repo.decoded_event import IMPRESSION, DecodedEvent

NOW = 2e9


def row(number: int, user: str, item: str, *kinds: str, at: float | None = None, shown_in: str = "", file: int = 0) -> Row:
    events = [
        DecodedEvent(
            event_id=f"{file}:{number}{kind}", user_id=user, item_id=item, kind=kind, at=at or 1.0, recommendation_id=shown_in
        )
        for kind in kinds
    ]
    return Row(file=file, events=events, timed=at is not None)


def pairs(events: list[DecodedEvent]) -> list[tuple[str, str]]:
    return [(event.item_id, event.kind) for event in events]


def test_a_list_without_times_is_one_moment() -> None:
    """Its impressions have one time, and its clicks follow the last of them within a second; other lists follow in turn."""
    rows = [row(n, "u", f"i{n}", IMPRESSION, *["click"] * (n == 1), shown_in="a") for n in range(3)]
    rows += [row(n, "v", f"i{n}", IMPRESSION, shown_in="b") for n in range(3, 5)]
    found = timeline(rows, now=NOW)
    assert pairs(found) == [
        ("i0", IMPRESSION),
        ("i1", IMPRESSION),
        ("i2", IMPRESSION),
        ("i1", "click"),
        ("i3", IMPRESSION),
        ("i4", IMPRESSION),
    ]
    times = [event.at for event in found]
    assert times[0] == times[1] == times[2] < times[3] < times[0] + 1.0
    assert times[4] == times[5] > times[0] + 30.0
    assert times[-1] <= NOW


def test_rows_that_follow_each_other_are_a_list_where_users_come_back() -> None:
    """Nothing names the lists, but a user's rows stand together, and the user comes again."""
    rows = [row(n, user, f"i{n}", IMPRESSION, *["click"] * (n % 3 == 0)) for n, user in enumerate("uuuvvvuuu")]
    found = timeline(rows, now=NOW)
    by_time = defaultdict(set)
    for event in found:
        if event.kind == IMPRESSION:
            by_time[event.at].add(event.item_id)
    assert sorted(map(sorted, by_time.values())) == [["i0", "i1", "i2"], ["i3", "i4", "i5"], ["i6", "i7", "i8"]]


def test_rows_sorted_by_user_follow_each_other() -> None:
    """A user's rows are then all that the user ever did, no list: each is a moment of its own."""
    rows = [row(n, user, f"i{n}", IMPRESSION) for n, user in enumerate("uuuvvv")]
    assert len({event.at for event in timeline(rows, now=NOW)}) == 6


def test_files_without_times_meet_at_each_pair() -> None:
    """What a second file says of a user and an item stands in the moment in which the first one does, time for time."""
    rows = [row(n, "u", item, "purchase") for n, item in enumerate("aba")]
    rows += [row(n, "u", item, "read", file=1) for n, item in enumerate("baa")]
    found = timeline(rows, now=NOW)
    assert pairs(found) == [("a", "purchase"), ("a", "read"), ("b", "purchase"), ("b", "read"), ("a", "purchase"), ("a", "read")]


def test_outcomes_of_a_row_follow_the_whole_list() -> None:
    """A row has one time, that of its impression: its click came at some time after, so it counts after the last row."""
    rows = [row(n, "u", f"i{n}", IMPRESSION, *["click"] * (n == 0), at=100.0 + n, shown_in="a") for n in range(5)]
    found = timeline(rows, now=NOW)
    assert pairs(found)[-1] == ("i0", "click")
    assert {event.at for event in found[:-1]} == {100.0}
    assert 104.0 < found[-1].at < 105.0
    unnamed = [row(n, "u", f"i{n}", IMPRESSION, *["click"] * (n == 0), at=100.0 + n) for n in range(5)]
    assert pairs(timeline(unnamed, now=NOW))[-1] == ("i0", "click")


def test_impressions_of_an_instant_come_before_its_actions() -> None:
    """Whatever their order in the file: times of whole seconds say no more."""
    rows = [
        row(n, "u", item, kind, at=5.0) for n, (item, kind) in enumerate([("a", IMPRESSION), ("a", "click"), ("b", IMPRESSION)])
    ]
    assert pairs(timeline(rows, now=NOW)) == [("a", IMPRESSION), ("b", IMPRESSION), ("a", "click")]


def test_a_name_of_a_list_that_comes_back_after_hours_is_another_list() -> None:
    """Some name a session, or count from one each day: such impressions keep their times."""
    rows = [row(n, "u", f"i{n}", IMPRESSION, at=at, shown_in="1") for n, at in enumerate((10.0, 20.0, 90_000.0, 90_010.0))]
    assert [event.at for event in timeline(rows, now=NOW)] == [10.0, 10.0, 90_000.0, 90_000.0]


@given(
    st.lists(
        st.tuples(st.sampled_from("uv"), st.sampled_from("abcd"), st.sampled_from(["", "x", "y"]), st.booleans(), st.booleans()),
        max_size=40,
    ),
    st.booleans(),
    st.integers(0, 3),
)
def test_no_click_of_a_list_comes_before_its_last_impression(
    told_rows: list[tuple[str, str, str, bool, bool]], timed: bool, gap: int
) -> None:
    """With times and without, in one row or in two, however lists are mixed: and each event comes once."""
    rows = []
    for n, (user, item, shown_in, clicked, apart) in enumerate(told_rows):
        at = 1000.0 + gap * n if timed else None
        kinds = (IMPRESSION, "click") if clicked else (IMPRESSION,)
        made = row(n, user, item, *kinds, at=at, shown_in=shown_in)
        if apart and not timed:
            rows += [Row(file=0, events=[event], timed=False) for event in made.events]
        else:
            rows.append(made)
    found = timeline(rows, now=NOW)
    assert sorted(event.event_id for event in found) == sorted(event.event_id for one in rows for event in one.events)
    last: dict[tuple[str, str], float] = {}
    for place, event in enumerate(found):
        if event.kind == IMPRESSION and event.recommendation_id:
            last[event.user_id, event.recommendation_id] = place
    clicks = [(place, event) for place, event in enumerate(found) if event.kind == "click" and event.recommendation_id]
    assert all(place > last[event.user_id, event.recommendation_id] for place, event in clicks)
    assert in_moments(found) == found
