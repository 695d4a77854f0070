"""Admission control: what is in flight, and what waits."""

import pytest

from serving.admission import Admission
from serving.api.errors import Overloaded


def test_requests_beyond_the_bound_are_rejected_and_do_not_count() -> None:
    """One that has ended makes room for the next."""
    admission = Admission(max_in_flight=2, max_wait_seconds=1.0)
    admission.enter(scoring=False)
    admission.enter(scoring=True)
    with pytest.raises(Overloaded, match="2 requests are in flight"):
        admission.enter(scoring=False)
    assert admission.in_flight == 2
    admission.leave()
    admission.enter(scoring=True)
    assert admission.in_flight == 2


def test_only_scoring_is_rejected_where_work_waits() -> None:
    """Seconds of work wait for their turn: another piece would wait too long, an event to record would not."""
    admission = Admission(max_in_flight=100, max_wait_seconds=0.1)
    for _ in range(100):
        admission.worked(0.2)
    with admission.place(1.0):
        with pytest.raises(Overloaded, match="work waits before this request"):
            admission.enter(scoring=True)
        assert admission.in_flight == 0
        admission.enter(scoring=False)
    admission.enter(scoring=True)


def test_several_workers_shorten_the_wait() -> None:
    """The same work waits half as long for two."""
    one, two = (Admission(max_in_flight=100, max_wait_seconds=0.15, workers=workers) for workers in (1, 2))
    for admission in (one, two):
        for _ in range(100):
            admission.worked(0.2)
        with admission.place(1.0):
            if admission is two:
                admission.enter(scoring=True)
            else:
                with pytest.raises(Overloaded):
                    admission.enter(scoring=True)
