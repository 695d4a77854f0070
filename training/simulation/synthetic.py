"""Synthetic world as what a project holds: its events and items, the last of them just before now."""

from pathlib import Path

import msgspec
import numpy as np

from feature_repo.decode import check_event
from feature_repo.decoded_event import DecodedEvent
from headwater.v1.catalogue_pb2 import Item
from training.simulation.simulation import Simulation, SimulationConfig
from training.simulation.synthetic_catalogue import load_synthetic_catalogue

__all__ = ["Simulated", "simulated"]

_DAY = 86_400.0


class Simulated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A synthetic history and catalogue in place of recorded ones; see training.simulation."""

    catalogue: Path
    users: int = 200
    items: int = 600
    days: float = 14.0
    """That lie behind, up to now."""
    sessions_per_day: float = 1.5
    """Of each user, on average."""
    seed: int = 0


def simulated(project: Simulated, *, now: float) -> tuple[list[DecodedEvent], list[Item]]:
    """Events in order of time, and items; what would follow a session later than `now` is left out.

    Raises:
        SyntheticCatalogueError: the file of the catalogue cannot be used.
    """
    config = SimulationConfig(
        users=project.users,
        items=project.items,
        days=project.days,
        sessions_per_day=project.sessions_per_day,
        begins_at=float(round(now - project.days * _DAY)),
        shift_at=1.0,
    )
    simulation = Simulation(config, np.random.default_rng(project.seed), load_synthetic_catalogue(project.catalogue))
    items = [change.upsert for change in simulation.catalogue()]
    found = (check_event(event, now) for event, _ in simulation.events())
    return [event for event in found if isinstance(event, DecodedEvent) and event.at <= now], items
