"""Report of the serving figures: the part of benchmarks/README.md, its charts, and the figures that others read by name."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.chart import line_chart

__all__ = ["charts", "headline", "part"]

_SERVERS = {"redis": "Redis", "redis_two": "Redis, two server processes", "sqlite": "SQLite"}
_CROWDS = {"score": "Score of 100", "recommend": "a list of 10"}
_WAYS = {
    "plain": "plain: rows and vectors by `get_online_features`, then PyTorch",
    "plain_held_vectors": "plain, vectors held in memory: rows by `get_online_features`, then PyTorch",
}


def headline(results: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that others read by name, of those sections that have been measured."""
    found: dict[str, Any] = {}
    if "latency" in results:
        for name, figures in results["latency"]["redis"].items():
            found[name] = {key: figures[key] for key in ("offered_rps", "p50_s", "p99_s")}
    if "plain" in results:
        found["plain_path_500"] = {key: results["plain"]["plain"][key] for key in ("p50_s", "ratio")}
    if "pressure" in results:
        found["capacity_rps"] = results["pressure"]["capacity_rps"]
    return found


def part(results: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    intro = (
        "A real server process (`python -m serving`) beside an embedded broker and a Redis, the client in a process of its own, "
        "all on one machine; 10,000 made-up items with text vectors and counters, users with full histories, a model of the "
        "default sizes. Under an offered rate the gaps between requests are exponential, and a latency counts from the time at "
        "which its request was due, whether or not those before it were answered (no coordinated omission)."
    )
    makers = {
        "latency": _latency,
        "plain": _plain,
        "floor": _floor,
        "pressure": _pressure,
        "crowd": _crowd,
        "candidates": _candidates,
        "catalogue": _catalogue,
        "processes": _processes,
        "swaps": _swaps,
    }
    return "\n\n".join(("## Serving", intro, *(make(results[name]) for name, make in makers.items() if name in results)))


def charts(results: Mapping[str, Any]) -> dict[str, str]:
    """SVG by file name."""
    found: dict[str, str] = {}
    if "pressure" in results:
        offered = results["pressure"]["offered"]
        lines = {
            name: [(float(factor), 1e3 * seen[key]) for factor, seen in offered.items()]
            for name, key in (("p50", "p50_s"), ("p99", "p99_s"))
        }
        found["serving-pressure.svg"] = line_chart("Score of 100: ms, by load", "offered load, in capacities", lines, log_x=True)
    if "crowd" in results:
        lines = {
            title: [(float(clients), seen["answered_rps"]) for clients, seen in results["crowd"][name].items()]
            for name, title in _CROWDS.items()
        }
        found["serving-crowd.svg"] = line_chart("Answers a second", "clients that ask again at once", lines, log_x=True)
    if "candidates" in results:
        sizes = results["candidates"]["sizes"]
        lines = {
            "p50": [(float(size), 1e6 * seen["p50_s_per_candidate"]) for size, seen in sizes.items()],
        }
        title = "Score over gRPC: microseconds for each candidate"
        found["serving-candidates.svg"] = line_chart(title, "candidates", lines, log_x=True)
    if "catalogue" in results:
        sizes = results["catalogue"]["sizes"]
        lines = {
            name: [(float(size), 1e3 * seen[name]["p50_s"]) for size, seen in sizes.items() if name in seen]
            for name in ("exact", "approximate")
        }
        found["serving-catalogue.svg"] = line_chart("A list of 10: ms (p50)", "items", lines, log_x=True, log_y=True)
    return found


def _latency(found: Mapping[str, Any]) -> str:
    rows = []
    for servers, title in _SERVERS.items():
        for seen in found.get(servers, {}).values():
            worst = f"{_ms(min(seen['p99_s_of_rounds']))} to {_ms(max(seen['p99_s_of_rounds']))}"
            unanswered = f"{1.0 - seen['statuses']['OK'] / sum(seen['statuses'].values()):.1%}"
            offered = f"{seen['offered_rps']:g}/s"
            rows.append((str(seen["candidates"]), title, offered, _ms(seen["p50_s"]), _ms(seen["p99_s"]), worst, unanswered))
    table = _table(("candidates", "store", "offered", "p50", "p99", "p99 of three rounds", "not answered"), rows)
    return f"### Latency of `Score`\n\n{table}"


def _plain(found: Mapping[str, Any]) -> str:
    own = ("Headwater, over gRPC", _ms(found["headwater_p50_s"]), "1")
    rows = [own, *((title, _ms(found[name]["p50_s"]), f"{found[name]['ratio']:.1f}") for name, title in _WAYS.items())]
    words = (
        f"{found['candidates']} candidates on Redis, one request at a time, in turns. The plain way runs in the caller's "
        "process, without gRPC, and crosses no features of the user with those of the items."
    )
    return f"### Beside the plain way\n\n{words}\n\n{_table(('', 'p50', 'times Headwater'), rows)}"


def _floor(found: Mapping[str, Any]) -> str:
    rows = [
        ("bare `grpc.aio` echo, empty, one at a time", _ms(found["echo_p50_s"])),
        (f"the same with the {found['answer_500_bytes'] / 1e3:.0f} kB of an answer for 500", _ms(found["echo_answer_500_p50_s"])),
        ("bare matrix products for 100 candidates", _ms(found["matmul_100_s"])),
        ("bare matrix products for 500 candidates", _ms(found["matmul_500_s"])),
    ]
    return f"### The floor\n\n{_table(('', 'p50'), rows)}"


def _pressure(found: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{factor} x",
            f"{seen['offered_rps']:.0f}/s",
            f"{seen['answered_rps']:.0f}/s",
            f"{seen['refused_rps']:.0f}/s",
            _ms(seen["p50_s"]),
            _ms(seen["p99_s"]),
        )
        for factor, seen in found["offered"].items()
    ]
    words = (
        f"Capacity: {found['capacity_rps']:.0f} `Score` of {found['candidates']} candidates a second, with "
        f"{found['in_flight']} always in flight. Refused means RESOURCE_EXHAUSTED; latencies are those of what is answered."
    )
    table = _table(("load", "offered", "answered", "refused", "p50", "p99"), rows)
    return f"### Under pressure\n\n{words}\n\n{table}\n\n![Latency by load](charts/serving-pressure.svg)"


def _crowd(found: Mapping[str, Any]) -> str:
    rows = []
    for name, title in _CROWDS.items():
        most = max(seen["answered_rps"] for seen in found[name].values())
        for clients, seen in found[name].items():
            refused = sum(count for status, count in seen["statuses"].items() if status != "OK")
            answered, share = f"{seen['answered_rps']:.0f}", f"{seen['answered_rps'] / most:.0%}"
            rows.append((title, clients, answered, share, _ms(seen["p50_s"]), _ms(seen["p99_s"]), str(refused)))
    words = (
        f"Each client has one request under way, {found['deadline_s']:g} s for it, and asks again as soon as it is answered or "
        "refused, whatever it is told."
    )
    table = _table(("", "clients", "answered a second", "of the most", "p50", "p99", "not answered"), rows)
    return f"### Crowds\n\n{words}\n\n{table}\n\n![Answers a second by clients](charts/serving-crowd.svg)"


def _candidates(found: Mapping[str, Any]) -> str:
    rows = [
        (f"{int(size):,}", _ms(seen["p50_s"]), _ms(seen["p99_s"]), f"{1e6 * seen['p50_s_per_candidate']:.1f} µs")
        for size, seen in found["sizes"].items()
    ]
    table = _table(("candidates", "p50", "p99", "p50 for each"), rows)
    return f"### Cost of a candidate\n\n{table}\n\n![Cost of a candidate](charts/serving-candidates.svg)"


def _catalogue(found: Mapping[str, Any]) -> str:
    rows = []
    for size, seen in found["sizes"].items():
        exact, approximate = seen["exact"], seen["approximate"]
        held = f"{seen['bytes_per_item'] / 1e3:.1f} kB"
        rows.append((f"{int(size):,}", *_p50_p99(exact), *_p50_p99(approximate), f"{approximate['same']:.0%}", held))
    words = (
        f"A list of {found['shown']} out of {found['pool']} candidates, made in process (no gRPC, no store). "
        "The text vectors are made up, around 1,000 subjects within which the cosine is about .6. Exact looks at every "
        "item; approximate looks neighbours up in a graph (HNSW) and the rest in standing lists, *same* being what both find. "
        f"Table and graph took in {found['indexed_per_second']:,.0f} items/s while they grew to the largest. *Memory* is what "
        "the process grew by for each item: vector, counters, content, facets and the graph."
    )
    header = ("items", "exact p50", "exact p99", "approximate p50", "approximate p99", "same", "memory")
    return (
        f"### Catalogue sizes\n\n{words}\n\n{_table(header, rows)}\n\n![A list by catalogue size](charts/serving-catalogue.svg)"
    )


def _processes(found: Mapping[str, Any]) -> str:
    rows = [(number, f"{seen['answered_rps']:.0f}/s", *_p50_p99(seen)) for number, seen in found["processes"].items()]
    words = (
        f"`Score` of {found['candidates']} candidates, {found['in_flight']} always in flight over as many connections; client, "
        "Redis and broker share the machine's cores with the servers."
    )
    return f"### Server processes on one port\n\n{words}\n\n{_table(('processes', 'answered', 'p50', 'p99'), rows)}"


def _swaps(found: Mapping[str, Any]) -> str:
    rows = [
        (title, *_p50_p99(seen), str(seen["failed"]), ", ".join(seen["degradations"]) or "none")
        for title, seen in (("one model", found["calm"]), ("a new one each second", found["swapped"]))
    ]
    words = (
        f"`Score` of 100 candidates at {found['offered_rps']:g}/s; {found['swaps']} new snapshots took over in the second row."
    )
    return f"### New models under load\n\n{words}\n\n{_table(('', 'p50', 'p99', 'failed', 'degraded by'), rows)}"


def _p50_p99(seen: Mapping[str, float]) -> tuple[str, str]:
    return _ms(seen["p50_s"]), _ms(seen["p99_s"])


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.2f} ms"
