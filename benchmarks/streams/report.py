"""Figures of the event path as shown: the part of benchmarks/README.md, and those that stand on top of the JSON."""

from collections.abc import Mapping
from typing import Any

from benchmarks.chart import line_chart
from benchmarks.streams.brokers import BROKERS
from benchmarks.streams.stages import STAGES
from runtime.broker.codecs import CODECS

__all__ = ["charts", "headline", "part"]


def headline(results: Mapping[str, Any]) -> dict[str, Any]:
    """The few figures that the others explain."""
    found: dict[str, Any] = {}
    if "throughput" in results:
        rates = results["throughput"]["events_per_s"]
        found["features_worker"] = {
            "events_per_s": rates["redis"],
            "noop_events_per_s": rates["noop"],
            "ratio_to_noop": results["throughput"]["ratio_to_noop"],
        }
    if "latency" in results:
        found["event_to_feature"] = {
            rate: {name: one[name] for name in ("p50_s", "p99_s")}
            for rate, one in results["latency"].items()
            if rate.startswith("at_")
        }
    return found


def part(results: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    makers = {
        "throughput": _throughput,
        "two_workers": _two_workers,
        "brokers": _brokers,
        "stages": _stages,
        "latency": _latency,
        "memory": _memory,
        "codecs": _codecs,
    }
    made = [make(results[name]) for name, make in makers.items() if name in results]
    return "\n\n".join(("## The event path", *made))


def _codecs(found: Mapping[str, Any]) -> str:
    topics = {name: one for name, one in found.items() if name.startswith("headwater.")}
    rows = [
        f"| `{name}` | {one['bytes_a_record']:,.0f} | "
        + " | ".join(f"{one[codec]['ratio']:.2f} ({one[codec]['written_mb_per_s']:,.0f} MB/s)" for codec in CODECS)
        + " |"
        for name, one in topics.items()
    ]
    return "\n\n".join(
        (
            "### Compression",
            "Bytes in the log for a byte of keys and values, and how fast one core writes batches of 256 KiB of them, with the "
            "client of the workers and the server. `HEADWATER_KAFKA_COMPRESSION` is zstd by default; that client packs lz4 at a "
            "slow level.",
            "\n".join((f"| records of | bytes each | {' | '.join(CODECS)} |", f"| --- | ---: |{' ---: |' * len(CODECS)}", *rows)),
        )
    )


def charts(results: Mapping[str, Any]) -> dict[str, str]:
    """SVG by file name."""
    if "memory" not in results:
        return {}
    curve = [(float(done), float(megabytes)) for done, megabytes in results["memory"]["curve"]]
    # From zero on, so that the eye sees how much of it a change is.
    chart = line_chart("Resident memory of the features worker, MB", "events folded", {"worker": curve, "": [(0.0, 0.0)]})
    return {"streams-memory.svg": chart}


_RATES = {
    "getmany": "bare aiokafka, `getmany`",
    "noop": "a Faust agent that does nothing",
    "redis": "**features worker, Redis**",
    "sqlite": "features worker, SQLite",
    "redis_assembling": "features worker, Redis, impressions without features",
}


def _throughput(found: Mapping[str, Any]) -> str:
    rates = found["events_per_s"]
    rows = [f"| {title} | {rates[name]:,.0f} | {rates[name] / rates['noop']:.2f} |" for name, title in _RATES.items()]
    return "\n\n".join(
        (
            "### Events per second",
            f"One process, a backlog of {found['events']:,} events: lists of ten impressions that carry the features they were "
            f"scored with ({found['bytes_an_event']:,.0f} bytes an event on average), then clicks, reads and purchases. The "
            "features worker does its whole job: rows of users and items written to the store, item actions, item states and "
            "examples published. The agent that does nothing reads the same topic in a group with the same settings. Each figure "
            f"is the median of {len(found['rounds']['redis'])} rounds, those of SQLite and without features of one.",
            "\n".join(("| | events/s | to the no-op agent |", "| --- | ---: | ---: |", *rows)),
        )
    )


def _two_workers(found: Mapping[str, Any]) -> str:
    rates = found["events_per_s"]
    return (
        f"Two workers that share the partitions: {rates['two']:,.0f} events/s beside {rates['one']:,.0f} for one "
        f"({found['ratio_of_two_to_one']:.2f} times), with broker and Redis on the same {found['measured']['cores']} cores."
    )


def _brokers(found: Mapping[str, Any]) -> str:
    brokers = found["brokers"]
    latency = next(name for name in brokers["kafka"] if name.startswith("at_"))
    rows = [
        f"| {title} | {one['worker_events_per_s']:,.0f} | {one['noop_events_per_s']:,.0f} | {one['ratio_to_noop']:.2f} "
        f"| {one['cpu_us']['workers']:.0f} | {one['cpu_us']['broker']:.0f} | {one['cpu_us']['redis']:.0f} "
        f"| {1000 * one[latency]['p50_s']:.0f} ms | {1000 * one[latency]['p99_s']:.0f} ms |"
        for broker, title in BROKERS.items()
        for one in (brokers[broker],)
    ]
    columns = ("", "worker, events/s", "no-op agent", "ratio", "CPU of worker", "of broker", "of Redis", "p50", "p99")
    return "\n\n".join(
        (
            "### On Apache Kafka",
            f"The same backlog of {found['events']:,} events on one node of Apache Kafka and on the embedded broker, one worker "
            "on Redis, and the agent that does nothing on the same broker; CPU in microseconds an event. The last two columns "
            f"are the time from event to feature at {latency.split('_')[1]} events/s.",
            "\n".join((f"| {' | '.join(columns)} |", "| --- |" + " ---: |" * (len(columns) - 1), *rows)),
        )
    )


def _stages(found: Mapping[str, Any]) -> str:
    rows = [f"| {title} | {found['us_an_event'][name]:.0f} |" for name, title in STAGES.items()]
    return "\n\n".join(
        (
            "Where the time goes: CPU of each stage when it runs alone, in one process. A worker runs them in several threads, "
            "of which Python lets one work at a time.",
            "\n".join(
                ("| stage | µs an event |", "| --- | ---: |", *rows, f"| together | {found['us_an_event_together']:.0f} |")
            ),
        )
    )


def _memory(found: Mapping[str, Any]) -> str:
    megabytes = found["megabytes"]
    return "\n\n".join(
        (
            "### Memory",
            f"One worker over {found['events']:,} events, with room for {found['cached_rows']:,} rows of users and of items in "
            f"its caches ({found['cache_hit_rate']:.0%} hits): {megabytes['after_a_tenth']:,.0f} MB after a tenth of them, "
            f"{megabytes['at_the_end']:,.0f} MB at the end. A row in a cache grows until it remembers 512 ids of events.",
            "![Memory of the features worker](charts/streams-memory.svg)",
        )
    )


def _latency(found: Mapping[str, Any]) -> str:
    rows = [
        f"| {rate.split('_')[1]} events/s | {1000 * one['p50_s']:,.0f} ms | {1000 * one['p99_s']:,.0f} ms | {one['probes']:,} |"
        for rate, one in found.items()
        if rate.startswith("at_")
    ]
    return "\n\n".join(
        (
            "### From event to feature",
            "From the call that sends an event to the moment at which a read of the online store finds it in its user's row, one "
            "worker on Redis, with so many other events offered beside:",
            "\n".join(("| offered | p50 | p99 | probes |", "| --- | ---: | ---: | ---: |", *rows)),
        )
    )
