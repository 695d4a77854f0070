"""Section on balancing: every method on real data."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.quality import headwater, movielens, steam
from benchmarks.quality.examples import by_count
from benchmarks.quality.together import by_name, rated
from training.balancing import BALANCINGS
from training.encoding.cache import Encoder
from training.trainer import Trainer

__all__ = ["measure", "measure_steam"]

_STEAM_USERS = 4
"""One user in so many is taken: every way of balancing learns the set from scratch."""


def measure(data: movielens.Data, *, seeds: Sequence[int], say: Callable[[str], None]) -> dict[str, Any]:
    """Figures by way of balancing, and task and window, one for each seed; ready for JSON."""
    examples, runs = data.examples("every_event", by_count(len(data.pairs), 1)), []
    for seed in seeds:
        base = headwater.make_trainer(data.vocabulary, examples.vectors.shape[1], seed).config
        found: dict[str, dict[str, float]] = {}
        for name in BALANCINGS:
            say(f"{name}, seed {seed}")
            trainer = Trainer(replace(base, balancing=name), data.vocabulary, seed=seed)
            found[name] = rated(examples, headwater.run(examples, trainer))
        runs.append(found)
    return {"seeds": list(seeds), "figures": by_name(runs)}


def measure_steam(
    directory: Path, encoder: Encoder, *, seeds: Sequence[int], say: Callable[[str], None], one_user_in: int = _STEAM_USERS
) -> dict[str, Any]:
    """The same by task and split of what was not learned; a seed draws the splits too."""
    pairs, names = steam.load(directory, one_user_in=one_user_in)
    games = sorted({pair.game for pair in pairs})
    vectors = dict(zip(games, steam.centred(encoder.encode([names.get(game, "") for game in games])), strict=True))
    runs: list[dict[str, dict[str, float]]] = []
    for seed in seeds:
        found: dict[str, dict[str, float]] = {name: {} for name in BALANCINGS}
        for split, (learned, judged) in steam.splits(pairs, seed=seed).items():
            say(f"{split}, seed {seed}: folding {len(learned):,} of {len(pairs):,} rows")
            world = steam.Steam(vectors, learned, judged)
            for name in BALANCINGS:
                say(f"{split}, seed {seed}: {name}")
                figures = world.judge(world.learn(seed, balancing=name))
                found[name] |= {f"played, {split}": figures["log_loss"], f"hours, {split}": figures["rmse"]}
        runs.append(found)
    return {
        "seeds": list(seeds),
        "pairs": len(pairs),
        "users": len({pair.user for pair in pairs}),
        "figures": by_name(runs),
    }
