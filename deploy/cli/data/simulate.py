"""`headwater simulate`: a synthetic catalogue and its events, as files for `headwater produce` and `headwater replay`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from deploy.cli.connection import console

__all__ = ["register", "simulate"]


def register(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command()(simulate)


def simulate(
    out: Annotated[Path, typer.Option(help="Directory of catalogue.jsonl, events.jsonl and oracle.jsonl.")] = Path(
        "build/simulated"
    ),
    kinds: Annotated[
        Path | None,
        typer.Option(
            "--catalogue", exists=True, dir_okay=False, help="TOML file of item types and rates; else a newsroom with a shop."
        ),
    ] = None,
    users: Annotated[int, typer.Option(min=1)] = 300,
    items: Annotated[int, typer.Option(min=1, help="Of all types together.")] = 800,
    days: Annotated[float, typer.Option(min=0.01, help="How long the users are watched.")] = 14.0,
    sessions_per_day: Annotated[float, typer.Option(min=0.01, help="Visits of each user; eight items are shown in each.")] = 1.5,
    shift_at: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Fraction of the days after which every taste is drawn again; 1 for never.")
    ] = 0.6,
    begin: Annotated[
        datetime, typer.Option(help="First day, UTC. A running stack forgets users whose last event is 180 days old.")
    ] = datetime(2024, 1, 1),  # typer reads the default
    seed: Annotated[int, typer.Option(help="The same seed and sizes give the same files.")] = 0,
) -> None:
    """Make a synthetic catalogue and its users' events with known true rates: no real users, no real items.

    Users have hidden tastes over topics; items have made-up titles. Events are in order of time. oracle.jsonl holds, for each
    impression by its event_id, the true chance of every event that may follow, and the expected log1p of seconds read.

    Then: headwater replay OUT/events.jsonl --catalogue OUT/catalogue.jsonl, or with a stack up: headwater produce
    OUT/catalogue.jsonl --catalogue, and headwater produce OUT/events.jsonl.
    """
    import json
    import math

    import numpy as np
    from google.protobuf.json_format import MessageToJson
    from google.protobuf.message import Message

    from training.simulation.simulation import Simulation, SimulationConfig
    from training.simulation.synthetic_catalogue import NEWSROOM, load_synthetic_catalogue

    begins_at = begin.replace(tzinfo=UTC).timestamp()
    config = SimulationConfig(
        users=users, items=items, days=days, sessions_per_day=sessions_per_day, shift_at=shift_at, begins_at=begins_at
    )
    simulation = Simulation(config, np.random.default_rng(seed), NEWSROOM if kinds is None else load_synthetic_catalogue(kinds))

    def line(message: Message) -> str:
        return MessageToJson(message, preserving_proto_field_name=True, indent=None, ensure_ascii=False) + "\n"

    out.mkdir(parents=True, exist_ok=True)
    with (out / "catalogue.jsonl").open("w", encoding="utf-8") as catalogue:
        catalogue.writelines(line(change) for change in simulation.catalogue())
    counts: dict[str, int] = {}
    with (
        (out / "events.jsonl").open("w", encoding="utf-8") as events,
        (out / "oracle.jsonl").open("w", encoding="utf-8") as oracle,
        Progress(console=console) as progress,
    ):
        task = progress.add_task("simulated days", total=days)
        for event, truth in simulation.events():
            events.write(line(event))
            kind = event.action.name or str(event.WhichOneof("body"))
            counts[kind] = counts.get(kind, 0) + 1
            if truth is not None:
                seconds = None if math.isnan(truth.log_read_seconds) else truth.log_read_seconds
                rates = {"event_id": event.event_id, **truth.chances, "log_read_seconds": seconds}
                oracle.write(json.dumps(rates) + "\n")
                progress.update(task, completed=(event.occurred_at.seconds - begins_at) / 86_400)
        progress.update(task, completed=days)
    shown = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
    console.print(f"Synthetic: {shown} of {users:,} users on {items:,} items, in {out}", soft_wrap=True)
