"""Owns a synthetic world as what a project holds: its events and items, the last of them just before now."""

import numpy as np

from feature_repo.decode import check_event
from feature_repo.occurrence import Occurrence
from protos.catalogue_pb2 import Item
from training.project import Simulated
from training.simulation import Simulation, SimulationConfig
from training.world import load_world

__all__ = ["simulated"]

_DAY = 86_400.0


def simulated(project: Simulated, *, now: float) -> tuple[list[Occurrence], list[Item]]:
    """Events in order of time, and items; raises WorldError. What would follow a session later than `now` is left out."""
    config = SimulationConfig(
        users=project.users,
        items=project.items,
        days=project.days,
        sessions_per_day=project.sessions_per_day,
        begins_at=float(round(now - project.days * _DAY)),
        shift_at=1.0,
    )
    simulation = Simulation(config, np.random.default_rng(project.seed), load_world(project.world))
    items = [change.upsert for change in simulation.catalogue()]
    found = (check_event(event, now) for event, _ in simulation.events())
    return [event for event in found if isinstance(event, Occurrence) and event.at <= now], items
