"""Records on disk: a queue like any other, over restarts, within its bounds."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headwater.producer.spool import Spool, SpoolError, SpoolFullError

STEPS = st.one_of(
    st.tuples(st.just("append"), st.binary(max_size=8)),
    st.tuples(st.just("remove"), st.integers(0, 5)),
    st.tuples(st.just("restart"), st.none()),
)


@settings(deadline=None, max_examples=40)
@given(st.lists(STEPS, max_size=25))
def test_it_is_a_queue_that_restarts_do_not_change(steps: list[tuple[str, bytes | int | None]]) -> None:
    """The oldest come first, what was removed never comes again, and counts and bytes are those of what waits."""
    with tempfile.TemporaryDirectory() as directory:
        spool, model, numbers = Spool(Path(directory)), [], []
        for what, argument in steps:
            if isinstance(argument, bytes):
                spool.append("t", b"k", argument)
                model.append(argument)
            elif isinstance(argument, int) and (taken := spool.head(argument)):
                numbers += [one.number for one in taken]
                spool.remove(taken[-1].number)
                model = model[len(taken) :]
            elif what == "restart":
                spool.close()
                spool = Spool(Path(directory))
            assert [(one.topic, one.key, one.value) for one in spool.head(100)] == [("t", b"k", value) for value in model]
            assert (spool.records, spool.bytes) == (len(model), sum(1 + len(value) for value in model))
        assert numbers == sorted(set(numbers))
        spool.close()


def test_a_full_spool_takes_no_more_and_says_so(tmp_path: Path) -> None:
    """Nothing is dropped silently: the caller decides what becomes of the record."""
    spool = Spool(tmp_path, max_bytes=10)
    spool.append("t", b"key", b"value")
    with pytest.raises(SpoolFullError, match="8 of 10 bytes"):
        spool.append("t", b"key", b"value")
    assert spool.records == 1
    spool.remove(spool.head(1)[0].number)
    spool.append("t", b"key", b"value")
    spool.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """Two that drained one spool would send everything twice and out of order."""
    spool = Spool(tmp_path, fsync=True)
    with pytest.raises(SpoolError, match="a directory of its own"):
        Spool(tmp_path)
    spool.close()


def test_what_is_no_spool_is_refused_in_words(tmp_path: Path) -> None:
    """A file of something else is not overwritten."""
    (tmp_path / "spool.db").write_bytes(b"something else" * 100)
    with pytest.raises(SpoolError, match="not a database"):
        Spool(tmp_path)
