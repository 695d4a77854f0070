"""`python -m benchmarks.front`: writes README.md's table and docs/pictures/demo.svg from benchmarks/results/.

With `--demo REPORT` it first takes over the report of a demo: `headwater demo && python -m benchmarks.front --demo
build/demo/report.json`.
"""

import argparse
import shutil
from pathlib import Path

from benchmarks.front.page import PICTURE, README, RESULTS, load, table, with_table
from benchmarks.front.picture import picture

__all__ = ["main"]


def main() -> None:
    """Writes both."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--demo", type=Path, metavar="REPORT", help="report.json of a demo whose figures are to be shown")
    taken = parser.parse_args().demo
    if taken is not None:
        shutil.copyfile(taken, RESULTS / "demo.json")
    results = load(RESULTS)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture(results["demo"]), encoding="utf-8")
    README.write_text(with_table(README.read_text(encoding="utf-8"), table(results)), encoding="utf-8")


if __name__ == "__main__":
    main()
