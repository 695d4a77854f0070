"""JSON that Grafana is provisioned with, made from the dashboards."""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.capacity import capacity
from deploy.grafana.freshness import freshness
from deploy.grafana.learning import learning
from deploy.grafana.service import service

__all__ = ["DASHBOARDS", "generated"]

DASHBOARDS = Path(__file__).parent / "dashboards"


def generated() -> dict[Path, str]:
    """Content by path of each dashboard's file."""
    built = [make() for make in (service, freshness, learning, capacity)]
    return {DASHBOARDS / f"{one.uid}.json": JSONEncoder(sort_keys=True, indent=2).encode(one) + "\n" for one in built}
