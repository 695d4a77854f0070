"""Files of figures, benchmarks/results/*.json: kept between runs by section, each with what it was measured on."""

import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from rich.console import Console

from benchmarks.page import write_part

__all__ = ["Section", "measure_sections", "rounded"]

_HERE = Path(__file__).parent

Section = Callable[[Callable[[str], None]], dict[str, Any]]
"""Measures one section of a benchmark; it is given what to tell of its progress."""


def measure_sections(
    name: str,
    sections: Mapping[str, Section],
    *,
    part: Callable[[Mapping[str, Any]], str],
    charts: Callable[[Mapping[str, Any]], Mapping[str, str]],
    headline: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda results: {},
    command: str = "",
    directory: Path = _HERE,
) -> None:
    """Measures sections one after the other and writes the figures, the part of the page and the charts after each.

    So an interrupted run keeps what it has, and the figures of sections that are not named stay as they are. `headline` makes
    of all sections the figures next to them; `command` is what writes all of it, where that is not `make bench-NAME`.
    """
    console, began = Console(highlight=False), time.perf_counter()
    path = directory / "results" / f"{name}.json"
    results: dict[str, Any] = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    for section, measure in sections.items():
        start = time.perf_counter()

        def say(text: str, section: str = section) -> None:
            console.print(f"{time.perf_counter() - began:6.0f} s  {section}: {text}")

        results[section] = measure(say)
        results[section]["measured"] = {
            "seconds": round(time.perf_counter() - start, 1),
            "python": platform.python_version(),
            "torch": torch.__version__.partition("+")[0],
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
        }
        results = rounded({**results, **headline(results)})  # the page shows what stands in the file, to the last digit
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
        write_part(directory, name, part(results), charts(results), command=command)
    console.print(f"{time.perf_counter() - began:6.0f} s  written: {path}, {directory / 'README.md'}")


def rounded(value: Any) -> Any:
    """Figures to six digits: more are noise, and would change with every run.

    >>> rounded({"seconds": [0.123456789, 12]})
    {'seconds': [0.123457, 12]}
    """
    if isinstance(value, dict):
        return {key: rounded(held) for key, held in value.items()}
    if isinstance(value, list):
        return [rounded(held) for held in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value
