"""The benchmark of the event path: its events are sound, its rates are of real workers, its page comes from the figures."""

import time
from itertools import islice

from benchmarks.streams.plant import vocabulary
from benchmarks.streams.report import headline, part
from benchmarks.streams.throughput import rate
from benchmarks.streams.workload import events, publications
from feature_repo.decode import decode_event
from feature_repo.decoded_event import DecodedEvent

RESULTS = {
    "throughput": {
        "events": 1000,
        "bytes_an_event": 700.0,
        "ratio_to_noop": 0.55,
        "events_per_s": {"getmany": 9e5, "noop": 10_000.0, "redis": 5500.0, "sqlite": 4000.0, "redis_assembling": 2000.0},
        "rounds": {"redis": [5500.0, 5400.0, 5600.0]},
    },
    "latency": {"at_500_per_s": {"p50_s": 0.05, "p99_s": 0.2, "probes": 600}, "measured": {"cores": 2}},
}


def test_all_events_of_the_workload_are_sound() -> None:
    """Dead letters cost less than folding and would flatter the rate; the mix is that of lists with few clicks."""
    stream = events(vocabulary(), start=1000.0, per_second=100.0, served=True)
    found = [
        decode_event(event.SerializeToString(), key=event.user_id.encode(), now=time.time()) for event in islice(stream, 5000)
    ]
    kinds = [one.kind for one in found if isinstance(one, DecodedEvent)]
    assert len(kinds) == 5000
    assert 0.8 < kinds.count("impression") / 5000 < 0.9
    assert {"click", "read", "purchase"} < set(kinds)
    last = found[-1]
    assert isinstance(last, DecodedEvent)
    assert 45.0 < last.at - 1000.0 < 56.0, "5,000 events at 100 a second"


def test_a_rate_is_of_events_whose_rows_are_written() -> None:
    """A real worker on a real broker drains a small backlog."""
    assert rate("sqlite", publications(vocabulary(), 12_000, served=True)) > 0.0  # several batches


def test_the_page_sets_apache_kafka_beside_the_embedded_broker() -> None:
    """Each broker has its row: worker, no-op agent, their ratio, CPU by process, time from event to feature."""
    one = {
        "worker_events_per_s": 5000.0,
        "noop_events_per_s": 10_000.0,
        "ratio_to_noop": 0.5,
        "cpu_us": {"workers": 180.0, "broker": 60.0, "redis": 20.0},
        "at_500_per_s": {"p50_s": 0.04, "p99_s": 0.11},
    }
    text = part({"brokers": {"events": 1000, "brokers": {"embedded": one, "kafka": one | {"worker_events_per_s": 4000.0}}}})
    assert "| embedded broker | 5,000 | 10,000 | 0.50 | 180 | 60 | 20 | 40 ms | 110 ms |" in text
    assert "| Apache Kafka | 4,000 | 10,000 | 0.50 | 180 | 60 | 20 | 40 ms | 110 ms |" in text


def test_page_and_headline_come_from_the_figures() -> None:
    """Nothing of them is typed by hand."""
    assert headline(RESULTS) == {
        "features_worker": {"events_per_s": 5500.0, "noop_events_per_s": 10_000.0, "ratio_to_noop": 0.55},
        "event_to_feature": {"at_500_per_s": {"p50_s": 0.05, "p99_s": 0.2}},
    }
    text = part(RESULTS)
    assert "| **features worker, Redis** | 5,500 | 0.55 |" in text
    assert "| 500 events/s | 50 ms | 200 ms | 600 |" in text
