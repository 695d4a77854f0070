"""Command that measures what sizing rests on and rewrites docs/capacity.md: `python -m benchmarks.capacity`."""

import argparse
import shutil
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.capacity import measure, page
from benchmarks.results import Section, measure_sections

_BUILD = Path("build") / "capacity"
_RESULTS = Path(__file__).parents[1] / "results"
_PAGE = Path(__file__).parents[2] / "docs" / "capacity.md"


def main() -> None:
    """Measures the named sections, or all; the figures of the others stay as they are."""
    shutil.rmtree(_BUILD, ignore_errors=True)
    sections: dict[str, Section] = {
        "store": partial(measure.store, _BUILD.resolve() / "store"),
        "processes": partial(measure.processes, _BUILD.resolve() / "system"),
    }
    parser = argparse.ArgumentParser(prog="python -m benchmarks.capacity", description=main.__doc__)
    parser.add_argument("sections", nargs="*", choices=[*sections, []], metavar="SECTION", help=", ".join(sections))
    chosen = parser.parse_args().sections or sections
    measure_sections(
        "capacity",
        {name: sections[name] for name in chosen},
        part=page.summary,
        charts=lambda results: {},
        command="make capacity",
    )
    found, quality = (msgspec.json.decode((_RESULTS / f"{name}.json").read_bytes()) for name in ("capacity", "quality"))
    _PAGE.write_text(page.page(found, quality), encoding="utf-8")


if __name__ == "__main__":
    main()
