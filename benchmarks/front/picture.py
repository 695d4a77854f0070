"""Picture of the demo's output: what it prints at its end, as an SVG of a terminal."""

import io
import re
from collections.abc import Mapping
from typing import Any

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme

from deploy.demo.report import quality_table, system_table

__all__ = ["picture"]

_COLUMNS = 92
_THEME = TerminalTheme(
    (16, 21, 28),
    (230, 235, 241),
    [
        (43, 54, 68),
        (255, 157, 148),
        (95, 211, 154),
        (245, 194, 107),
        (108, 178, 255),
        (198, 160, 246),
        (125, 211, 225),
        (220, 227, 235),
    ],
)
# Without the web fonts that rich's own format fetches from another host.
_FORMAT = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code, ", "")


def picture(report: Mapping[str, Any]) -> str:
    """SVG of the two tables of a demo's report; the same report gives the same picture."""
    console = Console(record=True, width=_COLUMNS, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    console.print("[bold green]$[/] make demo\n")
    console.print(quality_table(report))
    console.print(system_table(report))
    return console.export_svg(title="headwater demo", theme=_THEME, code_format=_FORMAT, unique_id="demo")
