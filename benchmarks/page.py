"""benchmarks/README.md as a page of parts, each rewritten by its benchmark between two marks, and the charts."""

from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_part"]


def write_part(directory: Path, name: str, text: str, charts: Mapping[str, str], *, command: str = "") -> None:
    """Writes `text` into README.md of `directory`, in place of the part `name` there or at the end, and SVGs into charts/.

    Args:
        command: what rewrites the part; `make bench-NAME` where it is empty.
    """
    (directory / "charts").mkdir(parents=True, exist_ok=True)
    for file, svg in charts.items():
        (directory / "charts" / file).write_text(svg, encoding="utf-8")
    readme = directory / "README.md"
    begin, end = f"<!-- {name}: written by `{command or f'make bench-{name}'}`, not by hand -->", f"<!-- /{name} -->"
    page = readme.read_text(encoding="utf-8") if readme.exists() else "# Benchmarks\n\n"
    if begin not in page:
        page = f"{page.rstrip()}\n\n{begin}\n{end}\n"
    before, after = page.split(begin)[0], page.split(end)[1]
    readme.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
