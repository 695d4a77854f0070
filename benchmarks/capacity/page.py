"""docs/capacity.md: what one core and one gigabyte carry, a worked plan, and where each part ends."""

from collections.abc import Mapping
from typing import Any

from benchmarks.capacity.plan import Plan, SteadyLoad, plan

__all__ = ["page", "summary"]

_LOADS = (
    SteadyLoad(users=100_000, items=20_000, events_per_s=500.0),
    SteadyLoad(users=1_000_000, items=100_000, events_per_s=5_000.0),
    SteadyLoad(users=10_000_000, items=1_000_000, events_per_s=50_000.0),
)
_REQUESTS = {
    "score_1": "Score of 1 item",
    "score_100": "Score of 100 items",
    "score_500": "Score of 500 items",
    "recommend_10": "Recommend 10 of 500 candidates",
}


def summary(results: Mapping[str, Any]) -> str:
    """The figures as Markdown, for benchmarks/README.md."""
    return "\n\n".join(("## Capacity", "What sizing rests on; docs/capacity.md works with it.", _figures(results)))


def page(results: Mapping[str, Any], quality: Mapping[str, Any]) -> str:
    """docs/capacity.md, of the files of figures; a test holds the page against them."""
    learner = float(quality["throughput"]["learner_examples_per_second"])
    plans = [(load, plan(load, results, learner)) for load in _LOADS]
    return (
        "\n\n".join(
            (
                "# Capacity",
                "Written by `make capacity` from benchmarks/results, not by hand. Measure on your own machines before you buy: "
                "the figures are of one core of the machine that ran it, in processor time, with vectors of 384 numbers.",
                "## What was measured",
                _figures(results),
                f"The learner takes {learner:,.0f} new examples/s on one core (benchmarks/results/quality.json).",
                "## Plans",
                "Cores are planned to be 60 % busy, Redis' memory to be 60 % full. Nine of ten events are impressions, ten to "
                "a list, so the events say how many lists were asked for; a tenth of the users and all items have full rows.",
                _plans(plans),
                *_worked(*plans[-1]),
                "## When to add what",
                _signs(),
                "## Where each part ends",
                _ends(learner, results),
            )
        )
        + "\n"
    )


def _figures(results: Mapping[str, Any]) -> str:
    store, processes = results["store"], results["processes"]
    rows = [
        ("an event, folded into user and item, example made", f"{1e3 * processes['event_cpu_s']:.2f} ms of a core"),
        ("events of one features worker on one core", f"{processes['events_per_core_s']:,.0f}/s"),
        *((f"{title}, on one core", f"{processes['requests_per_core_s'][name]:,.0f}/s") for name, title in _REQUESTS.items()),
        (f"a user in Redis after {store['user_few_events']} events", f"{store['user_few_bytes'] / 1e3:.1f} kB"),
        (f"a user in Redis after {store['user_many_events']} events: a full row", f"{store['user_many_bytes'] / 1e3:.1f} kB"),
        *(
            (f"an item in Redis, activity and content, {which}", f"{(store[name] + store['item_content_bytes']) / 1e3:.1f} kB")
            for name, which in (("item_activity_bytes", "few users"), ("item_full_activity_bytes", "a full row"))
        ),
        ("an item in the table of each server and worker", f"{store['item_table_bytes'] / 1e3:.1f} kB"),
        *((f"resident memory: {name}", f"{value / 1e6:,.0f} MB") for name, value in processes["resident_bytes"].items()),
    ]
    return "\n".join(("| what | figure |", "| --- | --- |", *(f"| {what} | {figure} |" for what, figure in rows)))


def _plans(plans: list[tuple[SteadyLoad, Plan]]) -> str:
    lines: list[tuple[str, list[str]]] = [
        ("users", [f"{load.users:,}" for load, _ in plans]),
        ("items", [f"{load.items:,}" for load, _ in plans]),
        ("events/s", [f"{load.events_per_s:,.0f}" for load, _ in plans]),
        ("lists/s", [f"{load.requests_per_s:,.0f}" for load, _ in plans]),
        ("**features workers**, one core each", [f"{found.feature_workers:,}" for _, found in plans]),
        ("**servers**, one core each", [f"{found.servers:,}" for _, found in plans]),
        ("rows of users", [f"{found.user_bytes / 1e9:,.1f} GB" for _, found in plans]),
        ("rows of items", [f"{found.item_bytes / 1e9:,.1f} GB" for _, found in plans]),
        ("**Redis nodes** of 64 GB, without replicas", [f"{found.redis_nodes:,}" for _, found in plans]),
        ("item table in each process", [f"{found.table_bytes / 1e9:,.2f} GB" for _, found in plans]),
        ("examples/s at most", [f"{found.examples_per_s:,.0f}" for _, found in plans]),
        ("of which **one learner** takes", [f"{found.learner_share:.0%}" for _, found in plans]),
    ]
    head = "| | small | middle | large |\n| --- | --- | --- | --- |"
    return "\n".join((head, *(f"| {what} | {' | '.join(cells)} |" for what, cells in lines)))


def _worked(load: SteadyLoad, found: Plan) -> list[str]:
    partitions = 1 << (found.feature_workers - 1).bit_length()
    steps = [
        f"**Events.** {load.events_per_s:,.0f}/s need {found.feature_workers} features workers; {partitions} partitions leave "
        "room to grow, since workers beyond the partitions stand idle. Each of 3 brokers takes the events, their item actions "
        "and examples: measure bytes, not records.",
        f"**Rows.** {(found.user_bytes + found.item_bytes) / 1e9:,.0f} GB in {found.redis_nodes} nodes, as many replicas again. "
        "`HEADWATER_STORE_REDIS_URL` names one address: a proxy before the nodes (Envoy's, or a managed cluster's), which "
        "spreads keys by user and item.",
        f"**Answers.** {load.requests_per_s:,.0f} lists/s need {found.servers} servers of one core, more on failure of a zone. "
        f"Each holds all items: {found.table_bytes / 1e9:.1f} GB for the table, the same again while it grows, and the index "
        "of the nearest neighbours. Of the table, several server processes on a machine (`HEADWATER_SERVER_PROCESSES`) hold the "
        "text vectors once.",
        f"**Learning.** Up to {found.examples_per_s:,.0f} examples/s come, and one learner takes {found.learner_share:.0%} of "
        "them. It falls behind for good, and ConsumerLagHigh says so. Nearly all of them are negatives: a `keep_negatives` of "
        f"about {found.learner_share:.2g} in the tasks file fits them to one learner.",
        f"**Catalogue.** {load.items:,} items are encoded once, when they are first read, on one core: start the worker ahead of "
        "the rest. Afterwards it has changes alone to encode; texts that it has seen cost nothing.",
    ]
    return [f"### Worked: {load.users / 1e6:,.0f} million users, {load.events_per_s:,.0f} events/s", *steps]


def _signs() -> str:
    rows = (
        ("lag of the events grows, workers' cores are full", "features workers, up to the partitions"),
        ("event to feature over 1 s, cores idle", "look at Redis: latency, then memory; more nodes"),
        ("99th percentile over 50 ms, servers' cores full", "servers"),
        ("RESOURCE_EXHAUSTED", "servers; `HEADWATER_SERVER_MAX_IN_FLIGHT` only where latency has room"),
        ("Redis over 60 % of its memory", "nodes, or a shorter time to live"),
        (
            "lag of the examples grows",
            "one learner is one core: a smaller `keep_negatives` in the tasks file",
        ),
    )
    return "\n".join(("| sign | add |", "| --- | --- |", *(f"| {sign} | {add} |" for sign, add in rows)))


def _ends(learner: float, results: Mapping[str, Any]) -> str:
    table = results["store"]["item_table_bytes"]
    rows = (
        ("features workers", "partitions of the events topic", "a topic with more partitions, and a replay into it"),
        ("one user's events", "one core: they are folded in order", "nothing needs more; a user that does is a robot"),
        (
            "one learner",
            f"{learner:,.0f} examples/s",
            "`keep_negatives` in the tasks file: a part of the negatives is learned from, and predictions are corrected for it",
        ),
        (
            "item table",
            f"{8e9 / table:,.0f} items in 8 GB a process",
            "systems for parts of the catalogue (by type or country), each with a Kafka of its own",
        ),
        (
            "catalogue worker",
            "one core of encoding",
            "a machine with a GPU for the first reading; its vectors come by the same topic",
        ),
        (
            "Redis",
            "memory and writes of one node",
            "nodes behind one address, which spreads the keys; it was not tried here",
        ),
    )
    head = "| part | ends at | what replaces it |\n| --- | --- | --- |"
    return "\n".join((head, *(f"| {part} | {at} | {instead} |" for part, at, instead in rows)))
